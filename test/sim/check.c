#include "config.h"

#include "test/sim/check.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "opsd/cluster/cursors.h"
#include "opsd/cluster/nodes.h"
#include "opsd/store/key.h"
#include "test/sim/change.h"
#include "test/sim/machine.h"
#include "test/sim/membership.h"
#include "test/sim/shape.h"
#include "test/sim/work.h"
#include "test/sim/world.h"

#define SKEW_MS 4000  /* clocks were so wrong at most */
#define LATE_MS 40000 /* rows that are too old are looked for every ten seconds */
#define UP_US   20000000
#define LOOK_US 12000000

#define APART_US 6000000 /* tombstones are kept for longer, whatever becomes of the clock */

static int wholes[MACHINES_MAX][MACHINES_MAX][WORK_TABLES];
static uint64_t apart_since[MACHINES_MAX][WORK_TABLES];
static int were_apart[WORK_TABLES];
static int overdue, looks_again; /* some row is there beyond its time; it has had LOOK_US since */

/*
 * Whoever has a table, made anew, from some of those that give it for longer than tombstones are kept
 * may have what others have deleted, and brings it back when they have the table of each other.
 */
static void
note_apart(const struct machine *m, int t)
{
	uint64_t *since = &apart_since[m->index][t];
	int all = 1;

	for (int i = 0; i < nmachines; i++)
		all &= wholes[i][m->index][t] || !shape_gives(&machines[i], m);
	if (*since != 0 && world_now() - *since > APART_US)
		were_apart[t] = 1;
	if (all)
		*since = 0;
	else if (*since == 0)
		*since = world_now();
}

void
check_whole(const struct machine *from, const struct machine *to, int t, int whole)
{
	wholes[from->index][to->index][t] = whole;
	note_apart(to, t);
}

int
check_is_whole(const struct machine *from, const struct machine *to, int t)
{
	return (wholes[from->index][to->index][t]);
}

/* ---- rows ---- */

/* A row as it is there; `bytes` hold it. */
static void
load(const struct machine *m, const struct table *t, const uint8_t *key, size_t klen,
    struct row *row, struct buf *bytes)
{
	struct buf k = { 0 };

	key_row(&k, t->id, key, klen);
	row_clear(row);
	if (store_get(m->data.store, NULL, CF_ROWS, k.data, k.len, bytes) == 1 &&
	    row_load(row, bytes->data, bytes->len) == -1)
		world_fail("%s: a row of %s is broken", m->name, t->name);
	buf_free(&k);
}

/* What the table has forgotten on purpose does not count. */
static void
leave_out_forgotten(const struct table *t, struct row *row)
{
	uint32_t n = 0;

	row_floor(row, t->floor);
	for (uint32_t i = 0; i < row->n; i++) {
		const struct attribute *a = table_attr(t, row->attrs[i].name, row->attrs[i].nlen);

		if (a == NULL || stamp_cmp(row->attrs[i].stamp, a->dropped) > 0)
			row->attrs[n++] = row->attrs[i];
	}
	row->n = n;
}

/* A row that had no news for so long may have gone here, and of that only what came later came back. */
static void
leave_out_expired(const struct table *t, struct row *row)
{
	uint64_t age = (uint64_t)t->expiration * 1000;

	if (age != 0)
		row_floor(row, (struct stamp){ (wall_ms() - age + SKEW_MS) << 16, 0 });
}

static void
show(const struct machine *m, const char *what, const struct row *row)
{
	struct buf b = { 0 };

	buf_addf(&b, "created %llx.%llx cleared %llx.%llx", (unsigned long long)row->created.time,
	    (unsigned long long)row->created.node & 0xffff, (unsigned long long)row->cleared.time,
	    (unsigned long long)row->cleared.node & 0xffff);
	for (uint32_t i = 0; i < row->n; i++)
		buf_addf(&b, " %.*s %llx.%llx", row->attrs[i].nlen, row->attrs[i].name,
		    (unsigned long long)row->attrs[i].stamp.time,
		    (unsigned long long)row->attrs[i].stamp.node & 0xffff);
	world_note(m, "%s: %.*s", what, (int)b.len, (const char *)b.data);
	buf_free(&b);
}

