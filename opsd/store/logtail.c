#include "config.h"

#include "opsd/store/logtail.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/base/frame.h"
#include "common/base/mem.h"

#define PIECES_MIN 64

struct piece {
	_Atomic unsigned refs;
	uint64_t first, last;
	struct buf bytes;
};

struct logtail {
	pthread_mutex_t lock;
	struct piece **pieces; /* a ring */
	size_t at, n, cap;     /* the oldest; how many; a power of two */
	size_t size;
};

struct logtail_iter {
	struct piece **pieces;
	size_t n, at;
	uint64_t after;
	struct rd rest; /* of the piece before `at` */
};

static void
piece_unref(struct piece *p)
{
	if (--p->refs > 0)
		return;
	buf_free(&p->bytes);
	free(p);
}

static struct piece *
piece_at(const struct logtail *t, size_t i)
{
	return (t->pieces[(t->at + i) & (t->cap - 1)]);
}

static size_t
piece_size(const struct piece *p)
{
	return (sizeof(*p) + p->bytes.cap);
}

struct logtail *
logtail_new(void)
{
	struct logtail *t = xcalloc(1, sizeof(*t));

	pthread_mutex_init(&t->lock, NULL);
	t->cap = PIECES_MIN;
	t->pieces = xcalloc(t->cap, sizeof(struct piece *));
	return (t);
}

static void
drop_oldest(struct logtail *t)
{
	struct piece *p = piece_at(t, 0);

	t->at = (t->at + 1) & (t->cap - 1);
	t->n--;
	t->size -= piece_size(p);
	piece_unref(p);
}

static void
drop_all(struct logtail *t)
{
	while (t->n > 0)
		drop_oldest(t);
}

void
logtail_clear(struct logtail *t)
{
	pthread_mutex_lock(&t->lock);
	drop_all(t);
	pthread_mutex_unlock(&t->lock);
}

void
logtail_free(struct logtail *t)
{
	if (t == NULL)
		return;
	drop_all(t);
	pthread_mutex_destroy(&t->lock);
	free(t->pieces);
	free(t);
}

static void
grow_ring(struct logtail *t)
{
	struct piece **more;

	if (t->n < t->cap)
		return;
	more = xcalloc(t->cap * 2, sizeof(struct piece *));
	for (size_t i = 0; i < t->n; i++)
		more[i] = piece_at(t, i);
	free(t->pieces);
	t->pieces = more;
	t->at = 0;
	t->cap *= 2;
}

void
logtail_add(struct logtail *t, uint64_t first, uint64_t last, struct buf *bytes)
{
	struct piece *p = xcalloc(1, sizeof(*p));

	p->refs = 1;
	p->first = first;
	p->last = last;
	p->bytes = *bytes;
	*bytes = (struct buf){ 0 };
	pthread_mutex_lock(&t->lock);
	if (t->n > 0 && piece_at(t, t->n - 1)->last + 1 != first)
		drop_all(t);
	grow_ring(t);
	t->pieces[(t->at + t->n++) & (t->cap - 1)] = p;
	t->size += piece_size(p);
	while (t->size > LOGTAIL_MAX)
		drop_oldest(t);
	pthread_mutex_unlock(&t->lock);
}

/* The piece that has an entry, which is in one of them. */
static size_t
find_piece(const struct logtail *t, uint64_t seq)
{
	size_t low = 0, high = t->n - 1;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (piece_at(t, mid)->last < seq)
			low = mid + 1;
		else
			high = mid;
	}
	return (low);
}

struct logtail_iter *
logtail_from(struct logtail *t, uint64_t after)
{
	struct logtail_iter *it = NULL;
	size_t i;

	pthread_mutex_lock(&t->lock);
	if (t->n > 0 && piece_at(t, 0)->first <= after + 1 && piece_at(t, t->n - 1)->last > after) {
		i = find_piece(t, after + 1);
		it = xcalloc(1, sizeof(*it));
		it->after = after;
		it->pieces = xcalloc(t->n - i, sizeof(struct piece *));
		for (; i < t->n; i++) {
			it->pieces[it->n] = piece_at(t, i);
			it->pieces[it->n++]->refs++;
		}
	}
	pthread_mutex_unlock(&t->lock);
	return (it);
}

const uint8_t *
logtail_next(struct logtail_iter *it, size_t *len)
{
	struct log_entry e;
	const uint8_t *p;

	for (;;) {
		while (rd_left(&it->rest) == 0 && it->at < it->n) {
			const struct buf *b = &it->pieces[it->at++]->bytes;

			it->rest = rd_init(b->data, b->len);
		}
		p = it->rest.p;
		if (rd_left(&it->rest) == 0 || log_entry_read(&it->rest, &e) == -1)
			return (NULL);
		if (e.seq > it->after)
			break;
	}
	*len = (size_t)(it->rest.p - p);
	return (p);
}

void
logtail_iter_free(struct logtail_iter *it)
{
	if (it == NULL)
		return;
	for (size_t i = 0; i < it->n; i++)
		piece_unref(it->pieces[i]);
	free(it->pieces);
	free(it);
}
