#include "config.h"

#include "opsd/store/group_priv.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
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
