#ifndef HL_CHECK_H
#define HL_CHECK_H

/* What must hold; each ends the run when it does not. */
struct machine;

/* Who has to have all of whose table, since subscriptions say so from its beginning. */
void check_whole(const struct machine *from, const struct machine *to, int t, int whole);
int check_is_whole(const struct machine *from, const struct machine *to, int t);

struct table;
/* Whether two tables of a name have one primary key; NULL: there is none. */
int check_are_alike(const struct table *a, const struct table *b);
/* When nothing happens (quiet.h): rows, promises, counts, entries. */
void check_rest(void);

#endif
