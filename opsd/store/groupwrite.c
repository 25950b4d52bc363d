#include "config.h"

#include "opsd/store/group_priv.h"

#include <string.h>

#include "common/base/mem.h"
#include "opsd/store/data.h"
#include "opsd/store/field.h"
#include "opsd/store/key.h"
#include "opsd/store/logtail.h"
#include "opsd/store/queue.h"

/* What a group changed, as one batch with one fsync. */

/* Rows that are not visible are also listed by the time they were cleared. */
static void
write_tombstone(struct group *g, const struct table *t, const struct group_row *gr,
    const struct row *before, const struct row *now)
{
	int had = gr->before.len > 0 && !row_visible(before);
	int has = gr->now.len > 0 && !row_visible(now);
	struct buf k = { 0 };

	if (!catalog_can_replicate(t->id) ||
	    (had && has && stamp_cmp(before->cleared, now->cleared) == 0))
		return;
	if (had) {
		key_tombstone(&k, t->id, before->cleared.time, gr->key, gr->klen);
		store_batch_delete(g->batch, CF_INDEX, k.data, k.len);
	}
	if (has) {
		buf_clear(&k);
		key_tombstone(&k, t->id, now->cleared.time, gr->key, gr->klen);
		store_batch_put(g->batch, CF_INDEX, k.data, k.len, "", 0);
	}
	buf_free(&k);
}

/* What the index of f has of the row; 0: no entry. */
static int
index_value(const struct field *f, struct row_view *v, struct buf *out)
{
	buf_clear(out);
	return (row_visible(&v->row) && field_index_key(f, v, out));
}

static void
write_entry(struct group *g, const struct field *f, const struct group_row *gr,
    struct row_view *before, struct row_view *now)
{
	struct buf k = { 0 }, old = { 0 }, new = { 0 };
	uint32_t table = gr->table->id;
	int had = index_value(f, before, &old), has = index_value(f, now, &new);

	if (had == has && old.len == new.len && (!had || memcmp(old.data, new.data, old.len) == 0))
		goto done;
	if (had) {
		key_index(&k, table, f->attr->id, old.data, old.len, gr->key, gr->klen);
		store_batch_delete(g->batch, CF_INDEX, k.data, k.len);
	}
	if (has) {
		buf_clear(&k);
		key_index(&k, table, f->attr->id, new.data, new.len, gr->key, gr->klen);
		store_batch_put(g->batch, CF_INDEX, k.data, k.len, "", 0);
	}
done:
	buf_free(&k);
	buf_free(&old);
	buf_free(&new);
}

/* Once for all rows of the table. */
static void
find_indexed(struct held_table *h)
{
	const struct table *t = h->table;

	h->indexed = xcalloc(t->nattrs, sizeof(struct attribute *));
	for (size_t i = 0; i < t->nattrs; i++)
		if (t->attrs[i]->indexed)
			h->indexed[h->nindexed++] = t->attrs[i];
}

/* Index entries that the row had and has not, and the other way round. */
static void
write_index(struct group *g, struct held_table *h, const struct group_row *gr,
    struct row_view *before, struct row_view *now)
{
	if (h->indexed == NULL)
		find_indexed(h);
	for (size_t i = 0; i < h->nindexed; i++) {
		struct field f = field_of(h->table, h->indexed[i]);

		if (f.kind != FIELD_KEY)
			write_entry(g, &f, gr, before, now);
	}
}

static void
write_rows(struct group *g)
{
	struct row_view before = { 0 }, now = { 0 };
	struct held_row *h;
	struct held_table *ht;

	for (h = g->rows; h != NULL; h = h->hh.next) {
		struct group_row *gr = &h->row;

		if (!gr->changed)
			continue;
		HASH_FIND(hh, g->tables, &gr->table->id, sizeof(gr->table->id), ht);
		if (ht == NULL)
			continue;
		before.key = now.key = gr->key;
		before.klen = now.klen = gr->klen;
		row_load(&before.row, gr->before.data, gr->before.len);
		row_load(&now.row, gr->now.data, gr->now.len);
		write_index(g, ht, gr, &before, &now);
		write_tombstone(g, ht->table, gr, &before.row, &now.row);
		ht->table->stat->count += row_visible(&now.row) - row_visible(&before.row);
		if (gr->now.len > 0)
			store_batch_put(g->batch, CF_ROWS, h->rkey, h->rlen, gr->now.data,
			    gr->now.len);
		else
			store_batch_delete(g->batch, CF_ROWS, h->rkey, h->rlen);
	}
	row_view_free(&before);
	row_view_free(&now);
}

