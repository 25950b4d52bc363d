#include "config.h"

#include "opsd/op/linkjoin.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/conf/settings.h"
#include "opsd/cluster/carrier_link.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/daemons.h"
#include "opsd/cluster/gossip.h"
#include "opsd/cluster/gossip_take.h"
#include "opsd/cluster/members.h"
#include "opsd/cluster/roster.h"
#include "opsd/pki/enrol.h"
#include "opsd/pki/pki.h"

/* A node is added by a call: certificate, link, subscriptions. */

#define LINK_MIN_MS   10000 /* a link takes a while, with a new certificate and a first failure */
#define LOOK_MS       50
#define WITHDRAW_MS   5000
#define INTRODUCED_MS 3000    /* it does not fail for want of that */
#define TRIES_FEW     3       /* that fail for the same reason, as a rule, */
#define EARLY_US      2000000 /* but before that perhaps with the certificate of before */

int
linkjoin_fail(struct linkjoin *j, int status, char *error)
{
	free(j->error);
	j->status = status;
	j->error = error;
	return (-1);
}

/* ---- a link ---- */

/* What leafd says of dialling it: the last error, or NULL; and how often. */
static char *
dial_error(struct linkjoin *j, json_int_t *tries)
{
	json_t *state = daemons_leaf_state(j->ops->rep.daemons), *one;
	char *key = repconf_url(&j->route), *error = NULL;
	size_t i;

	*tries = 0;
	json_array_foreach(json_object_get(state, "dialling"), i, one) {
		const char *is = json_string_value(json_object_get(one, "key"));

		if (is == NULL || strcmp(is, key) != 0)
			continue;
		free(error);
		error = xstrdup(json_string_value(json_object_get(one, "error")));
		*tries = json_integer_value(json_object_get(one, "tries"));
	}
	free(key);
	json_decref(state);
	return (error);
}

/* "" where the other node has said it.  Caller frees. */
static char *
link_cure(const struct linkjoin *j, const char *why, const char *own)
{
	if (why != NULL && strstr(why, "run remove_node") != NULL)
		return (xstrdup(""));
	if (why != NULL && strstr(why, "revoked") != NULL)
		return (xstrdup(". The node of that certificate gets another one by add_node with "
				"'authorization', called on that node"));
	if (j->authorization != NULL)
		return (xasprintf(". Its operations API has answered: can the port of its links "
				  "(replication.securePort) be reached from here?%s",
		    enrol_is_token(j->authorization) ?
			" The join token is used: another call needs a new one" :
			""));
	return (xasprintf(". The other node must know this one: set a route to '%s' there "
			  "(cluster_set_routes), or give 'authorization' here",
	    own));
}

static int
fail_link(struct linkjoin *j, const char *why)
{
	struct conf *c = data_conf(&j->ops->data);
	char *own = repconf_hostname(c), *cure = link_cure(j, why, own);

	linkjoin_fail(j, 504,
	    xasprintf("No link with '%s' at %s comes up: %s%s", j->route.host, j->url,
		why != NULL ? why : "it does not answer", cure));
	free(cure);
	free(own);
	conf_free(c);
	return (-1);
}

static unsigned
link_patience(struct linkjoin *j)
{
	unsigned ms = (unsigned)data_conf_int(&j->ops->data, CL_REQUEST_TIMEOUT);

	return (ms > LINK_MIN_MS ? ms : LINK_MIN_MS);
}

/* Both have let each other in: until leafd says so, the other node may still refuse. */
static int
is_link_up(struct linkjoin *j)
{
	char hex[NODE_HEX_LEN];
	json_t *state, *one;
	int up = 0;
	size_t i;

	if (!carrier_link_id(j->ops->rep.link, j->route.host, j->id))
		return (0);
	node_id_hex(j->id, hex);
	state = daemons_leaf_state(j->ops->rep.daemons);
	json_array_foreach(json_object_get(state, "links"), i, one) {
		const char *id = json_string_value(json_object_get(one, "id"));

		up = up || (id != NULL && strcmp(id, hex) == 0);
	}
	json_decref(state);
	return (up);
}

