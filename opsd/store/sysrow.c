#include "config.h"

#include "opsd/store/sysrow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/store/data.h"
#include "opsd/store/group.h"
#include "opsd/store/key.h"
#include "opsd/store/row.h"
#include "opsd/store/value.h"

static json_t *
to_object(const struct table *t, const uint8_t *key, size_t klen, const struct row *row)
{
	json_t *o = json_object(), *v;
	struct rd r = rd_init(key, klen);
	char name[256];

	json_object_set_new(o, t->primary_key, key_to_json(&r));
	for (uint32_t i = 0; i < row->n; i++) {
		const struct attr *a = &row->attrs[i];

		if (!row_counts(row, a) || (v = value_to_json(a->value, a->vlen)) == NULL)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)a->nlen, a->name);
		json_object_set_new(o, name, v);
	}
	json_object_set_new(o, "__createdtime__", json_real(stamp_user(row_created(row))));
	json_object_set_new(o, "__updatedtime__", json_real(stamp_user(row_updated(row))));
	return (o);
}

/* NULL: not visible. */
static json_t *
load_visible(const struct table *t, const uint8_t *key, size_t klen, const void *p, size_t n)
{
	struct row row = { 0 };
	json_t *o = NULL;

	if (row_load(&row, p, n) == 0 && row_visible(&row))
		o = to_object(t, key, klen, &row);
	row_free(&row);
	return (o);
}

/* ---- what stays on this node ---- */

/*
 * CF_META: "S" + the row's key in CF_ROWS -> text.  The one attribute that no other node is told, as
 * its own key seals it: beside the row, as all that is in rows may replicate.
 */
static const char beside_name[] = "sealed";

static void
beside_key(struct buf *k, uint32_t table, const uint8_t *key, size_t klen)
{
	buf_u8(k, 'S');
	key_row(k, table, key, klen);
}

static void
read_beside(struct data *data, const struct buf *key, uint32_t table, json_t *o)
{
	struct buf k = { 0 }, v = { 0 };

	beside_key(&k, table, key->data, key->len);
	if (store_get(data->store, NULL, CF_META, k.data, k.len, &v) == 1)
		json_object_set_new(o, beside_name, json_stringn((const char *)v.data, v.len));
	buf_free(&k);
	buf_free(&v);
}

/* NULL: none. */
static void
keep_beside(struct group *g, uint32_t table, const uint8_t *key, size_t klen, const char *text)
{
	struct buf k = { 0 };

	beside_key(&k, table, key, klen);
	if (text != NULL)
		store_batch_put(group_batch(g), CF_META, k.data, k.len, text, strlen(text));
	else
		store_batch_delete(group_batch(g), CF_META, k.data, k.len);
	buf_free(&k);
}

void
sysrow_forget_own(struct group *g, uint32_t table, const uint8_t *key, size_t klen)
{
	keep_beside(g, table, key, klen, NULL);
}

/* ---- reading ---- */

json_t *
sysrow_get(struct data *data, enum system_table id, const char *key)
{
	struct table *t = catalog_by_id(data->catalog, id);
	struct buf k = { 0 }, rowkey = { 0 }, value = { 0 };
	json_t *o = NULL;

	if (t != NULL && key_from_string(&k, key, strlen(key)) == 0) {
		key_row(&rowkey, id, k.data, k.len);
		if (store_get(data->store, NULL, CF_ROWS, rowkey.data, rowkey.len, &value) == 1)
			o = load_visible(t, k.data, k.len, value.data, value.len);
	}
	if (o != NULL)
		read_beside(data, &k, id, o);
	buf_free(&k);
	buf_free(&rowkey);
	buf_free(&value);
	table_unref(t);
	return (o);
}

