#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/fnv.h"
#include "common/base/mem.h"
#include "common/conf/settings.h"
#include "opsd/cluster/topology.h"

/* What a node has with others, in a struct and as it travels. */

#define LINKS_MAX 4096

struct topology_report *
topology_report_new(const uint8_t *id, const char *name, int relays)
{
	struct topology_report *r = xcalloc(1, sizeof(*r));

	node_id_hex(id, r->id);
	r->name = xstrdup(name);
	r->relays = relays;
	r->refs = 1;
	return (r);
}

struct topology_report *
topology_report_ref(struct topology_report *r)
{
	if (r != NULL)
		r->refs++;
	return (r);
}

static void
link_clear(struct topology_link *l)
{
	for (size_t i = 0; i < l->n; i++)
		subscription_clear(&l->subs[i]);
	free(l->subs);
	free(l->name);
}

void
topology_report_free(struct topology_report *r)
{
	if (r == NULL || --r->refs > 0)
		return;
	for (size_t i = 0; i < r->n; i++)
		link_clear(&r->links[i]);
	free(r->links);
	free(r->name);
	free(r);
}

static struct topology_link *
link_new(struct topology_report *r, const uint8_t *id, char *name, size_t room)
{
	struct topology_link *l;

	r->links = xrealloc(r->links, (r->n + 1) * sizeof(*r->links));
	l = &r->links[r->n++];
	*l = (struct topology_link){ .name = name, .subs = xcalloc(room + 1, sizeof(*l->subs)) };
	node_id_hex(id, l->id);
	return (l);
}

void
topology_report_add(struct topology_report *r, const struct peer *p)
{
	struct topology_link *l;

	if (!peer_active(p))
		return;
	l = link_new(r, p->id, xstrdup(p->name), p->subs.active);
	for (size_t i = 0; i < p->subs.n; i++)
		if (!p->subs.list[i].removed)
			subscription_copy(&l->subs[l->n++], &p->subs.list[i]);
}

int64_t
topology_report_digest(const struct topology_report *r)
{
	uint64_t h = fnv_u64(FNV_BASIS, (uint64_t)r->relays);

	h = fnv_u64(h, subscription_hash(r->id, strlen(r->id), r->name, strlen(r->name)));
	for (size_t i = 0; i < r->n; i++) {
		const struct topology_link *l = &r->links[i];

		h = fnv_u64(h, subscription_hash(l->id, strlen(l->id), l->name, strlen(l->name)));
		for (size_t k = 0; k < l->n; k++) {
			h = fnv_u64(h,
			    subscription_hash(l->subs[k].database, strlen(l->subs[k].database),
				l->subs[k].table, strlen(l->subs[k].table)));
			h = fnv_u64(h, (uint64_t)subscription_agreed(&l->subs[k]));
		}
	}
	return ((int64_t)(h & INT64_MAX) | 1);
}

/* ---- as it travels ---- */

static json_t *
link_write(const struct topology_link *l)
{
	json_t *list = json_array();

	for (size_t i = 0; i < l->n; i++)
		json_array_append_new(list,
		    json_pack("[s,s,b,b]", l->subs[i].database, l->subs[i].table,
			subscription_gives(&l->subs[i]), subscription_brings(&l->subs[i])));
	return (json_pack("{s:s, s:s, s:o}", "id", l->id, "name", l->name, "subscriptions", list));
}

json_t *
topology_report_write(const struct topology_report *r)
{
	json_t *links = json_array();

	for (size_t i = 0; i < r->n; i++)
		json_array_append_new(links, link_write(&r->links[i]));
	return (json_pack("{s:s, s:s, s:b, s:o}", "id", r->id, "name", r->name, "relays", r->relays,
	    "links", links));
}

static void
link_item_read(struct topology_link *l, const json_t *o, size_t i, struct peerjson *w)
{
	const char *db, *table;
	int publish, subscribe;

	if (json_unpack((json_t *)(uintptr_t)o, "[s,s,b,b!]", &db, &table, &publish, &subscribe) ==
	    0)
		subscription_copy(&l->subs[l->n++],
		    &(struct subscription){ (char *)(uintptr_t)db, (char *)(uintptr_t)table,
			publish, subscribe, 0, { 0, 0 }, 0 });
	else {
		peerjson_in(w, "subscriptions", i);
		peerjson_fault(w, "subscription", "must be a database, a table and two booleans");
		peerjson_out(w);
	}
}

static void
link_read(struct topology_report *r, const json_t *o, struct peerjson *w)
{
	const json_t *list = peerjson_list(w, o, "subscriptions", SUBSCRIPTIONS_MAX), *item;
	struct topology_link *l;
	uint8_t id[NODE_ID_LEN] = { 0 };
	char *name;
	size_t i;

	peerjson_node(w, o, id, &name);
	l = link_new(r, id, name, json_array_size(list));
	json_array_foreach(list, i, item)
		link_item_read(l, item, i, w);
}

struct topology_report *
topology_report_read(const json_t *o, struct peerjson *w)
{
	const json_t *list = peerjson_list(w, o, "links", LINKS_MAX), *item;
	struct topology_report *r;
	uint8_t id[NODE_ID_LEN] = { 0 };
	char *name;
	size_t i;

	peerjson_node(w, o, id, &name);
	r = topology_report_new(id, name != NULL ? name : "", peerjson_flag(w, o, "relays"));
	free(name);
	json_array_foreach(list, i, item) {
		peerjson_in(w, "links", i);
		link_read(r, item, w);
		peerjson_out(w);
	}
	if (w->fault == NULL)
		return (r);
	topology_report_free(r);
	return (NULL);
}