static int
wait_linked(struct linkjoin *j)
{
	const struct timespec look = { 0, LOOK_MS * 1000000L };
	uint64_t began = mono_us(), until = began + link_patience(j) * UINT64_C(1000);
	json_int_t before, tries;
	char *why = dial_error(j, &before);
	int over;

	free(why);
	while (!is_link_up(j)) {
		why = dial_error(j, &tries);
		if (tries < before)
			before = 0; /* it was dialled anew */
		over = mono_us() > until ||
		    (why != NULL && tries > before + TRIES_FEW && mono_us() > began + EARLY_US);
		if (over)
			fail_link(j, why);
		free(why);
		if (over)
			return (-1);
		nanosleep(&look, NULL);
	}
	return (0);
}

static int
is_introduced(struct linkjoin *j)
{
	struct roster_member own = { 0 };
	int yes = roster_member(j->ops->rep.roster, j->ops->data.node_id, &own) &&
	    own.introduced_ms != 0;

	roster_member_clear(&own);
	return (yes);
}

/* Who lets us in says so to us as well: with that, others let us in also when it is away. */
static void
wait_introduced(struct linkjoin *j)
{
	const struct timespec look = { 0, LOOK_MS * 1000000L };
	uint64_t until = mono_us() + INTRODUCED_MS * UINT64_C(1000);

	while (j->serial != NULL && j->was_alone && !is_introduced(j) && mono_us() < until)
		nanosleep(&look, NULL);
}

static int
keep_place(struct linkjoin *j)
{
	struct replication *rep = &j->ops->rep;
	int status = members_keep_dial(rep, j->id, j->url);

	if (status == 200)
		return (0);
	return (linkjoin_fail(j, status,
	    xasprintf("'%s' is not kept as a member: nothing can be written", j->route.host)));
}

static void
note_before(struct linkjoin *j)
{
	struct member m = { 0 };

	j->was_alone = roster_is_alone(j->ops->rep.roster);
	if (!members_by_hostname(j->ops->rep.members, j->route.host, &m))
		return;
	j->was_known = 1;
	j->was_linked = m.spki != NULL && is_link_up(j);
	j->dial = xstrdup(m.dial);
	member_clear(&m);
}

/* ---- credentials ---- */

/* Who gives others without a word of keeping them wants none kept. */
static int
settle_credentials(struct linkjoin *j)
{
	struct retained r = { j->authorization, j->api_port, j->verify_tls,
		j->verify_tls ? NULL : j->api_pin };
	char *err = NULL;
	int rc = 0;

	if (j->retain == -1 && j->authorization == NULL)
		return (0);
	j->had_retained = retained_get(j->ops->pki, j->route.host, &j->retained);
	rc = j->retain == 1 ? retained_put(j->ops->pki, j->route.host, &r, &err) :
			      retained_drop(j->ops->pki, j->route.host, &err);
	j->settled = rc == 0;
	if (rc == -1)
		linkjoin_fail(j, 500, err);
	return (rc);
}

static void
unsettle_credentials(struct linkjoin *j)
{
	char *err = NULL;

	if (!j->settled)
		return;
	if ((j->had_retained ? retained_put(j->ops->pki, j->route.host, &j->retained, &err) :
			       retained_drop(j->ops->pki, j->route.host, &err)) == -1)
		log_errorx("the retained credentials for '%s': %s", j->route.host, err);
	free(err);
	j->settled = 0;
}

int
linkjoin_reach(struct linkjoin *j)
{
	if (!j->ops->data.live.links)
		return (linkjoin_fail(j, 400,
		    xstrdup("Links are not configured on this node: set replication.hostname")));
	note_before(j);
	if (j->authorization != NULL && linkjoin_enrol(j) == -1)
		return (-1);
	members_expect(j->ops->rep.members, j->route.host, j->url);
	j->expected = 1;
	if (wait_linked(j) == -1)
		return (-1);
	j->reached = 1;
	wait_introduced(j);
	return (keep_place(j) == -1 ? -1 : settle_credentials(j));
}

int
linkjoin_settle(struct linkjoin *j)
{
	return (settle_credentials(j));
}

/* ---- subscriptions ---- */

/* What there is besides, apart from everything: that goes where something is named. */
static void
keep_others(const struct proposal *p, struct subscriptions *keep)
{
	for (size_t i = 0; p->peer != NULL && i < p->peer->subs.n; i++)
		if (!subscription_is_wide(&p->peer->subs.list[i]))
			subscriptions_take(keep, &p->peer->subs.list[i]);
}

