#include "config.h"

#include "leafd/publish.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/shard.h"
#include "common/base/window.h"
#include "common/ipc/chan.h"
#include "common/nats/subject.h"
#include "leafd/jsack.h"
#include "leafd/jsapi.h"

#define WINDOW_MAX     (1 << 20) /* asked of opsd at once */
#define FRAME_MAX      (64 << 10)
#define FLIGHT_WINDOWS 4
#define FLIGHT_BYTES   (8 << 20)
#define ACK_WAIT_US    5000000
#define STRAYS_MS      500 /* time for the server to take what a lost connection left in its socket */
#define TICK_MS        1000
#define ERR_SEQUENCE   10071 /* something else was published: an everyday doubt */
#define RETRY_MIN_MS   100
#define RETRY_MAX_MS   2000

/* A window that is published and not yet acknowledged to its end. */
struct flight {
	uint64_t window; /* greatest log sequence */
	uint64_t end;    /* stream sequence of its last frame */
	size_t bytes;
	struct flight *prev, *next;
};

struct publish {
	struct event_base *base;
	struct chan *opsd;
	struct jsapi *a; /* NULL: stopped */
	struct stream_opts o;
	char *node;
	struct event *retry, *tick;
	unsigned retry_ms;
	uint64_t session; /* answers to questions of an earlier session are void */
	struct stream *finding;
	int clearing; /* a barrier is on its way */
	int strays;   /* the connection was lost with windows in flight */
	struct nats_sub *acks;
	char *inbox;
	int running; /* the end of the stream is known */
	int reading; /* a LOG_READ is with opsd */
	uint64_t incarnation;
	uint64_t after;     /* log sequence read so far */
	uint64_t published; /* stream sequences */
	uint64_t acked;
	uint64_t heard_us;      /* the last acknowledgement, or what began the wait */
	uint64_t unanswered_us; /* waited for in vain since a frame was answered, over sessions */
	publish_unanswered *unanswered;
	void *arg;
	int64_t copies;   /* of the stream; 0: not known */
	int refused;      /* a change of it was */
	uint64_t failing; /* since then, mono_us; 0: not */
	char *refusal;    /* what the stream said of the last message; NULL: it took it */
	char *fault;      /* why the stream's end is not known; NULL: it is, or nobody looked yet */
	struct flight *flights;
	unsigned nflights;
	size_t bytes;
};

/* What a question to opsd carries, which may be answered in another session. */
struct publish_question {
	struct publish *p;
	uint64_t session;
};

static void publish_begin(struct publish *);
static void on_cleared(struct publish *);
static void read_more(struct publish *);

/* Sessions */

static void
drop_flights(struct publish *p)
{
	struct flight *f, *tmp;

	DL_FOREACH_SAFE(p->flights, f, tmp)
		free(f);
	p->flights = NULL;
	p->nflights = 0;
	p->bytes = 0;
}

static void
end_session(struct publish *p)
{
	p->session++;
	p->running = p->reading = p->clearing = 0;
	drop_flights(p);
	stream_free(p->finding);
	p->finding = NULL;
	event_del(p->retry);
	event_del(p->tick);
}

/* All in flight is forgotten: the stream knows what it has got. */
static void
publish_again(struct publish *p)
{
	struct timeval wait = { p->retry_ms / 1000, (p->retry_ms % 1000) * 1000 };

	end_session(p);
	evtimer_add(p->retry, &wait);
	p->retry_ms = p->retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : p->retry_ms * 2;
}

static void
publish_retry_cb(evutil_socket_t fd, short what, void *arg)
{
	publish_begin(arg);
}

/* NULL: none. */
static void
keep_fault(struct publish *p, const char *why)
{
	free(p->fault);
	p->fault = xstrdup(why);
	p->failing = why == NULL ? 0 : p->failing != 0 ? p->failing : mono_us();
}

static void
keep_refusal(struct publish *p, const char *why)
{
	free(p->refusal);
	p->refusal = xstrdup(why);
}

