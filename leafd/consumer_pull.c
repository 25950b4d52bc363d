#include "config.h"

#include "leafd/consume_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "leafd/filter.h"
#include "leafd/jsack.h"
#include "leafd/jsapi.h"

/* What is asked of a consumer, and what comes. */

#define REQUEST_BYTES     (1 << 20)  /* of one request */
#define REQUEST_BYTES_MAX (64 << 20) /* no server lets more in */
#define GROWTH            4          /* when one message does not fit */
#define SILENCE_MAX_US    60000000
#define EXPIRES_US        10000000
#define OVERDUE_US        (EXPIRES_US + 2000000)
#define OTHERS_MIN        (256 << 10) /* bytes that are no waste yet */

static int64_t
request_bytes(const struct consumer *cr)
{
	int64_t half = (int64_t)inflight_share(cr->c) / REQUESTS;

	if (cr->grown != 0)
		return (cr->grown);
	return (half < REQUEST_BYTES ? half : REQUEST_BYTES);
}

static void
request_send(struct consumer *cr, struct pull_request *r)
{
	char *subject = consumer_subject(cr, "CONSUMER.MSG.NEXT");
	char *body, *reply;

	r->id = ++cr->last_request;
	r->left = cr->c->batch;
	r->got = 0;
	r->bytes = request_bytes(cr);
	r->sent_us = mono_us();
	body = xasprintf("{\"batch\":%" PRId64 ",\"max_bytes\":%" PRId64
			 ",\"expires\":%lld,\"idle_heartbeat\":1000000000}",
	    r->left, r->bytes, EXPIRES_US * 1000LL);
	reply = xasprintf("%s.%" PRIu64, cr->inbox, r->id);
	/* A failure shows as silence, or as the connection's end. */
	(void)nats_publish(jsapi_nats(cr->c->a), subject, reply, body, strlen(body));
	free(reply);
	free(body);
	free(subject);
}

void
consumer_pull(struct consumer *cr)
{
	int i, idle = 1;

	if (cr->state != CONSUMER_FLOWING || cr->enough)
		return;
	for (i = 0; i < REQUESTS; i++)
		idle = idle && cr->requests[i].id == 0;
	for (i = 0; i < REQUESTS && cr->bytes < inflight_share(cr->c); i++) {
		if (cr->requests[i].id != 0)
			continue;
		if (idle)
			cr->heard_us = mono_us(); /* nothing was expected until now */
		request_send(cr, &cr->requests[i]);
	}
}

static struct pull_request *
request_of(struct consumer *cr, const char *subject)
{
	const char *token = strrchr(subject, '.');
	uint64_t id = token != NULL ? strtoull(token + 1, NULL, 10) : 0;
	int i;

	for (i = 0; i < REQUESTS; i++)
		if (id != 0 && cr->requests[i].id == id)
			return (&cr->requests[i]);
	return (NULL);
}

/* What arrives */

/*
 * Requests and messages may be lost without a sign while a link is exchanged.
 * Mostly the next message shows it; before a long silence we ask.
 */
static void
on_consumer_info(const struct jsapi_answer *ans, void *arg)
{
	struct consumer *cr = arg;
	const json_t *delivered = json_object_get(ans->root, "delivered");

	if (ans->why != NULL) {
		consumer_fail(cr, ans->why);
		return;
	}
	/* Messages may still be on their way: the next tick looks whether they came. */
	cr->claimed = (uint64_t)json_integer_value(json_object_get(delivered, "consumer_seq"));
	consumer_wait(cr, 2 * TICK_MS);
}

static void
on_request_end(struct consumer *cr, struct pull_request *r)
{
	r->id = 0;
	if (cr->call == NULL && cr->claimed <= cr->cseq)
		consumer_ask(cr, "CONSUMER.INFO", NULL, on_consumer_info);
	consumer_pull(cr);
}

/* 1: the request is merely over.  The server says so too when its bytes are used up. */
static int
request_is_over(struct consumer *cr, const struct pull_request *r, const char *why)
{
	if (strcmp(why, "Batch Completed") == 0)
		return (1);
	if (strstr(why, "MaxBytes") == NULL)
		return (0);
	if (r->got > 0)
		return (1);
	if (r->bytes * GROWTH > cr->grown)
		cr->grown = r->bytes * GROWTH < REQUEST_BYTES_MAX ? r->bytes * GROWTH :
								    REQUEST_BYTES_MAX;
	return (r->bytes < REQUEST_BYTES_MAX);
}

