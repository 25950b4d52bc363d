#ifndef HL_CHECK_H
#define HL_CHECK_H

/* What must hold; each ends the run when it does not. */
struct machine;

/* Who has to have all of whose table, since subscriptions say so from its beginning. */
void check_whole(const struct machine *from, const struct machine *to, int t, int whole);
int check_is_whole(const struct machine *from, const struct machine *to, int t);

/* Until nothing happens any more but statuses: in bounded time. */
void check_quiet(void);
void check_calm(void); /* then: writes arrive without a question */
void check_rest(void); /* after that: rows, promises, counts, entries */

#endif
