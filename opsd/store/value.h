#ifndef HL_VALUE_H
#define HL_VALUE_H

#include <jansson.h>

#include "common/base/buf.h"
#include "opsd/store/key.h"

/* Attribute values: MessagePack in its smallest form, JSON outside. */

#define VALUE_MAX_DEPTH 64

/* Whether v is nested at most VALUE_MAX_DEPTH deep: ask before value_pack. */
int value_depth_ok(const json_t *v);
int value_utf8(const char *s, size_t n);
void value_pack(struct buf *b, const json_t *v);
void value_pack_scalar(struct buf *b, const struct scalar *sc);
void value_pack_map(struct buf *b, size_t n); /* the head of n pairs that follow */
/* Whether p is exactly one value that value_pack could have made types of. */
int value_valid(const uint8_t *p, size_t n);
json_t *value_to_json(const uint8_t *p, size_t n); /* new reference; NULL when broken */
/*
 * The same of what others packed: also single floats; integers beyond 64 bits with sign
 * become floating-point, NaN and infinities null.  No bytes, no extensions.
 */
json_t *value_from_others(const uint8_t *p, size_t n, int max_depth);
/* As JSON text, appended. Numbers in their shortest exact form. */
void value_text(struct buf *out, const uint8_t *p, size_t n);
void value_text_string(struct buf *out, const char *s, size_t n); /* quoted */
void value_text_real(struct buf *out, double d);
void value_text_scalar(struct buf *out, const struct scalar *sc);
/* Any tree as JSON text, appended (shortest numbers, unlike json_dumps). */
void value_text_json(struct buf *out, const json_t *v);
/* The value at p to compare with others (text borrowed from p); -1: array, object or broken. */
int value_scalar(struct scalar *sc, const uint8_t *p, size_t n);

#endif
