#include "config.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/conf/repconf.h"
#include "common/conf/settings.h"
#include "opsd/cluster/carrier_link.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/roster.h"
#include "opsd/cluster/warnings_priv.h"

#define REFUSALS_QUIET 5 /* tries, of which the last is a second or two after the first */
#define REFUSED_MS     UINT64_C(600000)

static void
warn_tls(struct replication *rep, json_t *list)
{
	char *fault = carrier_link_fault(rep->link);

	if (fault != NULL)
		warnings_add(list, "link_certificate",
		    json_sprintf("No link over TLS is possible: %s", fault));
	free(fault);
}

/* With all that is known of it but its "error", which the message has.  Takes the message. */
static void
add_about(json_t *list, const char *kind, json_t *message, const json_t *known)
{
	json_t *o = warnings_add(list, kind, message);

	json_object_update_missing(o, (json_t *)(uintptr_t)known);
	json_object_del(o, "error");
}

/* One that still wants a link asks again within half a minute. */
static int
was_lately(const json_t *refused)
{
	uint64_t time = (uint64_t)json_integer_value(json_object_get(refused, "time"));

	return (time + REFUSED_MS >= wall_ms());
}

static void
warn_strangers(struct replication *rep, json_t *list)
{
	json_t *refused = carrier_link_refused(rep->link), *one;
	size_t i;

	json_array_foreach(refused, i, one) {
		if (!was_lately(one))
			continue;
		add_about(list, "link_refused",
		    json_sprintf("A link with '%s' was refused here: %s",
			json_string_value(json_object_get(one, "hostname")),
			json_string_value(json_object_get(one, "error"))),
		    one);
	}
	json_decref(refused);
}

/* What leafd has refused by itself, lately: it does not hear of whom nobody expects any more. */
static void
warn_unasked(const json_t *leaf, json_t *list)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(leaf, "refused"), i, one) {
		const char *name = json_string_value(json_object_get(one, "hostname"));
		const char *address = json_string_value(json_object_get(one, "address"));
		const char *why = json_string_value(json_object_get(one, "error"));

		if (address == NULL || why == NULL || !was_lately(one))
			continue;
		add_about(list, "link_refused",
		    json_sprintf("A link from %s%s%s was refused %s: %s",
			name != NULL ? name : address, name != NULL ? " at " : "",
			name != NULL ? address : "",
			json_is_true(json_object_get(one, "there")) ? "there" : "here", why),
		    one);
	}
}

/* ---- members ---- */

static void
warn_locked_out(struct replication *rep, json_t *list)
{
	struct roster_member m = { 0 };

	if (roster_member(rep->roster, rep->data->node_id, &m) && m.removed)
		json_object_set_new(
		    warnings_add(list, "removed",
			json_sprintf("This node was removed from the cluster by '%s': no member "
				     "links with it until it is added again with add_node",
			    m.removed_by)),
		    "by", json_string(m.removed_by));
	else if (m.distrusted)
		warnings_add(list, "revoked",
		    json_string("The certificate of this node is revoked: what it says of members "
				"does not count. Join again with add_node and 'authorization'"));
	roster_member_clear(&m);
}

static void
warn_unbelieved(struct replication *rep, json_t *list)
{
	json_t *faults = roster_faults(rep->roster, wall_ms()), *one;
	size_t i;

	json_array_foreach(faults, i, one)
		add_about(list, "member_refused",
		    json_sprintf("What was said of a member is refused here: %s",
			json_string_value(json_object_get(one, "error"))),
		    one);
	json_decref(faults);
}

/* What remove_node on another node does not take out of this one's configuration. */
static void
warn_dead_routes(struct replication *rep, json_t *list)
{
	json_t *removed = roster_removed(rep->roster);
	struct conf *conf = data_conf(rep->data);
	const json_t *route;
	struct repconf_route r;
	size_t i;

	json_array_foreach(conf_list(conf, REP_ROUTES), i, route) {
		char *host = repconf_route(conf, route, &r) == 0 ? roster_host_key(r.host) : NULL;
		const char *by = host != NULL ? json_string_value(json_object_get(removed, host)) :
						NULL;

		if (by != NULL)
			json_object_set_new(
			    warnings_add(list, "removed_route",
				json_sprintf(
				    "A route of this node leads to '%s', which was removed "
				    "from the cluster by '%s': delete it with "
				    "cluster_delete_routes",
				    r.host, by)),
			    "hostname", json_string(r.host));
		free(host);
	}
	conf_free(conf);
	json_decref(removed);
}

/* ---- where links lead ---- */

