#include "config.h"

#include "common/base/window.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "common/base/mem.h"

#define ENTRY_MIN 48 /* bytes of an entry without payload */
#define TABLE_MIN 8
#define NONE      UINT32_MAX

struct item {
	struct log_entry e;
	uint32_t next; /* of the same table */
};

struct window_group {
	uint32_t id;
	unsigned table;
	uint32_t head, tail; /* items */
	UT_hash_handle hh;
};

/* Everything while a window is made. */
struct maker {
	struct window *w;
	struct window_group *groups; /* one a table, in the data's order */
	struct window_group *by_id;
	struct window_group **order; /* by first appearance */
	unsigned norder;
	struct item *items;
	uint32_t nitems;
};

static int
read_tables(struct maker *m, struct rd *r)
{
	struct window *w = m->w;
	struct window_group *g;
	unsigned i, n = rd_u16(r);

	if (!rd_ok(r) || n > rd_left(r) / TABLE_MIN)
		return (-1);
	w->tables = xcalloc(n, sizeof(*w->tables));
	m->groups = xcalloc(n, sizeof(*m->groups));
	m->order = xcalloc(n, sizeof(struct window_group *));
	w->ntables = n;
	for (i = 0; i < n; i++) {
		w->tables[i].id = rd_u32(r);
		w->tables[i].database = rd_str(r);
		w->tables[i].name = rd_str(r);
		if (!rd_ok(r))
			return (-1);
		HASH_FIND(hh, m->by_id, &w->tables[i].id, sizeof(uint32_t), g);
		if (g != NULL)
			return (-1);
		g = &m->groups[i];
		g->id = w->tables[i].id;
		g->table = i;
		g->head = g->tail = NONE;
		HASH_ADD(hh, m->by_id, id, sizeof(uint32_t), g);
	}
	return (0);
}

static int
read_entries(struct maker *m, struct rd *r)
{
	struct window_group *g;
	struct item *it;
	uint32_t i, n = rd_u32(r);

	if (!rd_ok(r) || n > rd_left(r) / ENTRY_MIN)
		return (-1);
	m->items = xcalloc(n, sizeof(*m->items));
	m->nitems = n;
	for (i = 0; i < n; i++) {
		it = &m->items[i];
		if (log_entry_read(r, &it->e) == -1 || it->e.seq <= m->w->last)
			return (-1);
		HASH_FIND(hh, m->by_id, &it->e.table, sizeof(uint32_t), g);
		if (g == NULL)
			return (-1);
		m->w->last = it->e.seq;
		m->w->ms = it->e.ms;
		it->next = NONE;
		if (g->head == NONE) {
			g->head = i;
			m->order[m->norder++] = g;
		} else {
			m->items[g->tail].next = i;
		}
		g->tail = i;
	}
	return (rd_done(r) ? 0 : -1);
}

static void
end_frame(struct window *w)
{
	struct window_frame *f = &w->frames[w->nframes - 1];

	f->len = f->plain = w->bytes.len - f->at;
}

static void
begin_frame(struct maker *m, const struct window_group *g, const uint8_t *node)
{
	struct window *w = m->w;
	struct window_frame *wf = &w->frames[w->nframes++];
	struct frame f = { .incarnation = w->incarnation, .table = g->id, .window = w->last };

	memcpy(f.node, node, NODE_ID_LEN);
	wf->at = frame_begin(&w->bytes, &f);
	wf->table = g->table;
}

static void
write_group(struct maker *m, const struct window_group *g, const uint8_t *node, size_t frame_max)
{
	struct window *w = m->w;
	const struct log_entry *e, *before = NULL;
	size_t at = 0;
	uint32_t i;

	for (i = g->head; i != NONE; i = m->items[i].next, before = e) {
		e = &m->items[i].e;
		/* Within a frame entries chain, so a gap needs a new one. */
		if (before == NULL || log_step(before->seq, before->mark, e) != LOG_NEXT ||
		    w->bytes.len - at + ENTRY_MIN + e->len > frame_max) {
			if (before != NULL)
				end_frame(w);
			begin_frame(m, g, node);
			at = w->frames[w->nframes - 1].at;
		}
		frame_add(&w->bytes, at, e);
	}
	end_frame(w);
}

static void
write_frames(struct maker *m, const uint8_t *node, size_t frame_max)
{
	struct window *w = m->w;
	unsigned i;

	if (m->nitems == 0)
		return;
	w->frames = xcalloc(m->nitems, sizeof(*w->frames));
	for (i = 0; i < m->norder; i++)
		write_group(m, m->order[i], node, frame_max);
	for (size_t k = 0; k < w->nframes; k++)
		frame_end(&w->bytes, w->frames[k].at, w->frames[k].len,
		    k + 1 == w->nframes ? FRAME_WINDOW_END : 0);
}

int
window_build(struct window *w, const void *data, size_t n, const uint8_t node[NODE_ID_LEN],
    size_t frame_max)
{
	struct rd r = rd_init(data, n);
	struct maker m = { .w = w };
	int result = -1;

	memset(w, 0, sizeof(*w));
	w->incarnation = rd_u64(&r);
	if (read_tables(&m, &r) == 0 && read_entries(&m, &r) == 0) {
		write_frames(&m, node, frame_max);
		result = 0;
	}
	HASH_CLEAR(hh, m.by_id);
	free(m.groups);
	free(m.order);
	free(m.items);
	if (result == -1)
		window_free(w);
	return (result);
}

void
window_pack(struct window *w)
{
	struct buf out = { 0 };
	struct window_frame *f;
	size_t i, at;

	for (i = 0; i < w->nframes; i++) {
		f = &w->frames[i];
		at = out.len;
		if (!frame_pack(&out, w->bytes.data + f->at, f->len))
			buf_add(&out, w->bytes.data + f->at, f->len);
		f->at = at;
		f->len = out.len - at;
	}
	buf_free(&w->bytes);
	w->bytes = out;
}

void
window_free(struct window *w)
{
	unsigned i;

	for (i = 0; i < w->ntables; i++) {
		free(w->tables[i].database);
		free(w->tables[i].name);
	}
	free(w->tables);
	free(w->frames);
	buf_free(&w->bytes);
	memset(w, 0, sizeof(*w));
}
