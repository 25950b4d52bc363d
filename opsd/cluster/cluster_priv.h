#ifndef HL_CLUSTER_PRIV_H
#define HL_CLUSTER_PRIV_H

#include <pthread.h>
#include <uthash.h>

#include "common/ipc/chan.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/positions.h"
#include "opsd/cluster/status.h"

/* What cluster.c, leaflink.c and hublink.c share.  On the loop's thread. */

struct view {
	uint8_t		 id[NODE_ID_LEN];
	double		 latency_ms;
	int64_t		 skew_ms, skew_from;	/* from: our clock's then (cluster_clock) */
	uint64_t	 uptime_ms, seen_ms, asked_us, synced_us;
	int		 asking, syncing;
	int		 cluster_port, api_port;
	json_t		*system_info;
	struct status_base base;	/* for our next question to it */
	struct positions *received;	/* from its questions: all up to ... */
	int64_t		 received_life;	/* ... of this life of it, */
	uint64_t	 received_upto;	/* these moves of its cursors */
	json_t		*topology;	/* its report, or NULL */
	int64_t		 topology_digest;	/* of that */
	UT_hash_handle	 hh;
};

/* Whether one of the two daemons answers. */
struct pulse {
	enum role	 role;
	int		 asking;
	uint64_t	 asked_us, silent_us;	/* silent: since then, while we ran */
	uint64_t	 away_us;	/* under lock: when it went; 0: it is here */
	int		 hung;		/* under lock: it went as it did not answer */
};

struct cluster {
	struct replication	*rep;
	struct chan_listener	*listener;
	struct chan		*hub, *leaf;	/* changed under lock; the loop's thread may look */
	unsigned		 leaf_gen;	/* which leafd an apply answers */
	uint64_t		 leaf_held;	/* since when leafd waits for its settings; 0: not */
	struct pulse		 hub_pulse, leaf_pulse;
	uint64_t		 beat_us;	/* when they were last felt */
	struct event		*tick;
	pthread_mutex_t		 lock;		/* views, mesh, leaf_state */
	struct view		*views;
	json_t			*mesh, *leaf_state;
	char			*cursors_sent;	/* what leafd was told, without hints */
	uint64_t		 cursors_changes;	/* what that was made from */
	int			 pulls;
	json_t			*topology;	/* our report */
	int64_t			 topology_digest;
	uint64_t		 topology_changes;	/* what it was made from */
	uint64_t		 retained_us;
	unsigned		 retentions;
	int64_t			 life;		/* of this process, to peers */
	int			 quiet;		/* the loop is about to end: nobody may wait for it */
	struct outlet		*outlet;	/* what of the log leaves */
	uint64_t		 given, passed;	/* the last entry given to leafd; seen up to here */
	int			 unacked;	/* what was given is not all in the stream yet */
	/* a LOG_READ that waits */
	int			 reading;
	uint32_t		 read_id, read_max;
	_Atomic int		 logged, kicked;
	_Atomic uint64_t	 told;
};

/* What the wall clock is ahead of the time that only passes: it differs when the clock was set. */
int64_t cluster_clock(void);

/* With the lock held. */
int cluster_reachable_locked(struct cluster *c, const char *node);
/* Whether it is this node that answers by the name. */
int cluster_answers_locked(struct cluster *c, const char *name, const char *hex);
struct view *cluster_view_of(struct cluster *c, const uint8_t *id);	/* made when absent */

void cluster_send_json(struct chan *c, enum msg_type type, json_t *o);	/* takes the reference */
json_t *cluster_read_json(struct rd *r);	/* a blob, the last field; NULL: not JSON */
/* A message that is one such blob takes the place of what was there; -1: it is not. */
int cluster_take_json(struct cluster *c, struct msg *m, json_t **into);

/* Something that a worker thread waits for while the loop's thread has it done. */
struct ask {
	struct cluster	*c;
	void		(*run)(struct ask *a);	/* on the loop: sees to it that ask_end is called */
	pthread_mutex_t	 lock;
	pthread_cond_t	 cond;
	int		 done, status;
	json_t		*answer;
};

int ask_wait(struct ask *a, json_t **answer);	/* the status; 503 while we are stopping */
void ask_end(struct ask *a, int status, json_t *answer);

void cluster_settle(struct cluster *c);	/* perhaps leafd need not wait for its settings any more */

/* leaflink.c: the log out, frames and answers in. */
void leaflink_kick(void *arg);			/* cursors or entries of the cluster `arg` changed */
void leaflink_pull(struct cluster *c);		/* ask for what is missing */
int on_log_tail(struct chan *ch, struct msg *m, void *arg);
int on_log_read(struct chan *ch, struct msg *m, void *arg);
int on_log_ack(struct chan *ch, struct msg *m, void *arg);
int on_apply(struct chan *ch, struct msg *m, void *arg);
int on_serve(struct chan *ch, struct msg *m, void *arg);
int on_leaf_state(struct chan *ch, struct msg *m, void *arg);

/* pulse.c: daemons that are connected and hang. */
void pulse_init(struct cluster *c);
void pulse_beat(struct cluster *c);		/* at each tick */
void pulse_up(struct pulse *p);			/* these two with the lock held */
void pulse_down(struct pulse *p);

/* hublink.c: questions to nodes and from them, who is in the mesh. */
void hublink_exchange(struct cluster *c);	/* ask peers for their status when it is due */
int on_node_req(struct chan *ch, struct msg *m, void *arg);
int on_mesh(struct chan *ch, struct msg *m, void *arg);

#endif
