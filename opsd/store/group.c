#include "config.h"

#include "opsd/store/group_priv.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "opsd/store/data.h"
#include "opsd/store/key.h"

struct group *
group_open(struct data *data, struct hlc *clock)
{
	struct group *g = xcalloc(1, sizeof(*g));

	g->data = data;
	g->clock = clock;
	g->batch = store_batch_new(data->store);
	g->wall = wall_ms();
	return (g);
}

struct data *
group_data(struct group *g)
{
	return (g->data);
}

uint64_t
group_wall_ms(const struct group *g)
{
	return (g->wall);
}

uint64_t
group_node(const struct group *g)
{
	return (g->clock->node);
}

uint64_t
group_clock(const struct group *g)
{
	return (g->clock->time);
}

struct store_batch *
group_batch(struct group *g)
{
	return (g->batch);
}

void
group_broken(struct group *g)
{
	g->broken = 1;
}

size_t
group_bytes(const struct group *g)
{
	return (g->bytes);
}

struct held_table *
group_hold(struct group *g, struct table *t)
{
	struct held_table *h;

	HASH_FIND(hh, g->tables, &t->id, sizeof(t->id), h);
	if (h == NULL) {
		h = xcalloc(1, sizeof(*h));
		h->id = t->id;
		h->table = table_ref(t);
		HASH_ADD(hh, g->tables, id, sizeof(h->id), h);
	}
	return (h);
}

struct table *
group_table(struct group *g, uint32_t id)
{
	struct table *t = catalog_by_id(g->data->catalog, id);
	struct held_table *h;

	if (t == NULL)
		return (NULL);
	h = group_hold(g, t);
	table_unref(t);
	return (h->table);
}

struct table *
group_table_named(struct group *g, const char *db, size_t dblen, const char *t, size_t tlen)
{
	struct table *found = catalog_getn(g->data->catalog, db, dblen, t, tlen);
	uint32_t id;

	if (found == NULL)
		return (NULL);
	id = found->id;
	table_unref(found);
	return (group_table(g, id));
}

struct group_row *
group_row(struct group *g, struct table *t, const uint8_t *key, size_t klen)
{
	struct held_row *h;
	int rc;

	buf_clear(&g->scratch);
	key_row(&g->scratch, t->id, key, klen);
	HASH_FIND(hh, g->rows, g->scratch.data, g->scratch.len, h);
	if (h != NULL)
		return (&h->row);
	h = xcalloc(1, sizeof(*h));
	h->rlen = g->scratch.len;
	h->rkey = xmemdup(g->scratch.data, h->rlen);
	rc = store_get(g->data->store, NULL, CF_ROWS, h->rkey, h->rlen, &h->row.before);
	if (rc == -1) {
		g->broken = 1;
		free(h->rkey);
		free(h);
		return (NULL);
	}
	h->row.table = table_ref(group_hold(g, t)->table);
	h->row.key = h->rkey + 4;
	h->row.klen = klen;
	h->row.queued = -1;
	buf_add(&h->row.now, h->row.before.data, h->row.before.len);
	HASH_ADD_KEYPTR(hh, g->rows, h->rkey, h->rlen, h);
	return (&h->row);
}

void
group_row_set(struct group *g, struct group_row *gr, const struct row *r)
{
	struct buf now = { 0 };
	struct table_stat *stat = gr->table->stat;
	uint64_t updated = row_newest(r).time;

	row_encode(r, &now); /* r borrows from gr->now: encode aside first */
	buf_free(&gr->now);
	gr->now = now;
	gr->changed = 1;
	g->users |= gr->table->id == SYS_USER || gr->table->id == SYS_ROLE;
	g->bytes += now.len;
	if (updated > stat->updated)
		stat->updated = updated;
}

void
group_row_forget(struct group_row *gr)
{
	buf_clear(&gr->now);
	gr->changed = gr->before.len > 0;
}

void
group_observe(struct group *g, uint64_t time)
{
	hlc_observe(g->clock, time);
}

struct stamp
group_stamp(struct group *g)
{
	return (hlc_next(g->clock, g->wall));
}

void
group_log(struct group *g, struct table *t, const void *payload, size_t len)
{
	struct log_entry e = {
		.table = t->id,
		.ms = g->wall,
		.payload = payload,
		.len = (uint32_t)len,
	};
	struct buf k = { 0 };
	struct txlog *l = &g->data->log;
	struct held_table *h;
	struct log_pos prev;
	size_t at = g->logged.len;

	if (!catalog_can_replicate(t->id))
		return;
	if (!g->data->live.replicates && !g->data->hooks.logs(g->data->hooks.arg)) {
		l->unlogged_ms = g->wall;
		return;
	}
	h = group_hold(g, t);
	e.seq = ++l->last;
	if (at == 0)
		g->logged_from = e.seq;
	prev = h->head.seq != 0 ? h->head : table_head(h->table);
	e.prev = prev.seq;
	e.prev_mark = prev.mark;
	txlog_mark(l, g->batch, &e);
	buf_be64(&k, e.seq);
	log_entry_write(&g->logged, &e);
	store_batch_put(g->batch, CF_LOG, k.data, k.len, g->logged.data + at, g->logged.len - at);
	g->bytes += g->logged.len - at;
	h->head = (struct log_pos){ e.seq, e.mark, e.ms };
	buf_free(&k);
}

void
group_audit(struct group *g, struct table *t, struct stamp stamp, int remote, const void *payload,
    size_t len, const struct buf *before)
{
	struct buf k = { 0 }, v = { 0 };

	if (!g->data->live.audit || !t->audit || t->id < TABLE_USER_FIRST)
		return;
	buf_be32(&k, t->id);
	buf_be64(&k, stamp.time);
	buf_be64(&k, stamp.node);
	buf_u8(&v, (uint8_t)remote);
	buf_blob(&v, payload, len);
	buf_blob(&v, before->data, before->len);
	store_batch_put(g->batch, CF_AUDIT, k.data, k.len, v.data, v.len);
	buf_free(&k);
	buf_free(&v);
}

void
group_close(struct group *g)
{
	struct held_row *h, *htmp;
	struct held_table *t, *ttmp;

	HASH_ITER(hh, g->rows, h, htmp) {
		HASH_DEL(g->rows, h);
		table_unref(h->row.table);
		buf_free(&h->row.before);
		buf_free(&h->row.now);
		buf_free(&h->row.file);
		free(h->rkey);
		free(h);
	}
	HASH_ITER(hh, g->tables, t, ttmp) {
		HASH_DEL(g->tables, t);
		table_unref(t->table);
		free(t->indexed);
		free(t);
	}
	store_batch_free(g->batch);
	buf_free(&g->scratch);
	buf_free(&g->logged);
	free(g);
}
