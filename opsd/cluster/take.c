#include "config.h"

#include "opsd/cluster/take.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/logbrake.h"
#include "common/base/mem.h"
#include "common/base/nodename.h"
#include "common/conf/settings.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/consent.h"
#include "opsd/cluster/cursors.h"
#include "opsd/cluster/incarnation.h"
#include "opsd/cluster/invited.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/origin.h"
#include "opsd/cluster/replication.h"
#include "opsd/cluster/routeflow.h"
#include "opsd/cluster/subscribed.h"
#include "opsd/store/group.h"

/* ---- whether it can be ---- */

/* Room for one more node; those that only tombstones are left of count less. */
static int
has_room(struct replication *rep, const uint8_t *id)
{
	char *known = nodes_name(rep->nodes, id);
	size_t all, active = nodes_count(rep->nodes, &all);
	int room = known != NULL || (active < NODES_MAX && all < 4 * NODES_MAX);

	free(known);
	return (room);
}

static int
check_sender(struct replication *rep, struct take *t)
{
	char *known = t->vouched ? nodes_name(rep->nodes, t->offer->id) : NULL;
	int is_stranger = t->vouched && known == NULL;

	free(known);
	if (memcmp(t->offer->id, rep->data->node_id, NODE_ID_LEN) == 0)
		commit_fail(&t->job, 400, "a node cannot subscribe to itself");
	else if (is_stranger)
		commit_fail(&t->job, 403, "the node that asks is not known here");
	else if (!has_room(rep, t->offer->id))
		commit_fail(&t->job, 409, "this node knows %d other nodes, and cannot know more",
		    NODES_MAX);
	else
		return (0);
	return (-1);
}

/* A table that is offered can stand beside ours. */
static int
check_key(struct group *g, struct commit_job *j, const char *db, const struct offer_table *t)
{
	struct table *mine = catalog_get(group_data(g)->catalog, db, t->name);
	int same = mine == NULL || strcmp(mine->primary_key, offer_key(t)) == 0;

	if (!same)
		commit_fail(j, 400, "Primary keys of '%s.%s' differ: '%s' and '%s'", db, t->name,
		    mine->primary_key, offer_key(t));
	table_unref(mine);
	return (same ? 0 : -1);
}

/* One of the two nodes has what it is about. */
static int
check_there(struct group *g, struct commit_job *j, const struct offer_item *i)
{
	struct catalog *c = group_data(g)->catalog;
	struct table *mine;

	if (i->n > 0 || subscription_is_wide(&i->sub))
		return (0);
	if (subscription_is_all(&i->sub)) {
		if (i->has_database || catalog_has_database(c, i->sub.database))
			return (0);
		commit_fail(j, 404, "database '%s' does not exist", i->sub.database);
		return (-1);
	}
	mine = catalog_get(c, i->sub.database, i->sub.table);
	if (mine == NULL)
		commit_fail(j, 404, "Table '%s.%s' does not exist", i->sub.database, i->sub.table);
	table_unref(mine);
	return (mine != NULL ? 0 : -1);
}

/* What is named here replicates here. */
static int
check_scope(struct group *g, struct commit_job *j, const struct subscription *s)
{
	struct replication *rep = replication_of(g);
	char *why = scope_fault(nodes_scope(rep->nodes), s);
	char *name;

	if (why == NULL)
		return (0);
	name = data_node_name(rep->data);
	commit_fail(j, 400, "%s on node '%s'", why, name);
	free(name);
	free(why);
	return (-1);
}

/* From our side, with what this side has not agreed to. */
static struct subscription
judge_item(const struct consent *c, const struct offer_item *i)
{
	struct subscription mine = i->sub;

	subscription_turn(&mine);
	mine.lacks_here = consent_lacks(c, &mine);
	return (mine);
}

/* Of what is only proposed nothing is told, not even whether it is there. */
static int
check_items(struct group *g, const struct consent *c, struct take *t)
{
	for (size_t i = 0; t->offer->strict && i < t->offer->n; i++) {
		const struct offer_item *item = &t->offer->items[i];
		struct subscription mine = judge_item(c, item);

		/* What ends is taken in any case. */
		if (item->sub.removed || subscription_flows(&item->sub) == 0 ||
		    subscription_is_proposal(&mine))
			continue;
		if (check_scope(g, &t->job, &item->sub) == -1)
			return (-1);
		for (size_t k = 0; k < item->n; k++)
			if (check_key(g, &t->job, offer_database(item, &item->tables[k]),
				&item->tables[k]) == -1)
				return (-1);
		if (check_there(g, &t->job, item) == -1)
			return (-1);
	}
	return (0);
}

