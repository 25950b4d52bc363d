#include "config.h"

#include "test/sim/work.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "opsd/store/key.h"
#include "test/sim/check.h"
#include "test/sim/machine.h"
#include "test/sim/shape.h"
#include "test/sim/world.h"

#define RECORDS          3 /* of one request, at most */
#define ATTRIBUTES       4
#define OTHER_KEY        "name"
#define REQUEST_MAX      (1u << 20)
#define EXPIRATION_MAX_S 30

static const char *const tables[WORK_TABLES] = { "dogs", "cats", "fish" };
static const char *const attributes[ATTRIBUTES] = { "a", "b", "c", "d" };
static struct buf promises[MACHINES_MAX][WORK_TABLES][WORK_KEYS];
static struct stamp deleted[WORK_TABLES][WORK_KEYS];
static struct stamp deleted_by[MACHINES_MAX][WORK_TABLES][WORK_KEYS];
static struct stamp orphaned[WORK_TABLES][WORK_KEYS]; /* by who is not there any more */
static struct stamp newest[MACHINES_MAX];             /* that the node issued, */
static uint64_t newest_us[MACHINES_MAX];              /* when */
static uint64_t dropped[MACHINES_MAX][WORK_TABLES];
static uint32_t expirations[WORK_TABLES]; /* seconds, 0: never */
static int ntables;
static unsigned written, values;

void
work_begin(int n)
{
	ntables = n;
	for (int t = 0; t < n; t++)
		expirations[t] = world_chance(10) ? (uint32_t)world_between(8, EXPIRATION_MAX_S) :
						    0;
}

int
work_tables(void)
{
	return (ntables);
}

const char *
work_table(int t)
{
	return (tables[t]);
}

int
work_table_named(const char *name)
{
	int t = ntables;

	while (--t >= 0 && strcmp(tables[t], name) != 0)
		;
	return (t);
}

unsigned
work_written(void)
{
	return (written);
}

const struct buf *
work_promise(const struct machine *m, int t, int key)
{
	return (&promises[m->index][t][key]);
}

struct stamp
work_deleted(int t, int key)
{
	return (deleted[t][key]);
}

/* Of a key as it is stored; -1: another one. */
static int
number_of(const uint8_t *key, size_t n)
{
	struct buf b = { 0 };
	int k = WORK_KEYS;

	do {
		buf_clear(&b);
		work_key(&b, --k);
	} while (k >= 0 && (b.len != n || memcmp(b.data, key, n) != 0));
	buf_free(&b);
	return (k);
}

struct stamp
work_deleted_key(int t, const uint8_t *key, size_t n)
{
	int k = number_of(key, n);

	return (k >= 0 ? deleted[t][k] : (struct stamp){ 0 });
}

struct stamp
work_orphaned_key(int t, const uint8_t *key, size_t n)
{
	int k = number_of(key, n);

	return (k >= 0 ? orphaned[t][k] : (struct stamp){ 0 });
}

void
work_forget(struct machine *m, int t)
{
	for (int key = 0; key < WORK_KEYS; key++) {
		buf_free(&promises[m->index][t][key]);
		orphaned[t][key] = stamp_max(orphaned[t][key], deleted_by[m->index][t][key]);
	}
}

void
work_key(struct buf *b, int key)
{
	json_t *k = json_integer(key);

	key_from_json(b, k);
	json_decref(k);
}

int
work_has_table(struct machine *m, int t)
{
	struct table *table = catalog_get(m->data.catalog, "dev", tables[t]);

	table_unref(table);
	return (table != NULL);
}

