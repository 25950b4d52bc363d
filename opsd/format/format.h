#ifndef HL_FORMAT_H
#define HL_FORMAT_H

#include <jansson.h>

#include "common/base/buf.h"
#include "opsd/format/scan.h"
#include "opsd/store/key.h"

/* What bodies are written in: requests and answers alike, CSV for rows only.  No I/O. */
enum format { FORMAT_JSON, FORMAT_CBOR, FORMAT_MSGPACK, FORMAT_CSV };

const char *format_type(enum format f); /* "application/json" */
/* A request's body by its Content-Type (or NULL): JSON unless it says otherwise. */
enum format format_of(const char *content_type);
/* What an Accept header (or NULL) wants of what there is; rows: there is CSV, too.  JSON when unsure. */
enum format format_wanted(const char *accept, int rows);

/*
 * What a body has (scan.h); single surrogates in it are mended.  0, or the status for what is
 * wrong with it, with the text in *err.
 */
int format_scan(enum format f, struct scan *s, char *p, size_t n, char **err);
/* A body that was scanned; new reference, or NULL with a text for a 400 in *err. */
json_t *format_read(enum format f, const char *p, size_t n, int max_depth, char **err);

/*
 * Values, appended.  A stored one is in MessagePack.  In CSV a value is a cell:
 * null is empty, arrays and objects are JSON text.
 */
void format_json(enum format f, struct buf *out, const json_t *v);
void format_stored(enum format f, struct buf *out, const uint8_t *p, size_t n);
void format_scalar(enum format f, struct buf *out, const struct scalar *sc);
/* The name of a member, with what parts it from its value; in CSV it stands in the header. */
void format_name(enum format f, struct buf *out, const char *s, size_t n);

#endif
