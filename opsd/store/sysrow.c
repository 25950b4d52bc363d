#include "config.h"

#include "opsd/store/sysrow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/store/data.h"
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

static int
change_row(struct data *data, enum system_table id, enum txn_op op, const json_t *record,
    char **err)
{
	struct table *t = catalog_by_id(data->catalog, id);
	struct write *w;
	int status = 500;

	if (t == NULL) {
		*err = xasprintf("the system tables are not there");
		return (status);
	}
	w = write_new(t, op, "hubleaf");
	w->internal = 1;
	if (write_add(w, record, data->live.max_transaction) == -1) {
		status = 400;
		*err = xasprintf("the record is too large or has a bad key");
	} else {
		status = commit_wait(data->commit, &w->job);
		if (status != 200)
			*err = xstrdup(w->job.error != NULL ? w->job.error : "not written");
		else if (op == TXN_INSERT && !w->recs[0].applied) {
			status = 409;
			*err = xasprintf("already exists");
		}
	}
	write_free(w);
	table_unref(t);
	return (status);
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
