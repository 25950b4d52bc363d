#ifndef HL_WIRE_H
#define HL_WIRE_H

#include "common/ipc/chan.h"

/*
 * The sockets between opsd and its daemons.  Here the functions of chan.h have their ends:
 * what opsd sends comes to the models (mesh.h, feed.h, reader.h), and what these say comes
 * to its handlers.
 */
struct machine;
struct wire_call;

struct chan {
	struct machine *m;
	enum role role; /* who is at the other end; ROLE_OPSD: it is leafd's own */
	int up;
	unsigned turn; /* which connection */
	uint32_t last_id;
	struct wire_call *calls; /* of opsd, and of the daemon */
	uint64_t said_us;        /* ROLE_OPSD: the last that is on its way */
};

void wire_init(struct chan *c, struct machine *m, enum role role);
void wire_up(struct chan *c);      /* the daemon finds opsd, a little later */
void wire_down(struct chan *c);    /* opsd goes: what the daemon asked stays without an answer */
void wire_restart(struct chan *c); /* the daemon goes, and comes back */

/* What the daemon answers to opsd; nothing when that does not wait for it any more.  Takes the body. */
void wire_answer(struct chan *c, uint32_t id, struct buf *body);
/* Whether it still waits. */
int wire_waits(const struct chan *c, uint32_t id);
/* The daemon to opsd; take the body. */
void wire_tell(struct chan *c, uint16_t type, struct buf *body);
/* cb once, with NULL when opsd went. */
void wire_ask(struct chan *c, uint16_t type, struct buf *body, void (*cb)(struct rd *r, void *arg),
    void *arg);

#endif