static void
again_unanswered(struct publish *p)
{
	p->unanswered_us += mono_us() - p->heard_us;
	publish_again(p);
	p->unanswered(p->unanswered_us, p->arg);
}

static void
publish_tick_cb(evutil_socket_t fd, short what, void *arg)
{
	struct publish *p = arg;

	if ((p->flights == NULL && !p->clearing) || mono_us() - p->heard_us < ACK_WAIT_US)
		return;
	log_warnx("publish: no acknowledgement from the stream");
	keep_fault(p, "no acknowledgement");
	again_unanswered(p);
}

/* Questions to opsd */

static void
ask_opsd(struct publish *p, uint16_t type, struct buf *body, void (*cb)(struct rd *body, void *arg))
{
	struct publish_question *q = xcalloc(1, sizeof(*q));

	q->p = p;
	q->session = p->session;
	chan_call(p->opsd, type, body, 0, cb, q);
}

/* Frees the question; NULL when it is of an earlier session. */
static struct publish *
take_question(struct publish_question *q)
{
	struct publish *p = q->p;

	if (q->session != p->session)
		p = NULL;
	free(q);
	return (p);
}

/* Windows */

static int
publish_frame(struct publish *p, const struct window *w, const struct window_frame *f,
    const char *subject)
{
	char expected[24];
	char *reply = xasprintf("%s.%" PRIu64, p->inbox, p->session);
	int result;

	snprintf(expected, sizeof(expected), "%" PRIu64, p->published);
	result = nats_publish_h(jsapi_nats(p->a), subject, reply, "Nats-Expected-Last-Sequence",
	    expected, w->bytes.data + f->at, f->len);
	free(reply);
	if (result == 0)
		p->published++;
	return (result);
}

static int
publish_frames(struct publish *p, const struct window *w)
{
	const struct window_frame *f;
	const struct window_table *t;
	char *subject = NULL;
	unsigned table = 0;
	size_t i;
	int result = 0;

	for (i = 0; i < w->nframes && result == 0; i++) {
		f = &w->frames[i];
		if (subject == NULL || f->table != table) {
			free(subject);
			table = f->table;
			t = &w->tables[table];
			subject = subject_txn(jsapi_names(p->a), p->node, p->o.shard, t->database,
			    t->name);
		}
		result = publish_frame(p, w, f, subject);
		if (result == -1 && nats_is_up(jsapi_nats(p->a)))
			log_errorx("publish: a frame of %zu bytes to %s is refused", f->len,
			    subject);
	}
	free(subject);
	return (result);
}

static void
publish_window(struct publish *p, const struct window *w)
{
	struct flight *f = xcalloc(1, sizeof(*f));

	if (p->flights == NULL)
		p->heard_us = mono_us();
	f->window = w->last;
	f->bytes = w->bytes.len;
	f->end = p->published + w->nframes;
	DL_APPEND(p->flights, f);
	p->nflights++;
	p->bytes += f->bytes;
	p->after = w->last;
	if (publish_frames(p, w) == -1)
		publish_again(p);
	else
		read_more(p);
}

static void
on_log(struct rd *body, void *arg)
{
	struct publish *p = take_question(arg);
	struct window w;

	if (p == NULL || body == NULL)
		return; /* without opsd we are stopped anyway */
	p->reading = 0;
	if (window_build(&w, body->p, rd_left(body), p->o.node_id, FRAME_MAX) == -1) {
		log_warnx("publish: broken log data from opsd");
		publish_again(p);
		return;
	}
	if (w.incarnation != p->incarnation || w.last <= p->after)
		publish_again(p); /* the log is another one, or is being changed */
	else {
		if (p->o.compress)
			window_pack(&w);
		publish_window(p, &w);
	}
	window_free(&w);
}

static void
read_more(struct publish *p)
{
	struct buf b = { 0 };

	if (p->reading || p->nflights >= FLIGHT_WINDOWS || p->bytes >= FLIGHT_BYTES)
		return;
	p->reading = 1;
	shard_write(&b, p->o.shard);
	buf_u64(&b, p->after);
	buf_u32(&b, WINDOW_MAX);
	ask_opsd(p, MSG_LOG_READ, &b, on_log);
}

