#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/worker.h"
#include "common/conf/repconf.h"
#include "common/conf/settings.h"
#include "opsd/cluster/admission.h"
#include "opsd/cluster/carrier_call.h"
#include "opsd/cluster/carrier_link_priv.h"
#include "opsd/cluster/discovery.h"
#include "opsd/cluster/gossip.h"
#include "opsd/cluster/linkconf.h"
#include "opsd/cluster/members.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/roster.h"
#include "opsd/pki/pki.h"

#define RENEW_US UINT64_C(3600000000)
#define GRACE_MS 2000 /* longer than leafd takes to say that there was no answer */

/* ---- who is there ---- */

struct link *
carrier_link_find(struct carrier_link *l, const uint8_t *id)
{
	struct link *k;

	HASH_FIND(hh, l->links, id, NODE_ID_LEN, k);
	return (k);
}

/* With the lock held, or on the loop's thread. */
static struct link *
find_node(struct carrier_link *l, const struct carrier_node *node)
{
	struct link *k;

	if (node->id != NULL)
		return (carrier_link_find(l, node->id));
	for (k = l->links; k != NULL; k = k->hh.next)
		if (strcasecmp(k->hostname, node->name) == 0 ||
		    (k->node_name != NULL && strcmp(k->node_name, node->name) == 0))
			break;
	return (k);
}

static int
link_reaches(void *arg, const struct carrier_node *node)
{
	struct carrier_link *l = arg;
	int yes;

	pthread_mutex_lock(&l->lock);
	yes = find_node(l, node) != NULL;
	pthread_mutex_unlock(&l->lock);
	return (yes);
}

int
carrier_link_on(struct carrier_link *l)
{
	return (l->on);
}

int
carrier_link_has(struct carrier_link *l, const uint8_t *id)
{
	return (link_reaches(l, &(struct carrier_node){ .id = id }));
}

int
carrier_link_id(struct carrier_link *l, const char *hostname, uint8_t *id)
{
	struct link *k;

	pthread_mutex_lock(&l->lock);
	for (k = l->links; k != NULL; k = k->hh.next)
		if (strcasecmp(k->hostname, hostname) == 0) {
			memcpy(id, k->id, NODE_ID_LEN);
			break;
		}
	pthread_mutex_unlock(&l->lock);
	return (k != NULL);
}

json_t *
carrier_link_hostnames(struct carrier_link *l)
{
	json_t *list = json_array();
	struct link *k;

	pthread_mutex_lock(&l->lock);
	for (k = l->links; k != NULL; k = k->hh.next)
		json_array_append_new(list, json_string(k->hostname));
	pthread_mutex_unlock(&l->lock);
	return (list);
}

uint64_t
carrier_link_changes(const struct carrier_link *l)
{
	return (l->changes);
}

/* ---- questions to nodes ---- */

static struct chan *
chan_to(struct carrier_link *l, const struct link *k)
{
	return (k != NULL ? daemons_leaf(l->rep->daemons) : NULL);
}

static void
link_ask(void *arg, const struct carrier_node *node, const char *verb, const json_t *question,
    unsigned timeout_ms, carrier_answered *cb, void *cb_arg)
{
	struct link *k = find_node(arg, node);
	struct buf b = { 0 };

	if (k != NULL)
		buf_add(&b, k->id, NODE_ID_LEN);
	carrier_call_write(&b, verb, question, timeout_ms);
	carrier_call(chan_to(arg, k), MSG_LINK_ASK, &b, timeout_ms + GRACE_MS, 1,
	    k != NULL ? k->id : NULL, cb, cb_arg);
}

static int
link_can_catch_up(void *arg)
{
	struct carrier_link *l = arg;

	return (l->links != NULL && daemons_leaf(l->rep->daemons) != NULL);
}

static void
link_catch_up(void *arg, const struct carrier_node *node, const struct buf *question,
    unsigned timeout_ms, carrier_answered *cb, void *cb_arg)
{
	struct link *k = find_node(arg, node);
	struct buf b = { 0 };

	if (k != NULL)
		buf_add(&b, k->id, NODE_ID_LEN);
	buf_u32(&b, timeout_ms);
	buf_blob(&b, question->data, question->len);
	carrier_call(chan_to(arg, k), MSG_LINK_PULL, &b, timeout_ms + GRACE_MS, 0,
	    k != NULL ? k->id : NULL, cb, cb_arg);
}

