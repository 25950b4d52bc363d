#include "config.h"

#include "opsd/cluster/offer.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/nodename.h"
#include "common/conf/settings.h"
#include "opsd/cluster/scope.h"
#include "opsd/store/table.h"

/* How an offer travels.  What is let in here every part of the node must be able to take. */

#define TABLES_MAX  100000 /* of one subscription */
#define SOURCES_MAX 10000  /* nodes */

/* ---- out ---- */

static json_t *
table_write(const struct offer_table *t)
{
	json_t *o = json_pack("{s:s, s:I, s:I, s:I, s:I, s:O, s:s*}", "table", t->name, "id",
	    (json_int_t)t->id, "head", (json_int_t)t->head.seq, "head_mark",
	    (json_int_t)t->head.mark, "head_ms", (json_int_t)t->head.ms, "definition",
	    t->definition, "database", t->database);

	if (t->sources > 0)
		json_object_set_new(o, "sources", json_integer((json_int_t)t->sources));
	return (o);
}

static json_t *
sources_write(const struct offer *o)
{
	json_t *list = json_array(), *ids;
	char hex[2 * NODE_ID_LEN + 1];

	for (size_t i = 0; i < o->nsources; i++) {
		json_array_append_new(list, ids = json_array());
		for (size_t k = 0; k < o->sources[i].n; k++) {
			node_id_hex(o->sources[i].ids + k * NODE_ID_LEN, hex);
			json_array_append_new(ids, json_string(hex));
		}
	}
	return (list);
}

static json_t *
item_write(const struct offer_item *i)
{
	json_t *o = subscription_write(&i->sub), *tables = json_array();

	for (size_t k = 0; k < i->n; k++)
		json_array_append_new(tables, table_write(&i->tables[k]));
	json_object_set_new(o, "has_database", json_boolean(i->has_database));
	json_object_set_new(o, "tables", tables);
	return (o);
}

json_t *
offer_write(const struct offer *o)
{
	static const uint8_t none[NODE_ID_LEN];
	json_t *list = json_array();
	char hex[NODE_HEX_LEN], to[NODE_HEX_LEN];

	node_id_hex(o->id, hex);
	node_id_hex(o->to, to);
	for (size_t i = 0; i < o->n; i++)
		json_array_append_new(list, item_write(&o->items[i]));
	return (json_pack("{s:s, s:s, s:s*, s:I, s:O?, s:O*, s:b, s:o, s:o}", "id", hex, "name",
	    o->name, "to", memcmp(o->to, none, NODE_ID_LEN) != 0 ? to : NULL, "incarnation",
	    (json_int_t)o->incarnation, "system_info", o->system_info, "scope", o->scope, "strict",
	    o->strict, "sources", sources_write(o), "subscriptions", list));
}

/* ---- in ---- */

static int
can_be(const struct offer_item *i, const struct offer_table *t, const char *key)
{
	const char *db = offer_database(i, t);

	return (t->name != NULL && table_name_fault(t->name) == NULL && key != NULL &&
	    table_name_fault(key) == NULL && db != NULL && table_name_fault(db) == NULL &&
	    strcmp(db, SUBSCRIPTION_ALL) != 0 &&
	    (subscription_is_wide(&i->sub) || !scope_is_system(db, strlen(db))));
}

static void
table_read(struct offer_item *i, const json_t *o, size_t nsources, struct peerjson *w)
{
	struct offer_table *t = &i->tables[i->n];
	const char *key;

	*t = (struct offer_table){
		.database = i->sub.database != NULL && subscription_is_wide(&i->sub) ?
		    xstrdup(peerjson_text(w, o, "database")) :
		    NULL,
		.name = xstrdup(peerjson_text(w, o, "table")),
		.id = (uint32_t)peerjson_number(w, o, "id", UINT32_MAX),
		.head = { peerjson_number(w, o, "head", INT64_MAX),
		    peerjson_bits(w, o, "head_mark"), peerjson_number(w, o, "head_ms", INT64_MAX) },
		.definition = json_incref(peerjson_object(w, o, "definition")),
	};
	if (json_object_get(o, "sources") != NULL)
		t->sources = peerjson_number(w, o, "sources", nsources);
	key = peerjson_text(w, t->definition, "primary_key");
	if (can_be(i, t, key)) {
		i->n++;
		return;
	}
	free(t->database);
	free(t->name);
	json_decref(t->definition);
}

