#include "config.h"

#include "opsd/search/sorter.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

struct sorter_entry {
	uint32_t len, klen;
	uint8_t bytes[];
};

void
sorter_clear(struct sorter *s, uint64_t keep)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->heap[i]);
	s->n = s->left = s->bytes = 0;
	s->keep = keep;
}

void
sorter_free(struct sorter *s)
{
	sorter_clear(s, 0);
	free(s->heap);
	s->heap = NULL;
	s->cap = 0;
}

static int
entry_cmp(const struct sorter_entry *a, const struct sorter_entry *b)
{
	return (mem_order(a->bytes, a->len, b->bytes, b->len));
}

static void
swap_rows(struct sorter *s, size_t a, size_t b)
{
	struct sorter_entry *e = s->heap[a];

	s->heap[a] = s->heap[b];
	s->heap[b] = e;
}

static void
sift_up(struct sorter *s, size_t i)
{
	for (size_t up; i > 0; i = up) {
		up = (i - 1) / 2;
		if (entry_cmp(s->heap[i], s->heap[up]) <= 0)
			return;
		swap_rows(s, i, up);
	}
}

static void
sift_down(struct sorter *s, size_t i, size_t n)
{
	for (size_t kid; (kid = 2 * i + 1) < n; i = kid) {
		if (kid + 1 < n && entry_cmp(s->heap[kid + 1], s->heap[kid]) > 0)
			kid++;
		if (entry_cmp(s->heap[i], s->heap[kid]) >= 0)
			return;
		swap_rows(s, i, kid);
	}
}

static void
replace_greatest(struct sorter *s, struct sorter_entry *e)
{
	if (entry_cmp(e, s->heap[0]) >= 0) {
		free(e);
		return;
	}
	s->bytes += (size_t)e->len - s->heap[0]->len;
	free(s->heap[0]);
	s->heap[0] = e;
	sift_down(s, 0, s->n);
}

void
sorter_add(struct sorter *s, const struct buf *entry, size_t klen)
{
	struct sorter_entry *e = xmalloc(sizeof(*e) + entry->len);

	e->len = (uint32_t)entry->len;
	e->klen = (uint32_t)klen;
	memcpy(e->bytes, entry->data, entry->len);
	if (s->n >= s->keep) {
		replace_greatest(s, e);
		return;
	}
	if (s->n == s->cap) {
		s->cap = s->cap == 0 ? 64 : 2 * s->cap;
		s->heap = xrealloc(s->heap, s->cap * sizeof(*s->heap));
	}
	s->heap[s->n++] = e;
	s->bytes += e->len;
	sift_up(s, s->n - 1);
}

/* The greatest that is left goes to the end. */
int
sorter_step(struct sorter *s)
{
	if (s->left == 0)
		s->left = s->n;
	if (s->left <= 1)
		return (1);
	swap_rows(s, 0, --s->left);
	sift_down(s, 0, s->left);
	return (0);
}

const uint8_t *
sorter_key(const struct sorter *s, size_t i, size_t *klen)
{
	const struct sorter_entry *e = s->heap[i];

	*klen = e->klen;
	return (e->bytes + e->len - e->klen);
}