static int
check_count(const struct peer *p, struct take *t)
{
	size_t n = p->subs.n;

	for (size_t i = 0; i < t->offer->n; i++)
		n += subscriptions_find(&p->subs, t->offer->items[i].sub.database,
			 t->offer->items[i].sub.table) == NULL;
	if (n <= SUBSCRIPTIONS_MAX || n == p->subs.n)
		return (0);
	commit_fail(&t->job, 409,
	    "there are too many subscriptions between the two nodes, the limit "
	    "is %d with those that were removed",
	    SUBSCRIPTIONS_MAX);
	return (-1);
}

/* ---- what follows from it ---- */

struct taking { /* one subscription */
	struct group *g;
	struct peer *p;
	const struct offer *o;
	const struct offer_item *i;
	int agreed; /* something of it flows */
	int newer;
	int forgotten;      /* the peer has it with us, and we knew nothing of it */
	struct stamp asked; /* when what it brings was asked for; none: not anew */
	uint64_t start_ms;  /* since when it brings what was written; 0: see start_of */
};

/* What was dropped here comes back only when it was asked for after that. */
static int
may_come(const struct taking *a, const char *db, const char *name)
{
	struct stamp dropped = group_dropped(a->g, db, name);

	return (stamp_none(dropped) || stamp_cmp(dropped, a->asked) < 0);
}

static int
may_database_come(const struct taking *a, const char *db)
{
	return (catalog_has_database(group_data(a->g)->catalog, db) || may_come(a, db, ""));
}

/* Under "*" a database comes as its tables do. */
static void
take_database(const struct taking *a)
{
	const struct offer_item *i = a->i;

	if (subscription_is_all(&i->sub) && !subscription_is_wide(&i->sub) && i->has_database &&
	    a->agreed && may_database_come(a, i->sub.database))
		group_put_database(a->g, i->sub.database);
}

int
take_has_room(struct group *g, const char *db, const char *name)
{
	static struct log_brake brake = { .most = 5 };

	if (catalog_count(group_data(g)->catalog) < TAKE_TABLES_MAX)
		return (1);
	log_braked(&brake, LOG_WARN,
	    "table %s.%s of another node is not made here: there are %d tables already", db, name,
	    TAKE_TABLES_MAX);
	return (0);
}

/* Ours of the name, with the attributes that it has there; NULL: there is none, and none is made. */
static struct table *
take_table(const struct taking *a, const struct offer_table *t, int wanted, int *made)
{
	const char *db = offer_database(a->i, t), *why;
	size_t dblen = strlen(db), len = strlen(t->name);
	struct table *mine = group_table_named(a->g, db, dblen, t->name, len);

	*made = mine == NULL && wanted && may_database_come(a, db) && may_come(a, db, t->name) &&
	    take_has_room(a->g, db, t->name);
	if (*made)
		mine = group_create_table(a->g, db, t->name, offer_key(t), t->definition, "", &why);
	if (*made && mine != NULL)
		origin_note(a->g, mine);
	if (mine == NULL || mine->id < TABLE_USER_FIRST ||
	    strcmp(mine->primary_key, offer_key(t)) != 0)
		return (mine);
	if (group_add_attrs(a->g, mine, json_object_get(t->definition, "attributes"), a->asked))
		mine = group_table_named(a->g, db, dblen, t->name, len);
	return (mine);
}

/* A cursor that begins for all databases brings what there is, from then on if so said. */
static uint64_t
start_of(const struct taking *a, const struct offer_table *t)
{
	int begins = subscription_is_wide(&a->i->sub) &&
	    cursors_find(replication_of(a->g)->cursors, a->o->id, t->id) == NULL;

	return (a->newer || begins ? a->start_ms : 0);
}