/* Where it stands in the logs of the others. */
static void
show_cursors(const struct machine *m, const struct table *t)
{
	struct cursor_view **all;
	size_t n;

	all = cursors_all(m->rep.cursors, NULL, &n);
	for (size_t i = 0; i < n; i++)
		if (strcmp(all[i]->name, t->name) == 0)
			world_note(m, "stands at %llu of %llu of %02x%02x, head %llu, %s",
			    (unsigned long long)all[i]->seq,
			    (unsigned long long)all[i]->incarnation, all[i]->peer[0],
			    all[i]->peer[1], (unsigned long long)all[i]->head,
			    cursor_view_state(all[i]->state));
	cursors_done(all, n);
}

/* The row as each has it. */
static void
show_all(const struct table *t, const uint8_t *key, size_t klen)
{
	for (int i = 0; i < nmachines; i++) {
		struct table *there = !machines[i].up ?
		    NULL :
		    catalog_get(machines[i].data.catalog, t->database, t->name);
		struct buf bytes = { 0 };
		struct row row = { 0 };

		if (there != NULL) {
			load(&machines[i], there, key, klen, &row, &bytes);
			show(&machines[i], "has", &row);
			show_cursors(&machines[i], there);
			world_note(&machines[i], "its own head is %llu",
			    (unsigned long long)table_head(there).seq);
		}
		table_unref(there);
		row_free(&row);
		buf_free(&bytes);
	}
}

/*
 * What the tombstones that are gone stood for does not count either: who deletes a row
 * leaves nothing of what was before, and a row that came after does not know that it was.
 */
static void
leave_out_deleted(const struct table *t, struct row *row, struct stamp deleted, int absent)
{
	if (absent &&
	    (!row_visible(row) || (!stamp_none(deleted) && stamp_cmp(row->created, deleted) <= 0)))
		row_floor(row, t->horizon);
	if (stamp_cmp(deleted, t->horizon) <= 0)
		row_floor(row, deleted);
	if (stamp_cmp(row->cleared, t->horizon) <= 0)
		row->cleared = (struct stamp){ 0 };
}

/* What was given once is the same everywhere. */
static int
has_other_value(const struct row *has, const struct row *row)
{
	for (uint32_t i = 0; i < row->n; i++) {
		const struct attr *a = &row->attrs[i], *b = row_attr(has, a->name, a->nlen);

		if (b != NULL && stamp_cmp(a->stamp, b->stamp) == 0 &&
		    (a->vlen != b->vlen || memcmp(a->value, b->value, a->vlen) != 0))
			return (1);
	}
	return (0);
}

/* `to` has everything that `row` has. */
static void
has_row(const struct machine *to, struct table *t, const uint8_t *key, size_t klen, struct row *row,
    struct stamp deleted, const char *whose)
{
	struct row has = { 0 }, merged = { 0 };
	struct buf bytes = { 0 };

	leave_out_forgotten(t, row);
	leave_out_expired(t, row);
	load(to, t, key, klen, &has, &bytes);
	leave_out_deleted(t, row, deleted, bytes.len == 0 || !row_visible(&has));
	row_load(&merged, bytes.data, bytes.len);
	if (row_merge(&merged, row) == 1 || has_other_value(&has, row)) {
		show_all(t, key, klen);
		show(to, whose, row);
		world_note(to, "deleted %llx, horizon %llx, floor %llx",
		    (unsigned long long)deleted.time, (unsigned long long)t->horizon.time,
		    (unsigned long long)t->floor.time);
		world_fail("%s lacks of %s what %s has of key %02x%02x", to->name, t->name, whose,
		    klen > 1 ? key[1] : 0, klen > 2 ? key[2] : 0);
	}
	row_free(&has);
	row_free(&merged);
	buf_free(&bytes);
}

static struct table *
table_there(const struct machine *m, int t)
{
	return (catalog_get(m->data.catalog, "dev", work_table(t)));
}

int
check_are_alike(const struct table *a, const struct table *b)
{
	return (a == NULL || b == NULL || strcmp(a->primary_key, b->primary_key) == 0);
}

/* Whether one hears of all deletions that the other hears of. */
static int
hears_as_much(const struct machine *one, const struct machine *other, int t)
{
	if (shape_relays() || !wholes[other->index][one->index][t])
		return (wholes[other->index][one->index][t]);
	for (int i = 0; i < nmachines; i++)
		if (wholes[i][other->index][t] && i != one->index && !wholes[i][one->index][t])
			return (0);
	return (1);
}

/* Deletions of a row that one may not know of; who made it alone has also let go what came after. */
static struct stamp
deleted_at(const struct machine *from, const struct machine *to, const struct table *theirs, int t,
    const uint8_t *key, size_t klen)
{
	struct stamp s;

	if (hears_as_much(from, to, t) && !were_apart[t])
		return (work_orphaned_key(t, key, klen));
	s = work_deleted_key(t, key, klen);
	return (!stamp_none(s) ? theirs->horizon : s);
}

