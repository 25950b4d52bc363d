#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/conf/repconf.h"
#include "common/conf/settings.h"
#include "opsd/cluster/gossip.h"
#include "opsd/cluster/gossip_take.h"
#include "opsd/cluster/members.h"
#include "opsd/cluster/nodes.h"
#include "opsd/pki/pki.h"
#include "opsd/pki/signer.h"

/* What this node says itself. */

/* Takes both. */
static int
commit_said(struct replication *rep, struct statement *said, struct statement *introduction,
    size_t *taken)
{
	struct roster_offer o = { said, introduction };
	struct gossip_take *t = gossip_take_own(rep, &o);
	int status = commit_wait(rep->data->commit, &t->job);

	*taken = t->taken;
	gossip_take_free(t);
	return (status);
}

static int
say_it(struct replication *rep, struct statement *said, struct statement *introduction, char **err)
{
	size_t taken;
	int status;

	if (said == NULL && introduction == NULL) {
		*err = xstrdup("there is nothing to sign it with, or it is too long");
		return (409);
	}
	status = commit_said(rep, said, introduction, &taken);
	if (status == 200 && taken > 0)
		return (200);
	*err = xstrdup(status == 200 ? "there is no room for it" : "nothing can be written");
	return (status == 200 ? 409 : status);
}

int
gossip_say(struct replication *rep, enum statement_kind kind, const char *key, const json_t *fields,
    char **err)
{
	return (say_it(rep, roster_say(rep->roster, kind, key, fields, wall_ms()), NULL, err));
}

int
gossip_adopt(struct replication *rep, const uint8_t *id, char **err)
{
	return (say_it(rep, NULL, roster_adopt(rep->roster, id), err));
}

static char *
own_hostname(struct replication *rep)
{
	struct conf *c = data_conf(rep->data);
	char *hostname = repconf_hostname(c);

	conf_free(c);
	return (hostname);
}

/* ---- of itself ---- */

/* Where it is reached; NULL: it only dials. */
static char *
own_url(const struct conf *c, const char *hostname)
{
	struct repconf_route r = { 0 };
	struct repaddress at;

	if (conf_str(c, REP_URL) != NULL)
		return (xstrdup(conf_str(c, REP_URL)));
	r.secure = repconf_listen(c, 1, &at);
	if (!r.secure && !repconf_listen(c, 0, &at))
		return (NULL);
	snprintf(r.host, sizeof(r.host), "%s", hostname);
	r.port = at.port;
	return (repconf_url(&r));
}

static int
said_full(struct replication *rep)
{
	struct roster_member m = { 0 };
	int full = roster_member(rep->roster, rep->data->node_id, &m) && !m.removed && m.full;

	roster_member_clear(&m);
	return (full);
}

/*
 * It links with all: routes are configured, or everything replicates with some node.  When the last one
 * has been removed it stays what it was: there may be others that it has not met yet.
 */
static int
links_with_all(struct replication *rep, const struct conf *c)
{
	struct peer **all;
	int full = json_array_size(conf_list(c, REP_ROUTES)) > 0, any = 0;
	size_t n;

	all = nodes_all(rep->nodes, &n);
	for (size_t i = 0; i < n; i++) {
		const struct subscription *s = subscriptions_find(&all[i]->subs, SUBSCRIPTION_ALL,
		    SUBSCRIPTION_ALL);

		full |= subscription_gives(s) || subscription_brings(s);
		any |= peer_active(all[i]);
		peer_free(all[i]);
	}
	free(all);
	return (full || (!any && said_full(rep)));
}

static json_t *
self_fields(struct replication *rep, const char *spki)
{
	struct conf *c = data_conf(rep->data);
	char *hostname = repconf_hostname(c), *url = own_url(c, hostname);
	const char *name = conf_bool(c, CL_ENABLED) ? conf_str(c, CL_NODENAME) : NULL;
	json_t *o = json_pack("{s:s, s:s*, s:s*, s:s, s:b}", "hostname", hostname, "node_name",
	    name, "url", url, "spki", spki, "full", links_with_all(rep, c));

	free(url);
	free(hostname);
	conf_free(c);
	return (o);
}

