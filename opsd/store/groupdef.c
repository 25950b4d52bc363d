#include "config.h"

#include "opsd/store/group_priv.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/store/data.h"
#include "opsd/store/key.h"
#include "opsd/store/record.h"

/* Databases, tables and their attributes in a group. */

struct table *
group_edit(struct group *g, struct table *t)
{
	struct held_table *h = group_hold(g, t);
	struct table *copy;

	if (!h->own) {
		copy = table_copy(h->table);
		table_unref(h->table);
		h->table = copy;
		h->own = 1;
	}
	return (h->table);
}

void
group_see_attrs(struct group *g, struct table *t, const struct row *r)
{
	struct held_table *h = group_hold(g, t);

	for (uint32_t i = 0; i < r->n; i++) {
		const struct attr *a = &r->attrs[i];
		const struct attribute *known = table_attr(h->table, a->name, a->nlen);

		if (known != NULL && !known->hidden)
			continue;
		/* Many at once may be more than each of them could see. */
		if (known == NULL && table_is_full(h->table))
			continue;
		table_edit_attr(group_edit(g, t), a->name, a->nlen)->hidden = 0;
	}
}

/* The table's attributes in the catalog. */
static void
delete_attrs(struct group *g, uint32_t id)
{
	struct buf from = { 0 }, to = { 0 };

	buf_u8(&from, 'U');
	buf_be32(&from, id);
	buf_u8(&to, 'U');
	buf_be32(&to, id + 1);
	store_batch_delete_range(g->batch, CF_META, from.data, from.len, to.data, to.len);
	buf_free(&from);
	buf_free(&to);
}

/* Everything below the table's id in a column family. */
static void
delete_prefix(struct group *g, enum store_cf cf, uint32_t id)
{
	struct buf from = { 0 }, to = { 0 };

	buf_be32(&from, id);
	key_table_end(&to, id);
	store_batch_delete_range(g->batch, cf, from.data, from.len, to.data, to.len);
	buf_free(&from);
	buf_free(&to);
}

static void
floor_key(struct buf *k, const char *db, const char *name)
{
	buf_u8(k, 'X');
	buf_strn(k, db, strlen(db));
	buf_strn(k, name, strlen(name));
}

static void
mark_dropped(struct group *g, const char *db, const char *name)
{
	struct buf k = { 0 }, v = { 0 };

	floor_key(&k, db, name);
	stamp_write(&v, group_stamp(g));
	store_batch_put(g->batch, CF_META, k.data, k.len, v.data, v.len);
	buf_free(&k);
	buf_free(&v);
}

void
group_drop_table(struct group *g, struct table *t)
{
	struct held_row *h, *tmp;
	struct held_table *ht;
	struct buf k = { 0 };

	/* Rows of it that this group changed must not be written after the range is gone. */
	HASH_ITER(hh, g->rows, h, tmp)
		if (h->row.table->id == t->id)
			h->row.changed = 0;
	delete_prefix(g, CF_ROWS, t->id);
	delete_prefix(g, CF_INDEX, t->id);
	delete_prefix(g, CF_AUDIT, t->id);
	delete_attrs(g, t->id);
	buf_u8(&k, 'T');
	buf_be32(&k, t->id);
	store_batch_delete(g->batch, CF_META, k.data, k.len);
	k.data[0] = 'C';
	store_batch_delete(g->batch, CF_META, k.data, k.len);
	/* A table made again under this name starts above everything dropped now. */
	mark_dropped(g, t->database, t->name);
	buf_free(&k);
	ht = group_hold(g, t);
	catalog_drop(g->data->catalog, t->id);
	HASH_DEL(g->tables, ht);
	table_unref(ht->table);
	free(ht->indexed);
	free(ht);
}

void
group_put_database(struct group *g, const char *name)
{
	struct buf k = { 0 };

	if (catalog_has_database(g->data->catalog, name))
		return;
	buf_u8(&k, 'B');
	buf_add(&k, name, strlen(name));
	store_batch_put(g->batch, CF_META, k.data, k.len, "", 0);
	buf_free(&k);
	catalog_put_database(g->data->catalog, name);
}

void
group_drop_database(struct group *g, const char *name)
{
	struct buf k = { 0 };

	buf_u8(&k, 'B');
	buf_add(&k, name, strlen(name));
	store_batch_delete(g->batch, CF_META, k.data, k.len);
	buf_free(&k);
	mark_dropped(g, name, "");
	catalog_drop_database(g->data->catalog, name);
}

/* Takes the reference. */
static void
log_definition(struct group *g, struct table *t, const char *user, json_t *def)
{
	struct buf b = { 0 };
	char *text = json_dumps(def, JSON_COMPACT);
	size_t at = txn_begin(&b, TXN_DEFINE, 0, g->data->node_id, user, t->database, t->name,
	    t->primary_key);

	txn_set_stamp(&b, at, group_stamp(g).time);
	buf_blob(&b, text, strlen(text));
	group_log(g, t, b.data, b.len);
	buf_free(&b);
	free(text);
	json_decref(def);
}

void
group_log_attribute(struct group *g, struct table *t, const struct attribute *a, const char *user)
{
	log_definition(g, t, user, table_definition_part(t, a));
}

/* One attribute of a definition of then, by "name" or "attribute"; 1 when something is new. */
static int
define_attr(struct group *g, struct table *t, const char *name, const json_t *def,
    struct stamp then)
{
	const char *type = json_string_value(json_object_get(def, "type"));
	struct held_table *h = group_hold(g, t);
	const struct attribute *known = table_attr(h->table, name, strlen(name));
	/* An index on rows that are there already would have holes. */
	int index = json_is_true(json_object_get(def, "indexed")) && t->stat->count == 0;
	struct attribute *a;

