#ifndef HL_CHARSET_H
#define HL_CHARSET_H

#include <stddef.h>

#include "common/base/buf.h"

/* Text in other encodings as UTF-8, in pieces of any size.  No I/O. */
struct charset;

#define CHARSET_UTF8  "UTF-8"
#define CHARSET_UTF16 "UTF-16" /* by its mark of byte order */

/* How the C library calls what people call `name`, in any case; NULL: unknown. */
const char *charset_find(const char *name);
/* For a name of charset_find; NULL: the C library cannot read it here. */
struct charset *charset_new(const char *name);
void charset_free(struct charset *c);
/* Both append to out: 0, or -1 when that is no text in it, or ends within a character. */
int charset_decode(struct charset *c, const void *p, size_t n, struct buf *out);
int charset_end(const struct charset *c);
/* Any bytes as windows-1252, with the controls where it has no character. */
void charset_windows(struct buf *out, const char *p, size_t n);

#endif
