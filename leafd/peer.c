#include "config.h"

#include "leafd/consume_priv.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/logbrake.h"
#include "common/base/mem.h"
#include "common/nats/subject.h"
#include "common/tls/crypto.h"
#include "leafd/ack.h"
#include "leafd/ask.h"
#include "leafd/filter.h"

#define ASK_BYTES	(1 << 20)	/* of one request */
#define ASK_BYTES_MAX	(64 << 20)	/* no server lets more in */
#define GROWTH		4		/* when one message does not fit */
#define TICK_MS		500
#define SILENCE_US	3000000
#define SILENCE_MAX_US	60000000
#define EXPIRES_US	10000000
#define OVERDUE_US	(EXPIRES_US + 2000000)
#define RETRY_MIN_MS	200
#define RETRY_MAX_MS	5000
#define NAME_RANDOM	8
#define OTHERS_MIN	(256 << 10)	/* bytes that are no waste yet */

static void peer_begin(struct peer *);

/* Ends and beginnings of a consumer */

static void
timer_set(struct peer *p, unsigned ms)
{
	struct timeval wait = { ms / 1000, (ms % 1000) * 1000 };

	evtimer_add(p->timer, &wait);
}

static char *
api_subject(const struct peer *p, const char *verb, const char *consumer)
{
	return (xasprintf("$JS.%s.API.%s.%s%s%s", p->name, verb, p->stream,
	    consumer != NULL ? "." : "", consumer != NULL ? consumer : ""));
}

static void
peer_ask(struct peer *p, const char *verb, const char *consumer, json_t *body,
    void (*cb)(const struct ask_answer *ans, void *arg))
{
	char *subject = api_subject(p, verb, consumer);

	ask_api(p->c->a, &p->ask, subject, body, cb, p);
	free(subject);
}

static void
on_deleted(const struct ask_answer *ans, void *arg)
{
}

/* What the peer does not hear of it ends by itself after inactive_threshold. */
static void
delete_consumer(struct peer *p)
{
	char *subject;

	if (p->consumer == NULL)
		return;
	if (nats_is_up(asker_nats(p->c->a))) {
		subject = api_subject(p, "CONSUMER.DELETE", p->consumer);
		ask_api(p->c->a, NULL, subject, NULL, on_deleted, NULL);
		free(subject);
	}
	free(p->consumer);
	p->consumer = NULL;
}

void
peer_end(struct peer *p)
{
	event_del(p->timer);
	ask_cancel(&p->ask);
	nats_unsubscribe(p->sub);
	p->sub = NULL;
	free(p->inbox);
	p->inbox = NULL;
	delete_consumer(p);
	memset(p->requests, 0, sizeof(p->requests));
	p->cseq = p->claimed = 0;
	p->enough = 0;
	p->state = PEER_WAITING;
}

void
peer_set_error(struct peer *p, const char *why)
{
	static struct log_brake brake = { .most = 200 };

	if (why == p->error || (why != NULL && p->error != NULL && strcmp(why, p->error) == 0))
		return;
	if (why != NULL)
		log_braked(&brake, LOG_WARN, "peer %s: %s", p->name, why);
	free(p->error);
	p->error = xstrdup(why);
}

static void
peer_fail(struct peer *p, const char *why)
{
	peer_set_error(p, why);
	p->strict = 0;
	peer_end(p);
	timer_set(p, p->retry_ms);
	p->retry_ms = p->retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : p->retry_ms * 2;
	p->c->changed(p->c->arg);
}

/* Pulling */

static int64_t
request_bytes(const struct peer *p)
{
	int64_t half = (int64_t)handover_share(p->c) / ASKS;

	if (p->grown != 0)
		return (p->grown);
	return (half < ASK_BYTES ? half : ASK_BYTES);
}

