#ifndef HL_CSV_H
#define HL_CSV_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

/*
 * CSV as RFC 4180 has it, in pieces of any size.  Cells are parted by commas; a cell that
 * begins with a quote ends with one, holds what it likes between, a quote as two.  Rows end
 * with CRLF, LF or CR; empty lines are none; a mark of byte order before the first is
 * skipped, and a first line such as sep=; says what parts cells.  Cells are UTF-8: without an
 * encoding, one that is not is read as windows-1252, and text that begins with the mark of
 * UTF-16 as that.  No I/O.
 */
struct csv_options {
	char delimiter;       /* '\0': a comma, or what sep= says */
	const char *encoding; /* of charset_find, or NULL: nobody said */
	int strict;           /* a cell that is not UTF-8 is an error */
};

struct csv_cell {
	const char *p; /* borrowed, not terminated */
	size_t n;
	int quoted;
};

/* A row, and the line that it begins on, from 1.  Not 0: enough. */
typedef int csv_row_fn(const struct csv_cell *cells, size_t n, uint64_t line, void *arg);

struct csv;

/* What `delimiter` may be. */
int csv_delimiter_ok(char c);
/* row_max: bytes of a row; o: borrowed until this returns.  NULL: such an encoding cannot be read. */
struct csv *csv_new(const struct csv_options *o, size_t row_max, csv_row_fn *row, void *arg);
void csv_free(struct csv *c);
/* 0; 1 when `row` had enough; -1 when this is no CSV: csv_error says why, csv_line where. */
int csv_feed(struct csv *c, const void *p, size_t n);
int csv_end(struct csv *c); /* nothing follows; as csv_feed */
const char *csv_error(const struct csv *c);
uint64_t csv_line(const struct csv *c);
uint64_t csv_mended(const struct csv *c); /* cells that were read as windows-1252 */

/*
 * A cell as a value, quoted or not: empty is null ("" is empty text); true and false,
 * TRUE and FALSE; null, NULL and undefined (csv_absent); a number as JSON writes it, so 007, +1 and .5 are text,
 * and so is a whole number beyond 64 bits, whose digits would be lost; an array or object in
 * JSON; text in the quotes of JSON, if it would be one of these without them, or holds a NUL;
 * else text.  New reference, NULL when it is not UTF-8.
 */
json_t *csv_value(const struct csv_cell *cell);
/* It says that the row has no such attribute. */
int csv_absent(const struct csv_cell *cell);

/* A value as a cell: csv_value reads it as the same. */
void csv_write(struct buf *out, const json_t *v);
void csv_write_text(struct buf *out, const char *s, size_t n);
/* A cell of the header, which is text whatever it looks like. */
void csv_write_name(struct buf *out, const char *s, size_t n);

#endif
