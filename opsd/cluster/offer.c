#include "config.h"

#include "opsd/cluster/offer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "common/base/mem.h"
#include "common/conf/settings.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/origin.h"
#include "opsd/store/catalog.h"

json_t *
offer_system_info(void)
{
	struct utsname u;

	uname(&u);
	return (json_pack("{s:s, s:s, s:s}", "hdb_version", PACKAGE_VERSION, "node_version",
	    "hubleaf", "platform", u.sysname));
}

/* Which of the offer's it is; tables next to each other have the same ones, as a rule. */
static size_t
add_sources(struct replication *rep, struct offer *o, const struct table *t)
{
	struct offer_nodes one, *last = o->nsources > 0 ? &o->sources[o->nsources - 1] : NULL;

	one.ids = origin_nodes(rep, t, &one.n);
	if (one.ids == NULL)
		return (0);
	if (last != NULL && last->n == one.n &&
	    memcmp(last->ids, one.ids, one.n * NODE_ID_LEN) == 0)
		free(one.ids);
	else {
		o->sources = xrealloc(o->sources, (o->nsources + 1) * sizeof(*o->sources));
		o->sources[o->nsources++] = one;
	}
	return (o->nsources);
}

static void
add_table(struct replication *rep, struct offer *o, struct offer_item *i, struct table *t)
{
	i->tables[i->n++] = (struct offer_table){
		subscription_is_wide(&i->sub) ? xstrdup(t->database) : NULL,
		xstrdup(t->name),
		t->id,
		table_head(t),
		table_definition(t),
		add_sources(rep, o, t),
	};
	table_unref(t);
}

static int
is_offered(struct replication *rep, const struct offer_item *i, const struct table *t)
{
	return (scope_has(nodes_scope(rep->nodes), subscription_is_wide(&i->sub), t->database,
	    strlen(t->database), t->name, strlen(t->name)));
}

/* What we have of the tables that a subscription names. */
static void
add_tables(struct replication *rep, struct offer *o, struct offer_item *i)
{
	struct table **all, *t;
	size_t n;

	if (!subscription_is_all(&i->sub)) {
		t = catalog_get(rep->data->catalog, i->sub.database, i->sub.table);
		i->tables = xcalloc(1, sizeof(*i->tables));
		if (t != NULL && is_offered(rep, i, t))
			add_table(rep, o, i, t);
		else
			table_unref(t);
		return;
	}
	all = subscription_is_wide(&i->sub) ?
	    catalog_replicated(rep->data->catalog, &n) :
	    catalog_tables(rep->data->catalog, i->sub.database, &n);
	i->tables = xcalloc(n + 1, sizeof(*i->tables));
	for (size_t k = 0; k < n; k++)
		if (is_offered(rep, i, all[k]))
			add_table(rep, o, i, all[k]);
		else
			table_unref(all[k]);
	free(all);
}

/* What we have of it, unless we have not agreed to any of it. */
static int
is_told(const struct subscription *s)
{
	unsigned flows = subscription_flows(s);

	return (!s->removed && (flows == 0 || (flows & ~s->lacks_here) != 0));
}

struct offer *
offer_new(struct replication *rep, const struct subscription *subs, size_t n, int strict)
{
	struct offer *o = xcalloc(1, sizeof(*o));

	memcpy(o->id, rep->data->node_id, NODE_ID_LEN);
	o->name = data_node_name(rep->data);
	o->incarnation = rep->data->log.incarnation;
	o->system_info = offer_system_info();
	o->scope = scope_write(nodes_scope(rep->nodes));
	o->strict = strict;
	o->items = xcalloc(n + 1, sizeof(*o->items));
	for (o->n = 0; o->n < n; o->n++) {
		struct offer_item *i = &o->items[o->n];

		subscription_copy(&i->sub, &subs[o->n]);
		if (is_told(&i->sub)) {
			i->has_database = catalog_has_database(rep->data->catalog, i->sub.database);
			add_tables(rep, o, i);
		}
	}
	return (o);
}

int
offer_is_for(const struct offer *o, const uint8_t *id)
{
	static const uint8_t none[NODE_ID_LEN];

	return (memcmp(o->to, none, NODE_ID_LEN) == 0 || memcmp(o->to, id, NODE_ID_LEN) == 0);
}

const char *
offer_database(const struct offer_item *i, const struct offer_table *t)
{
	return (t->database != NULL ? t->database : i->sub.database);
}

const char *
offer_key(const struct offer_table *t)
{
	return (json_string_value(json_object_get(t->definition, "primary_key")));
}

static void
item_clear(struct offer_item *i)
{
	for (size_t k = 0; k < i->n; k++) {
		free(i->tables[k].database);
		free(i->tables[k].name);
		json_decref(i->tables[k].definition);
	}
	free(i->tables);
	subscription_clear(&i->sub);
}

void
offer_free(struct offer *o)
{
	if (o == NULL)
		return;
	for (size_t i = 0; i < o->n; i++)
		item_clear(&o->items[i]);
	free(o->items);
	for (size_t i = 0; i < o->nsources; i++)
		free(o->sources[i].ids);
	free(o->sources);
	free(o->name);
	json_decref(o->system_info);
	json_decref(o->scope);
	free(o);
}
