#ifndef HL_DATA_H
#define HL_DATA_H

#include <pthread.h>
#include <stdint.h>

#include "common/ipc/svc.h"
#include "opsd/store/catalog.h"
#include "opsd/store/commit.h"
#include "opsd/store/store.h"
#include "opsd/store/txlog.h"

struct workers;

/*
 * Settings that are read all the time; refreshed with the configuration.  clustering: over NATS,
 * external: with servers that are not the node's own; replicates: that, or over links; links: these are configured.
 */
struct live {
	_Atomic int clustering, external, links, replicates, republish, audit, write_async,
	    log_good, log_failed;
	_Atomic uint64_t max_skew_ms, reserve, max_transaction, queue_ms, max_attributes;
};

/*
 * What the store tells and asks those above it, which it does not know.  On the commit
 * thread, but for `shares`: any.
 */
struct data_hooks {
	void (*logged)(void *arg); /* there is more in the log */
	int (*logs)(void *arg);    /* is the log wanted, also while clustering is off? */
	/* Does a peer have the table from here, or we from it? */
	int (*shares)(void *arg, const struct table *t);
	void *arg;
};

/* What this node has: its tables, their log, and the thread that writes them. */
struct data {
	struct svc *svc;
	struct store *store;
	struct catalog *catalog;
	struct txlog log;
	struct commit *commit;
	struct workers *workers;
	struct live live;
	struct data_hooks hooks;
	/* A group of so many jobs and bytes was written in so many microseconds. */
	void (*measured)(void *arg, size_t jobs, size_t bytes, uint64_t us);
	void *measured_arg;
	/*
	 * Users or roles are others now, by a call or by a peer: on the commit thread, before who
	 * wrote hears of it.  NULL: nobody wants to know.
	 */
	void (*users_changed)(void *arg);
	void *users_arg;
	/* There are more rows that files lack (queue.h): on the commit thread.  NULL: as above. */
	void (*queued)(void *arg);
	void *queued_arg;
	uint8_t node_id[NODE_ID_LEN];
	char node_hex[2 * NODE_ID_LEN + 1];
	uint8_t key[32]; /* seals the cluster password */
	uint64_t started_us;
	_Atomic int stopping;
	pthread_rwlock_t conf_lock;    /* svc->conf changes under it */
	_Atomic uint64_t conf_changes; /* how often, from 1 */
};

void data_init(struct data *d, struct svc *svc);
void data_clear(struct data *d);

/* A copy of the configuration that is in force; free with conf_free.  Any thread. */
struct conf *data_conf(struct data *d);
/* One key of it. */
int64_t data_conf_int(struct data *d, enum conf_key key);
int data_conf_bool(struct data *d, enum conf_key key);
/* clustering.nodeName, or the host name where there are links alone; "" when unset.  Caller frees. */
char *data_node_name(struct data *d);
/* Another is in force: what `live` has of it, with the lock held. */
void data_conf_changed(struct data *d);

#endif