static void
on_conflict(struct consumer *cr, struct pull_request *r, const char *why)
{
	if (why != NULL && strstr(why, "MaxWaiting") != NULL) {
		/* Linked twice into one mesh, requests arrive twice as well. */
		r->id = 0;
		cr->enough = 1;
	} else if (why != NULL && request_is_over(cr, r, why)) {
		r->id = 0;
		consumer_pull(cr);
	} else {
		consumer_fail(cr, why != NULL ? why : "conflict");
	}
}

static void
on_status(struct consumer *cr, struct pull_request *r, const struct nats_msg *m)
{
	if (strcmp(m->status, "100") == 0) {
		cr->retry_ms = RETRY_MIN_MS;
		cr->silence_us = SILENCE_US;
		return;
	}
	if (strcmp(m->status, "404") == 0 || strcmp(m->status, "408") == 0)
		on_request_end(cr, r);
	else if (strcmp(m->status, "409") == 0)
		on_conflict(cr, r, m->description);
	else if (strcmp(m->status, "503") == 0)
		consumer_fail(cr, "no consumer");
	else
		consumer_fail(cr, m->description != NULL ? m->description : "unexpected status");
}

/* Consuming the whole stream: so much of it is not for us that filters are better. */
static int
is_wasteful(struct consumer *cr, const struct nats_msg *m)
{
	if (filter_has(cr->filters, jsapi_names(cr->c->a), m->subject)) {
		cr->wanted += m->len;
		return (0);
	}
	cr->others += m->len;
	return (cr->others > OTHERS_MIN + cr->wanted / FILTER_WASTE);
}

void
consumer_msg_cb(const struct nats_msg *m, void *arg)
{
	struct consumer *cr = arg;
	struct pull_request *r = request_of(cr, m->subject);
	struct jsack_seqs seqs;

	if (cr->state != CONSUMER_FLOWING)
		return;
	cr->heard_us = mono_us();
	if (m->status != NULL) {
		if (r != NULL)
			on_status(cr, r, m);
		return;
	}
	if (jsack_subject_read(m->reply, &seqs) == -1)
		return;
	/* Linked twice into one mesh, each message comes by both ways. */
	if (seqs.consumer <= cr->cseq)
		return;
	if (seqs.consumer != cr->cseq + 1) {
		consumer_fail(cr, "messages were lost");
		return;
	}
	cr->retry_ms = RETRY_MIN_MS;
	if (cr->whole && is_wasteful(cr, m)) {
		cr->strict = 1;
		consumer_end(cr);
		consumer_wait(cr, RETRY_MIN_MS);
		return;
	}
	if (cr->fresh && inflight_check(cr, seqs.stream, m) == -1) {
		consumer_fail(cr, "its stream was written anew");
		return;
	}
	cr->cseq = seqs.consumer;
	cr->grown = 0;
	inflight_send(cr, seqs.stream, m);
	if (r != NULL) {
		r->got++;
		if (--r->left <= 0)
			r->id = 0;
	}
	consumer_pull(cr);
}

void
consumer_tick(struct consumer *cr)
{
	uint64_t now = mono_us();
	int i, waiting = 0;

	for (i = 0; i < REQUESTS; i++) {
		/* The server does not always say that a request's bytes are used up. */
		if (cr->requests[i].id != 0 && now - cr->requests[i].sent_us > OVERDUE_US)
			cr->requests[i].id = 0;
		waiting = waiting || cr->requests[i].id != 0;
	}
	if (waiting && now - cr->heard_us > cr->silence_us) {
		/* Behind a large message on a slow link heartbeats have to wait. */
		cr->silence_us *= cr->silence_us < SILENCE_MAX_US ? 2 : 1;
		consumer_fail(cr, "silence");
		return;
	}
	if (cr->claimed > cr->cseq) {
		consumer_fail(cr, "messages were lost");
		return;
	}
	consumer_wait(cr, TICK_MS);
	cr->enough = 0;
	consumer_pull(cr);
}
