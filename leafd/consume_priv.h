#ifndef HL_CONSUME_PRIV_H
#define HL_CONSUME_PRIV_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/frame.h"
#include "common/base/shard.h"
#include "common/nats/nats.h"
#include "leafd/consume.h"

/*
 * What consume.c (of which peers), consume_streams.c (how many streams each has), consumer.c (the consumer in one peer's leaf server: made, ended,
 * made again), consumer_pull.c (what is asked of it and what comes) and inflight.c (what opsd has of that) share.
 */
#define REQUESTS     2 /* that overlap */
#define RETRY_MIN_MS 200
#define TICK_MS      500
#define SILENCE_US   3000000
#define BACK_MIN     1000 /* messages, when positions no longer fit */

struct event;
struct jsapi_answer;
struct jsapi_call;

enum consumer_state { CONSUMER_WAITING, CONSUMER_ASKING, CONSUMER_FLOWING };

/* What a message was about, to know it again. */
struct mark {
	uint64_t incarnation;
	uint64_t window, last, entry; /* entry: the mark of the last one */
	uint32_t table;
};

/* One MSG.NEXT, told apart by its reply subject. */
struct pull_request {
	uint64_t id; /* 0: none */
	uint64_t sent_us;
	int64_t left; /* messages that it may still bring */
	int got;
	int64_t bytes; /* its max_bytes */
};

struct consumer {
	struct consume *c;
	char *peer;
	uint8_t peer_id[NODE_ID_LEN];
	struct shard shard;      /* of the peer's streams */
	json_t *tables;          /* as CONSUME has them */
	json_t *filters;         /* as filter_subjects */
	int whole;               /* all of the stream is consumed, not the filters alone */
	int strict;              /* consuming all of it was wasteful: filters only */
	uint64_t wanted, others; /* bytes of this consumer, when whole */
	enum consumer_state state;
	char *error; /* NULL: none */
	unsigned retry_ms;
	struct event *timer;     /* next attempt, or the tick while flowing */
	struct jsapi_call *call; /* INFO, CREATE; while flowing CONSUMER.INFO */

	char *name; /* in that server; NULL: there is none */
	char *inbox;
	struct nats_sub *sub;
	struct pull_request requests[REQUESTS];
	uint64_t last_request;
	int64_t grown; /* max_bytes after a message did not fit, else 0 */
	uint64_t heard_us;
	uint64_t silence_us; /* how long nothing may be heard */
	int enough;          /* requests are waiting: no more before the next tick */
	uint64_t cseq;       /* the consumer's last sequence that came */
	uint64_t claimed;    /* what the server says it has delivered */

	uint64_t processed;        /* stream sequence up to which opsd is done */
	struct mark mark;          /* of that message; incarnation 0: not known */
	uint64_t back;             /* how far before it we begin to read */
	int fresh;                 /* no message of this consumer has come yet */
	struct inflight *inflight; /* with opsd, in order */
	size_t bytes;              /* bytes of the messages in flight */
	struct consumer *prev, *next;
};

/* One APPLY; consumer is NULL once that is gone. */
struct inflight {
	struct consumer *consumer;
	uint64_t seq;
	struct mark mark;
	size_t bytes;
	int done;
	struct inflight *prev, *next;
};

struct consume {
	struct event_base *base;
	struct chan *opsd;
	struct jsapi *a; /* NULL: stopped */
	char *me;        /* begins our consumers' names */
	int64_t batch;
	void (*changed)(void *arg);
	void *arg;
	struct consumer *consumers;
	unsigned nconsumers;
};

/* consume.c */
/* One that was consumed as having another number of streams has that many. */
void consume_streams(struct consumer *cr, unsigned n);

/* consume_streams.c */
/* There is no such stream: how many has the peer?  A consumer that is not of so many is gone then. */
void consume_look(struct consumer *cr);

/* consumer.c */
struct consumer *consumer_new(struct consume *c, const char *name, const uint8_t id[NODE_ID_LEN],
    struct shard s, uint64_t seq);
void consumer_free(struct consumer *cr);
void consumer_start(struct consumer *cr); /* a consumer, if there is something to consume */
void consumer_end(struct consumer *cr);
void consumer_set_error(struct consumer *cr, const char *why); /* NULL: none */
/* ends the consumer; it is made again after a while */
void consumer_fail(struct consumer *cr, const char *why);
void consumer_wait(struct consumer *cr, unsigned ms); /* set its timer */
void consumer_ask(struct consumer *cr, const char *verb, json_t *body,
    void (*cb)(const struct jsapi_answer *ans, void *arg)); /* JetStream's API; body is taken */
/* "$JS.<peer>.API.<verb>.<stream>", and ".<name>" while it has one; caller frees. */
char *consumer_subject(const struct consumer *cr, const char *verb);

/* consumer_pull.c */
void consumer_pull(struct consumer *cr); /* ask for more, as far as opsd keeps up */
void consumer_tick(struct consumer *cr); /* look whether what was asked for comes */
void consumer_msg_cb(const struct nats_msg *m, void *arg);

/* inflight.c */
size_t inflight_share(const struct consume *c); /* bytes that one peer may have with opsd */
void inflight_send(struct consumer *cr, uint64_t seq, const struct nats_msg *m);
void inflight_drop(struct consumer *cr); /* answers that opsd still gives are ignored */
void inflight_rewind(struct consumer *cr, uint64_t seq);
/* The first message of a new consumer: -1: not what we expect there, look further back. */
int inflight_check(struct consumer *cr, uint64_t seq, const struct nats_msg *m);

#endif