static void
request_send(struct peer *p, struct request *r)
{
	char	*subject = api_subject(p, "CONSUMER.MSG.NEXT", p->consumer);
	char	*body, *reply;

	r->id = ++p->last_request;
	r->left = p->c->batch;
	r->got = 0;
	r->bytes = request_bytes(p);
	r->sent_us = mono_us();
	body = xasprintf("{\"batch\":%" PRId64 ",\"max_bytes\":%" PRId64
	    ",\"expires\":%lld,\"idle_heartbeat\":1000000000}", r->left, r->bytes,
	    EXPIRES_US * 1000LL);
	reply = xasprintf("%s.%" PRIu64, p->inbox, r->id);
	/* A failure shows as silence, or as the connection's end. */
	(void)nats_publish(asker_nats(p->c->a), subject, reply, body, strlen(body));
	free(reply);
	free(body);
	free(subject);
}

void
peer_pull(struct peer *p)
{
	int i, idle = 1;

	if (p->state != PEER_FLOWING || p->enough)
		return;
	for (i = 0; i < ASKS; i++)
		idle = idle && p->requests[i].id == 0;
	for (i = 0; i < ASKS && p->bytes < handover_share(p->c); i++) {
		if (p->requests[i].id != 0)
			continue;
		if (idle)
			p->heard_us = mono_us();	/* nothing was to be heard */
		request_send(p, &p->requests[i]);
	}
}

static struct request *
request_of(struct peer *p, const char *subject)
{
	const char	*token = strrchr(subject, '.');
	uint64_t	 id = token != NULL ? strtoull(token + 1, NULL, 10) : 0;
	int		 i;

	for (i = 0; i < ASKS; i++)
		if (id != 0 && p->requests[i].id == id)
			return (&p->requests[i]);
	return (NULL);
}

/* What arrives */

/*
 * Requests and messages may be lost without a sign while a link is exchanged.
 * Mostly the next message shows it; before a long silence we ask.
 */
static void
on_consumer_info(const struct ask_answer *ans, void *arg)
{
	struct peer	*p = arg;
	const json_t	*delivered = json_object_get(ans->root, "delivered");

	if (ans->why != NULL) {
		peer_fail(p, ans->why);
		return;
	}
	/* Messages may still be on their way: the next tick looks whether they came. */
	p->claimed = (uint64_t)json_integer_value(json_object_get(delivered, "consumer_seq"));
	timer_set(p, 2 * TICK_MS);
}

static void
on_request_end(struct peer *p, struct request *r)
{
	r->id = 0;
	if (p->ask == NULL && p->claimed <= p->cseq)
		peer_ask(p, "CONSUMER.INFO", p->consumer, NULL, on_consumer_info);
	peer_pull(p);
}

/* 1: the request is over, no more; it says so also when its bytes are used up. */
static int
request_is_over(struct peer *p, const struct request *r, const char *why)
{
	if (strcmp(why, "Batch Completed") == 0)
		return (1);
	if (strstr(why, "MaxBytes") == NULL)
		return (0);
	if (r->got > 0)
		return (1);
	if (r->bytes * GROWTH > p->grown)
		p->grown = r->bytes * GROWTH < ASK_BYTES_MAX ? r->bytes * GROWTH : ASK_BYTES_MAX;
	return (r->bytes < ASK_BYTES_MAX);
}

static void
on_conflict(struct peer *p, struct request *r, const char *why)
{
	if (why != NULL && strstr(why, "MaxWaiting") != NULL) {
		/* Requests arrive twice as well. */
		r->id = 0;
		p->enough = 1;
	} else if (why != NULL && request_is_over(p, r, why)) {
		r->id = 0;
		peer_pull(p);
	} else {
		peer_fail(p, why != NULL ? why : "conflict");
	}
}

static void
on_status(struct peer *p, struct request *r, const struct nats_msg *m)
{
	if (strcmp(m->status, "100") == 0) {
		p->retry_ms = RETRY_MIN_MS;
		p->silence_us = SILENCE_US;
		return;
	}
	if (strcmp(m->status, "404") == 0 || strcmp(m->status, "408") == 0)
		on_request_end(p, r);
	else if (strcmp(m->status, "409") == 0)
		on_conflict(p, r, m->description);
	else if (strcmp(m->status, "503") == 0)
		peer_fail(p, "no consumer");
	else
		peer_fail(p, m->description != NULL ? m->description : "unexpected status");
}