static void
define(struct machine *m, enum ddl_kind kind, int t, const char *attribute, const char *key)
{
	struct machine *was = machine_enter(m);
	struct ddl *d = ddl_new(kind, "dev", tables[t]);
	int status;

	m->writes_left = 0; /* it does not crash in the middle of that */
	d->primary_key = xstrdup(key);
	d->attribute = xstrdup(attribute);
	d->expiration = expirations[t];
	status = commit_wait(m->data.commit, &d->job);
	world_note(m, "%s%s%s of %s: %d", kind == DDL_CREATE_TABLE ? "making" : "dropping",
	    attribute != NULL ? " " : "", attribute != NULL ? attribute : "", tables[t], status);
	ddl_free(d);
	machine_enter(was);
}

void
work_define(struct machine *m, int t)
{
	define(m, DDL_CREATE_TABLE, t, NULL, "id");
}

void
work_define_other(struct machine *m, int t)
{
	define(m, DDL_CREATE_TABLE, t, NULL, OTHER_KEY);
}

int
work_is_other(struct machine *m, int t)
{
	struct table *table = catalog_get(m->data.catalog, "dev", tables[t]);
	int other = table != NULL && strcmp(table->primary_key, OTHER_KEY) == 0;

	table_unref(table);
	return (other);
}

void
work_drop(struct machine *m, int t, const char *attribute)
{
	struct machine *was = machine_enter(m);

	if (attribute == NULL)
		dropped[m->index][t] = wall_ms() << 16;
	machine_enter(was);
	define(m, attribute != NULL ? DDL_DROP_ATTRIBUTE : DDL_DROP_TABLE, t, attribute, "id");
}

uint64_t
work_dropped(const struct machine *m, int t)
{
	return (dropped[m->index][t]);
}

void
work_recall(const struct machine *m, int t)
{
	dropped[m->index][t] = 0;
}

/* ---- what was promised ---- */

/* The row as it is now; `bytes` hold it. */
static void
load(struct machine *m, const struct table *table, int key, struct row *row, struct buf *bytes)
{
	struct buf k = { 0 }, rkey = { 0 };

	work_key(&k, key);
	key_row(&rkey, table->id, k.data, k.len);
	if (store_get(m->data.store, NULL, CF_ROWS, rkey.data, rkey.len, bytes) == 1)
		row_load(row, bytes->data, bytes->len);
	buf_free(&k);
	buf_free(&rkey);
}

/* Of the row, what this node wrote; it was there when the answer went out. */
static void
promise(const struct machine *m, struct buf *has, struct row *row)
{
	struct buf now = { 0 };
	struct row before = { 0 };

	if (has->len > 0)
		row_load(&before, has->data, has->len);
	row_only_node(row, stamp_node(m->data.node_id));
	row_merge(&before, row);
	row_encode(&before, &now);
	row_free(&before);
	buf_free(has);
	*has = now;
}

struct request_made {
	struct machine *m;
	int t, n, keys[RECORDS];
	int other; /* the table has another key: nothing is promised */
};

/* Stamps that a node issues grow, whatever its clock does; a peer's may be on the row as well. */
static void
check_stamp(const struct machine *m, const struct row *row)
{
	struct row own = { 0 };
	struct stamp s;

	if (world_now() != newest_us[m->index] && row_newest(row).time <= newest[m->index].time)
		world_fail("%s issues a stamp that is not above the last one", m->name);
	row_merge(&own, row);
	row_only_node(&own, stamp_node(m->data.node_id));
	s = row_newest(&own);
	row_free(&own);
	newest[m->index] = stamp_max(newest[m->index], s);
	newest_us[m->index] = world_now();
}

void
work_new_clock(const struct machine *m)
{
	newest[m->index] = (struct stamp){ 0 };
}

/* It may have been dropped between the write and its answer. */
static int
is_there(const struct machine *m, const struct table *table)
{
	struct table *t = catalog_by_id(m->data.catalog, table->id);

	table_unref(t);
	return (t != NULL);
}

/* Or the row has gone for its age. */
static int
has_left(const struct machine *m, const struct table *table, const struct row *row)
{
	struct table *t = catalog_by_id(m->data.catalog, table->id);
	int gone = t != NULL && !stamp_none(t->forgotten) && stamp_none(row_newest(row));

	table_unref(t);
	return (gone);
}

