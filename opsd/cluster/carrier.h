#ifndef HL_CARRIER_H
#define HL_CARRIER_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/shard.h"

/*
 * How peers are reached.  The core (cluster.h) asks a carrier through carrier_ops, and
 * a carrier brings what comes in to the core through the cluster_* functions below.
 * Neither knows how the other does it.  NATS is one carrier (carrier_nats.h), on which the
 * simulation runs, too; a unit test has another of its own (test/unit/test_exchange.c).
 * Several are one to the core (carriers.h).
 *
 * Who it really is: a carrier that knows which node it talks to vouches for its id.
 * Whatever a message says of its sender is compared with that.  NATS cannot say:
 * whoever is in the mesh is trusted with what it says, and nobody is vouched for.
 *
 * All on the loop's thread unless said otherwise.
 */
struct cluster;

/* A node that is to be asked, by what is known of it. */
struct carrier_node {
	const char *name;     /* what it is called here */
	const char *hostname; /* its replication.hostname; NULL: not known */
	const uint8_t *id;    /* NULL: not known, so that whoever has the name is meant */
};

/* An answer that is still to be given: `fn` runs exactly once, on the loop's thread. */
struct carrier_reply {
	void (*fn)(void *arg, uint16_t status, const void *body, size_t n);
	void *arg;
};

/*
 * The answer to a question.  503: there was nobody to carry it; 504: no answer in time;
 * else what the other node said.  us: the round trip.  body is borrowed, NULL without one.
 */
struct carrier_answer {
	uint16_t status;
	uint32_t us;
	const void *body;
	size_t n;
	const uint8_t *who; /* the node that answered, when the carrier vouches for it; or NULL */
};
typedef void carrier_answered(const struct carrier_answer *a, void *arg);

struct carrier_ops {
	const char *name;
	/*
	 * Whether the node answers; who has its name, but another id as far as is known, is not
	 * it.  Any thread.
	 */
	int (*reaches)(void *arg, const struct carrier_node *node);
	/*
	 * A question to a node: JSON with a verb ("status", "subscriptions"), or binary (catchup.h).
	 * `cb` runs exactly once, perhaps before the call returns.
	 */
	void (*ask)(void *arg, const struct carrier_node *node, const char *verb,
	    const json_t *question, unsigned timeout_ms, carrier_answered *cb, void *cb_arg);
	int (*can_catch_up)(void *arg); /* whether it would be carried now */
	void (*catch_up)(void *arg, const struct carrier_node *node, const struct buf *question,
	    unsigned timeout_ms, carrier_answered *cb, void *cb_arg);
	/* There may be more in the log for those who get it. */
	void (*logged)(void *arg);
	/* Subscriptions or cursors changed: what is wanted of peers, and what they get. */
	void (*changed)(void *arg);
	/*
	 * What the carrier keeps of a table's log up to an entry goes; the answer's status is 200
	 * with how many messages went (JSON), else nothing did.  NULL: it keeps nothing.
	 */
	void (*purge)(void *arg, const char *database, const char *table, uint64_t upto,
	    carrier_answered *cb, void *cb_arg);
	/* Who is in the network, for an operator (JSON; cluster_network).  NULL: there is none. */
	void (*network)(void *arg, unsigned timeout_ms, carrier_answered *cb, void *cb_arg);
};

/*
 * What comes in.  `who`: the id of the node that the carrier vouches for, NULL: it cannot.
 * The question is borrowed; the answer to a JSON question is JSON, that to a binary one
 * catchup.h's.
 */
void incoming_question(struct cluster *c, const uint8_t *who, const char *verb,
    const json_t *question, struct carrier_reply reply);
void incoming_catchup(struct cluster *c, const uint8_t *who, const void *question, size_t n,
    struct carrier_reply reply);
/*
 * A frame of the peer's log, at `seq` of what the carrier keeps of it, in that of so many streams, or 0
 * when it keeps nothing; answered 200 when it is durable or dropped, and need not come again: at once for a carrier
 * that keeps it, else with others, within some milliseconds.
 */
void incoming_frame(struct cluster *c, const uint8_t *peer, struct shard s, uint64_t seq,
    const void *frame, size_t n, struct carrier_reply reply);
/* Nodes came or went: questions that waited for them may be asked. */
void cluster_changed(struct cluster *c);
/*
 * One came whose log goes on where it is now: what it has, and we have not heard of, is asked for.
 */
void cluster_met(struct cluster *c, const uint8_t *peer);

#endif
