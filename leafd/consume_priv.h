#ifndef HL_CONSUME_PRIV_H
#define HL_CONSUME_PRIV_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/frame.h"
#include "common/nats/nats.h"
#include "leafd/consume.h"

/*
 * What consume.c (which peers there are), peer.c (the consumer in one peer's leaf
 * server) and handover.c (what opsd has of it) share.
 */
#define ASKS		2		/* overlapping requests */
#define BACK_MIN	1000	/* messages, when positions no longer fit */

struct ask;
struct event;

enum peer_state { PEER_WAITING, PEER_ASKING, PEER_FLOWING };

/* What a message was about, to know it again. */
struct mark {
	uint64_t	incarnation;
	uint64_t	window, last, entry;	/* entry: the mark of the last one */
	uint32_t	table;
};

/* One MSG.NEXT, told apart by its reply subject. */
struct request {
	uint64_t	 id;		/* 0: none */
	uint64_t	 sent_us;
	int64_t		 left;		/* messages that it may still bring */
	int		 got;
	int64_t		 bytes;		/* its max_bytes */
};

struct peer {
	struct consume	*c;
	char		*name;
	uint8_t		 id[NODE_ID_LEN];
	char		*stream;
	json_t		*filters;
	int		 whole;		/* all of the stream is consumed, not the filters alone */
	int		 strict;	/* that was wasteful */
	uint64_t	 wanted, others;	/* bytes of this consumer, when whole */
	enum peer_state	 state;
	char		*error;		/* NULL: none */
	unsigned	 retry_ms;
	struct event	*timer;		/* next attempt, or the tick while flowing */
	struct ask	*ask;		/* INFO, CREATE; while flowing CONSUMER.INFO */

	char		*consumer;	/* its name, NULL: none */
	char		*inbox;
	struct nats_sub	*sub;
	struct request	 requests[ASKS];
	uint64_t	 last_request;
	int64_t		 grown;		/* max_bytes after a message did not fit, else 0 */
	uint64_t	 heard_us;
	uint64_t	 silence_us;	/* how long it may last */
	int		 enough;	/* requests are waiting: no more before the next tick */
	uint64_t	 cseq;		/* the consumer's last sequence that came */
	uint64_t	 claimed;	/* what it says that it delivered */

	uint64_t	 processed;	/* stream sequence up to which opsd is done */
	struct mark	 mark;		/* of that message; incarnation 0: not known */
	uint64_t	 back;		/* how far before it we begin to read */
	int		 fresh;		/* no message of this consumer has come yet */
	struct apply	*applies;	/* with opsd, in order */
	size_t		 bytes;		/* in them */
	struct peer	*prev, *next;
};

/* One APPLY; peer is NULL once that is gone. */
struct apply {
	struct peer	*peer;
	uint64_t	 seq;
	struct mark	 mark;
	size_t		 bytes;
	int		 done;
	struct apply	*prev, *next;
};

struct consume {
	struct event_base	*base;
	struct chan		*opsd;
	struct asker		*a;		/* NULL: stopped */
	char			*me;		/* begins our consumers' names */
	int64_t			 batch;
	void			(*changed)(void *arg);
	void			*arg;
	struct peer		*peers;
	unsigned		 npeers;
};

/* peer.c */
struct peer *peer_new(struct consume *c, const char *name, const uint8_t id[NODE_ID_LEN],
    uint64_t seq);
void peer_free(struct peer *p);
void peer_start(struct peer *p);	/* a consumer, if there is something to consume */
void peer_end(struct peer *p);
void peer_set_error(struct peer *p, const char *why);	/* NULL: none */
void peer_pull(struct peer *p);		/* ask for more, as far as opsd keeps up */

/* handover.c */
size_t handover_share(const struct consume *c);	/* bytes that one peer may have with opsd */
void handover_send(struct peer *p, uint64_t seq, const struct nats_msg *m);
void handover_drop(struct peer *p);	/* what opsd still answers is of no matter */
void handover_rewind(struct peer *p, uint64_t seq);
/* The first message of a new consumer: -1: not what we expect there, look further back. */
int handover_check(struct peer *p, uint64_t seq, const struct nats_msg *m);

#endif