/* When the row is no longer there to tell. */
static struct stamp
latest_by_now(void)
{
	return ((struct stamp){ .time = wall_ms() << 16 | 0xffff });
}

static void
note_row(const struct request_made *r, const struct write *w, int key, int applied)
{
	struct buf bytes = { 0 };
	struct row row = { 0 };

	load(r->m, w->table, key, &row, &bytes);
	if (w->op == TXN_DELETE) {
		struct stamp at = is_there(r->m, w->table) ? row.cleared : latest_by_now();

		deleted[r->t][key] = stamp_max(deleted[r->t][key], at);
		deleted_by[r->m->index][r->t][key] = at;
	}
	if (machine_alive(r->m) && applied && is_there(r->m, w->table) &&
	    !has_left(r->m, w->table, &row))
		check_stamp(r->m, &row);
	if (machine_alive(r->m))
		promise(r->m, &promises[r->m->index][r->t][key], &row);
	row_free(&row);
	buf_free(&bytes);
}

static void
written_cb(struct commit_job *j)
{
	struct write *w = (struct write *)j;
	struct request_made *r = j->arg;

	if (machine_alive(r->m)) {
		world_note(r->m, "%s: %d%s%s", tables[r->t], j->status, j->error != NULL ? " " : "",
		    j->error != NULL ? j->error : "");
		written += j->status == 200;
	}
	for (int i = 0; j->status == 200 && !r->other && i < r->n; i++)
		note_row(r, w, r->keys[i], w->n == 1 && w->recs[0].applied && w->op != TXN_UPDATE);
	free(r);
	write_free(w);
}

/* ---- what is written ---- */

static json_t *
make_key(const struct table *t, int key)
{
	return (strcmp(t->primary_key, OTHER_KEY) == 0 ? json_sprintf("k%d", key) :
							 json_integer(key));
}

static json_t *
make_record(const struct table *t, enum txn_op op, int key)
{
	json_t *o;

	if (op == TXN_DELETE)
		return (make_key(t, key));
	o = json_pack("{s:o}", t->primary_key, make_key(t, key));
	for (int a = 0; a < ATTRIBUTES; a++)
		if (world_chance(50))
			json_object_set_new(o, attributes[a],
			    world_chance(10) ? json_null() : json_integer((json_int_t)++values));
	return (o);
}

static enum txn_op
any_op(void)
{
	uint64_t n = world_below(100);

	return (n < 20 ? TXN_INSERT : n < 50 ? TXN_UPDATE : n < 75 ? TXN_UPSERT : TXN_DELETE);
}

void
work_write(struct machine *m)
{
	work_write_to(m, (int)world_below((uint64_t)ntables));
}

void
work_write_to(struct machine *m, int t)
{
	struct machine *was = machine_enter(m);
	struct table *table = catalog_get(m->data.catalog, "dev", tables[t]);
	enum txn_op op = any_op();
	struct request_made *r;
	struct write *w;

	if (table != NULL) {
		r = xcalloc(1, sizeof(*r));
		*r = (struct request_made){
			.m = m,
			.t = t,
			.n = (int)world_between(1, RECORDS),
			.other = strcmp(table->primary_key, OTHER_KEY) == 0,
		};
		w = write_new(table, op, "client");
		for (int i = 0; i < r->n; i++) {
			json_t *o = make_record(table, op,
			    r->keys[i] = (int)world_below(WORK_KEYS));

			write_add(w, o, REQUEST_MAX);
			json_decref(o);
		}
		w->job.arg = r;
		w->job.done = written_cb;
		world_note(m, "%s %s %d and %d more", txn_op_name((uint8_t)op), tables[t],
		    r->keys[0], r->n - 1);
		commit_submit(m->data.commit, &w->job);
	}
	table_unref(table);
	machine_enter(was);
}

/* ---- backups ---- */

struct work_promises {
	int has[WORK_TABLES]; /* the table is there */
	struct buf of[WORK_TABLES][WORK_KEYS];
};

