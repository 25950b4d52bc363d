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
#include "opsd/cluster/daemons.h"
#include "opsd/cluster/members.h"
#include "opsd/pki/enrol.h"
#include "opsd/pki/pki.h"
#include "opsd/pki/retained.h"

/* A node is added by a call: certificate, link, subscriptions. */

#define LINK_MIN_MS 10000 /* a link takes a while, with a new certificate and a first failure */
#define LOOK_MS     50
#define TRIES_FEW   3       /* that fail for the same reason, as a rule, */
#define EARLY_US    2000000 /* but before that perhaps with the certificate of before */

/* Takes the text. */
static int
fail_join(struct linkjoin *j, int status, char *error)
{
	free(j->error);
	j->status = status;
	j->error = error;
	return (-1);
}

/* ---- a certificate ---- */

static int
keep_signed(struct linkjoin *j, const struct enrolled *got, const char *own)
{
	struct pki_adopted a = { &got->pair, got->authorities, own, j->route.host, NULL };
	char *err = NULL;
	int status;

	a.added = j->trusted = json_object();
	j->had_identity = pki_kept(j->ops->pki, &j->identity);
	status = pki_adopt(j->ops->pki, &a, &err);
	if (status == 200) {
		j->adopted = 1;
		return (0);
	}
	fail_join(j, status,
	    xasprintf("The certificate that '%s' has signed is not kept: %s", j->route.host, err));
	free(err);
	return (-1);
}

static int
ask_certificate(struct linkjoin *j, const struct conf *c, const char *own, const char *authority)
{
	struct enrol e = {
		.host = j->route.host,
		.port = j->api_port,
		.authorization = j->authorization,
		.verify_tls = j->verify_tls,
		.proxy = conf_str(c, REP_PROXY),
		.hostname = own,
		.node = j->ops->data.node_hex,
		.authority = authority,
	};
	struct enrolled got;
	char *err = NULL;
	int status = enrol_run(&e, &got, &err), rc;

	if (status != 200) {
		fail_join(j, status,
		    xasprintf("No certificate comes from '%s' (its operations API at port %d): %s",
			j->route.host, j->api_port, err));
		free(err);
		return (-1);
	}
	rc = keep_signed(j, &got, own);
	j->api_pin = xstrdup(got.pin);
	enrol_clear(&got);
	return (rc);
}

static int
enrol_here(struct linkjoin *j)
{
	struct conf *c = data_conf(&j->ops->data);
	char *own = repconf_hostname(c), *err = NULL;
	char *authority = pki_authority(j->ops->pki, &err);
	int rc = authority != NULL ?
	    ask_certificate(j, c, own, authority) :
	    fail_join(j, 500, xasprintf("This node has no authority: %s", err));

	free(authority);
	free(err);
	free(own);
	conf_free(c);
	return (rc);
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

/* Caller frees. */
static char *
link_cure(const struct linkjoin *j, const char *why, const char *own)
{
	if (why != NULL && strstr(why, "revoked") != NULL)
		return (xstrdup("The node of that certificate gets another one by add_node with "
				"'authorization', called on that node"));
	if (j->authorization != NULL)
		return (xstrdup("Its operations API has answered: can the port of its links "
				"(replication.securePort) be reached from here?"));
	return (xasprintf("The other node must know this one: set a route to '%s' there "
			  "(cluster_set_routes), or give 'authorization' here",
	    own));
}

static int
fail_link(struct linkjoin *j, const char *why)
{
	struct conf *c = data_conf(&j->ops->data);
	char *own = repconf_hostname(c), *cure = link_cure(j, why, own);

	fail_join(j, 504,
	    xasprintf("No link with '%s' at %s comes up: %s. %s", j->route.host, j->url,
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
keep_place(struct linkjoin *j)
{
	struct replication *rep = &j->ops->rep;
	int status = members_keep_dial(rep, j->id, j->url);

	if (status == 200)
		return (0);
	return (fail_join(j, status,
	    xasprintf("'%s' is not kept as a member: nothing can be written", j->route.host)));
}

static void
note_before(struct linkjoin *j)
{
	struct member m = { 0 };

	if (!members_by_hostname(j->ops->rep.members, j->route.host, &m))
		return;
	j->was_known = 1;
	j->dial = xstrdup(m.dial);
	member_clear(&m);
}

int
linkjoin_reach(struct linkjoin *j)
{
	if (!j->ops->data.live.links)
		return (fail_join(j, 400,
		    xstrdup("Links are not configured on this node: set replication.hostname")));
	note_before(j);
	if (j->authorization != NULL && enrol_here(j) == -1)
		return (-1);
	members_expect(j->ops->rep.members, j->route.host, j->url);
	j->expected = 1;
	if (wait_linked(j) == -1)
		return (-1);
	j->reached = 1;
	return (keep_place(j));
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

/* Who gives others without a word of keeping them wants none kept. */
static int
settle_credentials(struct linkjoin *j, char **err)
{
	struct retained r = { j->authorization, j->api_port, j->verify_tls,
		j->verify_tls ? NULL : j->api_pin };
	int rc = 0;

	if (j->retain == 1)
		rc = retained_put(j->ops->pki, j->route.host, &r, err);
	else if (j->retain == 0 || j->authorization != NULL)
		rc = retained_drop(j->ops->pki, j->route.host, err);
	return (rc == 0 ? 200 : 500);
}

int
linkjoin_finish(struct linkjoin *j, const char *by)
{
	char *err = NULL;
	int status = settle_credentials(j, &err);

	if (status == 200 && j->revoked != NULL)
		status = pki_revoke(j->ops->pki, j->revoked, 0, by, &err);
	if (status != 200) {
		fail_join(j, status, err);
		return (-1);
	}
	end_expected(j);
	return (0);
}

void
linkjoin_undo(struct linkjoin *j)
{
	struct replication *rep = &j->ops->rep;

	if (j->adopted)
		pki_put_back(j->ops->pki, j->had_identity ? &j->identity : NULL, j->trusted);
	if (j->reached && !j->was_known)
		members_drop(rep, j->id);
	else if (j->reached && j->dial != NULL)
		members_keep_dial(rep, j->id, j->dial);
	end_expected(j);
}