json_t *
sysrow_all(struct data *data, enum system_table id)
{
	struct table *t = catalog_by_id(data->catalog, id);
	struct store_iter *it;
	json_t *list = json_array(), *o;

	if (t == NULL)
		return (list);
	it = store_iter_rows(data->store, id);
	for (; store_iter_valid(it); store_iter_next(it)) {
		size_t klen, n;
		const uint8_t *key = store_iter_key(it, &klen), *p = store_iter_value(it, &n);

		if ((o = load_visible(t, key + 4, klen - 4, p, n)) != NULL)
			json_array_append_new(list, o);
	}
	store_iter_free(it);
	table_unref(t);
	return (list);
}

/* ---- writing ---- */

struct change {
	struct commit_job job; /* first */
	enum system_table table;
	enum txn_op op;
	json_t *record;    /* a row, or the key of one that goes */
	const json_t *own; /* what stays here of it; NULL: as it was */
	size_t max;
};

/* Whether it applied. */
static int
run_write(struct group *g, struct change *c)
{
	struct write *w = write_new(group_table(g, c->table), c->op, "hubleaf");
	int applied = 0;

	w->internal = 1;
	w->job.status = 200;
	if (write_add(w, c->record, c->max) == -1)
		commit_fail(&c->job, 400, "the record is too large or has a bad key");
	else {
		w->job.run(g, &w->job);
		if (w->job.status != 200)
			commit_fail(&c->job, w->job.status, "%s", w->job.error);
		else
			applied = w->recs[0].applied;
	}
	write_free(w);
	return (applied);
}

/* What stays here of it changes with it. */
static void
keep_with_row(struct group *g, const struct change *c)
{
	const json_t *key = c->op == TXN_DELETE ?
	    c->record :
	    json_object_get(c->record, group_table(g, c->table)->primary_key);
	struct buf k = { 0 };

	if (c->own == NULL && c->op == TXN_UPSERT)
		return;
	key_from_json(&k, key);
	keep_beside(g, c->table, k.data, k.len, json_string_value(c->own));
	buf_free(&k);
}

static void
change_run(struct group *g, struct commit_job *j)
{
	struct change *c = (struct change *)j;

	if (run_write(g, c))
		keep_with_row(g, c);
	else if (j->status == 200 && c->op == TXN_INSERT)
		commit_fail(j, 409, "already exists");
}

static void
first_run(struct group *g, struct commit_job *j)
{
	struct change *c = (struct change *)j;

	if (!group_system_first(g, c->table, c->record))
		change_run(g, j);
	else
		keep_with_row(g, c);
}

/* The row without what stays here of it. */
static int
run_change(struct data *data, struct change *c, const json_t *row, char **err)
{
	int status;

	c->record = json_copy((json_t *)(uintptr_t)row);
	c->own = json_object_get(row, beside_name);
	c->max = data->live.max_transaction;
	json_object_del(c->record, beside_name);
	status = commit_wait(data->commit, &c->job);
	if (status != 200)
		*err = c->job.error != NULL ? c->job.error : xstrdup("not written");
	json_decref(c->record);
	return (status);
}

static int
change_row(struct data *data, enum system_table id, enum txn_op op, const json_t *row, char **err)
{
	struct change c = { .job = { .run = change_run }, .table = id, .op = op };

	return (run_change(data, &c, row, err));
}

int
sysrow_first(struct data *data, enum system_table id, const json_t *row, char **err)
{
	struct change c = { .job = { .run = first_run }, .table = id, .op = TXN_UPSERT };

	return (run_change(data, &c, row, err));
}

int
sysrow_insert(struct data *data, enum system_table id, const json_t *row, char **err)
{
	return (change_row(data, id, TXN_INSERT, row, err));
}

int
sysrow_put(struct data *data, enum system_table id, const json_t *row, char **err)
{
	return (change_row(data, id, TXN_UPSERT, row, err));
}

int
sysrow_remove(struct data *data, enum system_table id, const char *key, char **err)
{
	json_t *k = json_string(key);
	int status = change_row(data, id, TXN_DELETE, k, err);

	json_decref(k);
	return (status);
}
