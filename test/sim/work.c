#include "config.h"

#include "test/sim/work.h"

#include <jansson.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "opsd/store/key.h"
#include "test/sim/machine.h"
#include "test/sim/world.h"

#define RECORDS		3	/* of one request, at most */
#define ATTRIBUTES	4
#define REQUEST_MAX	(1u << 20)

static const char *const tables[WORK_TABLES] = { "dogs", "cats", "fish" };
static const char *const attributes[ATTRIBUTES] = { "a", "b", "c", "d" };
static struct buf	 promises[MACHINES_MAX][WORK_TABLES][WORK_KEYS];
static struct stamp	 deleted[WORK_TABLES][WORK_KEYS];
static int		 ntables;
static unsigned		 written, values;

void
work_begin(int n)
{
	ntables = n;
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

void
work_forget(struct machine *m, int t)
{
	for (int key = 0; key < WORK_KEYS; key++)
		buf_free(&promises[m->index][t][key]);
}

void
work_key(struct buf *b, int key)
{
	json_t *k = json_integer(key);

	key_from_json(b, k);
	json_decref(k);
}

void
work_define(struct machine *m, int t)
{
	struct machine *was = machine_enter(m);
	struct ddl *d = ddl_new(DDL_CREATE_TABLE, "dev", tables[t]);
	int status;

	d->primary_key = xstrdup("id");
	status = commit_wait(m->data.commit, &d->job);
	world_note(m, "table %s is made: %d", tables[t], status);
	ddl_free(d);
	machine_enter(was);
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
	struct machine	*m;
	int		 t, n, keys[RECORDS];
};

static void
note_row(const struct request_made *r, const struct write *w, int key)
{
	struct buf bytes = { 0 };
	struct row row = { 0 };

	load(r->m, w->table, key, &row, &bytes);
	if (w->op == TXN_DELETE)
		deleted[r->t][key] = stamp_max(deleted[r->t][key], row.cleared);
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
	for (int i = 0; j->status == 200 && i < r->n; i++)
		note_row(r, w, r->keys[i]);
	free(r);
	write_free(w);
}

/* ---- what is written ---- */

static json_t *
make_record(enum txn_op op, int key)
{
	json_t *o;

	if (op == TXN_DELETE)
		return (json_integer(key));
	o = json_pack("{s:i}", "id", key);
	for (int a = 0; a < ATTRIBUTES; a++)
		if (world_chance(50))
			json_object_set_new(o, attributes[a], world_chance(10) ? json_null() :
			    json_integer((json_int_t)++values));
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
	struct machine *was = machine_enter(m);
	int t = (int)world_below((uint64_t)ntables);
	struct table *table = catalog_get(m->data.catalog, "dev", tables[t]);
	enum txn_op op = any_op();
	struct request_made *r;
	struct write *w;

	if (table != NULL) {
		r = xcalloc(1, sizeof(*r));
		*r = (struct request_made){ .m = m, .t = t, .n = (int)world_between(1, RECORDS) };
		w = write_new(table, op, "client");
		for (int i = 0; i < r->n; i++) {
			json_t *o = make_record(op, r->keys[i] = (int)world_below(WORK_KEYS));

			write_add(w, o, REQUEST_MAX);
			json_decref(o);
		}
		w->job.arg = r;
		w->job.done = written_cb;
		world_note(m, "%s %s %d and %d more", txn_op_name((uint8_t)op), tables[t], r->keys[0],
		    r->n - 1);
		commit_submit(m->data.commit, &w->job);
	}
	table_unref(table);
	machine_enter(was);
}