	if (known != NULL && known->hidden && stamp_cmp(known->dropped, then) > 0)
		return (0);
	if (known == NULL ? table_is_full(h->table) :
			    !known->hidden && (type == NULL || known->type != NULL) &&
		    (!index || known->indexed))
		return (0);
	a = table_edit_attr(group_edit(g, t), name, strlen(name));
	if (a->type == NULL)
		a->type = xstrdup(type);
	if (index)
		a->indexed = a->whole = 1;
	a->hidden = 0;
	return (1);
}

static int
attribute_name_ok(const char *name)
{
	char *why = record_name_fault(name);

	free(why);
	return (why == NULL);
}

int
group_add_attrs(struct group *g, struct table *t, const json_t *attributes, struct stamp then)
{
	const json_t *a;
	size_t i;
	int changed = 0;

	json_array_foreach((json_t *)attributes, i, a) {
		const char *name = json_string_value(json_object_get(a, "name"));

		if (name == NULL)
			name = json_string_value(json_object_get(a, "attribute"));
		if (name != NULL && attribute_name_ok(name))
			changed |= define_attr(g, t, name, a, then);
	}
	return (changed);
}

struct stamp
group_dropped(struct group *g, const char *db, const char *name)
{
	struct buf k = { 0 }, v = { 0 };
	struct stamp s = { 0, 0 };
	struct rd r;

	floor_key(&k, db, name);
	if (store_get(g->data->store, NULL, CF_META, k.data, k.len, &v) == 1) {
		r = rd_init(v.data, v.len);
		s = stamp_read(&r);
	}
	buf_free(&k);
	buf_free(&v);
	return (s);
}

int
group_database_dropped(struct group *g, const char *db)
{
	return (!catalog_has_database(g->data->catalog, db) &&
	    !stamp_none(group_dropped(g, db, "")));
}

/* Whether there is a mark that is not above. */
static int
is_older_mark(struct stamp mark, struct stamp then)
{
	return (!stamp_none(mark) && stamp_cmp(mark, then) <= 0);
}

static void
clear_dropped(struct table *t, struct stamp then)
{
	const struct stamp none = { 0, 0 };

	for (size_t i = 0; i < t->nattrs; i++) {
		const struct attribute *a = t->attrs[i];

		if (is_older_mark(a->dropped, then))
			table_edit_attr(t, a->name, a->nlen)->dropped = none;
	}
}

static int
has_marks(const struct table *t, struct stamp then)
{
	int any = is_older_mark(t->floor, then) || is_older_mark(t->forgot, then);

	for (size_t i = 0; i < t->nattrs && !any; i++)
		any = is_older_mark(t->attrs[i]->dropped, then);
	return (any);
}

int
group_recall(struct group *g, struct table **t, struct stamp then)
{
	const struct stamp none = { 0, 0 };

	if (!has_marks(*t, then))
		return (0);
	*t = group_edit(g, *t);
	if (is_older_mark((*t)->floor, then))
		(*t)->floor = none;
	if (is_older_mark((*t)->forgot, then))
		(*t)->forgotten = (*t)->forgot = none;
	clear_dropped(*t, then);
	(*t)->changed = 1;
	return (1);
}

int
group_set_sqlite(struct group *g, struct table *t, const json_t *text)
{
	const char *s = json_string_value(text);

	if (s == NULL || (t->sqlite != NULL && strcmp(t->sqlite, s) == 0))
		return (0);
	t = group_edit(g, t);
	table_set_sqlite(t, text);
	t->changed = 1;
	return (t->sqlite != NULL && strcmp(t->sqlite, s) == 0);
}

void
group_log_sqlite(struct group *g, struct table *t, const char *user)
{
	log_definition(g, t, user, table_definition_sqlite(t));
}

struct table *
group_create_table(struct group *g, const char *db, const char *name, const char *primary_key,
    const json_t *definition, const char *user, const char **err)
{
	const json_t *attributes = json_object_get(definition, "attributes");
	json_int_t expiration = json_integer_value(json_object_get(definition, "expiration"));
	struct table *t = group_table_named(g, db, strlen(db), name, strlen(name));

	if (t != NULL) {
		*err = "exists";
		return (NULL);
	}
	if (table_name_fault(db) != NULL || table_name_fault(name) != NULL ||
	    table_name_fault(primary_key) != NULL) {
		*err = "a name that cannot be";
		return (NULL);
	}
	group_put_database(g, db);
	t = table_new(db, name, primary_key);
	t->id = catalog_new_id(g->data->catalog);
	t->declared = json_is_true(json_object_get(definition, "declared"));
	t->audit = json_is_true(json_object_get(definition, "audit"));
	if (expiration > 0 && expiration <= EXPIRATION_MAX)
		t->expiration = (uint32_t)expiration;
	table_set_residence(t, json_object_get(definition, "residence"));
	t->replicate = table_replicate_read(definition);
	table_set_sqlite(t, json_object_get(definition, "sqlite"));
	t->floor = group_dropped(g, db, name);
	catalog_put(g->data->catalog, t);
	t = group_table(g, t->id);
	group_add_attrs(g, t, attributes, STAMP_LAST);
	t = group_table(g, t->id);
	log_definition(g, t, user, table_definition(t));
	return (t);
}