/* All of one's rows, or of its own writes in them, are at the other. */
static void
has_table(const struct machine *from, const struct machine *to, int t, int relaying)
{
	struct table *ours = table_there(from, t), *theirs = table_there(to, t);
	struct store_iter *it;
	struct row row = { 0 };

	if (ours == NULL) {
		table_unref(theirs);
		return; /* dropped there, which is nobody else's matter */
	}
	if (theirs != NULL && !check_are_alike(ours, theirs)) {
		table_unref(ours);
		table_unref(theirs);
		return;
	}
	if (theirs == NULL)
		world_fail("%s is not there on %s", work_table(t), to->name);
	it = store_iter_rows(from->data.store, ours->id);
	for (; store_iter_valid(it); store_iter_next(it)) {
		size_t klen, n;
		const uint8_t *k = store_iter_key(it, &klen), *p = store_iter_value(it, &n);

		if (row_load(&row, p, n) == -1)
			world_fail("%s: a row of %s is broken", from->name, work_table(t));
		if (!relaying)
			row_only_node(&row, stamp_node(from->data.node_id));
		has_row(to, theirs, k + 4, klen - 4, &row,
		    deleted_at(from, to, theirs, t, k + 4, klen - 4), from->name);
	}
	store_iter_free(it);
	row_free(&row);
	table_unref(ours);
	table_unref(theirs);
}

/* Who is put back gets what others still have: not what one of them has deleted before it came for it. */
static void
keeps_promises(const struct machine *m, int t)
{
	struct table *table = table_there(m, t);
	struct row row = { 0 };

	for (int key = 0; table != NULL && key < WORK_KEYS; key++) {
		const struct buf *p = work_promise(m, t, key);
		struct buf k = { 0 };

		work_key(&k, key);
		if (p->len > 0 && row_load(&row, p->data, p->len) == 0) {
			if (change_was_put_back(m))
				row_floor(&row, work_deleted(t, key));
			has_row(m, table, k.data, k.len, &row, work_deleted(t, key),
			    "who was answered");
		}
		buf_free(&k);
	}
	row_free(&row);
	table_unref(table);
}

/* Of what was before the table was dropped here, nothing came back. */
static void
forgets(const struct machine *m, const struct table *t, const struct row *row, uint64_t before)
{
	int late = stamp_none(row->created) || row->created.time >= before;

	late &= stamp_none(row->cleared) || row->cleared.time >= before;
	for (uint32_t i = 0; i < row->n; i++)
		late &= row->attrs[i].stamp.time >= before;
	if (!late)
		world_fail("%s has what was in %s before it was dropped", m->name, t->name);
}

/* Once it was up for a while, with time enough for what came late, perhaps just now out of an old log. */
static void
lets_go(const struct machine *m, const struct table *t, const struct row *row, const uint8_t *key,
    size_t klen)
{
	uint64_t age = (uint64_t)t->expiration * 1000;

	if (age == 0 || !row_visible(row) || world_now() - m->data.started_us <= UP_US ||
	    stamp_ms(row_newest(row)) + age + LATE_MS >= wall_ms())
		return;
	overdue = 1;
	if (!looks_again)
		return;
	show_all(t, key, klen);
	world_fail("%s keeps a row of %s beyond its time", m->name, t->name);
}

/* The count is that of the rows; keys are of the table's kind. */
static void
counts_rows(const struct machine *m, int t)
{
	struct table *table = table_there(m, t);
	struct store_iter *it;
	struct row row = { 0 };
	int64_t n = 0;

	if (table == NULL)
		return;
	it = store_iter_rows(m->data.store, table->id);
	for (; store_iter_valid(it); store_iter_next(it)) {
		size_t klen, len;
		const uint8_t *k = store_iter_key(it, &klen), *p = store_iter_value(it, &len);

		n += row_load(&row, p, len) == 0 && row_visible(&row);
		forgets(m, table, &row, work_dropped(m, t));
		lets_go(m, table, &row, k + 4, klen - 4);
		if (row_visible(&row) && stamp_cmp(row.created, table->forgotten) < 0)
			world_fail("%s has a row of %s that was deleted for its age", m->name,
			    table->name);
		if (key_is_number(k + 4) != (strcmp(table->primary_key, "id") == 0))
			world_fail("%s has a row in %s of a table with another key", m->name,
			    table->name);
	}
	if (n != table->stat->count)
		world_fail("%s counts %lld rows of %s, there are %lld", m->name,
		    (long long)table->stat->count, work_table(t), (long long)n);
	store_iter_free(it);
	row_free(&row);
	table_unref(table);
}