/* ---- the log out ---- */

static void
logged_run(void *arg)
{
	struct carrier_link *l = arg;

	l->logged = 0;
	carrier_link_give(l);
}

void
carrier_link_logged(void *arg)
{
	struct carrier_link *l = arg;

	if (!atomic_exchange(&l->logged, 1))
		post(l->rep->data->svc->post, logged_run, l);
}

/* ---- what leafd is told ---- */

/* Takes it. */
static void
note_tls_fault(struct carrier_link *l, char *fault)
{
	int news = fault != NULL && (l->fault == NULL || strcmp(l->fault, fault) != 0);

	if (news)
		log_errorx("links: %s", fault);
	pthread_mutex_lock(&l->lock);
	free(l->fault);
	l->fault = fault;
	pthread_mutex_unlock(&l->lock);
}

/* That there are none is said as well: leafd may have some of an opsd that was before. */
static void
tell_links(struct carrier_link *l, json_t *links)
{
	char *text = json_dumps(links, JSON_COMPACT | JSON_SORT_KEYS);

	if (l->told != NULL && strcmp(l->told, text) == 0) {
		free(text);
		return;
	}
	daemons_send(daemons_leaf(l->rep->daemons), MSG_LINKS, json_incref(links));
	free(l->told);
	l->told = text;
}

struct links_making {
	struct carrier_link *l;
	json_t *links;
	char *fault;
};

static void
links_made(void *arg)
{
	struct links_making *m = arg;
	struct carrier_link *l = m->l;

	l->making = 0;
	l->on = json_object_size(m->links) > 0;
	l->nodes_seen = 0;
	note_tls_fault(l, m->fault);
	if (daemons_leaf_ready(l->rep->daemons))
		tell_links(l, m->links);
	json_decref(m->links);
	free(m);
}

/* Keys are in files, and may have to be made. */
static void
make_links(void *arg)
{
	struct links_making *m = arg;
	struct replication *rep = m->l->rep;
	struct conf *conf = data_conf(rep->data);
	char *hostname = repconf_hostname(conf), *authorities = NULL;
	struct keypair pair = { 0 };
	json_t *revoked = rep->pki != NULL ? pki_revoked(rep->pki) : NULL;
	json_t *dials = members_dials(rep->members), *told = json_array();
	char *fault = NULL;
	int needs, has;

	discovery_dials(rep, told);
	linkconf_add_told(conf, dials, told);
	json_decref(told);
	needs = linkconf_needs_tls(conf, dials);
	has = rep->pki != NULL && repconf_on(conf) &&
	    pki_identity(rep->pki, hostname, &pair, &fault) == 0;
	if (has)
		gossip_say_self(rep, pair.key);
	has &= needs;
	if (needs)
		m->fault = fault;
	else
		free(fault);

	if (has)
		authorities = pki_authorities(rep->pki);
	m->links = linkconf_links(conf, rep->data->node_hex,
	    has ? &(struct linkconf_keys){ pair.certificate, pair.key, authorities } : NULL,
	    revoked, dials);
	if (json_object_size(m->links) > 0)
		json_object_set_new(m->links, "introduced", roster_shown(rep->roster));
	keyfiles_clear(&pair);
	json_decref(dials);
	free(authorities);
	free(hostname);
	json_decref(revoked);
	conf_free(conf);
	post(rep->data->svc->post, links_made, m);
}

/* What LINKS is made from; once in a while its certificate may have to be another. */
static uint64_t
links_from(const struct replication *rep)
{
	return (rep->data->conf_changes + (rep->pki != NULL ? pki_changes(rep->pki) : 0) +
	    mono_us() / RENEW_US + members_changes(rep->members) + nodes_changes(rep->nodes) +
	    roster_changes(rep->roster, STATEMENT_MEMBER));
}

