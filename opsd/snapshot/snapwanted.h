#ifndef HL_SNAPWANTED_H
#define HL_SNAPWANTED_H

#include <stddef.h>
#include <stdint.h>

/*
 * Which tables' copies wait for a snapshot.  A table is wanted when a copy of it is about to begin, until
 * a snapshot was looked for; then no more for SNAPWANTED_TRIED_US, in which its copy goes its own
 * way.  What nobody gets further with for SNAPWANTED_MOST_US does not wait any longer.  Any thread.
 */
#define SNAPWANTED_TRIED_US 600000000u
#define SNAPWANTED_MOST_US  120000000u

struct snapwanted;
struct snapwanted *snapwanted_new(void);
void snapwanted_free(struct snapwanted *w);

/* A copy of the table would begin: whether it waits. */
int snapwanted_holds(struct snapwanted *w, const char *database, const char *table,
    uint64_t now_us);
/* How many are wanted for at least so long. */
size_t snapwanted_count(struct snapwanted *w, uint64_t now_us, uint64_t least_us);
int snapwanted_has(struct snapwanted *w, const char *database, const char *table);
void snapwanted_moved(struct snapwanted *w, uint64_t now_us); /* those that wait are worked for */
/* It has been looked for: nothing waits any more. */
void snapwanted_tried(struct snapwanted *w, const char *database, const char *table,
    uint64_t now_us);
/* One that is wanted; 0: there is none.  The caller frees both. */
int snapwanted_any(struct snapwanted *w, char **database, char **table);

#endif
