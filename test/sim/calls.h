#ifndef HL_CALLS_H
#define HL_CALLS_H

#include <jansson.h>
#include <stdint.h>

/*
 * The operator: calls that change subscriptions, as opsd/op/op_cluster.c makes them, each on a
 * thread of its machine.
 */
struct machine;

struct call_made {
	int done, status;
};

/*
 * update_node on `m` for the peer of that name: [{"database","table","publish","subscribe",
 * "start_ms"}], taken.  *c is of the caller, until it is done.
 */
void calls_change(struct machine *m, const char *peer, json_t *subs, struct call_made *c);
/* add_node on `m`, by host name, with credentials of the other: all replicates both ways. */
void calls_join(struct machine *m, struct machine *via, struct call_made *c);
/* remove_node on `m` of who has that host name. */
void calls_expel(struct machine *m, const char *hostname, struct call_made *c);
void calls_remove(struct machine *m, const char *peer, struct call_made *c);
json_t *calls_subscription(const char *table, int publish, int subscribe, uint64_t start_ms);
void calls_wait(struct call_made *c);

#endif