struct work_promises *
work_promises(struct machine *m)
{
	struct work_promises *p = xcalloc(1, sizeof(*p));

	for (int t = 0; t < ntables; t++) {
		p->has[t] = work_has_table(m, t);
		for (int key = 0; key < WORK_KEYS; key++) {
			const struct buf *b = &promises[m->index][t][key];

			buf_add(&p->of[t][key], b->data, b->len);
		}
	}
	return (p);
}

void
work_promises_free(struct work_promises *p)
{
	for (int t = 0; p != NULL && t < ntables; t++)
		for (int key = 0; key < WORK_KEYS; key++)
			buf_free(&p->of[t][key]);
	free(p);
}

static struct stamp
if_there(struct stamp s, struct stamp by)
{
	return (stamp_cmp(s, by) == 0 ? s : (struct stamp){ 0 });
}

/* Of `row` what the other has; what is newer there is somebody's else to keep. */
static void
cut_to(struct row *row, const struct row *has)
{
	uint32_t n = 0;

	row->created = if_there(row->created, has->created);
	row->cleared = if_there(row->cleared, has->cleared);
	for (uint32_t i = 0; i < row->n; i++) {
		const struct attr *a = row_attr(has, row->attrs[i].name, row->attrs[i].nlen);

		if (a != NULL && stamp_cmp(row->attrs[i].stamp, a->stamp) == 0)
			row->attrs[n++] = row->attrs[i];
	}
	row->n = n;
}

/* What others but `gone` have of it, and the disk that it goes on with. */
static void
lose_row(const struct machine *m, const struct machine *gone, int t, int key,
    const struct buf *disk)
{
	struct buf *has = &promises[m->index][t][key], bytes[MACHINES_MAX] = { 0 }, now = { 0 };
	struct row row = { 0 }, left = { 0 }, other = { 0 };

	if (has->len == 0)
		return;
	if (disk->len > 0)
		row_load(&left, disk->data, disk->len);
	for (int i = 0; i < nmachines; i++) {
		struct table *table = machine_alive(&machines[i]) ?
		    catalog_get(machines[i].data.catalog, "dev", tables[t]) :
		    NULL;

		if (&machines[i] != m && &machines[i] != gone && table != NULL &&
		    check_is_whole(m, &machines[i], t)) {
			row_clear(&other);
			load(&machines[i], table, key, &other, &bytes[i]);
			/* Who only gets is asked for what this node wrote. */
			if (!check_is_whole(&machines[i], m, t))
				row_only_node(&other, stamp_node(m->data.node_id));
			row_merge(&left, &other);
		}
		table_unref(table);
	}
	row_load(&row, has->data, has->len);
	cut_to(&row, &left);
	row_encode(&row, &now);
	buf_free(has);
	*has = now;
	row_free(&row);
	row_free(&left);
	row_free(&other);
	for (int i = 0; i < nmachines; i++)
		buf_free(&bytes[i]);
}

void
work_lose_holder(struct machine *m, const struct machine *gone, int t)
{
	struct table *table = machine_alive(m) ? catalog_get(m->data.catalog, "dev", tables[t]) :
						 NULL;

	for (int key = 0; key < WORK_KEYS; key++) {
		struct row row = { 0 };
		struct buf disk = { 0 };

		if (table != NULL)
			load(m, table, key, &row, &disk);
		lose_row(m, gone, t, key, &disk);
		row_free(&row);
		buf_free(&disk);
	}
	table_unref(table);
}

void
work_lose(struct machine *m, const struct work_promises *then)
{
	for (int t = 0; t < ntables; t++) {
		for (int key = 0; key < WORK_KEYS; key++)
			lose_row(m, m, t, key, &then->of[t][key]);
		/* It was dropped, or not made yet. */
		if (!then->has[t]) {
			work_forget(m, t);
			shape_lose(m, t);
		}
	}
}