static void
tables_read(struct offer_item *i, const json_t *o, size_t nsources, struct peerjson *w)
{
	const json_t *list = peerjson_list(w, o, "tables", TABLES_MAX), *item;
	size_t k;

	i->tables = xcalloc(json_array_size(list) + 1, sizeof(*i->tables));
	json_array_foreach(list, k, item) {
		peerjson_in(w, "tables", k);
		table_read(i, item, nsources, w);
		peerjson_out(w);
	}
}

static void
ids_read(struct peerjson *w, const json_t *list, struct offer_nodes *to)
{
	const json_t *item;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > SOURCES_MAX) {
		peerjson_fault(w, "sources", "must be lists of at most %d ids", SOURCES_MAX);
		return;
	}
	to->ids = xcalloc(json_array_size(list) + 1, NODE_ID_LEN);
	json_array_foreach(list, i, item) {
		const char *hex = json_string_value(item);

		if (hex == NULL || node_id_read(hex, to->ids + i * NODE_ID_LEN) == -1)
			peerjson_fault(w, "sources", "must be lists of ids of nodes");
	}
	to->n = json_array_size(list);
}

/* May be absent. */
static void
sources_read(struct offer *to, const json_t *o, struct peerjson *w)
{
	const json_t *list = json_object_get(o, "sources"), *item;
	size_t i;

	if (list == NULL || (list = peerjson_list(w, o, "sources", TABLES_MAX)) == NULL)
		return;
	to->sources = xcalloc(json_array_size(list) + 1, sizeof(*to->sources));
	json_array_foreach(list, i, item) {
		ids_read(w, item, &to->sources[to->nsources++]);
		if (w->fault != NULL)
			return;
	}
}

static void
items_read(struct offer *to, const json_t *o, struct peerjson *w)
{
	const json_t *list = peerjson_list(w, o, "subscriptions", OFFER_MAX), *item;
	size_t i;

	to->items = xcalloc(json_array_size(list) + 1, sizeof(*to->items));
	json_array_foreach(list, i, item) {
		struct offer_item *at = &to->items[to->n++];

		peerjson_in(w, "subscriptions", i);
		subscription_read(&at->sub, item, w);
		at->has_database = json_object_get(item, "has_database") != NULL &&
		    peerjson_flag(w, item, "has_database");
		tables_read(at, item, to->nsources, w);
		peerjson_out(w);
		if (w->fault != NULL)
			return;
	}
}

static void
to_read(struct offer *to, const json_t *o, struct peerjson *w)
{
	const char *hex = json_object_get(o, "to") != NULL ? peerjson_text(w, o, "to") : NULL;

	if (hex != NULL && node_id_read(hex, to->to) == -1)
		peerjson_fault(w, "to", "must be %d hexadecimal digits", 2 * NODE_ID_LEN);
}

struct offer *
offer_read(const json_t *o, char **fault)
{
	struct offer *to = xcalloc(1, sizeof(*to));
	struct peerjson w = { 0 };

	peerjson_node(&w, o, to->id, &to->name);
	to_read(to, o, &w);
	to->incarnation = peerjson_number(&w, o, "incarnation", INCARNATION_MAX);
	to->system_info = json_incref(peerjson_info(&w, o));
	if (json_object_get(o, "scope") != NULL)
		to->scope = json_incref(scope_read(&w, o, "scope"));
	to->strict = peerjson_flag(&w, o, "strict");
	sources_read(to, o, &w);
	items_read(to, o, &w);
	if (w.fault == NULL)
		return (to);
	*fault = w.fault;
	offer_free(to);
	return (NULL);
}
