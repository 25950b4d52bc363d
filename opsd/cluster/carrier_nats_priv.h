#ifndef HL_CARRIER_NATS_PRIV_H
#define HL_CARRIER_NATS_PRIV_H

#include "common/base/shard.h"
#include "opsd/cluster/carrier_nats.h"

/* What carrier_nats.c (questions, and what comes in) and carrier_nats_out.c share. */

struct carrier_nats {
	struct cluster *c;
	struct replication *rep;
	struct outlet *outlet;
	struct logfeed *feed;
	char *wanted_sent; /* what leafd was told, without hints */
	char *wanted_from; /* what that was made from */
	struct nats_reading {
		struct chan_deferred *reply; /* a LOG_READ that waits, or NULL */
		struct shard s;
		uint32_t max;
		uint64_t after;
	} reading[SHARDS_MAX];
	_Atomic int logged;
};

/* carrier_nats.c */
void carrier_nats_purge(void *n, const char *database, const char *table, uint64_t upto,
    carrier_answered *cb, void *cb_arg);

/* carrier_nats_out.c: the log out, and what is wanted of peers. */
void carrier_nats_logged(void *n);
void carrier_nats_changed(void *n);
void carrier_nats_forget(struct carrier_nats *n); /* what leafd was told, and what it waits for */
int carrier_nats_log_tail(struct chan *ch, struct msg *m, void *daemons);
int carrier_nats_log_read(struct chan *ch, struct msg *m, void *daemons);
int carrier_nats_log_ack(struct chan *ch, struct msg *m, void *daemons);

#endif
