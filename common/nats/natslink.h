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
struct natslink;
struct natslink_dialer;
struct natsopts;

/* A message that arrived. */
struct natslink_item {
	struct natslink_item *next;
	natsMsg *msg;
	int64_t sid; /* of its subscription */
};

/* With the options, which it takes over; `efd` is written to when a link has something to tell. */
struct natslink_dialer *natslink_dialer_new(struct natsopts *opts, int efd);
/* What was wrong with the last attempt; caller frees, NULL: nothing, or there was none. */
char *natslink_dialer_fault(struct natslink_dialer *d);
/* its links were dropped before; waits for the worker */
void natslink_dialer_free(struct natslink_dialer *d);
/* A new link, connected in the background after the delay, tried again for ever. */
struct natslink *natslink_dialer_connect(struct natslink_dialer *d, unsigned delay_ms);
/* Nothing more comes from it; it ends in the background, and natslink_keep's with it. */
void natslink_dialer_drop(struct natslink_dialer *d, struct natslink *l);

void natslink_ref(struct natslink *l); /* so that it stays while one looks at it */
void natslink_unref(struct natslink *l);
/* What arrived since the last time, in order, and whether it is up, and lost. */
struct natslink_item *natslink_take(struct natslink *l, int *up, int *lost);
void natslink_items_free(struct natslink_item *it);
/* The rest only of one that is up.  NULL with the reason. */
natsSubscription *natslink_subscribe(struct natslink *l, const char *subject, natsStatus *why);
void natslink_keep(struct natslink *l, natsSubscription *sub); /* to end with it */
natsConnection *natslink_conn(struct natslink *l);
char *natslink_server(struct natslink *l); /* its URL; caller frees */
/* The server's words on what it did not permit in the last 15 s; caller frees, NULL: nothing. */
char *natslink_refused(struct natslink *l);
void natslink_break(struct natslink *l); /* it is lost from now on */

#endif
