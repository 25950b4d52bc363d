#include "config.h"

#include "opsd/op/op_unlinked.h"

#include <stdlib.h>
#include <string.h>

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

/* ---- by host name: objects whose names are in lower case, as there may be thousands of each ---- */

/* The first one stays. */
static void
put_host(json_t *hosts, const char *host, const json_t *what)
{
	char *key;

	if (host == NULL)
		return;
	key = roster_host_key(host);
	if (json_object_get(hosts, key) == NULL)
		json_object_set(hosts, key, (json_t *)(uintptr_t)what);
	free(key);
}

static void
put_url(json_t *hosts, const char *url, const json_t *what)
{
	struct repaddress at;

	if (url != NULL && repaddress_read(&at, url) == 0)
		put_host(hosts, at.host, what);
}

static const json_t *
host_of(const json_t *hosts, const char *host)
{
	char *key = roster_host_key(host);
	const json_t *what = json_object_get(hosts, key);

	free(key);
	return (what);
}

/* ---- why ---- */

struct op_unlinked_seen {
	json_t *dialling;       /* where leafd dials them */
	json_t *here, *by_them; /* who was refused here, and who refuses us, not long ago */
};

static json_t *
dialling_hosts(const json_t *list)
{
	json_t *hosts = json_object();
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		put_url(hosts, text_of(one, "key"), one);
	return (hosts);
}

static json_t *
refused_hosts(const json_t *list)
{
	uint64_t now = wall_ms(), at;
	json_t *hosts = json_object();
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one) {
		at = (uint64_t)json_integer_value(json_object_get(one, "time"));
		if (at + LATELY_MS >= now)
			put_host(hosts, text_of(one, "hostname"), one);
	}
	return (hosts);
}

struct op_unlinked_seen *
op_unlinked_look(struct ops *ops, const json_t *leaf)
{
	struct op_unlinked_seen *seen = xcalloc(1, sizeof(*seen));
	json_t *refused = carrier_link_refused(ops->rep.link);

	seen->dialling = dialling_hosts(json_object_get(leaf, "dialling"));
	seen->here = refused_hosts(refused);
	seen->by_them = refused_hosts(json_object_get(leaf, "refused"));
	json_decref(refused);
	return (seen);
}

void
op_unlinked_free(struct op_unlinked_seen *seen)
{
	json_decref(seen->dialling);
	json_decref(seen->here);
	json_decref(seen->by_them);
	free(seen);
}

struct op_unlinked
op_unlinked_why(const struct op_unlinked_seen *seen, const char *hostname)
{
	const json_t *dial = host_of(seen->dialling, hostname), *refused = NULL;
	const char *why = text_of(dial, "error");
	struct op_unlinked u = { .refused = json_is_true(json_object_get(dial, "refused")) };

	if (!u.refused && (refused = host_of(seen->here, hostname)) == NULL)
		refused = host_of(seen->by_them, hostname);
	if (refused != NULL) {
		u.refused = 1;
		why = text_of(refused, "error");
	} else if (dial == NULL)
		why = "it is not dialled, as nobody has said where it takes links, and it has not "
		      "dialled this node";
	u.why = xstrdup(why != NULL ? why : "it is being dialled");
	return (u);
}

/* ---- those that are no peers yet ---- */

struct adding {
	struct ops *ops;
	const struct op_unlinked_seen *seen;
	json_t *list;
	json_t *members; /* of the roster: [{"id","hostname","node_name"?,"url"?}] */
	json_t *known;   /* hosts of these, and of peers */
	json_t *peers;   /* their ids */
};

static void
add_connection(struct adding *a, const char *hostname, const json_t *member, const char *url)
{
	struct op_unlinked u = op_unlinked_why(a->seen, hostname);
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
note_hosts(struct adding *a)
{
	const json_t *o;
	size_t i;

	json_array_foreach(a->members, i, o) {
		put_host(a->known, text_of(o, "hostname"), json_true());
		put_url(a->known, text_of(o, "url"), json_true());
	}
}

static void
note_peer(struct adding *a, const struct peer *p)
{
	struct member m = { 0 };

	if (!peer_active(p))
		return;
	json_object_set_new(a->peers, p->hex, json_true());
	if (p->hostname == NULL)
		return;
	members_by_id(a->ops->rep.members, p->id, &m);
	put_host(a->known, p->hostname, json_true());
	put_url(a->known, m.url, json_true());
	put_url(a->known, m.dial, json_true());
	member_clear(&m);
}

static void
note_peers(struct adding *a)
{
	struct peer **all;
	size_t n;

	all = nodes_all(a->ops->rep.nodes, &n);
	for (size_t i = 0; i < n; i++) {
		note_peer(a, all[i]);
		peer_free(all[i]);
	}
	free(all);
}

static void
add_members(struct adding *a)
{
	const json_t *m;
	size_t i;

	json_array_foreach(a->members, i, m) {
		uint8_t id[NODE_ID_LEN];

		node_id_read(text_of(m, "id"), id);
		if (discovery_links(&a->ops->rep, id) &&
		    json_object_get(a->peers, text_of(m, "id")) == NULL)
			add_connection(a, text_of(m, "hostname"), m, text_of(m, "url"));
	}
}

/* As leafd goes on for a moment with what is over. */
static json_t *
hosts_to_dial(struct replication *rep)
{
	struct conf *conf = data_conf(rep->data);
	json_t *dials = members_dials(rep->members), *hosts = json_object();
	struct repconf_route route;
	const json_t *one;
	size_t i;

	json_array_foreach(conf_list(conf, REP_ROUTES), i, one)
		if (repconf_route(conf, one, &route) == 0)
			put_host(hosts, route.host, json_true());
	json_array_foreach(dials, i, one)
		put_url(hosts, json_string_value(one), json_true());
	json_decref(dials);
	conf_free(conf);
	return (hosts);
}

static void
add_dialled(struct adding *a, const json_t *leaf)
{
	json_t *hosts = hosts_to_dial(&a->ops->rep);
	struct repaddress at;
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(leaf, "dialling"), i, one) {
		const char *url = text_of(one, "key");

		if (url != NULL && repaddress_read(&at, url) == 0 &&
		    host_of(hosts, at.host) != NULL && host_of(a->known, at.host) == NULL)
			add_connection(a, at.host, NULL, url);
	}
	json_decref(hosts);
}

void
op_unlinked_add(json_t *list, struct ops *ops, const json_t *leaf,
    const struct op_unlinked_seen *seen)
{
	struct adding a = { ops, seen, list, json_array(), json_object(), json_object() };

	if (carrier_link_on(ops->rep.link)) {
		roster_each(ops->rep.roster, note_member, a.members);
		note_hosts(&a);
		note_peers(&a);
		add_members(&a);
		add_dialled(&a, leaf);
	}
	json_decref(a.members);
	json_decref(a.known);
	json_decref(a.peers);
}
