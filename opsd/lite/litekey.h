#ifndef HL_LITEKEY_H
#define HL_LITEKEY_H

#include "opsd/lite/litevalue.h"

/*
 * The key of a row in bytes (opsd/store/key.h) out of the columns of a table's primary key.  One
 * column: its number or text; a BLOB is the text "$b64:" and base64, and text that begins so, or with
 * "$text:", has "$text:" before it.  Several: the text of a JSON array of them, BLOBs as in litevalue.h.
 */
#define LITE_KEYS_MAX 8

/* Appended to out; why it cannot be, or NULL. */
const char *litekey_make(struct buf *out, const struct litevalue *values, int n);
/* The columns, for each a litevalue_free; why it is no such key, or NULL. */
const char *litekey_read(struct litevalue *values, int n, const uint8_t *key, size_t klen);

#endif