/* Acknowledgements */

static void
tell_acked(struct publish *p, uint64_t window)
{
	struct buf b = { 0 };

	shard_write(&b, p->o.shard);
	buf_u64(&b, p->incarnation);
	buf_u64(&b, window);
	chan_send(p->opsd, MSG_LOG_ACK, &b);
}

static void
take_acked(struct publish *p)
{
	struct flight *f;
	uint64_t window = 0;

	while ((f = p->flights) != NULL && f->end <= p->acked) {
		window = f->window;
		DL_DELETE(p->flights, f);
		p->nflights--;
		p->bytes -= f->bytes;
		free(f);
	}
	if (window == 0)
		return;
	tell_acked(p, window);
	read_more(p);
}

static void
publish_ack_cb(const struct nats_msg *m, void *arg)
{
	struct publish *p = arg;
	const char *token = strrchr(m->subject, '.');
	struct jsack_stored ack = { 0 };

	if (token == NULL || strtoull(token + 1, NULL, 10) != p->session)
		return;
	if (p->clearing)
		on_cleared(p);
	if (!p->running)
		return;
	p->unanswered_us = 0;
	if (m->status != NULL || jsack_stored_read(m->data, m->len, &ack) == -1)
		snprintf(ack.why, sizeof(ack.why), "%s",
		    m->status != NULL ? "no stream" : "no answer");
	else if (ack.seq == p->acked + 1 && ack.seq <= p->published)
		ack.why[0] = '\0';
	else if (ack.seq != 0)
		snprintf(ack.why, sizeof(ack.why), "stored as %" PRIu64, ack.seq);
	if (ack.why[0] != '\0') {
		log_warnx("publish: message %" PRIu64 ": %s", p->acked + 1, ack.why);
		if (m->status == NULL && ack.err_code != 0 && ack.err_code != ERR_SEQUENCE)
			keep_refusal(p, ack.why);
		publish_again(p);
		return;
	}
	keep_refusal(p, NULL);
	p->acked++;
	p->heard_us = mono_us();
	p->retry_ms = RETRY_MIN_MS;
	take_acked(p);
}

/* The beginning */

static void
on_log_tail(struct rd *body, void *arg)
{
	struct publish *p = take_question(arg);

	if (p == NULL || body == NULL)
		return;
	p->incarnation = rd_u64(body);
	p->after = rd_u64(body);
	if (!rd_done(body)) {
		log_warnx("publish: broken answer to LOG_TAIL");
		publish_again(p);
		return;
	}
	log_debug("publish: after %" PRIu64 " of incarnation %" PRIu64 ", stream at %" PRIu64,
	    p->after, p->incarnation, p->published);
	p->running = 1;
	read_more(p);
}

static void
publish_tail_cb(const struct stream_tail *t, const char *why, void *arg)
{
	struct publish *p = arg;
	struct buf b = { 0 };

	if (t == NULL) {
		log_debug("publish: %s", why);
		keep_fault(p, why);
		again_unanswered(p);
		return;
	}
	p->published = p->acked = t->seq;
	shard_write(&b, p->o.shard);
	buf_u64(&b, t->incarnation);
	buf_u64(&b, t->window);
	buf_u64(&b, t->last);
	buf_u64(&b, t->newest);
	buf_u64(&b, t->mark);
	keep_fault(p, NULL);
	p->copies = t->copies;
	p->refused = t->refused;
	if (t->alone)
		p->o.alone = 0;
	stream_free(p->finding);
	p->finding = NULL;
	ask_opsd(p, MSG_LOG_TAIL, &b, on_log_tail);
}

static void
on_cleared(struct publish *p)
{
	p->clearing = 0;
	p->heard_us = mono_us();
	p->finding = stream_find_tail(p->a, &p->o, publish_tail_cb, p);
}

