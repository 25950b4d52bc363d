#include "config.h"

#include "opsd/cluster/gossip.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/logbrake.h"
#include "common/base/mem.h"
#include "common/base/worker.h"
#include "common/conf/settings.h"
#include "common/tls/crypto.h"
#include "opsd/cluster/cluster_priv.h"
#include "opsd/cluster/compat.h"
#include "opsd/cluster/gossip_page.h"
#include "opsd/cluster/gossip_take.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/peerjson.h"
#include "opsd/cluster/roster.h"
#include "opsd/cluster/trustsync.h"

#define ASK_MS    5000
#define TELL_MOST 100                /* entries in one message */
#define AGAIN_US  UINT64_C(60000000) /* two that stay different are compared again */
#define ADOPT_US  UINT64_C(10000000)

struct gossip_peer {
	uint8_t id[NODE_ID_LEN];
	uint64_t told; /* it has been told all changes up to this one */
	int telling;
	int parted;               /* it was removed, and has been told so */
	struct gossip_page *page; /* they are being compared, or NULL */
	uint64_t ours, theirs;    /* the digests when that began last, */
	uint64_t ended_us;        /* and when it ended; 0: never */
	UT_hash_handle hh;
};

struct gossip {
	struct cluster *c;
	struct replication *rep;
	struct gossip_peer *peers;
	uint64_t adopted_us;
};

static struct gossip_peer *
peer_of(struct gossip *g, const uint8_t *id)
{
	struct gossip_peer *p;

	HASH_FIND(hh, g->peers, id, NODE_ID_LEN, p);
	if (p != NULL)
		return (p);
	p = xcalloc(1, sizeof(*p));
	memcpy(p->id, id, NODE_ID_LEN);
	p->told = roster_changes(g->rep->roster, -1); /* the rest is compared */
	HASH_ADD(hh, g->peers, id, NODE_ID_LEN, p);
	return (p);
}

/* ---- asking ---- */

struct gossip_question {
	struct gossip *g;
	uint8_t id[NODE_ID_LEN];
	uint64_t upto; /* of what is told */
};

/* Takes the question; 0: it is not asked, as there is no such peer. */
static int
ask_roster(struct gossip *g, const uint8_t *id, json_t *question, carrier_answered *cb,
    uint64_t upto)
{
	struct peer *p = nodes_by_id(g->rep->nodes, id);
	struct gossip_question *q;

	if (p != NULL) {
		q = xcalloc(1, sizeof(*q));
		q->g = g;
		memcpy(q->id, id, NODE_ID_LEN);
		q->upto = upto;
		json_object_set_new(question, "id", json_string(g->rep->data->node_hex));
		cluster_question(g->c, p, "roster", question, ASK_MS, cb, q);
	}
	json_decref(question);
	peer_free(p);
	return (p != NULL);
}

/* Of that peer, and a good one; else NULL. */
static json_t *
read_answer(const struct carrier_answer *a, const uint8_t *id)
{
	json_t *o = a->status == 200 && a->body != NULL ? peerjson_load(a->body, a->n, 0) : NULL;

	if (o != NULL && peerjson_is_of(o, id) && peerjson_is_of(o, a->who))
		return (o);
	json_decref(o);
	return (NULL);
}

/* ---- what comes in, on its way ---- */

/* Entries that are to be taken; then `then` runs, on the loop. */
struct gossip_in {
	struct gossip *g;
	json_t *entries;
	uint8_t who[NODE_ID_LEN];
	int vouched;
	struct gossip_take *take;
	void (*then)(struct gossip_in *in);
	void *arg;
};

static void
in_done_run(void *arg)
{
	struct gossip_in *in = arg;

	if (in->take->taken > 0) {
		gossip_tick(in->g);
		trustsync_tick(in->g->rep->trustsync);
	}
	in->then(in);
	gossip_take_free(in->take);
	json_decref(in->entries);
	free(in);
}

static void
in_done(struct commit_job *j)
{
	struct gossip_in *in = j->arg;

	post(in->g->rep->data->svc->post, in_done_run, in);
}

