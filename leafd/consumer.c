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
#include "leafd/filter.h"
#include "leafd/jsapi.h"

/* The life of a consumer. */

#define RETRY_MAX_MS 5000
#define NAME_RANDOM  8

static void consumer_begin(struct consumer *);

void
consumer_wait(struct consumer *cr, unsigned ms)
{
	struct timeval wait = { ms / 1000, (ms % 1000) * 1000 };

	evtimer_add(cr->timer, &wait);
}

char *
consumer_subject(const struct consumer *cr, const char *verb)
{
	char *stream = subject_stream(jsapi_names(cr->c->a), cr->peer, cr->shard);
	char *of = xasprintf("%s%s%s", stream, cr->name != NULL ? "." : "",
	    cr->name != NULL ? cr->name : "");
	char *subject = jsapi_subject(cr->c->a, cr->peer, verb, of);

	free(of);
	free(stream);
	return (subject);
}

void
consumer_ask(struct consumer *cr, const char *verb, json_t *body,
    void (*cb)(const struct jsapi_answer *ans, void *arg))
{
	char *subject = consumer_subject(cr, verb);

	jsapi_ask(cr->c->a, &cr->call, subject, body, cb, cr);
	free(subject);
}

static void
on_deleted(const struct jsapi_answer *ans, void *arg)
{
}

/* If the peer does not hear of it, its consumer ends by itself after inactive_threshold. */
static void
delete_consumer(struct consumer *cr)
{
	char *subject;

	if (cr->name == NULL)
		return;
	if (nats_is_up(jsapi_nats(cr->c->a))) {
		subject = consumer_subject(cr, "CONSUMER.DELETE");
		jsapi_ask(cr->c->a, NULL, subject, NULL, on_deleted, NULL);
		free(subject);
	}
	free(cr->name);
	cr->name = NULL;
}

void
consumer_end(struct consumer *cr)
{
	event_del(cr->timer);
	jsapi_cancel(&cr->call);
	nats_unsubscribe(cr->sub);
	cr->sub = NULL;
	free(cr->inbox);
	cr->inbox = NULL;
	delete_consumer(cr);
	memset(cr->requests, 0, sizeof(cr->requests));
	cr->cseq = cr->claimed = 0;
	cr->enough = 0;
	cr->state = CONSUMER_WAITING;
}

void
consumer_set_error(struct consumer *cr, const char *why)
{
	static struct log_brake brake = { .most = 200 };

	if (why == cr->error || (why != NULL && cr->error != NULL && strcmp(why, cr->error) == 0))
		return;
	if (why != NULL)
		log_braked(&brake, LOG_WARN, "peer %s: %s", cr->peer, why);
	free(cr->error);
	cr->error = xstrdup(why);
}

void
consumer_fail(struct consumer *cr, const char *why)
{
	consumer_set_error(cr, why);
	cr->strict = 0;
	consumer_end(cr);
	consumer_wait(cr, cr->retry_ms);
	cr->retry_ms = cr->retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : cr->retry_ms * 2;
	cr->c->changed(cr->c->arg);
}

static void
consumer_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct consumer *cr = arg;

	if (cr->state == CONSUMER_FLOWING)
		consumer_tick(cr);
	else
		consumer_begin(cr);
}

/* Creation */

static void
on_created(const struct jsapi_answer *ans, void *arg)
{
	static struct log_brake brake = { .most = 200 };
	struct consumer *cr = arg;

	if (ans->why != NULL) {
		consumer_fail(cr, ans->why);
		return;
	}
	log_braked(&brake, LOG_INFO, "peer %s: consuming after %" PRIu64, cr->peer, cr->processed);
	cr->state = CONSUMER_FLOWING;
	cr->heard_us = mono_us();
	consumer_set_error(cr, NULL);
	consumer_wait(cr, TICK_MS);
	consumer_pull(cr);
	cr->c->changed(cr->c->arg);
}

/* A new name each time: under an old one the server gives back the old consumer where it was. */
static char *
new_name(const struct consume *c)
{
	char hex[2 * NAME_RANDOM + 1];

	crypto_random_hex(hex, NAME_RANDOM);
	return (xasprintf("%s-%s", c->me, hex));
}

