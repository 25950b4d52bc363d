#include "config.h"

#include "opsd/store/expire.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/worker.h"
#include "opsd/store/data.h"
#include "opsd/store/group_priv.h"
#include "opsd/store/row.h"

#define PER_JOB     1000 /* rows in one commit */
#define WAITING_MAX 8    /* workers' other tasks: these can wait */
#define REST        20   /* times as long as it took to look */

struct expiring {
	struct commit_job job; /* first */
	struct data *data;
	struct table *table;
	uint64_t before; /* stamp time */
	struct buf keys; /* u16-counted */
	uint32_t n;
};

static int
is_expired(const struct row *row, uint64_t before)
{
	return (row_visible(row) && row_newest(row).time < before);
}

static void
expire_job(struct group *g, struct commit_job *j)
{
	struct expiring *e = (struct expiring *)j;
	struct table *t = group_table(g, e->table->id);
	struct rd r = rd_init(e->keys.data, e->keys.len);
	struct row row = { 0 };

	for (uint32_t i = 0; t != NULL && i < e->n; i++) {
		size_t klen;
		const uint8_t *key = (const uint8_t *)rd_strn(&r, &klen);
		struct group_row *gr = group_row(g, t, key, klen);

		if (gr == NULL || row_load(&row, gr->now.data, gr->now.len) == -1) {
			group_broken(g);
			break;
		}
		/* It may have been changed meanwhile. */
		if (is_expired(&row, e->before))
			group_row_forget(gr);
	}
	row_free(&row);
}

/* Keys of the next rows that are to go. */
static void
gather_expired(struct expiring *e, struct store_iter *it)
{
	struct row row = { 0 };

	buf_clear(&e->keys);
	e->n = 0;
	for (; store_iter_valid(it) && e->n < PER_JOB && !e->data->stopping; store_iter_next(it)) {
		size_t klen, n;
		const uint8_t *key = store_iter_key(it, &klen), *p = store_iter_value(it, &n);

		if (row_load(&row, p, n) == -1 || !is_expired(&row, e->before))
			continue;
		buf_strn(&e->keys, key + 4, klen - 4);
		e->n++;
	}
	row_free(&row);
	e->job.cost = e->keys.len;
}

static void
expire_work(void *arg)
{
	struct expiring *e = arg;
	struct table_stat *stat = e->table->stat;
	struct store_iter *it = store_iter_rows(e->data->store, e->table->id);
	uint64_t began = mono_us(), end;

	do
		gather_expired(e, it);
	while (e->n > 0 && commit_wait(e->data->commit, &e->job) == 200);
	store_iter_free(it);
	end = mono_us();
	stat->expire_next_us = end + REST * (end - began);
	stat->expiring = 0;
	table_unref(e->table);
	buf_free(&e->keys);
	free(e->job.error);
	free(e);
}

static void
expire_table(struct data *data, struct table *t)
{
	uint64_t now = wall_ms(), age = (uint64_t)t->expiration * 1000;
	struct expiring *e;

	if (t->expiration == 0 || t->stat->expiring || mono_us() < t->stat->expire_next_us ||
	    now <= age)
		return;
	e = xcalloc(1, sizeof(*e));
	e->job.run = expire_job;
	e->job.remote = 1;
	e->data = data;
	e->table = table_ref(t);
	e->before = (now - age) << 16;
	t->stat->expiring = 1;
	if (workers_try(data->workers, WAITING_MAX, expire_work, e) == 0)
		return;
	t->stat->expiring = 0;
	table_unref(t);
	free(e);
}

void
expire_run(struct data *data)
{
	struct table **tables;
	size_t n;

	tables = catalog_tables(data->catalog, NULL, &n);
	for (size_t i = 0; i < n; i++) {
		expire_table(data, tables[i]);
		table_unref(tables[i]);
	}
	free(tables);
}