/* Whether all that the peer's table got from that node is here, or is on its way from there. */
static int
has_all_of(struct group *g, const uint8_t *id, const struct table *mine)
{
	struct cursors *f = replication_of(g)->cursors;
	struct cursor *cur;

	if (memcmp(id, group_data(g)->node_id, NODE_ID_LEN) == 0)
		return (1);
	cur = cursors_find_named(f, id, mine->database, strlen(mine->database), mine->name,
	    strlen(mine->name));
	return (cur != NULL && cursor_view(cur)->whole && cursor_view(cur)->whole_ms == 0 &&
	    cursor_view_settled(cursor_view(cur)));
}

/* Nothing of the peer's table is missing here but what was written there. */
static int
has_all_else(const struct taking *a, const struct offer_table *t, const struct table *mine)
{
	const struct offer_nodes *from = t->sources > 0 ? &a->o->sources[t->sources - 1] : NULL;

	for (size_t i = 0; from != NULL && i < from->n; i++)
		if (!has_all_of(a->g, from->ids + i * NODE_ID_LEN, mine))
			return (0);
	return (from != NULL);
}

/* mine NULL: there is none of its name. */
static void
take_cursor(const struct taking *a, const struct offer_table *t, struct table *mine, int made)
{
	struct subscribed s = {
		.id = t->id,
		.head = t->head,
		.incarnation = a->o->incarnation,
		.start_ms = start_of(a, t),
		.asked = a->asked,
		.called = a->newer,
		.made = made,
		.logged = mine != NULL && !made && !a->forgotten && has_all_else(a, t, mine),
	};

	if (mine == NULL)
		subscribed_pass(a->g, a->o->id, &s, offer_database(a->i, t), t->name);
	else if (strcmp(mine->primary_key, offer_key(t)) != 0)
		subscribed_fail(a->g, a->o->id, mine, t->id, offer_key(t));
	else
		subscribed_begin(a->g, a->o->id, &s, mine);
}

static void
take_tables(const struct taking *a)
{
	for (size_t k = 0; k < a->i->n; k++) {
		const struct offer_table *t = &a->i->tables[k];
		const struct subscription *s = peer_effective(a->p, offer_database(a->i, t),
		    t->name);
		struct table *mine;
		int made;

		if (s == NULL || table_replicate_read(t->definition) == REPLICATE_NO ||
		    (subscription_is_wide(&a->i->sub) && !subscription_is_wide(s)))
			continue;
		mine = take_table(a, t, subscription_agreed(s) != 0, &made);
		if (subscription_brings(s))
			take_cursor(a, t, mine, made);
		if (mine != NULL && a->forgotten)
			incarnation_recover(a->g, a->p, mine, t->id);
	}
}

/* A call asks now, whatever the clocks; what is compared may be older than what happened here. */
static struct stamp
asked_at(const struct take *t, const struct offer_item *i, int newer)
{
	if (!newer)
		return ((struct stamp){ 0, 0 });
	return (t->compared ? i->sub.stamp : STAMP_LAST);
}

static void
tell_proposal(const struct peer *p, const struct subscription *mine)
{
	static struct log_brake brake = { .most = 10 };

	if (mine->lacks_here != 0)
		log_braked(&brake, LOG_INFO,
		    "node %s proposes '%s.%s'%s%s: it counts when add_node or update_node "
		    "asks for it here, too",
		    p->name, mine->database, mine->table,
		    mine->lacks_here & SUBSCRIPTION_PUBLISH ? ", to have it from here" : "",
		    mine->lacks_here & SUBSCRIPTION_SUBSCRIBE ? ", to send it here" : "");
}

static int
is_unknown(const struct subscription *s)
{
	return (s == NULL || s->removed);
}

/*
 * Whether it changed anything between the two nodes.  A subscription that is compared and not
 * known here was made before this node was put back from an older copy: the peer may have
 * writes of ours that are lost.
 */
