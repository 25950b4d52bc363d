#include "config.h"

#include "opsd/cluster/tombstone.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/cursors.h"
#include "opsd/cluster/nodes.h"
#include "opsd/store/group.h"
#include "opsd/store/key.h"
#include "opsd/store/row.h"

#define PER_JOB 1000 /* tombstones of one table in one commit */

struct purge {
	struct commit_job job; /* first */
	uint32_t table;
	uint64_t before; /* stamp time */
};

/*
 * Whether every node that gets the table from here has all of it, and nobody who gives it to
 * us holds anything back from before: whoever does must have been heard when its clock was
 * beyond that, so that what it writes since is newer.
 */
static int
all_received(struct replication *rep, const struct table *t, struct peer **all, size_t n,
    uint64_t before_ms)
{
	int yes = 1;

	for (size_t i = 0; i < n && yes; i++) {
		const struct subscription *e = peer_effective_for(all[i], t);
		struct peer_view v;

		if (e == NULL)
			continue;
		cluster_view(rep->cluster, all[i]->id, &v);
		if (subscription_gives(e))
			yes = peer_view_has(&v, t->id, NULL) >= t->stat->head;
		if (subscription_brings(e))
			yes &= v.reachable && v.clock_ms > before_ms &&
			    cursors_have_all(rep->cursors, all[i]->id, t->database, t->name);
		peer_view_clear(&v);
	}
	return (yes);
}

static struct store_iter *
find_tombstones(struct replication *rep, uint32_t table, uint64_t before)
{
	struct buf from = { 0 }, to = { 0 };
	struct store_iter *it;

	key_tombstone(&from, table, 0, NULL, 0);
	key_tombstone(&to, table, before, NULL, 0);
	it = store_iter_new(rep->data->store, NULL, CF_INDEX, from.data, from.len, to.data, to.len);
	store_iter_first(it);
	buf_free(&from);
	buf_free(&to);
	return (it);
}

static void
purge_row(struct group *g, struct table *t, const uint8_t *key, size_t klen, uint64_t before,
    struct stamp *greatest)
{
	struct group_row *gr = group_row(g, t, key, klen);
	struct row row = { 0 };
	struct buf k = { 0 };
	int goes;

	if (gr == NULL || row_load(&row, gr->now.data, gr->now.len) == -1) {
		group_broken(g);
		row_free(&row);
		return;
	}
	goes = !gr->changed && !row_visible(&row) && row_newest(&row).time < before;
	if (goes) {
		*greatest = stamp_max(*greatest, row_newest(&row));
		key_row(&k, t->id, key, klen);
		store_batch_delete(group_batch(g), CF_ROWS, k.data, k.len);
		buf_clear(&k);
		key_tombstone(&k, t->id, row.cleared.time, key, klen);
		store_batch_delete(group_batch(g), CF_INDEX, k.data, k.len);
		/* Later jobs of this group find the row gone. */
		buf_clear(&gr->now);
		buf_clear(&gr->before);
	}
	buf_free(&k);
	row_free(&row);
}

static void
purge_run(struct group *g, struct commit_job *j)
{
	struct purge *p = (struct purge *)j;
	struct table *t = group_table(g, p->table);
	struct store_iter *it;
	struct stamp greatest;
	int n = 0;

	if (t == NULL)
		return;
	greatest = t->horizon;
	it = find_tombstones(replication_of(g), t->id, p->before);
	for (; store_iter_valid(it) && n < PER_JOB; store_iter_next(it), n++) {
		size_t klen;
		const uint8_t *k = store_iter_key(it, &klen);

		purge_row(g, t, k + 14, klen - 14, p->before, &greatest);
	}
	store_iter_free(it);
	if (stamp_cmp(greatest, t->horizon) > 0) {
		t = group_edit(g, t);
		t->horizon = greatest;
		t->changed = 1;
	}
}

static void
purge_done(struct commit_job *j)
{
	free(j->error);
	free(j);
}

void
tombstone_run(struct replication *rep)
{
	struct conf *conf = data_conf(rep->data);
	uint64_t age = (uint64_t)conf_int(conf, STORAGE_TOMBSTONES) * 1000, now = wall_ms();
	struct table **tables;
	struct peer **all;
	size_t n, m;

	conf_free(conf);
	if (now <= age)
		return;
	all = nodes_all(rep->nodes, &n);
	tables = catalog_replicated(rep->data->catalog, &m);
	for (size_t k = 0; k < m; k++) {
		struct store_iter *it = find_tombstones(rep, tables[k]->id, (now - age) << 16);

		if (store_iter_valid(it) && all_received(rep, tables[k], all, n, now - age)) {
			struct purge *p = xcalloc(1, sizeof(*p));

			p->job.run = purge_run;
			p->job.done = purge_done;
			p->job.remote = 1;
			p->table = tables[k]->id;
			p->before = (now - age) << 16;
			commit_submit(rep->data->commit, &p->job);
		}
		store_iter_free(it);
		table_unref(tables[k]);
	}
	for (size_t i = 0; i < n; i++)
		peer_free(all[i]);
	free(all);
	free(tables);
}
