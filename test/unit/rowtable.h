#ifndef HL_ROWTABLE_H
#define HL_ROWTABLE_H

/*
 * For tests: a real store with one table, whose rows are put as JSON and indexed as the commit
 * thread would.  Key "id"; indexed: "a", "c"; "o" as older stores have it, an index with holes;
 * "b" is not.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "opsd/store/field.h"
#include "opsd/store/store.h"
#include "opsd/store/value.h"

#define ROWTABLE_NAMES 4

static const char *const rowtable_names[ROWTABLE_NAMES] = { "a", "b", "c", "o" };

struct rowtable {
	char dir[64];
	struct store *store;
	struct table *table;
	struct store_batch *batch;
};

static inline void
rowtable_open(struct rowtable *rt)
{
	char *err = NULL;

	log_init("test", LOG_ERROR);
	strcpy(rt->dir, "/tmp/rowtable.XXXXXX");
	rt->store = mkdtemp(rt->dir) != NULL ? store_open(rt->dir, 1 << 20, &err) : NULL;
	if (rt->store == NULL)
		abort();
	rt->batch = store_batch_new(rt->store);
	rt->table = table_new("data", "t", "id");
	rt->table->id = 70;
	for (int i = 0; i < ROWTABLE_NAMES; i++) {
		struct attribute *a = table_edit_attr(rt->table, rowtable_names[i], 1);

		a->indexed = rowtable_names[i][0] != 'b';
		a->whole = a->indexed && rowtable_names[i][0] != 'o';
	}
}

static inline int
rowtable_close(struct rowtable *rt)
{
	char *rm = xasprintf("rm -rf '%s'", rt->dir);
	int rc;

	store_batch_free(rt->batch);
	table_unref(rt->table);
	store_close(rt->store);
	rc = system(rm);
	free(rm);
	return (rc);
}

static inline struct field
rowtable_field(const struct rowtable *rt, const char *name)
{
	struct field f;

	if (field_find(&f, rt->table, name) == -1)
		abort();
	return (f);
}

/* The row as a view; values keep its bytes. */
static inline void
rowtable_view(struct row_view *v, struct buf *key, struct buf *values, const json_t *o)
{
	struct stamp s = { UINT64_C(5000) << 16, 9 };
	size_t at[ROWTABLE_NAMES + 1];

	buf_clear(key);
	buf_clear(values);
	row_clear(&v->row);
	key_from_json(key, json_object_get(o, "id"));
	v->key = key->data;
	v->klen = key->len;
	v->row.created = v->row.cleared = s;
	for (int i = 0; i < ROWTABLE_NAMES; i++) {
		at[i] = values->len;
		if (json_object_get(o, rowtable_names[i]) != NULL)
			value_pack(values, json_object_get(o, rowtable_names[i]));
	}
	at[ROWTABLE_NAMES] = values->len;
	for (int i = 0; i < ROWTABLE_NAMES; i++) {
		struct attr *a;

		if (at[i] == at[i + 1])
			continue;
		a = row_add(&v->row, rowtable_names[i], 1);
		a->value = values->data + at[i];
		a->vlen = (uint32_t)(at[i + 1] - at[i]);
		a->stamp = s;
	}
}

static inline void
rowtable_index(struct rowtable *rt, struct row_view *v)
{
	for (int i = 0; i < ROWTABLE_NAMES; i++) {
		struct field f = rowtable_field(rt, rowtable_names[i]);
		struct buf value = { 0 }, k = { 0 };

		if (f.attr->indexed && field_index_key(&f, v, &value)) {
			key_index(&k, rt->table->id, f.attr->id, value.data, value.len, v->key,
			    v->klen);
			store_batch_put(rt->batch, CF_INDEX, k.data, k.len, "", 0);
		}
		buf_free(&value);
		buf_free(&k);
	}
}

/* Deleted ones become tombstones.  Nothing is there before rowtable_write. */
static inline void
rowtable_put(struct rowtable *rt, const json_t *o, int deleted)
{
	struct row_view v = { 0 };
	struct buf key = { 0 }, values = { 0 }, rkey = { 0 }, bytes = { 0 };

	rowtable_view(&v, &key, &values, o);
	if (deleted) {
		v.row.n = 0;
		v.row.created.time--;
	} else {
		rowtable_index(rt, &v);
		rt->table->stat->count++;
	}
	row_encode(&v.row, &bytes);
	key_row(&rkey, rt->table->id, key.data, key.len);
	store_batch_put(rt->batch, CF_ROWS, rkey.data, rkey.len, bytes.data, bytes.len);
	row_view_free(&v);
	buf_free(&key);
	buf_free(&values);
	buf_free(&rkey);
	buf_free(&bytes);
}

static inline int
rowtable_write(struct rowtable *rt)
{
	int rc = store_write(rt->store, rt->batch, 0);

	store_batch_free(rt->batch);
	rt->batch = store_batch_new(rt->store);
	return (rc);
}

#endif