static void
store_attr(struct group *g, const struct table *t, const struct attribute *a)
{
	struct buf k = { 0 }, v = { 0 };

	buf_u8(&k, 'U');
	buf_be32(&k, t->id);
	buf_be32(&k, a->id);
	attribute_encode(a, &v);
	store_batch_put(g->batch, CF_META, k.data, k.len, v.data, v.len);
	buf_free(&k);
	buf_free(&v);
}

static void
store_table(struct group *g, const struct table *t)
{
	struct buf k = { 0 }, v = { 0 };

	buf_u8(&k, 'T');
	buf_be32(&k, t->id);
	table_encode(t, &v);
	store_batch_put(g->batch, CF_META, k.data, k.len, v.data, v.len);
	buf_clear(&v);
	buf_u32(&v, catalog_last_id(g->data->catalog));
	store_batch_put(g->batch, CF_META, "I", 1, v.data, v.len);
	buf_free(&k);
	buf_free(&v);
}

/* Of definitions, what differs from what is stored; the catalog gets them. */
static void
write_tables(struct group *g)
{
	struct held_table *h;

	for (h = g->tables; h != NULL; h = h->hh.next) {
		struct table *t = h->table;

		/* The system's own are not stored as long as they are as they were made. */
		if (t->id < TABLE_USER_FIRST && !h->own)
			continue;
		if (t->changed)
			store_table(g, t);
		for (size_t i = 0; i < t->nedited; i++)
			store_attr(g, t, t->edited[i]);
		table_stored(t);
		if (h->own)
			catalog_put(g->data->catalog, table_ref(t));
		h->own = 0;
	}
}

static void
write_stats(struct group *g)
{
	struct buf k = { 0 }, v = { 0 };
	struct held_table *h;

	for (h = g->tables; h != NULL; h = h->hh.next) {
		const struct table_stat *s = h->table->stat;
		struct log_pos head = h->head.seq != 0 ? h->head : table_head(h->table);

		buf_clear(&k);
		buf_clear(&v);
		buf_u8(&k, 'C');
		buf_be32(&k, h->id);
		buf_u64(&v, (uint64_t)s->count);
		buf_u64(&v, s->updated);
		buf_u64(&v, head.seq);
		buf_u64(&v, head.mark);
		buf_u64(&v, head.ms);
		buf_u64(&v, s->purged);
		store_batch_put(g->batch, CF_META, k.data, k.len, v.data, v.len);
	}
	buf_free(&k);
	buf_free(&v);
}

int
group_write(struct group *g)
{
	struct txlog *l = &g->data->log;
	struct held_table *h;
	int more;

	if (g->broken)
		return (-1);
	write_rows(g);
	more = queue_write(g);
	write_tables(g);
	if (store_batch_empty(g->batch))
		return (0);
	write_stats(g);
	txlog_save(l, g->batch, g->clock->time);
	if (store_write(g->data->store, g->batch, !g->data->live.write_async) == -1)
		return (-1);
	/* In this order: who reads first the log's end and then heads misses none (status.h). */
	for (h = g->tables; h != NULL; h = h->hh.next)
		if (h->head.seq != 0)
			table_set_head(h->table, h->head);
	if (g->logged.len > 0)
		logtail_add(l->tail, g->logged_from, l->last, &g->logged);
	l->durable = (uint64_t)l->last;
	if (g->users && g->data->users_changed != NULL)
		g->data->users_changed(g->data->users_arg);
	if (more && g->data->queued != NULL)
		g->data->queued(g->data->queued_arg);
	return (0);
}
