#ifndef HL_SIM_LINKS_H
#define HL_SIM_LINKS_H

#include <stdint.h>

/*
 * Links between machines, as leafd/link makes them: who is linked, and how that begins and ends
 * (links.c), and what goes over them (linkmsg.c).  The log's way out and in are leafd's own
 * (link_out.c, link_in.c); connections, dialling and questions are models.
 */
struct buf;
struct machine;

void links_begin(void); /* there are to be links; else all is over NATS, as before */
int links_on(void);
/* Who is new may be linked, too; how a pair is, is drawn. */
void links_joined(const struct machine *m);
/* One of these: a link ends in order or breaks, a pair gets other carriers. */
void links_trouble(void);

/* What opsd says: LINKS, LINK_ASK, LINK_PULL, LINK_CLOSE.  0: it is none of these. */
int links_take(struct machine *m, uint32_t id, uint16_t type, struct buf *body);
void links_opsd_gone(struct machine *m); /* leafd waits for it, with its links */
void links_leafd_gone(struct machine *m);

/* If they are linked, that ends: it shows a certificate that counts no more. */
void links_end(const struct machine *a, const struct machine *b);
/* Whether the mesh goes from one to the other: not between those that have a link alone. */
int links_leave_nats(const struct machine *a, const struct machine *b);
/* At rest: everybody who is to be linked and may be is, at both ends, and by that alone. */
const char *links_unrest(const struct machine *m);
uint64_t links_frames(void);   /* sent, of all */
uint64_t links_catchups(void); /* questions for rows and log, of all */

#endif
