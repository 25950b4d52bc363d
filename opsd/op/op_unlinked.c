#include "config.h"

#include "opsd/op/op_unlinked.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/conf/repaddress.h"
#include "common/conf/repconf.h"
#include "common/conf/settings.h"
#include "opsd/cluster/carrier_link.h"
#include "opsd/cluster/discovery.h"
#include "opsd/cluster/members.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/roster.h"

#define LATELY_MS UINT64_C(60000) /* who wants a link asks again within that */

static const char *
text_of(const json_t *o, const char *field)
{
	return (json_string_value(json_object_get(o, field)));
}

static int
is_at(const char *url, const char *hostname)
{
	struct repaddress at;

	return (url != NULL && repaddress_read(&at, url) == 0 &&
	    strcasecmp(at.host, hostname) == 0);
}

/* ---- why ---- */

/* Where leafd dials it; NULL: nowhere. */
static const json_t *
dialling_to(const json_t *leaf, const char *hostname)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(leaf, "dialling"), i, one)
		if (is_at(text_of(one, "key"), hostname))
			return (one);
	return (NULL);
}

/* Its place in a list of who was refused, not long ago; NULL: it has none. */
static const json_t *
refused_in(const json_t *list, const char *hostname)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one) {
		const char *name = text_of(one, "hostname");
		uint64_t at = (uint64_t)json_integer_value(json_object_get(one, "time"));

		if (name != NULL && strcasecmp(name, hostname) == 0 && at + LATELY_MS >= wall_ms())
			return (one);
	}
	return (NULL);
}

struct op_unlinked
op_unlinked_why(struct ops *ops, const json_t *leaf, const char *hostname)
{
	json_t *here = carrier_link_refused(ops->rep.link);
	const json_t *dial = dialling_to(leaf, hostname), *refused = NULL;
	const char *why = text_of(dial, "error");
	struct op_unlinked u = { .refused = json_is_true(json_object_get(dial, "refused")) };

	if (!u.refused && (refused = refused_in(here, hostname)) == NULL)
		refused = refused_in(json_object_get(leaf, "refused"), hostname);
	if (refused != NULL) {
		u.refused = 1;
		why = text_of(refused, "error");
	} else if (dial == NULL)
		why = "it is not dialled, as nobody has said where it takes links, and it has not "
		      "dialled this node";
	u.why = xstrdup(why != NULL ? why : "it is being dialled");
	json_decref(here);
	return (u);
}

/* ---- those that are no peers yet ---- */

struct adding {
	struct ops *ops;
	const json_t *leaf;
	json_t *list;
	json_t *members; /* of the roster: [{"id","hostname","node_name"?,"url"?}] */
};

static void
add_connection(struct adding *a, const char *hostname, const json_t *member, const char *url)
{
	struct op_unlinked u = op_unlinked_why(a->ops, a->leaf, hostname);
	const char *name = text_of(member, "node_name");
	json_t *o =
	    json_pack("{s:s, s:s?, s:s, s:s?, s:s, s:b, s:s, s:n, s:n, s:n, s:b, s:b, s:n, s:[]}",
		"node_name", name != NULL ? name : hostname, "node_id", text_of(member, "id"),
		"name", hostname, "url", url, "status", u.refused ? "refused" : "closed",
		"connected", 0, "error", u.why, "latency_ms", "clock_skew_ms", "uptime",
		"replicateByDefault", 0, "replicates", 0, "subscriptions", "database_sockets");

	json_object_set_new(o, "ports", json_pack("{s:n, s:n}", "clustering", "operations_api"));
	json_array_append_new(a->list, o);
	free(u.why);
}

/* The roster's lock is held. */
static int
note_member(const struct roster_member *m, void *arg)
{
	char id[NODE_HEX_LEN];

	if (!m->full)
		return (0);
	node_id_hex(m->id, id);
	json_array_append_new(arg,
	    json_pack("{s:s, s:s, s:s?, s:s?}", "id", id, "hostname", m->hostname, "node_name",
		m->node_name, "url", m->url));
	return (0);
}

static void
add_members(struct adding *a)
{
	const json_t *m;
	size_t i;

	json_array_foreach(a->members, i, m) {
		uint8_t id[NODE_ID_LEN];

		node_id_read(text_of(m, "id"), id);
		if (discovery_links(&a->ops->rep, id) && !nodes_active(a->ops->rep.nodes, id))
			add_connection(a, text_of(m, "hostname"), m, text_of(m, "url"));
	}
}

/* One of the peers is reached there, or one of the members. */
static int
is_of_known(struct adding *a, struct peer *const *peers, size_t n, const char *host)
{
	struct member m = { 0 };
	const json_t *o;
	size_t i;
	int is = 0;

	for (i = 0; i < n && !is; i++) {
		if (peers[i]->hostname == NULL || !peer_active(peers[i]))
			continue;
		members_by_id(a->ops->rep.members, peers[i]->id, &m);
		is = strcasecmp(peers[i]->hostname, host) == 0 || is_at(m.url, host) ||
		    is_at(m.dial, host);
		member_clear(&m);
	}
	json_array_foreach(a->members, i, o)
		is |= strcasecmp(text_of(o, "hostname"), host) == 0 ||
		    is_at(text_of(o, "url"), host);
	return (is);
}

/* As leafd goes on for a moment with what is over. */
static int
is_to_be_dialled(struct replication *rep, const char *host)
{
	struct conf *conf = data_conf(rep->data);
	json_t *dials = members_dials(rep->members);
	struct repconf_route route;
	const json_t *one;
	size_t i;
	int is = repconf_route_to(conf, host, &route);

	json_array_foreach(dials, i, one)
		is |= is_at(json_string_value(one), host);
	json_decref(dials);
	conf_free(conf);
	return (is);
}

static void
add_dialled(struct adding *a)
{
	struct repaddress at;
	struct peer **peers;
	const json_t *one;
	size_t n, i;

	peers = nodes_all(a->ops->rep.nodes, &n);
	json_array_foreach(json_object_get(a->leaf, "dialling"), i, one) {
		const char *url = text_of(one, "key");

		if (url != NULL && repaddress_read(&at, url) == 0 &&
		    is_to_be_dialled(&a->ops->rep, at.host) && !is_of_known(a, peers, n, at.host))
			add_connection(a, at.host, NULL, url);
	}
	for (i = 0; i < n; i++)
		peer_free(peers[i]);
	free(peers);
}

void
op_unlinked_add(json_t *list, struct ops *ops, const json_t *leaf)
{
	struct adding a = { ops, leaf, list, json_array() };

	if (carrier_link_on(ops->rep.link)) {
		roster_each(ops->rep.roster, note_member, a.members);
		add_members(&a);
		add_dialled(&a);
	}
	json_decref(a.members);
}