/* Nobody reaches a port that leafd could not open; without a certificate warn_tls says so. */
static void
warn_deaf(const json_t *leaf, json_t *list)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(leaf, "listening"), i, one) {
		const char *host = json_string_value(json_object_get(one, "host"));
		const char *why = json_string_value(json_object_get(one, "error"));
		int port = (int)json_integer_value(json_object_get(one, "port"));

		if (why != NULL)
			add_about(list, "link_port",
			    json_sprintf("Nobody can dial this node: port %d%s%s cannot be opened "
					 "for links: %s",
				port, host != NULL ? " of " : "", host != NULL ? host : "", why),
			    one);
	}
}

/* Whoever has just joined is refused by members that have not heard of it; they have within a second. */
static int
is_early(const json_t *dial)
{
	return (json_is_true(json_object_get(dial, "refused")) &&
	    json_integer_value(json_object_get(dial, "tries")) < REFUSALS_QUIET);
}

static void
warn_dialling(const json_t *leaf, json_t *list)
{
	const json_t *one;
	json_t *o;
	size_t i;

	json_array_foreach(json_object_get(leaf, "dialling"), i, one) {
		const char *why = json_string_value(json_object_get(one, "error"));
		const char *key = json_string_value(json_object_get(one, "key"));

		if (why == NULL || key == NULL || is_early(one))
			continue;
		o = warnings_add(list, "link_failing",
		    json_sprintf("There is no link with %s: %s", key, why));
		json_object_set_new(o, "url", json_string(key));
		json_object_set(o, "tries", json_object_get(one, "tries"));
	}
}

/* One for each node: how much it wants, and the first of it. */
static void
warn_proposed(json_t *list, const struct peer *p)
{
	const struct subscription *first = NULL;
	size_t n = 0;

	for (size_t i = 0; i < p->subs.n; i++)
		if (!p->subs.list[i].removed && p->subs.list[i].lacks_here != 0) {
			first = n == 0 ? &p->subs.list[i] : first;
			n++;
		}
	if (n > 0)
		json_object_set_new(
		    warnings_add(list, "proposal",
			json_sprintf("Node '%s' proposes %zu subscription%s that nobody has agreed "
				     "to here, '%s.%s' first: agree with add_node or update_node",
			    p->name, n, n > 1 ? "s" : "", first->database, first->table)),
		    "node_name", json_string(p->name));
}

static void
warn_proposals(struct replication *rep, json_t *list)
{
	struct peer **all;
	size_t n;

	all = nodes_all(rep->nodes, &n);
	for (size_t i = 0; i < n; i++) {
		warn_proposed(list, all[i]);
		peer_free(all[i]);
	}
	free(all);
}

static void
warn_users(struct replication *rep, json_t *list)
{
	struct peer **all;
	size_t n;

	all = nodes_all(rep->nodes, &n);
	for (size_t i = 0; i < n; i++) {
		if (peer_active(all[i]) && peer_lacks_tls(all[i]))
			json_object_set_new(
			    warnings_add(list, "users_insecure",
				json_sprintf("Users and roles do not replicate with node '%s', as "
					     "passwords' hashes go over TLS alone: its link is "
					     "without TLS, or there was none yet",
				    all[i]->name)),
			    "node_name", json_string(all[i]->name));
		peer_free(all[i]);
	}
	free(all);
}

char *
warnings_open_port(const struct conf *conf, int *port)
{
	struct repaddress at;

	if (!repconf_on(conf) || !repconf_listen(conf, 0, &at))
		return (NULL);
	*port = at.port;
	return (xasprintf("This node takes links without TLS on %s:%d (replication.port): "
			  "whoever reaches that port can pose as any node. Do this for "
			  "development only; otherwise use certificates",
	    at.host, at.port));
}

static void
warn_open_port(struct replication *rep, json_t *list)
{
	struct conf *conf = data_conf(rep->data);
	int port;
	char *text = warnings_open_port(conf, &port);

	if (text != NULL)
		json_object_set_new(warnings_add(list, "link_insecure", json_string(text)), "port",
		    json_integer(port));
	free(text);
	conf_free(conf);
}

void
warnings_links(struct replication *rep, const json_t *leaf, json_t *list)
{
	if (!carrier_link_on(rep->link))
		return;
	warn_tls(rep, list);
	warn_strangers(rep, list);
	warn_unasked(leaf, list);
	warn_locked_out(rep, list);
	warn_unbelieved(rep, list);
	warn_dead_routes(rep, list);
	warn_deaf(leaf, list);
	warn_dialling(leaf, list);
	warn_open_port(rep, list);
	warn_proposals(rep, list);
	warn_users(rep, list);
}
