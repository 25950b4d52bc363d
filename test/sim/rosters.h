#ifndef HL_ROSTERS_H
#define HL_ROSTERS_H

#include <stdint.h>

/* What members know of each other, and what must hold of it (membership.h). */
struct machine;

int rosters_take(const struct machine *m, const struct machine *of); /* that one for a member */
void rosters_show(void);                                             /* all, in the history */
/* At rest: all members know the same, replicate everything, and take nobody else for one. */
void rosters_check(void);
/* Rows or log go there over a link: not for long once it is known that it was removed. */
void rosters_gives(const struct machine *from, const struct machine *to);
/* Of what others wrote since then it has nothing. */
void rosters_got_nothing(const struct machine *m, uint64_t ms);

#endif
