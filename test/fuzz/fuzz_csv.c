#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "opsd/format/csv.h"
#include "opsd/store/value.h"

/*
 * CSV from users: the same rows whatever the pieces; a value that is written as
 * a cell and read again is the same.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int
read_again(const struct csv_cell *cells, size_t n, uint64_t line, void *arg)
{
	*(json_t **)arg = csv_value(&cells[0]);
	return (0);
}

static void
same_again(const json_t *v)
{
	struct buf line = { 0 }, was = { 0 }, is = { 0 };
	json_t *again = NULL;
	struct csv *c = csv_new(&(struct csv_options){ 0 }, SIZE_MAX, read_again, &again);

	csv_write(&line, v);
	buf_add(&line, ",x", 2);
	if (csv_feed(c, line.data, line.len) != 0 || csv_end(c) != 0 || again == NULL)
		abort();
	value_text_json(&was, v);
	value_text_json(&is, again);
	if (was.len != is.len || memcmp(was.data, is.data, was.len) != 0)
		abort();
	json_decref(again);
	csv_free(c);
	buf_free(&line);
	buf_free(&was);
	buf_free(&is);
}

static int
on_row(const struct csv_cell *cells, size_t n, uint64_t line, void *arg)
{
	struct buf *out = arg;

	buf_u64(out, line);
	for (size_t i = 0; i < n; i++) {
		json_t *v = csv_value(&cells[i]);

		if (v != NULL)
			same_again(v);
		json_decref(v);
		buf_u8(out, (uint8_t)cells[i].quoted);
		buf_blob(out, cells[i].p, cells[i].n);
	}
	return (0);
}

static int
parse(const uint8_t *data, size_t n, size_t step, struct buf *out)
{
	struct csv *c = csv_new(&(struct csv_options){ 0 }, 1 << 16, on_row, out);
	int rc = 0;

	for (size_t at = 0; at < n && rc == 0; at += step)
		rc = csv_feed(c, data + at, n - at < step ? n - at : step);
	if (rc == 0)
		rc = csv_end(c);
	if (rc == -1 && (csv_error(c) == NULL || csv_line(c) == 0))
		abort();
	csv_free(c);
	return (rc);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf a = { 0 }, b = { 0 };

	if (parse(data, n, n + 1, &a) != parse(data, n, 1 + n / 7, &b) || a.len != b.len ||
	    (a.len > 0 && memcmp(a.data, b.data, a.len) != 0))
		abort();
	buf_free(&a);
	buf_free(&b);
	return (0);
}
