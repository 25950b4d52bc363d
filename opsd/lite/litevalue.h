#ifndef HL_LITEVALUE_H
#define HL_LITEVALUE_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

/*
 * A value as SQLite has it, and as rows of the node have it.  NULL, integers of 64 bits, reals and
 * text are themselves.  What rows have no kind for is an object of one member: a BLOB {"$b64": text},
 * text that is not UTF-8 {"$text64": text}, infinities {"$real": "inf"}.  The other way round true
 * and false are 1 and 0, arrays and other objects their JSON text.
 */
struct litevalue {
	int type; /* SQLITE_INTEGER and its like */
	int64_t i;
	double d;
	const char *p; /* text and BLOBs */
	size_t n;
	char *owned; /* where p is, when it is this value's own */
};

void litevalue_free(struct litevalue *v);
/* Column of a row that a statement gave; borrowed until its next step. */
void litevalue_column(struct litevalue *v, sqlite3_stmt *s, int column);
/* SQLite's result code; the value must outlive the statement's use. */
int litevalue_bind(const struct litevalue *v, sqlite3_stmt *s, int parameter);
void litevalue_pack(struct buf *b, const struct litevalue *v); /* appended, as in rows */
/* -1: it is no value. */
int litevalue_read(struct litevalue *v, const uint8_t *p, size_t n);
int litevalue_same(const struct litevalue *a, const struct litevalue *b);

/* What a column makes of values, by the type that it was declared with. */
enum lite_affinity { AFFINITY_NONE, AFFINITY_TEXT, AFFINITY_NUMERIC, AFFINITY_REAL };
enum lite_affinity litevalue_affinity(const char *declared);
/* As such a column would keep it. */
void litevalue_fit(struct litevalue *v, enum lite_affinity affinity);

#endif
