#ifndef HL_KEY_H
#define HL_KEY_H

#include <jansson.h>

#include "common/base/buf.h"

/*
 * Keys in bytes that sort as their values: null < false < true < numbers <
 * strings.  1 and 1.0 are one number; integers of 64 bits are exact.  Each
 * encoding delimits itself, so another may follow.
 *
 *   null 01, false 02, true 03
 *   number 05, 8 bytes of the double (order-preserving, big-endian), 8 bytes
 *   of what the double misses of the integer (biased by 2^63)
 *   string 08, bytes with 00 as 00 FF, then 00
 */
#define KEY_MAX      2100 /* encoded: 1 + 2 * KEY_TEXT_MAX + 1 at most */
#define KEY_TEXT_MAX 1024

/* -1 for arrays, objects and too long text: they have no key form. */
int key_from_json(struct buf *b, const json_t *v);
int key_from_string(struct buf *b, const char *s, size_t n);
/* Next key at r as JSON (new reference), NULL when broken. */
json_t *key_to_json(struct rd *r);
/* Length of the key at p, 0 when broken (also: text that is not UTF-8). */
size_t key_len(const uint8_t *p, size_t n);
/* As key_len without a look at the text: values in index keys may be cut. */
size_t key_span(const uint8_t *p, size_t n);
int key_is_number(const uint8_t *p);
/* Of an index: text of which only the beginning is there.  scratch: for texts with 00 in them. */
int key_is_cut(const uint8_t *p, size_t n, struct buf *scratch);

/* Arrays and objects have no key; RANK_DEEP alone stands for them in orders and indexes. */
enum {
	RANK_NULL = 1,
	RANK_FALSE = 2,
	RANK_TRUE = 3,
	RANK_NUMBER = 5,
	RANK_TEXT = 8,
	RANK_DEEP = 10,
};

/* What a key holds: a value that can be compared with any other such value. */
struct scalar {
	uint8_t rank; /* the first byte of its key */
	double d;
	int64_t miss;  /* integer - d */
	const char *s; /* borrowed, not terminated */
	size_t n;
};

int scalar_from_json(struct scalar *sc, const json_t *v); /* -1: array or object */
void scalar_integer(struct scalar *sc, int64_t i);
void scalar_real(struct scalar *sc, double d);
/* The key at p; text with 00 in it is put into scratch.  -1 when broken. */
int scalar_from_key(struct scalar *sc, const uint8_t *p, size_t n, struct buf *scratch);
/* 1 with *i when the number is a whole one of 64 bits. */
int scalar_is_integer(const struct scalar *sc, int64_t *i);
int scalar_cmp(const struct scalar *a, const struct scalar *b);
void key_from_scalar(struct buf *b, const struct scalar *sc); /* text of any length */
int key_bound(struct buf *b, const struct scalar *sc); /* as an index has it; 1: its text was cut */

/* Row key: big-endian table id, then the key. */
void key_row(struct buf *b, uint32_t table, const uint8_t *key, size_t klen);
/* Index key: table id, attribute id, value, primary key. */
void key_index(struct buf *b, uint32_t table, uint16_t attr, const uint8_t *value, size_t vlen,
    const uint8_t *key, size_t klen);
/* Index key of a row that is not visible: attribute id 0, when it was cleared, primary key. */
void key_tombstone(struct buf *b, uint32_t table, uint64_t time, const uint8_t *key, size_t klen);
/* Prefix that ends all rows of a table: big-endian id + 1. */
void key_table_end(struct buf *b, uint32_t table);

#endif