static void
in_read(void *arg)
{
	struct gossip_in *in = arg;

	in->take = gossip_take_new(in->g->rep, in->entries, in->vouched ? in->who : NULL);
	in->take->job.arg = in;
	in->take->job.done = in_done;
	commit_submit(in->g->rep->data->commit, &in->take->job);
}

static void
take_entries(struct gossip *g, const json_t *entries, const uint8_t *who,
    void (*then)(struct gossip_in *in), void *arg)
{
	struct gossip_in *in = xcalloc(1, sizeof(*in));

	in->g = g;
	in->entries = json_deep_copy(entries);
	in->vouched = who != NULL;
	if (who != NULL)
		memcpy(in->who, who, NODE_ID_LEN);
	in->then = then;
	in->arg = arg;
	workers_run(g->rep->data->workers, in_read, in);
}

/* ---- comparing ---- */

static void compare_more(struct gossip *g, struct gossip_peer *p);

static void
compare_end(struct gossip_peer *p)
{
	gossip_page_free(p->page);
	p->page = NULL;
	p->ended_us = mono_us();
}

static void
compare_taken(struct gossip_in *in)
{
	struct gossip_peer *p = in->arg;

	compare_more(in->g, p);
}

/* Takes the fault. */
static void
log_broken(struct gossip *g, const uint8_t *id, char *fault)
{
	static struct log_brake brake = { .most = 10 };
	char *name = nodes_shown(g->rep->nodes, id);

	log_braked(&brake, LOG_WARN, "what node %s says of members is broken: %s", name, fault);
	free(name);
	free(fault);
}

static void
compared_cb(const struct carrier_answer *a, void *arg)
{
	struct gossip_question *q = arg;
	struct gossip_peer *p = peer_of(q->g, q->id);
	json_t *answer = read_answer(a, q->id);
	char *fault = NULL;
	const json_t *give = answer != NULL ? gossip_page_answered(p->page, answer, &fault) : NULL;

	if (answer == NULL || fault != NULL)
		compare_end(p);
	else
		take_entries(q->g, give, a->who, compare_taken, p);
	if (fault != NULL)
		log_broken(q->g, q->id, fault);
	json_decref(answer);
	free(q);
}

static void
compare_more(struct gossip *g, struct gossip_peer *p)
{
	json_t *question = gossip_page_question(p->page);

	if (question == NULL || !ask_roster(g, p->id, question, compared_cb, 0))
		compare_end(p);
}

void
gossip_heard(struct gossip *g, const uint8_t *peer, uint64_t digest)
{
	struct gossip_peer *p = peer_of(g, peer);
	uint64_t ours = roster_digest(g->rep->roster);

	if (ours == digest || p->page != NULL ||
	    (p->ended_us != 0 && ours == p->ours && digest == p->theirs &&
		mono_us() - p->ended_us < AGAIN_US))
		return;
	p->ours = ours;
	p->theirs = digest;
	p->page = gossip_page_new(g->rep->roster);
	compare_more(g, p);
}

/* ---- telling ---- */

static void
told_cb(const struct carrier_answer *a, void *arg)
{
	struct gossip_question *q = arg;
	struct gossip_peer *p = peer_of(q->g, q->id);

	p->telling = 0;
	if (a->status == 200)
		p->told = q->upto;
	free(q);
}

void
gossip_part(struct gossip *g, const uint8_t *peer)
{
	struct gossip_peer *p = peer_of(g, peer);
	char hex[2 * NODE_ID_LEN + 1];
	json_t *entry;

	if (p->parted)
		return;
	p->parted = 1;
	node_id_hex(peer, hex);
	entry = roster_entry(g->rep->roster, STATEMENT_MEMBER, hex);
	if (entry != NULL)
		ask_roster(g, peer, json_pack("{s:[o]}", "give", entry), told_cb,
		    roster_changes(g->rep->roster, -1));
}

