#include "config.h"

#include "test/sim/jet.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "test/sim/world.h"

static void
msg_free(struct jet_msg *m)
{
	free(m->database);
	free(m->table);
	buf_free(&m->bytes);
}

static uint64_t
now_ms(void)
{
	return (world_now() / 1000);
}

static void
drop_old(struct jet *j)
{
	size_t k = 0;

	while (k < j->n && j->msgs[k].ms + j->max_age_ms < now_ms())
		msg_free(&j->msgs[k++]);
	if (k == 0)
		return;
	memmove(j->msgs, j->msgs + k, (j->n - k) * sizeof(*j->msgs));
	j->n -= k;
}

int
jet_append(struct jet *j, uint64_t expected, const char *database, const char *table,
    struct buf *bytes)
{
	struct jet_msg *m;
	struct rd r;

	drop_old(j);
	if (expected != j->last) {
		buf_free(bytes);
		return (-1);
	}
	if (j->n == j->cap) {
		j->cap = j->cap * 2 + 32;
		j->msgs = xrealloc(j->msgs, j->cap * sizeof(*j->msgs));
	}
	m = &j->msgs[j->n++];
	*m = (struct jet_msg){
		.seq = ++j->last,
		.ms = now_ms(),
		.database = xstrdup(database),
		.table = xstrdup(table),
		.bytes = *bytes,
	};
	r = rd_init(m->bytes.data, m->bytes.len);
	if (frame_read(&r, &m->frame) == -1)
		world_fail("what is published is no frame");
	*bytes = (struct buf){ 0 };
	return (0);
}

const struct jet_msg *
jet_from(struct jet *j, uint64_t seq)
{
	size_t low = 0, high;

	drop_old(j);
	for (high = j->n; low < high;) {
		size_t middle = low + (high - low) / 2;

		if (j->msgs[middle].seq < seq)
			low = middle + 1;
		else
			high = middle;
	}
	return (low < j->n ? &j->msgs[low] : NULL);
}

/* 1: look further back. */
static int
take_frame(struct jet_tail *t, const struct frame *f, const uint8_t *node)
{
	if (memcmp(f->node, node, NODE_ID_LEN) != 0)
		return (0);
	if (t->incarnation != 0 && f->incarnation != t->incarnation)
		return (0);
	if (t->incarnation == 0) {
		t->newest = f->last;
		t->mark = f->mark;
	}
	t->incarnation = f->incarnation;
	if (f->last > t->last)
		t->last = f->last;
	if ((f->flags & FRAME_WINDOW_END) == 0)
		return (1);
	t->window = f->window;
	if (f->window > t->last)
		t->last = f->window;
	return (0);
}

void
jet_find_tail(struct jet *j, const uint8_t *node, struct jet_tail *t)
{
	drop_old(j);
	memset(t, 0, sizeof(*t));
	t->seq = j->last;
	for (size_t i = j->n; i > 0; i--)
		if (!take_frame(t, &j->msgs[i - 1].frame, node))
			break;
}

uint64_t
jet_purge(struct jet *j, const char *database, const char *table, uint64_t upto)
{
	size_t kept = 0, n = j->n;

	for (size_t i = 0; i < n; i++) {
		struct jet_msg *m = &j->msgs[i];

		if (strcmp(m->database, database) == 0 && strcmp(m->table, table) == 0 &&
		    m->frame.last <= upto)
			msg_free(m);
		else
			j->msgs[kept++] = *m;
	}
	j->n = kept;
	return (n - kept);
}

void
jet_lose_tail(struct jet *j, uint64_t keep_upto)
{
	while (j->n > 0 && j->msgs[j->n - 1].seq > keep_upto)
		msg_free(&j->msgs[--j->n]);
	if (j->last > keep_upto)
		j->last = keep_upto;
	jet_restart(j);
}

void
jet_delete(struct jet *j)
{
	while (j->n > 0)
		msg_free(&j->msgs[--j->n]);
	j->last = 0;
	jet_restart(j);
}

void
jet_restart(struct jet *j)
{
	j->epoch++;
}
