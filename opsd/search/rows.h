#ifndef HL_ROWS_H
#define HL_ROWS_H

#include "opsd/format/format.h"
#include "opsd/search/condition.h"

/* The rows of a result, one after the other, as bytes of a format.  No I/O. */
#define ROWS_UNKNOWN UINT32_MAX

struct rows_column {
	struct field field;
	char *given;     /* or a name, and `put` has the values */
	struct buf name; /* as the format has it before a value */
};

struct rows {
	enum format format;
	struct rows_column *cols;
	size_t ncols;
	int skip_missing; /* attributes that a row has not are left out */
	int counting;     /* only */
	int whole;        /* the count is written at the end */
	void (*put)(struct rows *r, size_t column, void *row); /* a value, into out */
	uint64_t shown;
	struct buf out;
};

void rows_free(struct rows *r);
void rows_column(struct rows *r, const struct field *f); /* once, however often it is asked for */
void rows_named(struct rows *r, const char *name);
/* count: how many there will be.  Unknown, MessagePack must stay whole in `out` until rows_end. */
void rows_begin(struct rows *r, uint32_t count);
void rows_add(struct rows *r, void *row); /* a struct row_view, or what `put` takes */
void rows_end(struct rows *r);

#endif