/* Who cannot be reached is compared with when it can. */
static void
tell_peer(struct gossip *g, const struct peer *peer)
{
	struct gossip_peer *p = peer_of(g, peer->id);
	uint64_t now = roster_changes(g->rep->roster, -1), upto;
	json_t *news;

	if (p->told == now || p->telling)
		return;
	if (!cluster_peer_reachable(g->c, peer)) {
		p->told = now;
		return;
	}
	if (roster_locked_ms(g->rep->roster, peer->id, NULL) != 0) {
		gossip_part(g, peer->id);
		p->told = now;
		return;
	}
	p->parted = 0;
	news = roster_since(g->rep->roster, p->told, p->id, TELL_MOST, &upto);
	if (json_array_size(news) == 0) {
		json_decref(news);
		p->told = upto;
		return;
	}
	p->telling = 1;
	p->telling = ask_roster(g, p->id, json_pack("{s:o}", "give", news), told_cb, upto);
}

/* ---- answering ---- */

struct gossip_answer {
	struct carrier_reply reply;
	json_t *answer;
};

static void
give_answer(struct gossip_in *in)
{
	struct gossip_answer *a = in->arg;
	char *text;

	json_object_set_new(a->answer, "id", json_string(in->g->rep->data->node_hex));
	compat_say(a->answer);
	text = json_dumps(a->answer, JSON_COMPACT);
	a->reply.fn(a->reply.arg, 200, text, strlen(text));
	free(text);
	json_decref(a->answer);
	free(a);
}

static void
refuse_roster(struct carrier_reply reply, const char *why)
{
	json_t *o = json_pack("{s:s}", "error", why);
	char *text = json_dumps(o, JSON_COMPACT);

	reply.fn(reply.arg, 400, text, strlen(text));
	free(text);
	json_decref(o);
}

void
gossip_asked(struct gossip *g, const uint8_t *who, const json_t *question,
    struct carrier_reply reply)
{
	struct gossip_answer *a;
	char *fault;
	json_t *answer = gossip_page_answer(g->rep->roster, question, &fault);

	if (answer == NULL) {
		refuse_roster(reply, fault);
		free(fault);
		return;
	}
	a = xcalloc(1, sizeof(*a));
	*a = (struct gossip_answer){ reply, answer };
	take_entries(g, gossip_page_given(question), who, give_answer, a);
}

/* ---- those whom nobody introduces ---- */

static void
adopt_work(void *arg)
{
	static struct log_brake brake = { .most = 1 };
	struct replication *rep = arg;
	struct conf *conf = data_conf(rep->data);
	struct roster_facts f = { .introducers = conf_list(conf, REP_INTRODUCERS) };
	size_t n;
	uint8_t *ids = roster_unintroduced(rep->roster, &f, &n), coin;

	crypto_random(&coin, sizeof(coin));
	for (size_t i = 0; i < n && coin % 2 == 0; i++) {
		struct roster_member m;
		char *err = NULL;

		if (!roster_member(rep->roster, ids + i * NODE_ID_LEN, &m))
			continue;
		if (gossip_adopt(rep, m.id, &err) != 200)
			log_braked(&brake, LOG_WARN, "'%s' is not introduced: %s", m.hostname, err);
		free(err);
		roster_member_clear(&m);
	}
	free(ids);
	conf_free(conf);
}

/*
 * Who introduced them has been removed, or has another key: a new node could not believe that.  All
 * that are left see that; each waits by chance, so that mostly one does it.
 */
static void
adopt_some(struct gossip *g)
{
	if (mono_us() - g->adopted_us < ADOPT_US || !roster_may_sign(g->rep->roster))
		return;
	g->adopted_us = mono_us();
	workers_run(g->rep->data->workers, adopt_work, g->rep);
}

/* ---- life ---- */

void
gossip_tick(struct gossip *g)
{
	size_t n;
	struct peer **all = nodes_all(g->rep->nodes, &n);

	for (size_t i = 0; i < n; i++) {
		tell_peer(g, all[i]);
		peer_free(all[i]);
	}
	free(all);
	adopt_some(g);
}

struct gossip *
gossip_new(struct cluster *c, struct replication *rep)
{
	struct gossip *g = xcalloc(1, sizeof(*g));

	g->c = c;
	g->rep = rep;
	g->adopted_us = mono_us();
	return (g);
}

void
gossip_free(struct gossip *g)
{
	struct gossip_peer *p, *tmp;

	if (g == NULL)
		return;
	HASH_ITER(hh, g->peers, p, tmp) {
		HASH_DEL(g->peers, p);
		gossip_page_free(p->page);
		free(p);
	}
	free(g);
}
