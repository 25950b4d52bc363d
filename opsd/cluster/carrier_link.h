#ifndef HL_CARRIER_LINK_H
#define HL_CARRIER_LINK_H

#include "opsd/cluster/carrier.h"
#include "opsd/cluster/daemons.h"

/*
 * Peers over links (carrier.h): leafd dials and is dialled, and asks here whether a node may be
 * linked (admission.h); questions and log go both ways over the link, and whoever is at its
 * other end is vouched for.
 */
struct carrier_link;

extern const struct carrier_ops carrier_link_ops; /* with a struct carrier_link */

struct carrier_link *carrier_link_new(struct cluster *c, struct replication *rep);
struct daemons_above carrier_link_above(struct carrier_link *l); /* for daemons_start */
void carrier_link_free(struct carrier_link *l); /* after the daemons' end; NULL is ignored */

void carrier_link_tick(struct carrier_link *l); /* several times a second */
/* The link with that node ends, if there is one: another is begun when they may. */
void carrier_link_end(struct carrier_link *l, const uint8_t *id, const char *why);

/* ---- any thread ---- */

int carrier_link_has(struct carrier_link *l, const uint8_t *id); /* linked now */
/* Who is linked by that hostname; 0: nobody. */
int carrier_link_id(struct carrier_link *l, const char *hostname, uint8_t *id);
json_t *carrier_link_hostnames(struct carrier_link *l);      /* of all that are; new reference */
uint64_t carrier_link_changes(const struct carrier_link *l); /* how often one began or ended */
int carrier_link_on(struct carrier_link *l);                 /* links are configured */
/* Why nothing goes over TLS, or NULL; caller frees. */
char *carrier_link_fault(struct carrier_link *l);
/* Who was refused last, as an array of {"hostname","address","error","time"}; new reference. */
json_t *carrier_link_refused(struct carrier_link *l);

#endif