/*
 * Sequences are only counts: what an earlier session still has on its way would
 * be taken for ours, or ours for its.  So first a message goes after it that the
 * stream is sure to refuse; when it has, nothing is on its way any more.
 */
static int
send_barrier(struct publish *p)
{
	char *subject = subject_txn(jsapi_names(p->a), p->node, p->o.shard, "-", "barrier");
	char *reply = xasprintf("%s.%" PRIu64, p->inbox, p->session);
	int result = nats_publish_h(jsapi_nats(p->a), subject, reply, "Nats-Expected-Last-Sequence",
	    "9223372036854775807", "-", 1);

	free(reply);
	free(subject);
	return (result);
}

static void
publish_begin(struct publish *p)
{
	const struct timeval tick = { TICK_MS / 1000, (TICK_MS % 1000) * 1000 };

	end_session(p);
	p->strays = 0;
	if (send_barrier(p) == -1) {
		publish_again(p);
		return;
	}
	p->clearing = 1;
	p->heard_us = mono_us();
	event_add(p->tick, &tick);
}

struct publish *
publish_new(struct event_base *base, struct chan *opsd, publish_unanswered *cb, void *arg)
{
	struct publish *p = xcalloc(1, sizeof(*p));

	p->base = base;
	p->opsd = opsd;
	p->unanswered = cb;
	p->arg = arg;
	p->retry_ms = RETRY_MIN_MS;
	p->retry = evtimer_new(base, publish_retry_cb, p);
	p->tick = event_new(base, -1, EV_PERSIST, publish_tick_cb, p);
	if (p->retry == NULL || p->tick == NULL)
		fatalx("publish: no timer");
	return (p);
}

void
publish_free(struct publish *p)
{
	if (p == NULL)
		return;
	publish_stop(p);
	event_free(p->retry);
	event_free(p->tick);
	free(p->node);
	free(p->fault);
	free(p->refusal);
	free(p);
}

const char *
publish_fault(const struct publish *p)
{
	if (p->a == NULL)
		return (NULL);
	return (p->fault != NULL ? p->fault : p->refusal);
}

uint64_t
publish_failing_us(const struct publish *p)
{
	return (p->failing != 0 ? mono_us() - p->failing : 0);
}

int64_t
publish_copies(const struct publish *p)
{
	return (p->a != NULL && p->running ? p->copies : 0);
}

int
publish_is_unlike(const struct publish *p)
{
	return (p->a != NULL && p->running && (p->refused || p->copies < p->o.copies));
}

void
publish_look_again(struct publish *p)
{
	if (p->a != NULL)
		publish_again(p);
}

void
publish_count_anew(struct publish *p)
{
	p->unanswered_us = 0;
	p->failing = p->failing != 0 ? mono_us() : 0;
}

void
publish_set(struct publish *p, const struct stream_opts *o)
{
	char *node = xstrdup(o->node);

	free(p->node);
	p->node = node;
	p->o = *o;
	p->o.node = node;
	if (p->a != NULL)
		publish_again(p);
}

void
publish_start(struct publish *p, struct jsapi *a)
{
	const struct timeval strays = { STRAYS_MS / 1000, (STRAYS_MS % 1000) * 1000 };
	char *all;

	if (p->a != NULL)
		return;
	p->a = a;
	p->retry_ms = RETRY_MIN_MS;
	p->inbox = nats_inbox(jsapi_nats(a));
	all = xasprintf("%s.*", p->inbox);
	p->acks = nats_subscribe(jsapi_nats(a), all, publish_ack_cb, p);
	free(all);
	if (p->strays)
		evtimer_add(p->retry, &strays);
	else
		publish_begin(p);
}

void
publish_stop(struct publish *p)
{
	if (p->a == NULL)
		return;
	p->strays = p->flights != NULL;
	keep_fault(p, NULL);
	keep_refusal(p, NULL);
	end_session(p);
	nats_unsubscribe(p->acks);
	p->acks = NULL;
	free(p->inbox);
	p->inbox = NULL;
	p->a = NULL;
}