/* ---- entries and the log ---- */

/* Both sides of a pair say the same. */
static void
agrees(struct machine *a, struct machine *b)
{
	struct peer *p = nodes_by_id(a->rep.nodes, b->data.node_id);
	struct peer *q = nodes_by_id(b->rep.nodes, a->data.node_id);

	if ((p != NULL && peer_active(p)) || (q != NULL && peer_active(q)))
		if (p == NULL || q == NULL || p->subs.digest != q->subs.digest)
			world_fail("%s and %s do not agree on their subscriptions", a->name,
			    b->name);
	peer_free(p);
	peer_free(q);
}

struct seen_txn {
	struct stamp stamp;
	uint64_t seq;
	uint32_t table;
	struct buf bytes;
};

static int
seen_order(const void *a, const void *b)
{
	const struct seen_txn *x = a, *y = b;
	int c = stamp_cmp(x->stamp, y->stamp);

	if (c != 0)
		return (c);
	if (x->table != y->table)
		return (x->table < y->table ? -1 : 1);
	if (x->bytes.len != y->bytes.len)
		return (x->bytes.len < y->bytes.len ? -1 : 1);
	return (memcmp(x->bytes.data, y->bytes.data, x->bytes.len));
}

/*
 * A row that left this node for its age, and comes again, is news once more; so is a value whose attribute
 * was dropped.  The transaction is in the log again then, as others may lack it as well: who has it merges it
 * into the same.
 */
static int
may_come_again(const struct machine *m, uint32_t id)
{
	struct table *t = catalog_by_id(m->data.catalog, id);
	int yes = t == NULL || t->expiration != 0 || change_forgot(m, work_table_named(t->name));

	table_unref(t);
	return (yes);
}

/* A transaction that was applied twice would be in the log twice. */
static void
logs_once(const struct machine *m)
{
	struct store_iter *it = store_iter_new(m->data.store, NULL, CF_LOG, NULL, 0, NULL, 0);
	struct seen_txn *all = NULL;
	size_t n = 0;

	for (store_iter_first(it); store_iter_valid(it); store_iter_next(it)) {
		size_t len;
		const uint8_t *p = store_iter_value(it, &len);
		struct rd r = rd_init(p, len);
		struct log_entry e;
		struct txn t;

		if (log_entry_read(&r, &e) == -1 || txn_read(&t, e.payload, e.len) == -1)
			world_fail("%s: an entry of the log is broken", m->name);
		if (t.kind != TXN_WRITE || may_come_again(m, e.table))
			continue;
		all = xrealloc(all, (n + 1) * sizeof(*all));
		all[n] = (struct seen_txn){ .stamp = t.stamp, .seq = e.seq, .table = e.table };
		buf_add(&all[n++].bytes, e.payload, e.len);
	}
	store_iter_free(it);
	if (n > 0)
		qsort(all, n, sizeof(*all), seen_order);
	for (size_t i = 1; i < n; i++)
		if (seen_order(&all[i - 1], &all[i]) == 0)
			world_fail("%s has one transaction twice in its log: entries %llu and %llu",
			    m->name, (unsigned long long)all[i - 1].seq,
			    (unsigned long long)all[i].seq);
	for (size_t i = 0; i < n; i++)
		buf_free(&all[i].bytes);
	free(all);
}

static void
check_all(void)
{
	for (int i = 0; i < nmachines; i++) {
		struct machine *a = &machines[i];
		struct machine *was = machine_enter(a);

		logs_once(a);
		for (int t = 0; t < work_tables(); t++) {
			keeps_promises(a, t);
			counts_rows(a, t);
		}
		for (int k = 0; k < nmachines; k++) {
			if (k > i && (!membership_on() || membership_linked(a, &machines[k])))
				agrees(a, &machines[k]);
			for (int t = 0; t < work_tables(); t++)
				if (wholes[i][k][t])
					has_table(a, &machines[k], t, shape_relays());
		}
		machine_enter(was);
	}
}

void
check_rest(void)
{
	overdue = looks_again = 0;
	check_all();
	if (!overdue)
		return;
	world_run_until(world_now() + LOOK_US);
	looks_again = 1;
	check_all();
}
