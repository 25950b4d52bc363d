#include "config.h"

#include "opsd/cluster/gossip_follow.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/worker.h"
#include "common/conf/settings.h"
#include "opsd/cluster/members.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/replication.h"
#include "opsd/cluster/roster.h"
#include "opsd/cluster/subscribed.h"
#include "opsd/pki/issue.h"

/* ---- the store ---- */

static void
store_key(struct buf *b, const char *kind, const char *key)
{
	buf_addf(b, "G%s %s", kind, key);
}

void
gossip_follow_store(struct group *g, enum statement_kind kind, const char *key)
{
	struct roster *r = replication_of(g)->roster;
	json_t *o = roster_entry(r, kind, key);
	struct roster_times t = roster_times(r, kind, key);
	struct buf k = { 0 };
	char *text;

	store_key(&k, statement_kind_name(kind), key);
	if (o == NULL)
		store_batch_delete(group_batch(g), CF_META, k.data, k.len);
	else {
		json_object_set_new(o, "taken", json_integer((json_int_t)t.taken_ms));
		json_object_set_new(o, "seen", json_integer((json_int_t)t.seen_ms));
		text = json_dumps(o, JSON_COMPACT);
		store_batch_put(group_batch(g), CF_META, k.data, k.len, text, strlen(text));
		free(text);
	}
	json_decref(o);
	buf_free(&k);
}

void
gossip_follow_drop(struct group *g, json_t *gone)
{
	const json_t *one;
	size_t i;

	json_array_foreach(gone, i, one) {
		struct buf k = { 0 };

		store_key(&k, json_string_value(json_array_get(one, 0)),
		    json_string_value(json_array_get(one, 1)));
		store_batch_delete(group_batch(g), CF_META, k.data, k.len);
		buf_free(&k);
	}
	json_decref(gone);
}

/* ---- what follows ---- */

/* Nothing flows with it any more, and its key may be another one next time. */
static void
forget_node(struct group *g, const uint8_t *id)
{
	struct replication *rep = replication_of(g);
	struct peer *p = nodes_by_id(rep->nodes, id), *edit;

	if (p != NULL && peer_active(p)) {
		edit = nodes_edit(g, id, NULL);
		subscriptions_end_all(&edit->subs, &p->subs, wall_ms(), SUBSCRIPTION_BY_REMOVAL);
		subscribed_end(g, edit);
		nodes_store(g, edit);
	}
	members_forget(g, id);
	peer_free(p);
}

struct others {
	struct roster_member *list; /* only the id and the host name */
	size_t n;
};

static int
note_other(const struct roster_member *m, void *arg)
{
	struct others *o = arg;

	o->list = xrealloc(o->list, (o->n + 1) * sizeof(*o->list));
	o->list[o->n] = (struct roster_member){ .hostname = xstrdup(m->hostname) };
	memcpy(o->list[o->n++].id, m->id, NODE_ID_LEN);
	return (0);
}

/* Whether this node is to be linked with them has changed: all are shown, or not. */
static void
show_others(struct group *g, int all)
{
	struct others o = { 0 };

	roster_each(replication_of(g)->roster, note_other, &o);
	for (size_t i = 0; i < o.n; i++) {
		if (all)
			nodes_show(g, o.list[i].id);
		else
			nodes_hide(g, o.list[i].hostname);
		roster_member_clear(&o.list[i]);
	}
	free(o.list);
}

void
gossip_follow_alone(struct group *g)
{
	struct replication *rep = replication_of(g);
	struct peer **all;
	size_t n, i;

	show_others(g, 0);
	gossip_follow_drop(g, roster_clear(rep->roster));
	all = nodes_all(rep->nodes, &n);
	for (i = 0; i < n; i++) {
		if (all[i]->hostname != NULL)
			forget_node(g, all[i]->id);
		peer_free(all[i]);
	}
	free(all);
}

struct revoking {
	struct replication *rep;
	json_t *issued;
	char *hostname, *by;
};

static void
revoke_work(void *arg)
{
	struct revoking *v = arg;
	char *err = NULL;
	size_t n;

	if (issue_revoke(v->rep->pki, v->issued, v->by, &n, &err) != 200)
		log_warnx("the certificates of '%s' are not revoked: %s", v->hostname, err);
	free(err);
	json_decref(v->issued);
	free(v->hostname);
	free(v->by);
	free(v);
}

/*
 * What was signed for it here is good for nothing any more; on another thread, as it is written, too.
 * Which it is, is found now: it may be let in again before that.
 */
static void
revoke_certificates(struct replication *rep, const struct roster_member *m)
{
	struct revoking *v;
	char node[NODE_HEX_LEN];

	if (rep->pki == NULL)
		return;
	node_id_hex(m->id, node);
	v = xcalloc(1, sizeof(*v));
	*v = (struct revoking){ rep, issue_signed(rep->pki, m->hostname, node),
		xstrdup(m->hostname), xstrdup(m->removed_by) };
	workers_run(rep->data->workers, revoke_work, v);
}

static void
log_removed(const struct roster_member *m, int is_own)
{
	if (is_own)
		log_warnx(
		    "this node was removed from the cluster by '%s': it is linked with nobody "
		    "until it is added again (add_node)",
		    m->removed_by);
	else
		log_info("'%s' was removed from the cluster by '%s'", m->hostname, m->removed_by);
}

/* Whom it has let in since it was removed, or may have. */
static void
drop_late(struct group *g)
{
	struct replication *rep = replication_of(g);
	json_t *late = roster_late(rep->roster), *why;
	struct roster_member m = { 0 };
	uint8_t id[NODE_ID_LEN];
	const char *key;

	json_object_foreach(late, key, why) {
		log_warnx("%s", json_string_value(why));
		node_id_read(key, id);
		if (roster_member(rep->roster, id, &m))
			nodes_hide(g, m.hostname);
		roster_member_clear(&m);
		roster_drop(rep->roster, STATEMENT_MEMBER, key);
		gossip_follow_store(g, STATEMENT_MEMBER, key);
		forget_node(g, id);
	}
	json_decref(late);
}

void
gossip_follow(struct group *g, const char *key)
{
	struct replication *rep = replication_of(g);
	struct roster_member m;
	uint8_t id[NODE_ID_LEN];
	int is_own;

	node_id_read(key, id);
	if (!roster_member(rep->roster, id, &m))
		return;
	is_own = memcmp(id, rep->data->node_id, NODE_ID_LEN) == 0;
	if (m.removed) {
		log_removed(&m, is_own);
		if (is_own)
			gossip_follow_alone(g);
		else {
			forget_node(g, id);
			nodes_hide(g, m.hostname);
			revoke_certificates(rep, &m);
			drop_late(g);
		}
	} else if (is_own)
		show_others(g, 1);
	else
		nodes_show(g, id);
	roster_member_clear(&m);
}
