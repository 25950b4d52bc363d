#ifndef HL_SIM_LINKS_PRIV_H
#define HL_SIM_LINKS_PRIV_H

#include "leafd/link/link_priv.h"
#include "test/sim/links.h"
#include "test/sim/machine.h"

/* What links.c and linkmsg.c share. */

struct lane_asked;
struct lane_message;

/* One end of a link. */
struct lane {
	struct peerlink k; /* first: as leafd/link/link_out.c and link_in.c know it */
	struct machine *m, *peer;
	uint64_t serial;            /* of the end, for what happens later, */
	uint64_t connection;        /* and of both */
	struct lane_asked *asked;   /* of our opsd, without an answer */
	struct lane_message *queue; /* on the way to the other */
	int pumping;
	uint64_t blocked_us; /* since when nothing gets through; 0: it does */
	struct lane *prev, *next;
};

struct lane *lane_find(uint64_t serial);       /* NULL: it is gone */
struct lane *lane_other(const struct lane *l); /* NULL: it does not know of the connection */
/* It ends here, and opsd is told.  broken: the other finds out by itself, else from us. */
void lane_end(struct lane *l, int broken, const char *why);
/* Both ends let it be; or one refuses it. */
void lane_judge(const struct lane *l, int refused);
/* fn with the lane, if that is still there then, in the machine's context. */
void lane_later(const struct lane *l, uint64_t us, void (*fn)(struct lane *l));

/* linkmsg.c */
void lane_let_go(struct lane *l); /* of what waits for it */
void lane_ask(struct machine *m, struct lane *l, uint32_t id, uint16_t type, struct rd *r);

#endif