/* Consuming the whole stream: so much of it is not for us that filters are better. */
static int
is_wasteful(struct peer *p, const struct nats_msg *m)
{
	if (filter_has(p->filters, m->subject)) {
		p->wanted += m->len;
		return (0);
	}
	p->others += m->len;
	return (p->others > OTHERS_MIN + p->wanted / FILTER_WASTE);
}

static void
peer_msg_cb(const struct nats_msg *m, void *arg)
{
	struct peer	*p = arg;
	struct request	*r = request_of(p, m->subject);
	struct ack_seqs	 seqs;

	if (p->state != PEER_FLOWING)
		return;
	p->heard_us = mono_us();
	if (m->status != NULL) {
		if (r != NULL)
			on_status(p, r, m);
		return;
	}
	if (ack_subject_read(m->reply, &seqs) == -1)
		return;
	/* Linked twice into one mesh, each message comes by both ways. */
	if (seqs.consumer <= p->cseq)
		return;
	if (seqs.consumer != p->cseq + 1) {
		peer_fail(p, "messages were lost");
		return;
	}
	p->retry_ms = RETRY_MIN_MS;
	if (p->whole && is_wasteful(p, m)) {
		p->strict = 1;
		peer_end(p);
		timer_set(p, RETRY_MIN_MS);
		return;
	}
	if (p->fresh && handover_check(p, seqs.stream, m) == -1) {
		peer_fail(p, "its stream was written anew");
		return;
	}
	p->cseq = seqs.consumer;
	p->grown = 0;
	handover_send(p, seqs.stream, m);
	if (r != NULL) {
		r->got++;
		if (--r->left <= 0)
			r->id = 0;
	}
	peer_pull(p);
}

/* Ticks and attempts */

static void
peer_tick(struct peer *p)
{
	uint64_t	now = mono_us();
	int		i, waiting = 0;

	for (i = 0; i < ASKS; i++) {
		/* Ended by its bytes, which the server does not always say. */
		if (p->requests[i].id != 0 && now - p->requests[i].sent_us > OVERDUE_US)
			p->requests[i].id = 0;
		waiting = waiting || p->requests[i].id != 0;
	}
	if (waiting && now - p->heard_us > p->silence_us) {
		/* Behind a large message on a slow link heartbeats have to wait. */
		p->silence_us *= p->silence_us < SILENCE_MAX_US ? 2 : 1;
		peer_fail(p, "silence");
		return;
	}
	if (p->claimed > p->cseq) {
		peer_fail(p, "messages were lost");
		return;
	}
	timer_set(p, TICK_MS);
	p->enough = 0;
	peer_pull(p);
}

static void
peer_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct peer *p = arg;

	if (p->state == PEER_FLOWING)
		peer_tick(p);
	else
		peer_begin(p);
}

/* Creation */

static void
on_created(const struct ask_answer *ans, void *arg)
{
	static struct log_brake brake = { .most = 200 };
	struct peer *p = arg;

	if (ans->why != NULL) {
		peer_fail(p, ans->why);
		return;
	}
	log_braked(&brake, LOG_INFO, "peer %s: consuming after %" PRIu64, p->name, p->processed);
	p->state = PEER_FLOWING;
	p->heard_us = mono_us();
	peer_set_error(p, NULL);
	timer_set(p, TICK_MS);
	peer_pull(p);
	p->c->changed(p->c->arg);
}

/* A new name each time: under an old one the server gives back the old consumer where it was. */
static char *
consumer_name(const struct consume *c)
{
	char hex[2 * NAME_RANDOM + 1];

	crypto_random_hex(hex, NAME_RANDOM);
	return (xasprintf("%s-%s", c->me, hex));
}

