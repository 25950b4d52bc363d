#include "config.h"

#include "group_priv.h"

#include <string.h>

#include "key.h"
#include "ops.h"
#include "value.h"

/* What a group changed, as one batch with one fsync. */

/* Rows that are not visible are also listed by the time they were cleared. */
static void
write_tombstone(struct group *g, const struct table *t, const struct group_row *gr,
    const struct row *before, const struct row *now)
{
	int had = gr->before.len > 0 && !row_visible(before);
	int has = gr->now.len > 0 && !row_visible(now);
	struct buf k = { 0 };

	if (t->id < TABLE_USER_FIRST || (had && has &&
	    stamp_cmp(before->cleared, now->cleared) == 0))
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

/* Index entries that the row had and has not, and the other way round. */
static void
write_index(struct group *g, const struct table *t, const struct group_row *gr,
    const struct row *before, const struct row *now)
{
	struct buf k = { 0 }, old = { 0 }, new = { 0 };

	for (size_t i = 0; i < t->nattrs; i++) {
		const struct attribute *ta = &t->attrs[i];
		const struct attr *a;
		int had, has;

		if (!ta->indexed)
			continue;
		buf_clear(&old);
		buf_clear(&new);
		a = row_visible(before) ? row_attr(before, ta->name, ta->nlen) : NULL;
		had = a != NULL && row_counts(before, a) && value_key(&old, a->value, a->vlen) == 0;
		a = row_visible(now) ? row_attr(now, ta->name, ta->nlen) : NULL;
		has = a != NULL && row_counts(now, a) && value_key(&new, a->value, a->vlen) == 0;
		if (had == has && (!had || (old.len == new.len &&
		    memcmp(old.data, new.data, old.len) == 0)))
			continue;
		if (had) {
			buf_clear(&k);
			key_index(&k, t->id, ta->id, old.data, old.len, gr->key, gr->klen);
			store_batch_delete(g->batch, CF_INDEX, k.data, k.len);
		}
		if (has) {
			buf_clear(&k);
			key_index(&k, t->id, ta->id, new.data, new.len, gr->key, gr->klen);
			store_batch_put(g->batch, CF_INDEX, k.data, k.len, "", 0);
		}
	}
	buf_free(&k);
	buf_free(&old);
	buf_free(&new);
}

static void
write_rows(struct group *g)
{
	struct row before = { 0 }, now = { 0 };
	struct held_row *h;
	struct held_table *ht;

	for (h = g->rows; h != NULL; h = h->hh.next) {
		struct group_row *gr = &h->row;

		if (!gr->changed)
			continue;
		HASH_FIND(hh, g->tables, &gr->table->id, sizeof(gr->table->id), ht);
		if (ht == NULL)
			continue;
		row_load(&before, gr->before.data, gr->before.len);
		row_load(&now, gr->now.data, gr->now.len);
		write_index(g, ht->table, gr, &before, &now);
		write_tombstone(g, ht->table, gr, &before, &now);
		ht->table->stat->count += row_visible(&now) - row_visible(&before);
		if (gr->now.len > 0)
			store_batch_put(g->batch, CF_ROWS, h->rkey, h->rlen, gr->now.data,
			    gr->now.len);
		else
			store_batch_delete(g->batch, CF_ROWS, h->rkey, h->rlen);
	}
	row_free(&before);
	row_free(&now);
}

static void
store_table(struct group *g, struct table *t)
{
	struct buf k = { 0 }, v = { 0 };

	buf_u8(&k, 'T');
	buf_be32(&k, t->id);
	table_encode(t, &v);
	store_batch_put(g->batch, CF_META, k.data, k.len, v.data, v.len);
	buf_clear(&v);
	buf_u32(&v, t->id);
	store_batch_put(g->batch, CF_META, "I", 1, v.data, v.len);
	buf_free(&k);
	buf_free(&v);
}

/* Definitions, as they are at the end: each may have had many versions. */
static void
write_tables(struct group *g)
{
	struct held_table *h;

	for (h = g->tables; h != NULL; h = h->hh.next)
		if (h->changed)
			store_table(g, h->table);
}

static void
write_stats(struct group *g)
{
	struct buf k = { 0 }, v = { 0 };
	struct held_table *h;

	for (h = g->tables; h != NULL; h = h->hh.next) {
		const struct table_stat *s = h->table->stat;

		buf_clear(&k);
		buf_clear(&v);
		buf_u8(&k, 'C');
		buf_be32(&k, h->id);
		buf_u64(&v, (uint64_t)s->count);
		buf_u64(&v, s->updated);
		buf_u64(&v, h->head != 0 ? h->head : (uint64_t)s->head);
		buf_u64(&v, h->head != 0 ? h->head_ms : (uint64_t)s->head_ms);
		buf_u64(&v, s->purged);
		store_batch_put(g->batch, CF_META, k.data, k.len, v.data, v.len);
	}
	buf_free(&k);
	buf_free(&v);
}

int
group_write(struct group *g)
{
	struct txlog *l = &g->ops->log;
	struct held_table *h;

	if (g->broken)
		return (-1);
	write_rows(g);
	write_tables(g);
	if (store_batch_empty(g->batch))
		return (0);
	write_stats(g);
	txlog_save(l, g->batch, g->clock->time);
	if (store_write(g->ops->store, g->batch, !g->ops->live.write_async) == -1)
		return (-1);
	l->durable = (uint64_t)l->last;
	for (h = g->tables; h != NULL; h = h->hh.next)
		if (h->head != 0)
			table_set_head(h->table, h->head, h->head_ms);
	return (0);
}
