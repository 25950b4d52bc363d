#ifndef HL_CARRIER_LINK_PRIV_H
#define HL_CARRIER_LINK_PRIV_H

#include <pthread.h>
#include <uthash.h>

#include "opsd/cluster/carrier_link.h"
#include "opsd/cluster/linkfeed.h"
#include "opsd/cluster/member.h"
#include "opsd/cluster/starts.h"

/*
 * What carrier_link.c (questions and what leafd is told), carrier_link_in.c (what it says) and
 * carrier_link_up.c (who wants a link) share.
 */

struct link { /* one that is admitted */
	uint8_t id[NODE_ID_LEN];
	char *hostname, *node_name; /* node_name may be NULL */
	struct linkfeed *feed;
	uint32_t turn;    /* of the LINK_READ for which the log is given; 0: none */
	uint32_t window;  /* bytes of it at once, */
	uint64_t granted; /* and in all, */
	uint64_t given;   /* of which so many are */
	UT_hash_handle hh;
};

struct carrier_link {
	struct cluster *c;
	struct replication *rep;
	pthread_mutex_t lock; /* links (the loop's thread may look without), fault, refused */
	struct link *links;
	char *fault;
	json_t *refused;
	struct starts *starts;
	_Atomic uint64_t changes;
	_Atomic int logged;
	uint64_t conf_seen;  /* what LINKS was made from; 0: leafd was told nothing */
	uint64_t nodes_seen; /* with that, what members were looked for in */
	_Atomic int on;      /* there are links to be */
	int making;          /* it is being made */
	char *told;          /* LINKS as leafd has it, or NULL */
};

/* carrier_link_in.c; on the loop's thread. */
extern const struct chan_handler carrier_link_handlers[];
void carrier_link_give(struct carrier_link *l); /* to those who wait for more of the log */
void carrier_link_drop_all(struct carrier_link *l);
void carrier_link_forget(struct carrier_link *l, struct link *k); /* with the lock held */
/* Log data, or NULL: that there is no more of it for that turn. */
void carrier_link_send_log(struct carrier_link *l, uint32_t turn, struct buf *data);

/* carrier_link_up.c */
int carrier_link_up(struct chan *ch, struct msg *m, void *arg);

/* carrier_link.c */
struct link *carrier_link_find(struct carrier_link *l, const uint8_t *id);
void carrier_link_logged(void *l);
/* On the loop's thread: whatever link there is with that node ends, and it hears why. */
void carrier_link_close(struct carrier_link *l, const uint8_t *id, const char *why);

#endif
