#ifndef HL_MEMBERSHIP_H
#define HL_MEMBERSHIP_H

#include <stdint.h>

/*
 * Who belongs to the cluster.  Nodes join one member with its credentials, as add_node does it, and are
 * linked with all; they are removed at any member, and come back.  What members know of each other is
 * opsd's own: statements, rosters, gossip, discovery, admission.
 */
struct machine;

void membership_begin(void); /* there are members: links alone, that nodes make by themselves */
int membership_on(void);
void membership_found(void);       /* the first machines become one cluster; waits */
void membership_trouble(void);     /* somebody joins, or is removed */
void membership_complete(void);    /* all calls succeed: who is a member is one, and knows it */
void membership_calm(void);        /* one is removed, gets nothing, and comes back */
void membership_hurry(void);       /* one is removed and added again sooner than clocks differ */
void membership_lose_source(void); /* one comes back, and who gives it its rows goes */

/* It has another disk: nobody knows it; it is a copy of another one. */
void membership_new(struct machine *m);
void membership_put_back(const struct machine *m); /* it is about to become what it was */
void membership_copy(struct machine *m, const struct machine *of);

int membership_linked(const struct machine *a, const struct machine *b); /* they are to be */
int membership_has(const struct machine *m);    /* it is a member; what is not sure is none */
int membership_agrees(const struct machine *m); /* its roster is that of the first member */
void membership_whole(void);                    /* at rest: all members have all */

#endif
