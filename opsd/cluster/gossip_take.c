#include "config.h"

#include "opsd/cluster/gossip_take.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/logbrake.h"
#include "common/base/mem.h"
#include "common/base/worker.h"
#include "common/conf/settings.h"
#include "common/tls/serial.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/gossip_follow.h"
#include "opsd/cluster/members.h"
#include "opsd/store/group.h"

/* ---- the store ---- */

static uint64_t
stored_ms(const json_t *o, const char *field)
{
	return ((uint64_t)json_integer_value(json_object_get(o, field)));
}

static int
load_entry(struct roster *r, const char *v, size_t n, char **err)
{
	json_t *o = json_loadb(v, n, 0, NULL);
	struct roster_offer offer = { 0 };
	int rc = roster_offer_read(&offer, o, err);

	if (rc == 0)
		roster_put(r, &offer,
		    &(struct roster_times){ stored_ms(o, "taken"), stored_ms(o, "seen") });
	json_decref(o);
	return (rc);
}

int
gossip_take_load(struct replication *rep, char **err)
{
	struct store_iter *it = store_iter_new(rep->data->store, NULL, CF_META, "G", 1, "H", 1);
	char *why = NULL;
	int rc = 0;

	rep->roster = roster_new(rep->data->node_id);
	for (store_iter_first(it); rc == 0 && store_iter_valid(it); store_iter_next(it)) {
		size_t n;
		const uint8_t *v = store_iter_value(it, &n);

		rc = load_entry(rep->roster, (const char *)v, n, &why);
	}
	if (store_iter_failed(it))
		rc = -1;
	store_iter_free(it);
	if (rc == -1)
		*err = xasprintf("store: what members have said cannot be read%s%s",
		    why != NULL ? ": " : "", why != NULL ? why : "");
	free(why);
	return (rc);
}

/* ---- taking ---- */

struct taking_facts {
	struct roster_facts f;
	struct member link; /* of who hands it over */
	json_t *introducers;
};

static void
facts_of(const struct gossip_take *t, struct taking_facts *x)
{
	struct conf *conf = data_conf(t->rep->data);

	memset(x, 0, sizeof(*x));
	x->introducers = json_deep_copy(conf_list(conf, REP_INTRODUCERS));
	x->f.now_ms = wall_ms();
	x->f.introducers = x->introducers;
	if (t->vouched) {
		x->f.who = t->who;
		members_by_id(t->rep->members, t->who, &x->link);
		x->f.who_spki = x->link.spki;
	}
	conf_free(conf);
}

static void
facts_clear(struct taking_facts *x)
{
	member_clear(&x->link);
	json_decref(x->introducers);
}

/* While this node itself is out, only what brings it back counts, and who says so. */
static int
is_for_us(const struct gossip_take *t, const char *key)
{
	char who[2 * NODE_ID_LEN + 1];

	if (roster_locked_ms(t->rep->roster, t->rep->data->node_id, NULL) == 0 ||
	    strcmp(key, t->rep->data->node_hex) == 0)
		return (1);
	node_id_hex(t->who, who);
	return (t->vouched && strcmp(key, who) == 0);
}

/* 1: something of it is new. */
static int
take_one(struct group *g, struct gossip_take *t, struct roster_offer *o,
    const struct taking_facts *x)
{
	static struct log_brake brake = { .most = 10 };
	const struct statement *s = o->said != NULL ? o->said : o->introduction;
	enum statement_kind kind;
	char key[STATEMENT_KEY_MAX + 1], *why = NULL;
	enum roster_verdict v;

	if (s == NULL || !is_for_us(t, s->key))
		return (0);
	kind = o->said != NULL ? s->kind : STATEMENT_MEMBER;
	memcpy(key, s->key, sizeof(key));
	v = roster_take(t->rep->roster, o, &x->f, &why);
	if (v == ROSTER_REFUSED)
		log_braked(&brake, LOG_WARN, "what a node says is refused: %s", why);
	free(why);
	if (v != ROSTER_TAKEN)
		return (0);
	t->taken++;
	if (kind == STATEMENT_MEMBER)
		gossip_follow(g, key);
	gossip_follow_store(g, kind, key);
	return (1);
}

/* Its link shows that key, by a certificate that is good. */
static int
shows_good_key(struct replication *rep, const struct member *link, const char *spki)
{
	char serial[SERIAL_MAX];

	return (link->spki != NULL && spki != NULL && strcmp(link->spki, spki) == 0 &&
	    link->serial != NULL && serial_read(link->serial, serial) == 0 &&
	    !roster_revokes(rep->roster, serial));
}

/*
 * Whom we are linked with, and nobody has introduced to the others yet, or since a certificate of
 * its key was revoked: it has another one.  It is our word, and it is told so at once, to show it.
 */
static void
introduce_who(struct group *g, struct gossip_take *t, const struct taking_facts *x)
{
	struct roster_member m;

	if (!t->vouched || !roster_member(t->rep->roster, t->who, &m))
		return;
	if (!m.removed &&
	    (m.introduced_ms == 0 || (m.distrusted && shows_good_key(t->rep, &x->link, m.spki)))) {
		struct taking_facts ours = *x;
		struct roster_offer o = { NULL,
			roster_introduce(t->rep->roster, m.id, m.spki, x->f.now_ms) };

		ours.f.who = NULL;
		take_one(g, t, &o, &ours);
		roster_offer_clear(&o);
	}
	roster_member_clear(&m);
}

