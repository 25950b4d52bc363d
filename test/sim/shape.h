#ifndef HL_SHAPE_H
#define HL_SHAPE_H

/*
 * Who is to have whose tables, and the operator who sees to it: calls for each pair and
 * table, once more after a machine, a table or a subscription was another.
 */
struct machine;

enum shape_kind { SHAPE_MESH, SHAPE_CHAIN, SHAPE_STAR }; /* a chain relays; a star only gives */

/*
 * parting: subscriptions may end, and begin again; not for longer than tombstones are kept, or
 * what was deleted comes back, as hubleaf(7) says.
 */
void shape_begin(enum shape_kind kind, int parting);
int shape_relays(void);
int shape_gives(const struct machine *from, const struct machine *to); /* is to give */
/* The first calls, one after the other, while nothing goes wrong. */
void shape_subscribe(void);
/* What of the tables, all or one, is not whole any more: from, to, or both ways. */
void shape_lose(const struct machine *m, int t);
/* One of the calls that are due is made; nobody waits. */
void shape_mend(void);
/* A pair's subscriptions end by a call of one of the two. */
void shape_part(void);
/* All that is due, until it is done. */
void shape_complete(void);

#endif
