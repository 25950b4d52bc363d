#include "config.h"

#include "opsd/store/group_priv.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/store/data.h"
#include "opsd/store/key.h"
#include "opsd/store/value.h"

/* Rows of system tables, from objects. */

static int
by_attr_name(const void *a, const void *b)
{
	return (strcmp(*(const char *const *)a, *(const char *const *)b));
}

/* The object's attributes at stamp s, sorted; values are packed into `values`. */
static void
object_attrs(struct row *r, const struct table *t, const json_t *object, struct stamp s,
    struct buf *values)
{
	const char **names = xcalloc(json_object_size(object) + 1, sizeof(*names)), *name;
	size_t *at = xcalloc(json_object_size(object) + 1, sizeof(*at)), n = 0;
	json_t *v;

	json_object_foreach((json_t *)object, name, v)
		if (strcmp(name, t->primary_key) != 0)
			names[n++] = name;
	qsort(names, n, sizeof(*names), by_attr_name);
	for (size_t i = 0; i < n; i++) {
		at[i] = values->len;
		value_pack(values, json_object_get(object, names[i]));
	}
	at[n] = values->len;
	for (size_t i = 0; i < n; i++) {
		struct attr *a = row_add(r, names[i], strlen(names[i]));

		a->value = values->data + at[i];
		a->vlen = (uint32_t)(at[i + 1] - at[i]);
		a->stamp = s;
	}
	free(names);
	free(at);
}

void
group_system_put(struct group *g, enum system_table id, const json_t *object)
{
	struct table *t = group_table(g, id);
	struct row r = { 0 };
	struct buf key = { 0 }, values = { 0 };
	struct stamp s = group_stamp(g), created = s;
	struct group_row *gr;

	key_from_json(&key, json_object_get(object, t->primary_key));
	gr = group_row(g, t, key.data, key.len);
	if (gr != NULL) {
		if (row_load(&r, gr->now.data, gr->now.len) == 0 && row_visible(&r))
			created = r.cleared;
		row_clear(&r);
		r.created = s;
		r.cleared = created;
		object_attrs(&r, t, object, s, &values);
		group_row_set(g, gr, &r);
		group_see_attrs(g, t, &r);
	}
	row_free(&r);
	buf_free(&key);
	buf_free(&values);
}

static void
log_state(struct group *g, struct table *t, const struct group_row *gr)
{
	struct buf b = { 0 };
	size_t at = txn_begin(&b, TXN_WRITE, TXN_UPSERT, g->data->node_id, "hubleaf", t->database,
	    t->name, t->primary_key);

	txn_set_stamp(&b, at, group_stamp(g).time);
	txn_set_count(&b, at, 1);
	buf_u8(&b, REC_STATE);
	buf_strn(&b, gr->key, gr->klen);
	buf_blob(&b, gr->now.data, gr->now.len);
	group_log(g, t, b.data, b.len);
	buf_free(&b);
}

int
group_system_first(struct group *g, enum system_table id, const json_t *object)
{
	struct table *t = group_table(g, id);
	struct row r = { 0 };
	struct buf key = { 0 }, values = { 0 };
	struct group_row *gr;
	int is_first;

	key_from_json(&key, json_object_get(object, t->primary_key));
	gr = group_row(g, t, key.data, key.len);
	is_first = gr != NULL && gr->now.len == 0;
	if (is_first) {
		r.created = r.cleared = stamp_first(g->wall, g->clock->node);
		object_attrs(&r, t, object, r.created, &values);
		group_row_set(g, gr, &r);
		group_see_attrs(g, t, &r);
		log_state(g, group_table(g, id), gr);
	}
	row_free(&r);
	buf_free(&key);
	buf_free(&values);
	return (is_first);
}

void
group_system_delete(struct group *g, enum system_table id, const char *key)
{
	struct table *t = group_table(g, id);
	struct buf k = { 0 };
	struct row r = { 0 };
	struct group_row *gr;

	key_from_string(&k, key, strlen(key));
	gr = group_row(g, t, k.data, k.len);
	if (gr != NULL) {
		r.cleared = group_stamp(g);
		group_row_set(g, gr, &r);
	}
	row_free(&r);
	buf_free(&k);
}
