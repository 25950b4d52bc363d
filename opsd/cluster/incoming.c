#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/logbrake.h"
#include "common/base/mem.h"
#include "common/base/postlater.h"
#include "common/base/worker.h"
#include "common/conf/settings.h"
#include "opsd/cluster/apply.h"
#include "opsd/cluster/catchup.h"
#include "opsd/cluster/cluster_priv.h"
#include "opsd/cluster/compat.h"
#include "opsd/cluster/gossip.h"
#include "opsd/cluster/incarnation.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/peerjson.h"
#include "opsd/cluster/renewing.h"
#include "opsd/cluster/roster.h"
#include "opsd/cluster/take.h"
#include "opsd/cluster/withdrawn.h"

/* What a carrier brings from other nodes (carrier.h). */

/* ---- questions ---- */

static void
reply_with(struct carrier_reply reply, int status, json_t *answer)
{
	char *text;

	compat_say(answer);
	text = json_dumps(answer, JSON_COMPACT);
	reply.fn(reply.arg, (uint16_t)status, text, strlen(text));
	free(text);
	json_decref(answer);
}

static void
refuse_question(struct carrier_reply reply, int status, const char *why)
{
	reply_with(reply, status, json_pack("{s:s}", "error", why));
}

/* With the lock held: all that the asker has, with what it says now; NULL: there is a hole. */
static struct positions *
note_received(struct view *v, const struct status_question *q)
{
	if (q->since == 0) {
		positions_free(v->received);
		v->received = positions_new();
	} else if (v->received == NULL || v->received_life != q->life ||
	    v->received_upto != q->since)
		return (NULL);
	v->received_life = q->life;
	v->received_upto = q->upto;
	status_positions(q, v->received);
	return (positions_ref(v->received));
}

/* NULL as well when it is not known here, or only asks who we are. */
static struct positions *
received_from(struct cluster *c, const struct status_question *q)
{
	struct positions *p = NULL;
	struct peer *asker = q->tells ? nodes_by_id(c->rep->nodes, q->id) : NULL;

	if (asker == NULL)
		return (NULL);
	peer_free(asker);
	pthread_mutex_lock(&c->lock);
	p = note_received(cluster_view_of(c, q->id), q);
	pthread_mutex_unlock(&c->lock);
	return (p);
}

/* Who asks is known under another name than that by which it answers now. */
static void
note_name(struct cluster *c, const struct status_question *q)
{
	struct peer *p = nodes_by_id(c->rep->nodes, q->id);

	if (p != NULL && strcmp(p->name, q->name) != 0 && !cluster_peer_reachable(c, p) &&
	    cluster_reachable(c, q->name))
		commit_submit(c->rep->data->commit, nodes_rename_job(q->id, q->name));
	peer_free(p);
}

/* Who is told of everybody's subscriptions: they name tables. */
static int
shares_all(struct cluster *c, const uint8_t *id)
{
	struct peer *p = nodes_by_id(c->rep->nodes, id);
	const struct subscription *all = p == NULL ?
	    NULL :
	    subscriptions_find(&p->subs, SUBSCRIPTION_ALL, SUBSCRIPTION_ALL);
	int yes = subscription_gives(all);

	peer_free(p);
	return (yes);
}

static void
answer_status(struct cluster *c, const uint8_t *who, const json_t *question,
    struct carrier_reply reply)
{
	struct status_question q;
	struct status_answer a;
	struct positions *received;
	char *fault = NULL, *name;
	uint64_t ahead;

	if (status_question_read(&q, question, &fault) == -1) {
		refuse_question(reply, 400, fault);
		free(fault);
		return;
	}
	ahead = status_ahead(c->rep, &q);
	received = ahead == 0 ? received_from(c, &q) : NULL;
	status_answer(c->rep, &q, received, &a);
	positions_free(received);
	c->told += a.n;
	if (who == NULL)
		note_name(c, &q);
	if (who == NULL || shares_all(c, who))
		exchange_add_topology(c, &q, &a);
	reply_with(reply, 200, status_answer_write(&a));
	if (ahead != 0 && cluster_may_claim(c, who, ahead)) {
		name = nodes_shown(c->rep->nodes, q.id);
		commit_submit(c->rep->data->commit, incarnation_job(ahead, name));
		free(name);
	}
	status_answer_clear(&a);
	status_question_clear(&q);
}

struct taken {
	struct cluster *c;
	struct take *t;
	struct carrier_reply reply;
};

static void
taken_run(void *arg)
{
	struct taken *d = arg;
	struct take *t = d->t;

	if (t->answer != NULL)
		reply_with(d->reply, t->job.status, offer_write(t->answer));
	else
		refuse_question(d->reply, t->job.status,
		    t->job.error != NULL ? t->job.error : "not understood");
	take_free(t);
	free(d);
}

static void
taken_done(struct commit_job *j)
{
	struct taken *d = j->arg;

	post(d->c->rep->data->svc->post, taken_run, d);
}

static void
answer_subscriptions(struct cluster *c, const uint8_t *who, const json_t *q,
    struct carrier_reply reply)
{
	char *fault = NULL;
	struct offer *offer = offer_read(q, &fault);
	struct taken *d;

