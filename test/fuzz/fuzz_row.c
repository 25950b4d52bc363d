#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "opsd/store/row.h"

/*
 * Rows from peers: two in one input, the first byte says how long the first is.
 * What is read is written and read again as the same; merging takes any order.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
encode(const struct row *r, struct buf *b)
{
	buf_clear(b);
	row_encode(r, b);
}

static void
same(const struct row *x, const struct row *y)
{
	struct buf a = { 0 }, b = { 0 };

	encode(x, &a);
	encode(y, &b);
	if (a.len != b.len || memcmp(a.data, b.data, a.len) != 0)
		abort();
	buf_free(&a);
	buf_free(&b);
}

static void
rewrite(const struct row *r)
{
	struct buf b = { 0 };
	struct row back = { 0 };

	encode(r, &b);
	if (row_decode(&back, b.data, b.len) == -1)
		abort();
	same(r, &back);
	row_free(&back);
	buf_free(&b);
}

/* An empty row takes a row as it counts: what cleared hides is gone. */
static struct row
settled(const struct row *r)
{
	struct row s = { 0 };

	row_merge(&s, r);
	return (s);
}

static void
merge_both_ways(const struct row *x, const struct row *y)
{
	struct row a = settled(x), b = settled(y);

	row_merge(&a, y);
	row_merge(&b, x);
	same(&a, &b);
	if (row_merge(&a, x) || row_merge(&a, y) || row_merge(&a, &b))
		abort();
	rewrite(&a);
	row_free(&a);
	row_free(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct row x = { 0 }, y = { 0 };
	size_t first;

	if (n == 0)
		return (0);
	first = data[0] < n - 1 ? data[0] : n - 1;
	if (row_decode(&x, data + 1, first) == 0) {
		rewrite(&x);
		if (row_decode(&y, data + 1 + first, n - 1 - first) == 0)
			merge_both_ways(&x, &y);
	}
	row_free(&x);
	row_free(&y);
	return (0);
}