static void
create_consumer(struct peer *p)
{
	/* From the known one on: by it we see that the stream is the one we know. */
	uint64_t	 start = p->processed > p->back ? p->processed - p->back : 1;
	char		*all;
	json_t		*config;

	p->fresh = 1;
	p->wanted = p->others = 0;
	p->consumer = consumer_name(p->c);
	config = json_pack("{s:s, s:{s:s, s:s, s:I, s:s, s:s, s:b, s:i, s:i, s:I}}",
	    "stream_name", p->stream, "config", "name", p->consumer,
	    "deliver_policy", "by_start_sequence",
	    "opt_start_seq", (json_int_t)start,
	    "ack_policy", "none", "replay_policy", "instant",
	    "mem_storage", 1, "num_replicas", 1, "max_waiting", 16,
	    "inactive_threshold", (json_int_t)30000000000);
	filter_put(json_object_get(config, "config"), p->name, p->filters, p->whole);
	p->inbox = nats_inbox(asker_nats(p->c->a));
	all = xasprintf("%s.*", p->inbox);
	p->sub = nats_subscribe(asker_nats(p->c->a), all, peer_msg_cb, p);
	free(all);
	peer_ask(p, "CONSUMER.CREATE", p->consumer, config, on_created);
}

static int
wants_most(const struct peer *p, const json_t *state)
{
	const json_t	*subjects = json_object_get(state, "subjects");
	json_int_t	 n = json_integer_value(json_object_get(state, "num_subjects"));

	/* A long list would come in parts. */
	return (json_array_size(p->filters) > 1 && !p->strict &&
	    (json_int_t)json_object_size(subjects) == n && filter_has_most(p->filters, subjects));
}

static void
on_stream_info(const struct ask_answer *ans, void *arg)
{
	static struct log_brake brake = { .most = 20 };
	struct peer	*p = arg;
	const json_t	*state = json_object_get(ans->root, "state");
	uint64_t	 last = (uint64_t)json_integer_value(json_object_get(state, "last_seq"));

	if (ans->why != NULL) {
		peer_fail(p, ans->why);
		return;
	}
	p->whole = wants_most(p, state);
	/* Its "created" is no help: 2.10 forgets it when limits were changed. */
	if (last < p->processed && p->mark.incarnation == 0) {
		log_braked(&brake, LOG_WARN, "peer %s: its stream is another one, reading it from the start", p->name);
		handover_rewind(p, 0);
	} else if (last < p->processed) {
		log_braked(&brake, LOG_WARN, "peer %s: its stream is shorter than it was", p->name);
		p->back = p->back != 0 ? p->back : BACK_MIN;
		p->processed = last;
	}
	create_consumer(p);
}

static void
peer_begin(struct peer *p)
{
	if (p->c->a == NULL || json_array_size(p->filters) == 0)
		return;
	peer_end(p);
	p->state = PEER_ASKING;
	p->grown = 0;
	peer_ask(p, "STREAM.INFO", NULL, json_array_size(p->filters) > 1 ?
	    json_pack("{s:s}", "subjects_filter", ">") : NULL, on_stream_info);
}

/* Peers */

struct peer *
peer_new(struct consume *c, const char *name, const uint8_t id[NODE_ID_LEN], uint64_t seq)
{
	struct peer *p = xcalloc(1, sizeof(*p));

	p->c = c;
	p->name = xstrdup(name);
	memcpy(p->id, id, NODE_ID_LEN);
	p->stream = subject_stream(name);
	p->processed = seq;
	p->retry_ms = RETRY_MIN_MS;
	p->silence_us = SILENCE_US;
	p->timer = evtimer_new(c->base, peer_timer_cb, p);
	if (p->timer == NULL)
		fatalx("peer: no timer");
	DL_APPEND(c->peers, p);
	c->npeers++;
	return (p);
}

void
peer_free(struct peer *p)
{
	if (p->c->a != NULL)
		peer_end(p);
	handover_drop(p);
	DL_DELETE(p->c->peers, p);
	p->c->npeers--;
	event_free(p->timer);
	json_decref(p->filters);
	free(p->error);
	free(p->stream);
	free(p->name);
	free(p);
}

void
peer_start(struct peer *p)
{
	p->retry_ms = RETRY_MIN_MS;
	peer_begin(p);
}