static void
remake_links(struct carrier_link *l)
{
	uint64_t now = links_from(l->rep);
	struct links_making *m;

	if (l->conf_seen == now || l->making)
		return;
	l->conf_seen = now;
	l->making = 1;
	m = xcalloc(1, sizeof(*m));
	m->l = l;
	workers_run(l->rep->data->workers, make_links, m);
}

void
carrier_link_close(struct carrier_link *l, const uint8_t *id, const char *why)
{
	struct buf b = { 0 };

	buf_add(&b, id, NODE_ID_LEN);
	buf_str(&b, why);
	chan_send(daemons_leaf(l->rep->daemons), MSG_LINK_CLOSE, &b);
}

void
carrier_link_end(struct carrier_link *l, const uint8_t *id, const char *why)
{
	if (carrier_link_find(l, id) != NULL && daemons_leaf(l->rep->daemons) != NULL)
		carrier_link_close(l, id, why);
}

/* It hears why, first in words that it can check. */
static void
close_link(struct carrier_link *l, const struct link *k)
{
	char *why = roster_locked(l->rep->roster, k->id, NULL, k->hostname);

	if (why != NULL)
		gossip_part(l->rep->gossip, k->id);
	carrier_link_close(l, k->id,
	    why != NULL ? why : "it is no longer a member of this cluster");
	free(why);
}

/* What is no member any more has no link; what has become one since its link came up has all. */
static void
review_links(struct carrier_link *l)
{
	uint64_t now = nodes_changes(l->rep->nodes) + members_changes(l->rep->members) +
	    roster_changes(l->rep->roster, STATEMENT_MEMBER) + 1;
	struct link *k, *tmp;

	if (l->nodes_seen == now)
		return;
	l->nodes_seen = now;
	HASH_ITER(hh, l->links, k, tmp) {
		if (!admission_member(l->rep, k->id, k->hostname))
			close_link(l, k);
		else if (admission_is_due(l->rep, k->id, k->hostname))
			commit_submit(l->rep->data->commit, admission_due_job(k->id, k->hostname));
	}
}

static void
link_changed(void *arg)
{
	struct carrier_link *l = arg;

	if (!daemons_leaf_ready(l->rep->daemons))
		return;
	if (l->rep->data->live.replicates || l->on)
		remake_links(l);
	review_links(l);
	carrier_link_give(l);
}

void
carrier_link_tick(struct carrier_link *l)
{
	link_changed(l);
}

static void
leaf_gone(void *arg)
{
	struct carrier_link *l = arg;

	carrier_link_drop_all(l);
	free(l->told);
	l->told = NULL;
	l->conf_seen = 0;
}

/* ---- what is wrong ---- */

char *
carrier_link_fault(struct carrier_link *l)
{
	char *fault;

	pthread_mutex_lock(&l->lock);
	fault = xstrdup(l->fault);
	pthread_mutex_unlock(&l->lock);
	return (fault);
}

json_t *
carrier_link_refused(struct carrier_link *l)
{
	json_t *list;

	pthread_mutex_lock(&l->lock);
	list = json_deep_copy(l->refused);
	pthread_mutex_unlock(&l->lock);
	return (list);
}

/* ---- life ---- */

const struct carrier_ops carrier_link_ops = {
	"link",
	link_reaches,
	link_ask,
	link_can_catch_up,
	link_catch_up,
	carrier_link_logged,
	link_changed,
	NULL,
	NULL,
};

struct carrier_link *
carrier_link_new(struct cluster *c, struct replication *rep)
{
	struct carrier_link *l = xcalloc(1, sizeof(*l));

	l->c = c;
	l->rep = rep;
	l->refused = json_array();
	l->starts = starts_new();
	pthread_mutex_init(&l->lock, NULL);
	return (l);
}

struct daemons_above
carrier_link_above(struct carrier_link *l)
{
	return ((struct daemons_above){ carrier_link_handlers, leaf_gone, l });
}

void
carrier_link_free(struct carrier_link *l)
{
	if (l == NULL)
		return;
	carrier_link_drop_all(l);
	json_decref(l->refused);
	starts_free(l->starts);
	free(l->fault);
	free(l->told);
	pthread_mutex_destroy(&l->lock);
	free(l);
}
