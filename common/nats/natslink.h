#ifndef HL_NATSLINK_H
#define HL_NATSLINK_H

#include <nats/nats.h>
#include <stdint.h>

/*
 * Where the NATS library's threads meet the loop's: for nats.c alone.
 *
 * A link stands for one connection: a lost one is not repaired but replaced, so nothing said
 * to the old one comes out of the new one, and the library never gives up for good after
 * refused passwords.  The library's threads queue what arrives in it.  One worker, the
 * dialer's, makes connections and takes them apart, since both may wait.
 */
struct link;
struct dialer;

/* A message that arrived. */
struct link_item {
	struct link_item	*next;
	natsMsg			*msg;
	int64_t			 sid;	/* of its subscription */
};

/* With the options, which it takes over; `efd` is written to when a link has something to tell. */
struct dialer *dialer_new(const char *name, natsOptions *opts, int efd);
void dialer_free(struct dialer *d);	/* its links were dropped before; waits for the worker */
/* A new link, connected in the background after the delay, tried again for ever. */
struct link *dialer_connect(struct dialer *d, unsigned delay_ms);
/* Nothing more comes from it; it ends in the background, and link_keep's with it. */
void dialer_drop(struct dialer *d, struct link *l);

void link_ref(struct link *l);		/* so that it stays while one looks at it */
void link_unref(struct link *l);
/* What arrived since the last time, in order, and whether it is up, and lost. */
struct link_item *link_take(struct link *l, int *up, int *lost);
void link_items_free(struct link_item *it);
/* The rest only of one that is up.  NULL with the reason. */
natsSubscription *link_subscribe(struct link *l, const char *subject, natsStatus *why);
void link_keep(struct link *l, natsSubscription *sub);	/* to end with it */
natsConnection *link_conn(struct link *l);
void link_break(struct link *l);	/* it is lost from now on */

#endif
