#include "config.h"

#include "opsd/cluster/origin.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "common/base/mem.h"

#include "opsd/cluster/cursors.h"
#include "opsd/cluster/replication.h"

#define ORIGIN_FORMAT 1
#define ORIGIN_LETTER "O"
#define ORIGIN_BEYOND "P" /* the first key after all of them */

struct origin {
	uint32_t table; /* ours */
	uint64_t incarnation, ms;
	UT_hash_handle hh;
};

struct origins {
	pthread_mutex_t lock;
	struct origin *tables;
};

static struct origin *
origin_find(struct origins *all, uint32_t table)
{
	struct origin *one;

	HASH_FIND(hh, all->tables, &table, sizeof(table), one);
	return (one);
}

static void
insert_origin(struct origins *all, const struct origin *o)
{
	struct origin *one;

	pthread_mutex_lock(&all->lock);
	one = origin_find(all, o->table);
	if (one == NULL) {
		one = xcalloc(1, sizeof(*one));
		one->table = o->table;
		HASH_ADD(hh, all->tables, table, sizeof(one->table), one);
	}
	one->incarnation = o->incarnation;
	one->ms = o->ms;
	pthread_mutex_unlock(&all->lock);
}

static void
remove_origin(struct origins *all, uint32_t table)
{
	struct origin *one;

	pthread_mutex_lock(&all->lock);
	one = origin_find(all, table);
	if (one != NULL)
		HASH_DEL(all->tables, one);
	pthread_mutex_unlock(&all->lock);
	free(one);
}

/* ---- on disk ---- */

static void
origin_key(struct buf *k, uint32_t table)
{
	buf_add(k, ORIGIN_LETTER, 1);
	buf_be32(k, table);
}

/* -1: it cannot be read. */
static int
load_origin(struct origins *all, struct rd key, struct rd r)
{
	struct origin one = { 0 };
	uint8_t format;

	rd_u8(&key);
	one.table = rd_be32(&key);
	format = rd_u8(&r);
	one.incarnation = rd_u64(&r);
	one.ms = rd_u64(&r);
	if (!rd_done(&key) || !rd_done(&r) || format != ORIGIN_FORMAT)
		return (-1);
	insert_origin(all, &one);
	return (0);
}

struct origins *
origins_load(struct replication *rep, char **err)
{
	struct origins *all = xcalloc(1, sizeof(*all));
	struct store_iter *it = store_iter_new(rep->data->store, NULL, CF_META, ORIGIN_LETTER, 1,
	    ORIGIN_BEYOND, 1);
	int rc = 0;

	pthread_mutex_init(&all->lock, NULL);
	for (store_iter_first(it); rc == 0 && store_iter_valid(it); store_iter_next(it)) {
		size_t klen, vlen;
		const uint8_t *k = store_iter_key(it, &klen), *v = store_iter_value(it, &vlen);

		rc = load_origin(all, rd_init(k, klen), rd_init(v, vlen));
	}
	if (rc == -1 || store_iter_failed(it)) {
		*err = xasprintf("store: where tables came from cannot be read");
		origins_free(all);
		all = NULL;
	}
	store_iter_free(it);
	return (all);
}

void
origins_free(struct origins *all)
{
	struct origin *one, *tmp;

	if (all == NULL)
		return;
	HASH_ITER(hh, all->tables, one, tmp) {
		HASH_DEL(all->tables, one);
		free(one);
	}
	pthread_mutex_destroy(&all->lock);
	free(all);
}

/* ---- what happens ---- */

/* Of one whose first entry is not in the log nothing can be said. */
void
origin_note(struct group *g, const struct table *t)
{
	const struct data *data = group_data(g);
	const struct origin one = {
		.table = t->id,
		.incarnation = data->log.incarnation,
		.ms = group_wall_ms(g),
	};
	struct buf k = { 0 }, v = { 0 };

	if (!data->live.replicates)
		return;
	insert_origin(replication_of(g)->origins, &one);
	origin_key(&k, one.table);
	buf_u8(&v, ORIGIN_FORMAT);
	buf_u64(&v, one.incarnation);
	buf_u64(&v, one.ms);
	store_batch_put(group_batch(g), CF_META, k.data, k.len, v.data, v.len);
	buf_free(&k);
	buf_free(&v);
}

void
origin_forget(struct group *g, const char *database, const char *name)
{
	struct table *t = group_table_named(g, database, strlen(database), name, strlen(name));
	struct buf k = { 0 };

	if (t == NULL)
		return;
	remove_origin(replication_of(g)->origins, t->id);
	origin_key(&k, t->id);
	store_batch_delete(group_batch(g), CF_META, k.data, k.len);
	buf_free(&k);
}

/* What was written here since it was made is in the log, of which nothing was lost since. */
static int
is_logged(struct replication *rep, const struct table *t)
{
	const struct txlog *l = &rep->data->log;
	const struct origin *one;
	int is;

	pthread_mutex_lock(&rep->origins->lock);
	one = origin_find(rep->origins, t->id);
	is = one != NULL && one->incarnation >= l->begun && one->ms > l->unlogged_ms;
	pthread_mutex_unlock(&rep->origins->lock);
	return (is);
}

/* In this order: a cursor goes after it is forgotten. */
uint8_t *
origin_nodes(struct replication *rep, const struct table *t, size_t *n)
{
	uint8_t *ids = cursors_peers(rep->cursors, t->database, t->name, n);

	if (is_logged(rep, t))
		return (ids);
	free(ids);
	return (NULL);
}