static int
take_item(struct group *g, struct peer *p, const struct take *t, const struct consent *c,
    const struct offer_item *i)
{
	struct subscription mine = judge_item(c, i);
	struct taking a = { .g = g, .p = p, .o = t->offer, .i = i };
	int is_wide = subscription_is_wide(&mine), taken, agreed;
	unsigned denied = consent_denied(p);

	a.forgotten = t->compared &&
	    is_unknown(subscriptions_find(&p->subs, mine.database, mine.table));
	taken = subscriptions_take(&p->subs, &mine);
	if (taken && is_wide && mine.removed)
		p->denied = denied;
	agreed = subscriptions_agree(&p->subs, &mine);
	a.agreed = subscription_agreed(&mine) != 0;
	if (taken)
		tell_proposal(p, &mine);
	if (is_wide)
		taken |= routeflow_narrow(g, p);
	a.start_ms = routeflow_start(replication_of(g), p, &mine);
	/* All databases come as they are, not from now on; by themselves not what was dropped here. */
	a.newer = taken && !is_wide;
	a.asked = asked_at(t, i, taken && !(is_wide && t->compared));
	if (!mine.removed) {
		take_database(&a);
		take_tables(&a);
	}
	return (taken || agreed);
}

static int
take_info(struct peer *p, json_t *info)
{
	if (info == NULL || json_equal(info, p->system_info))
		return (0);
	json_decref(p->system_info);
	p->system_info = json_incref(info);
	return (1);
}

static int
take_scope(struct peer *p, json_t *scope)
{
	if (scope == NULL || json_equal(scope, p->scope_told))
		return (0);
	json_decref(p->scope_told);
	p->scope_told = json_deep_copy(scope);
	return (1);
}

/* ---- who had the name before ---- */

static void
end_all(struct group *g, const uint8_t *id)
{
	struct peer *p = nodes_edit(g, id, NULL);

	subscriptions_end_all(&p->subs, &p->subs, wall_ms(), group_node(g));
	subscribed_end(g, p);
	nodes_store(g, p);
}

/* A call of a node that has the name of another: that one was wiped and made anew. */
static void
retire_namesakes(struct group *g, const struct offer *o)
{
	struct peer **all;
	size_t n;

	all = nodes_all(replication_of(g)->nodes, &n);
	for (size_t i = 0; i < n; i++) {
		if (peer_active(all[i]) && strcmp(all[i]->name, o->name) == 0 &&
		    memcmp(all[i]->id, o->id, NODE_ID_LEN) != 0) {
			log_info("node %s has another id now: the subscriptions of before end",
			    o->name);
			end_all(g, all[i]->id);
		}
		peer_free(all[i]);
	}
	free(all);
}

/* ---- the job ---- */

static void
take_over(struct group *g, struct take *t, struct peer *p, const struct consent *c)
{
	struct replication *rep = replication_of(g);
	const struct offer *o = t->offer;
	int changed = take_info(p, o->system_info) | take_scope(p, o->scope);

	for (size_t i = 0; i < o->n; i++)
		changed |= take_item(g, p, t, c, &o->items[i]);
	subscribed_end(g, p);
	if (t->answered)
		t->answer = offer_new(rep, p->subs.list, p->subs.n, 0);
	if (changed && o->strict && !t->vouched && cluster_peer_reachable(rep->cluster, p))
		retire_namesakes(g, o);
	if (changed)
		nodes_store(g, p);
	else
		peer_free(p);
	cluster_kick(rep->cluster);
}

static int
is_consent_free(struct replication *rep, const struct take *t)
{
	struct conf *conf = t->vouched ? data_conf(rep->data) : NULL;
	int is = conf == NULL || !conf_bool(conf, REP_CONSENT);

	conf_free(conf);
	return (is || (t->offer->strict && invited_has(rep->invited, t->offer->id, wall_ms())));
}

/* Who is vouched for has the name that it was admitted with. */
static void
take_run(struct group *g, struct commit_job *j)
{
	struct take *t = (struct take *)j;
	struct replication *rep = replication_of(g);
	struct peer *p;
	struct consent c;

	if (check_sender(rep, t) == -1)
		return;
	p = nodes_edit(g, t->offer->id, t->vouched ? NULL : t->offer->name);
	c = consent_with(p, is_consent_free(rep, t), t->asked);
	if (check_items(g, &c, t) == -1 || check_count(p, t) == -1)
		peer_free(p);
	else
		take_over(g, t, p, &c);
}

struct take *
take_new(struct offer *offer)
{
	struct take *t = xcalloc(1, sizeof(*t));

	t->job.run = take_run;
	t->offer = offer;
	return (t);
}

void
take_free(struct take *t)
{
	if (t == NULL)
		return;
	offer_free(t->offer);
	offer_free(t->answer);
	free(t->job.error);
	free(t);
}
