#include "config.h"

#include "opsd/cluster/origin.h"

#include <string.h>

#include "opsd/cluster/cursors.h"
#include "opsd/cluster/replication.h"

#define ORIGIN_FORMAT 1
#define ORIGIN_LETTER "O"

static void
origin_key(struct buf *k, uint32_t table)
{
	buf_add(k, ORIGIN_LETTER, 1);
	buf_be32(k, table);
}

/* Of one whose first entry is not in the log nothing can be said. */
void
origin_note(struct group *g, const struct table *t)
{
	const struct data *data = group_data(g);
	struct buf k = { 0 }, v = { 0 };

	if (!data->live.replicates)
		return;
	origin_key(&k, t->id);
	buf_u8(&v, ORIGIN_FORMAT);
	buf_u64(&v, data->log.incarnation);
	buf_u64(&v, group_wall_ms(g));
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
	origin_key(&k, t->id);
	store_batch_delete(group_batch(g), CF_META, k.data, k.len);
	buf_free(&k);
}

/* What was written here since it was made is in the log, in this life of it. */
static int
is_logged(struct replication *rep, const struct table *t)
{
	const struct txlog *l = &rep->data->log;
	struct buf k = { 0 }, v = { 0 };
	struct rd r;
	uint64_t incarnation, ms;
	int is = 0;

	origin_key(&k, t->id);
	if (store_get(rep->data->store, NULL, CF_META, k.data, k.len, &v) == 1) {
		r = rd_init(v.data, v.len);
		is = rd_u8(&r) == ORIGIN_FORMAT;
		incarnation = rd_u64(&r);
		ms = rd_u64(&r);
		is = is && rd_done(&r) && incarnation == l->incarnation && ms > l->unlogged_ms;
	}
	buf_free(&k);
	buf_free(&v);
	return (is);
}

uint8_t *
origin_nodes(struct replication *rep, const struct table *t, size_t *n)
{
	return (is_logged(rep, t) ? cursors_peers(rep->cursors, t->database, t->name, n) : NULL);
}