/* Who vouches for what may come behind it. */
static void
gossip_take_run(struct group *g, struct commit_job *j)
{
	struct gossip_take *t = (struct gossip_take *)j;
	struct taking_facts x;
	size_t news;

	facts_of(t, &x);
	do {
		news = 0;
		for (size_t i = 0; i < t->n; i++)
			news += (size_t)take_one(g, t, &t->list[i], &x);
	} while (news > 0);
	introduce_who(g, t, &x);
	facts_clear(&x);
	if (t->taken > 0)
		cluster_kick(t->rep->cluster);
}

void
gossip_take_drop_own(struct group *g)
{
	struct replication *rep = replication_of(g);

	roster_drop(rep->roster, STATEMENT_MEMBER, rep->data->node_hex);
	gossip_follow_store(g, STATEMENT_MEMBER, rep->data->node_hex);
}

/*
 * Its key is one that a revoked certificate had; or it was asked in since it was introduced, as far as that
 * is known here: some member may have removed it meanwhile, and that is still to be heard of.
 */
static int
is_to_be_introduced(struct replication *rep, const uint8_t *id, uint64_t asked_ms)
{
	struct roster_member m = { 0 };
	int yes = !roster_member(rep->roster, id, &m) || m.distrusted ||
	    (m.introduced_ms != 0 && m.introduced_ms < asked_ms);

	roster_member_clear(&m);
	return (yes);
}

static int
needs_anew(struct replication *rep, const uint8_t *id, const char *spki, uint64_t asked_ms)
{
	return (roster_locked_ms(rep->roster, id, spki) != 0 ||
	    (spki != NULL &&
		(roster_has_other_key(rep->roster, id, spki, asked_ms) ||
		    is_to_be_introduced(rep, id, asked_ms))));
}

void
gossip_take_back(struct group *g, const uint8_t *id, const char *spki, uint64_t asked_ms)
{
	struct replication *rep = replication_of(g);
	struct gossip_take t = { .rep = rep };
	struct roster_member m = { 0 };
	struct roster_offer o = { 0 };
	struct taking_facts x;

	if (roster_locked_ms(rep->roster, rep->data->node_id, NULL) != 0)
		gossip_take_drop_own(g);
	if (!needs_anew(rep, id, spki, asked_ms))
		return;
	facts_of(&t, &x);
	if (roster_member(rep->roster, id, &m) && spki == NULL)
		spki = m.spki;
	if (spki != NULL)
		o.introduction = roster_introduce(rep->roster, id, spki, x.f.now_ms);
	take_one(g, &t, &o, &x);
	roster_offer_clear(&o);
	roster_member_clear(&m);
	facts_clear(&x);
}

/* ---- what is over ---- */

static void
sweep_run(struct group *g, struct commit_job *j)
{
	gossip_follow_drop(g, roster_sweep(replication_of(g)->roster, wall_ms()));
}

static void
alone_run(struct group *g, struct commit_job *j)
{
	gossip_take_drop_own(g);
	gossip_follow_alone(g);
}

int
gossip_take_alone(struct replication *rep)
{
	struct commit_job j = { .run = alone_run };
	int status = commit_wait(rep->data->commit, &j);

	free(j.error);
	return (status);
}

int
gossip_take_sweep(struct replication *rep)
{
	struct commit_job j = { .run = sweep_run };
	int status = commit_wait(rep->data->commit, &j);

	free(j.error);
	return (status);
}

/* ---- making one ---- */

static struct gossip_take *
take_of(struct replication *rep, size_t n)
{
	struct gossip_take *t = xcalloc(1, sizeof(*t));

	t->job.run = gossip_take_run;
	t->rep = rep;
	t->list = xcalloc(n + 1, sizeof(*t->list));
	return (t);
}

static int
is_signed(const struct statement *s)
{
	return (s == NULL || statement_is_signed(s));
}

/* 0, or -1 with *fault. */
static int
read_entry(struct roster_offer *o, const json_t *entry, char **fault)
{
	if (roster_offer_read(o, entry, fault) == -1)
		return (-1);
	if (is_signed(o->said) && is_signed(o->introduction))
		return (0);
	*fault = xstrdup("the signature is not of this text");
	roster_offer_clear(o);
	return (-1);
}

struct gossip_take *
gossip_take_new(struct replication *rep, const json_t *entries, const uint8_t *who)
{
	static struct log_brake brake = { .most = 10 };
	struct gossip_take *t = take_of(rep, json_array_size(entries));
	const json_t *one;
	char *fault;
	size_t i;

	t->job.remote = 1;
	t->vouched = who != NULL;
	if (who != NULL)
		memcpy(t->who, who, NODE_ID_LEN);
	json_array_foreach(entries, i, one) {
		if (read_entry(&t->list[t->n], one, &fault) == 0) {
			t->n++;
			continue;
		}
		log_braked(&brake, LOG_WARN, "what a node says of members is broken: %s", fault);
		free(fault);
	}
	return (t);
}

struct gossip_take *
gossip_take_own(struct replication *rep, struct roster_offer *o)
{
	struct gossip_take *t = take_of(rep, 1);

	t->list[t->n++] = *o;
	*o = (struct roster_offer){ 0 };
	return (t);
}

void
gossip_take_free(struct gossip_take *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->n; i++)
		roster_offer_clear(&t->list[i]);
	free(t->list);
	free(t->job.error);
	free(t);
}