/* Whether that is what it has said last. */
static int
says_already(struct replication *rep, const json_t *fields)
{
	struct roster_member m = { 0 };
	json_t *was = NULL;
	int same = roster_member(rep->roster, rep->data->node_id, &m);

	if (same) {
		was = json_pack("{s:s, s:s*, s:s*, s:s, s:b}", "hostname", m.hostname, "node_name",
		    m.node_name, "url", m.url, "spki", m.spki, "full", m.full);
		same = json_equal(was, (json_t *)(uintptr_t)fields);
	}
	json_decref(was);
	roster_member_clear(&m);
	return (same);
}

/* The key of before says which one comes next, as long as there is one. */
void
gossip_say_self(struct replication *rep, const char *key)
{
	struct signer *signer = signer_new(key);
	json_t *fields;
	size_t taken;

	if (signer == NULL || rep->data->log.renewed) {
		signer_free(signer);
		return;
	}
	if (!roster_may_sign(rep->roster))
		roster_sign_with(rep->roster, signer_new(key));
	fields = self_fields(rep, signer_spki(signer));
	if (roster_locked_ms(rep->roster, rep->data->node_id, NULL) == 0 &&
	    !says_already(rep, fields))
		commit_said(rep,
		    roster_say(rep->roster, STATEMENT_MEMBER, rep->data->node_hex, fields,
			wall_ms()),
		    NULL, &taken);
	roster_sign_with(rep->roster, signer);
	json_decref(fields);
}

/* ---- its key ---- */

/* keyfiles_clear */
static int
own_key(struct replication *rep, struct keypair *pair)
{
	char *hostname, *fault = NULL;
	int rc;

	if (rep->pki == NULL || !rep->data->live.links)
		return (-1);
	hostname = own_hostname(rep);
	rc = pki_identity(rep->pki, hostname, pair, &fault);
	free(fault);
	free(hostname);
	return (rc);
}

void
gossip_say_resume(struct replication *rep)
{
	struct roster_member m = { 0 };
	struct keypair pair = { 0 };

	if (roster_member(rep->roster, rep->data->node_id, &m) && !rep->data->log.renewed &&
	    own_key(rep, &pair) == 0)
		roster_sign_with(rep->roster, signer_new(pair.key));
	keyfiles_clear(&pair);
	roster_member_clear(&m);
}

/* ---- of one that goes ---- */

/* Right after the start there may have been no links yet. */
static void
sign_at_once(struct replication *rep)
{
	struct keypair pair = { 0 };

	if (!roster_may_sign(rep->roster) && own_key(rep, &pair) == 0)
		gossip_say_self(rep, pair.key);
	keyfiles_clear(&pair);
}

static json_t *
removed_of(const char *hostname, const char *name, const char *spki)
{
	return (json_pack("{s:s, s:s*, s:s*, s:b}", "hostname", hostname, "node_name", name, "spki",
	    spki, "removed", 1));
}

/* What is said of one that goes; NULL: it is none, or has gone. */
static json_t *
removed_fields(struct replication *rep, const uint8_t *id)
{
	struct roster_member m = { 0 };
	struct member linked = { 0 };
	json_t *o = NULL;

	if (roster_member(rep->roster, id, &m) && !m.removed)
		o = removed_of(m.hostname, m.node_name, m.spki);
	else if (!m.removed && members_by_id(rep->members, id, &linked))
		o = removed_of(linked.hostname, linked.node_name, linked.spki);
	roster_member_clear(&m);
	member_clear(&linked);
	return (o);
}

int
gossip_remove(struct replication *rep, const uint8_t *id, char **err)
{
	char hex[2 * NODE_ID_LEN + 1], *own;
	json_t *fields = removed_fields(rep, id);
	int status;

	sign_at_once(rep);
	if (fields == NULL || (!roster_may_sign(rep->roster) && !rep->data->live.links)) {
		*err = xstrdup("it is no member");
		json_decref(fields);
		return (404);
	}
	node_id_hex(id, hex);
	own = own_hostname(rep);
	json_object_set_new(fields, "remover", json_string(own));
	status = gossip_say(rep, STATEMENT_MEMBER, hex, fields, err);
	free(own);
	json_decref(fields);
	return (status);
}