struct proposal *
linkjoin_proposal(struct linkjoin *j)
{
	struct replication *rep = &j->ops->rep;
	char *name = nodes_name(rep->nodes, j->id);
	struct proposal *p = proposal_new(rep, name != NULL ? name : j->route.host);
	struct subscriptions keep = { 0 };

	proposal_plan(p, &j->wanted);
	if (j->is_explicit) {
		subscriptions_copy(&keep, &j->wanted);
		keep_others(p, &keep);
		proposal_plan_removals(p, &keep);
		subscriptions_clear(&keep);
	}
	free(name);
	return (p);
}

/* ---- the end ---- */

static void
end_expected(struct linkjoin *j)
{
	if (j->expected)
		members_expect_end(j->ops->rep.members, j->route.host);
	j->expected = 0;
}

static int
keep_shard(struct linkjoin *j)
{
	int status = j->shard != NULL ? members_keep_shard(&j->ops->rep, j->id, j->shard) : 200;

	if (status == 200)
		return (0);
	return (linkjoin_fail(j, status,
	    xasprintf("'%s' is added, but its 'shard' is not kept", j->route.host)));
}

int
linkjoin_finish(struct linkjoin *j, const char *by)
{
	char *err = NULL;
	int status = 200;

	if (keep_shard(j) == -1) {
		end_expected(j);
		return (-1);
	}
	if (j->revoked != NULL)
		status = pki_revoke(j->ops->pki, j->revoked, 0, by, &err);
	end_expected(j);
	if (status == 200)
		return (0);
	linkjoin_fail(j, status,
	    xasprintf("'%s' is added, but no certificate is revoked: %s", j->route.host, err));
	free(err);
	return (-1);
}

/* The other lets us in no longer, and if we were with nobody before, we are again. */
static void
withdraw_join(struct linkjoin *j)
{
	struct replication *rep = &j->ops->rep;
	json_t *q, *answer = NULL;
	int status;

	if (j->serial == NULL || !carrier_link_id(rep->link, j->route.host, j->id))
		return;
	q = json_pack("{s:s, s:s, s:b}", "id", rep->data->node_hex, "serial", j->serial, "leaves",
	    j->was_alone);
	status = cluster_ask(rep->cluster, j->route.host, "withdraw", q, WITHDRAW_MS, &answer);
	if (status != 200)
		log_warnx(
		    "'%s' has not taken back that this node joined it: remove_node there does",
		    j->route.host);
	json_decref(answer);
	json_decref(q);
}

struct joined_end {
	struct carrier_link *l;
	uint8_t id[NODE_ID_LEN];
};

static void
end_link_run(void *arg)
{
	struct joined_end *e = arg;

	carrier_link_end(e->l, e->id, "the call that made it has failed");
	free(e);
}

/* It stands with a certificate that is not ours any more. */
static void
end_made_link(struct linkjoin *j)
{
	struct replication *rep = &j->ops->rep;
	struct joined_end *e;

	if (j->serial == NULL || !carrier_link_id(rep->link, j->route.host, j->id))
		return;
	e = xcalloc(1, sizeof(*e));
	e->l = rep->link;
	memcpy(e->id, j->id, NODE_ID_LEN);
	post(rep->data->svc->post, end_link_run, e);
}

const char *
linkjoin_undo(struct linkjoin *j)
{
	struct replication *rep = &j->ops->rep;

	unsettle_credentials(j);
	/* Others may know the node by the key that goes: as long as that counts, it says which one comes. */
	if (j->adopted && j->had_identity)
		gossip_say_self(rep, j->identity.key);
	withdraw_join(j);
	if (j->adopted)
		pki_put_back(j->ops->pki, j->had_identity ? &j->identity : NULL, j->trusted);
	else if (json_object_size(j->trusted) > 0)
		pki_distrust(j->ops->pki, j->trusted);
	if (j->reached && !j->was_known)
		members_drop(rep, j->id);
	else if (j->reached && j->dial != NULL)
		members_keep_dial(rep, j->id, j->dial);
	if (j->serial != NULL && j->was_alone)
		gossip_take_alone(rep);
	end_made_link(j);
	end_expected(j);
	return (j->serial == NULL || !j->reached || j->was_alone || j->was_known ?
		"" :
		". It is known to the other members by now: remove_node removes it");
}