	if (offer == NULL) {
		refuse_question(reply, 400, fault);
		free(fault);
		return;
	}
	if (!offer_is_for(offer, c->rep->data->node_id)) {
		refuse_question(reply, 404, "it is for the node that had this name before");
		offer_free(offer);
		return;
	}
	d = xcalloc(1, sizeof(*d));
	d->c = c;
	d->reply = reply;
	d->t = take_new(offer);
	d->t->answered = 1;
	d->t->compared = !offer->strict;
	d->t->vouched = who != NULL;
	d->t->job.arg = d;
	d->t->job.done = taken_done;
	commit_submit(c->rep->data->commit, &d->t->job);
}

static const struct {
	const char *verb;
	void (*fn)(struct cluster *c, const uint8_t *who, const json_t *q,
	    struct carrier_reply reply);
} verbs[] = { { "status", answer_status }, { "subscriptions", answer_subscriptions } };

/* Whoever was removed has no say, whatever carries it; NULL: it was not. */
static char *
removed_asker(struct replication *rep, const json_t *question)
{
	const char *hex = json_string_value(json_object_get(question, "id"));
	uint8_t id[NODE_ID_LEN];

	return (hex != NULL && node_id_read(hex, id) == 0 ?
		roster_locked(rep->roster, id, NULL, hex) :
		NULL);
}

void
incoming_question(struct cluster *c, const uint8_t *who, const char *verb, const json_t *question,
    struct carrier_reply reply)
{
	static struct log_brake brake = { .most = 1 };
	char *fault;

	if (question == NULL)
		verb = "";
	else if (!peerjson_is_of(question, who)) {
		refuse_question(reply, 403, "'id' is not the id of the node that asks");
		return;
	} else if ((fault = compat_fault(c->rep, question)) != NULL) {
		log_braked(&brake, LOG_WARN, "a question is refused: %s", fault);
		reply_with(reply, 409, compat_refusal(c->rep, fault));
		return;
	}
	if ((fault = removed_asker(c->rep, question)) != NULL) {
		refuse_question(reply, 403, fault);
		free(fault);
		return;
	}
	if (strcmp(verb, "roster") == 0) {
		gossip_asked(c->rep->gossip, who, question, reply);
		return;
	}
	if (strcmp(verb, "sign") == 0) {
		renewing_asked(c->rep, who, question, reply);
		return;
	}
	if (strcmp(verb, "withdraw") == 0) {
		withdrawn_asked(c->rep, who, question, reply);
		return;
	}
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].verb, verb) == 0) {
			verbs[i].fn(c, who, question, reply);
			return;
		}
	refuse_question(reply, 400, "not understood");
}

/* ---- rows and log ---- */

struct serve {
	struct cluster *c;
	uint8_t who[NODE_ID_LEN];
	int vouched;
	uint64_t asked_us;
	struct buf question, answer;
	struct carrier_reply reply;
};

static void
serve_answer(void *arg)
{
	struct serve *s = arg;

	s->reply.fn(s->reply.arg, 200, s->answer.data, s->answer.len);
	buf_free(&s->question);
	buf_free(&s->answer);
	free(s);
}

/* Its turn comes so late that who asked has given up, or would before the answer is there. */
static int
is_stale(const struct serve *s)
{
	uint64_t timeout_ms = (uint64_t)data_conf_int(s->c->rep->data, CL_REQUEST_TIMEOUT);

	return (mono_us() - s->asked_us > timeout_ms * 1000 / 2);
}

static void
serve_work(void *arg)
{
	struct serve *s = arg;

	if (is_stale(s))
		catchup_refuse(s->c->rep, &s->answer);
	else
		catchup_serve(s->c->rep, s->vouched ? s->who : NULL, s->question.data,
		    s->question.len, &s->answer);
	post(s->c->rep->data->svc->post, serve_answer, s);
}

void
incoming_catchup(struct cluster *c, const uint8_t *who, const void *question, size_t n,
    struct carrier_reply reply)
{
	struct serve *s = xcalloc(1, sizeof(*s));

	s->c = c;
	s->reply = reply;
	s->asked_us = mono_us();
	s->vouched = who != NULL;
	if (who != NULL)
		memcpy(s->who, who, NODE_ID_LEN);
	buf_add(&s->question, question, n);
	workers_run(c->rep->data->workers, serve_work, s);
}

/* ---- frames ---- */

struct frame_in {
	struct apply *a;
	struct post *post;
	struct postlater *later; /* NULL: it is waited for */
	size_t bytes;
	struct carrier_reply reply;
};

static void
frame_reply(void *arg)
{
	struct frame_in *f = arg;

	f->reply.fn(f->reply.arg, 200, NULL, 0);
	apply_free(f->a);
	free(f);
}

static void
frame_done(struct commit_job *j)
{
	struct frame_in *f = j->arg;

	if (f->later != NULL)
		postlater(f->later, frame_reply, f, f->bytes);
	else
		post(f->post, frame_reply, f);
}

void
incoming_frame(struct cluster *c, const uint8_t *peer, struct shard s, uint64_t seq,
    const void *frame, size_t n, struct carrier_reply reply)
{
	struct frame_in *f = xcalloc(1, sizeof(*f));

	*f = (struct frame_in){
		.a = apply_frame_new(peer, s, seq, frame, n),
		.post = c->rep->data->svc->post,
		.later = seq == 0 ? c->later : NULL,
		.bytes = n,
		.reply = reply,
	};
	if (f->later != NULL)
		postlater_expect(f->later);
	f->a->job.arg = f;
	f->a->job.done = frame_done;
	commit_submit(c->rep->data->commit, &f->a->job);
}
