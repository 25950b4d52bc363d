#include "config.h"

#include "opsd/store/queue.h"

#include <string.h>

#include "opsd/store/data.h"
#include "opsd/store/group_priv.h"
#include "opsd/store/key.h"

/* The entry as it was before the group, appended to out (NULL: whether there is one). */
static int
find_entry(struct group *g, struct group_row *gr, struct buf *out)
{
	struct buf k = { 0 }, v = { 0 };
	int rc;

	if (gr->queued == 0)
		return (0);
	key_row(&k, gr->table->id, gr->key, gr->klen);
	rc = store_get(g->data->store, NULL, CF_QUEUE, k.data, k.len, &v);
	if (rc == -1)
		group_broken(g);
	gr->queued = rc == 1;
	if (out != NULL && rc == 1)
		buf_add(out, v.data, v.len);
	buf_free(&k);
	buf_free(&v);
	return (gr->queued);
}

void
queue_file_state(struct group *g, struct group_row *gr, struct buf *out)
{
	if (gr->file_said)
		buf_add(out, gr->file.data, gr->file.len);
	else if (!find_entry(g, gr, out))
		buf_add(out, gr->before.data, gr->before.len);
}

int
queue_differs(struct group *g, struct group_row *gr)
{
	return (gr->file_said || gr->changed || (gr->queued == 1 || find_entry(g, gr, NULL)));
}

void
queue_said(struct group_row *gr, const void *state, size_t n)
{
	buf_clear(&gr->file);
	buf_add(&gr->file, state, n);
	gr->file_said = 1;
}

static void
put_entry(struct group *g, const struct held_row *h, const struct buf *state)
{
	store_batch_put(g->batch, CF_QUEUE, h->rkey, h->rlen, state->data, state->len);
}

/* 1: there is an entry that was not there. */
static int
write_queued(struct group *g, struct held_row *h)
{
	struct group_row *gr = &h->row;
	struct table_stat *stat = gr->table->stat;
	int was;

	if (!gr->file_said && !gr->changed)
		return (0);
	was = gr->queued == -1 ? find_entry(g, gr, NULL) : gr->queued;
	if (gr->file_said && gr->file.len == gr->now.len &&
	    (gr->now.len == 0 || memcmp(gr->file.data, gr->now.data, gr->now.len) == 0)) {
		if (was) {
			store_batch_delete(g->batch, CF_QUEUE, h->rkey, h->rlen);
			stat->file_pending--;
		}
		return (0);
	}
	if (gr->file_said || !was)
		put_entry(g, h, gr->file_said ? &gr->file : &gr->before);
	stat->file_pending += !was;
	return (1);
}

int
queue_write(struct group *g)
{
	struct held_row *h;
	int more = 0;

	for (h = g->rows; h != NULL; h = h->hh.next)
		if (h->row.table->stat->file != 0)
			more |= write_queued(g, h);
	return (more);
}

void
queue_follow(struct group *g, struct table *t, unsigned file)
{
	struct buf from = { 0 }, to = { 0 };

	buf_be32(&from, t->id);
	key_table_end(&to, t->id);
	store_batch_delete_range(g->batch, CF_QUEUE, from.data, from.len, to.data, to.len);
	buf_free(&from);
	buf_free(&to);
	t->stat->file_pending = 0;
	t->stat->file = file;
}

int64_t
queue_count(struct store *s, uint32_t table)
{
	struct buf from = { 0 }, to = { 0 };
	struct store_iter *it;
	int64_t n = 0;

	buf_be32(&from, table);
	key_table_end(&to, table);
	it = store_iter_new(s, NULL, CF_QUEUE, from.data, from.len, to.data, to.len);
	for (store_iter_first(it); store_iter_valid(it); store_iter_next(it))
		n++;
	store_iter_free(it);
	buf_free(&from);
	buf_free(&to);
	return (n);
}
