#ifndef HL_FIELD_H
#define HL_FIELD_H

#include "opsd/store/key.h"
#include "opsd/store/row.h"
#include "opsd/store/table.h"

/* What a row has under a name: an attribute, its key, one of its times.  No I/O. */
enum field_kind { FIELD_ATTR, FIELD_KEY, FIELD_CREATED, FIELD_UPDATED };

struct field {
	enum field_kind kind;
	const struct attribute *attr; /* of the table, which must outlive it */
};

/* A row as read: key in bytes and state.  Both borrowed. */
struct row_view {
	const uint8_t *key;
	size_t klen;
	struct row row;
	struct buf scratch; /* for keys with a NUL in them */
};

struct field field_of(const struct table *t, const struct attribute *a);
/* 0, or -1 when the table has no such attribute. */
int field_find(struct field *f, const struct table *t, const char *name);
/* Keys in the order of its values are there: the rows' own, or an index. */
int field_indexed(const struct field *f);
/* The attribute's value in the row, NULL when it has none (FIELD_ATTR only). */
const struct attr *field_attr(const struct field *f, const struct row_view *v);
/* The value to compare; null when missing; -1: an array or object. */
int field_scalar(const struct field *f, struct row_view *v, struct scalar *out);
/* The value as bytes that sort, appended: any text whole, arrays and objects one and last. */
void field_key(const struct field *f, struct row_view *v, struct buf *out);
/*
 * The same as an index has it, text cut to KEY_TEXT_MAX bytes; 0 when it has no entry for
 * the row: in an index that is not whole, what is missing, arrays and objects have none.
 */
int field_index_key(const struct field *f, struct row_view *v, struct buf *out);
/*
 * Whether the entry's value is the row's: it may be one that the row has no more (an attribute
 * dropped and made again).
 */
int field_index_has(const struct field *f, struct row_view *v, struct buf *scratch,
    const uint8_t *value, size_t n);
/* Where an index key has its value and the row's key (key_index); -1: it is broken. */
int field_index_entry(const uint8_t *p, size_t n, const uint8_t **value, size_t *vlen,
    const uint8_t **key, size_t *klen);
/* Length of the value at p, at the front of the rest of an index key; 0 when broken. */
size_t field_key_span(const uint8_t *p, size_t n);
void row_view_free(struct row_view *v);

#endif