static void
create_consumer(struct consumer *cr)
{
	/* Begin with the last known message: it shows whether the stream is the one we know. */
	uint64_t start = cr->processed > cr->back ? cr->processed - cr->back : 1;
	char *all, *stream = subject_stream(jsapi_names(cr->c->a), cr->peer, cr->shard);
	json_t *config;

	cr->fresh = 1;
	cr->wanted = cr->others = 0;
	cr->name = new_name(cr->c);
	config = json_pack("{s:s, s:{s:s, s:s, s:I, s:s, s:s, s:b, s:i, s:i, s:I}}", "stream_name",
	    stream, "config", "name", cr->name, "deliver_policy", "by_start_sequence",
	    "opt_start_seq", (json_int_t)start, "ack_policy", "none", "replay_policy", "instant",
	    "mem_storage", 1, "num_replicas", 1, "max_waiting", 16, "inactive_threshold",
	    (json_int_t)30000000000);
	free(stream);
	filter_put(json_object_get(config, "config"), jsapi_names(cr->c->a), cr->peer, cr->shard,
	    cr->filters, cr->whole);
	cr->inbox = nats_inbox(jsapi_nats(cr->c->a));
	all = xasprintf("%s.*", cr->inbox);
	cr->sub = nats_subscribe(jsapi_nats(cr->c->a), all, consumer_msg_cb, cr);
	free(all);
	consumer_ask(cr, "CONSUMER.CREATE", config, on_created);
}

static int
wants_most(const struct consumer *cr, const json_t *state)
{
	const json_t *subjects = json_object_get(state, "subjects");
	json_int_t n = json_integer_value(json_object_get(state, "num_subjects"));

	/* A long list would come in parts. */
	return (json_array_size(cr->filters) > 1 && !cr->strict &&
	    (json_int_t)json_object_size(subjects) == n &&
	    filter_has_most(cr->filters, jsapi_names(cr->c->a), subjects));
}

static void
on_stream_info(const struct jsapi_answer *ans, void *arg)
{
	static struct log_brake brake = { .most = 20 };
	struct consumer *cr = arg;
	const json_t *state = json_object_get(ans->root, "state");
	uint64_t last = (uint64_t)json_integer_value(json_object_get(state, "last_seq"));

	if (ans->why != NULL) {
		consumer_fail(cr, ans->why);
		if (ans->err_code == JSAPI_NOT_FOUND)
			consume_look(cr);
		return;
	}
	cr->whole = wants_most(cr, state);
	/* Its "created" is no help: 2.10 forgets it when limits were changed. */
	if (last < cr->processed && cr->mark.incarnation == 0) {
		log_braked(&brake, LOG_WARN,
		    "peer %s: its stream is another one, reading it from the start", cr->peer);
		inflight_rewind(cr, 0);
	} else if (last < cr->processed) {
		log_braked(&brake, LOG_WARN, "peer %s: its stream is shorter than it was",
		    cr->peer);
		cr->back = cr->back != 0 ? cr->back : BACK_MIN;
		cr->processed = last;
	}
	create_consumer(cr);
}

static void
consumer_begin(struct consumer *cr)
{
	if (cr->c->a == NULL || json_array_size(cr->filters) == 0)
		return;
	consumer_end(cr);
	cr->state = CONSUMER_ASKING;
	cr->grown = 0;
	consumer_ask(cr, "STREAM.INFO",
	    json_array_size(cr->filters) > 1 ? json_pack("{s:s}", "subjects_filter", ">") : NULL,
	    on_stream_info);
}

/* Peers */

struct consumer *
consumer_new(struct consume *c, const char *name, const uint8_t id[NODE_ID_LEN], struct shard s,
    uint64_t seq)
{
	struct consumer *cr = xcalloc(1, sizeof(*cr));

	cr->c = c;
	cr->peer = xstrdup(name);
	memcpy(cr->peer_id, id, NODE_ID_LEN);
	cr->shard = s;
	cr->processed = seq;
	cr->retry_ms = RETRY_MIN_MS;
	cr->silence_us = SILENCE_US;
	cr->timer = evtimer_new(c->base, consumer_timer_cb, cr);
	if (cr->timer == NULL)
		fatalx("peer: no timer");
	DL_APPEND(c->consumers, cr);
	c->nconsumers++;
	return (cr);
}

void
consumer_free(struct consumer *cr)
{
	if (cr->c->a != NULL)
		consumer_end(cr);
	inflight_drop(cr);
	DL_DELETE(cr->c->consumers, cr);
	cr->c->nconsumers--;
	event_free(cr->timer);
	json_decref(cr->tables);
	json_decref(cr->filters);
	free(cr->error);
	free(cr->peer);
	free(cr);
}

void
consumer_start(struct consumer *cr)
{
	cr->retry_ms = RETRY_MIN_MS;
	consumer_begin(cr);
}
