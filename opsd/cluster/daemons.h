#ifndef HL_DAEMONS_H
#define HL_DAEMONS_H

#include <jansson.h>

#include "common/ipc/chan.h"
#include "opsd/cluster/replication.h"

/*
 * hubd and leafd, which dial opsd's socket: whether they are there and answer, their
 * settings, what they said last.  What they carry is a carrier's matter.
 */
struct daemons;

/* Who works with them, on the loop's thread. */
struct daemons_above {
	/* What they may send besides MESH and LEAF_STATE; `arg` of these is the struct daemons. */
	const struct chan_handler *handlers;
	/* leafd went, or another one came, which was told nothing */
	void (*leaf_changed)(void *arg);
	void *arg;
};
#define DAEMONS_ABOVE_MAX 2

/* The core hears of it when leafd has its settings, or the mesh is another (cluster_changed). */
struct daemons *daemons_start(struct replication *rep, const struct daemons_above *above, size_t n,
    char **err);
void daemons_beat(struct daemons *d);  /* at each tick: do they still answer? */
void daemons_quiet(struct daemons *d); /* no more of them; calls in flight end */
void daemons_stop(struct daemons *d);

struct replication *daemons_rep(const struct daemons *d);
/* On the loop's thread.  NULL: it is away. */
struct chan *daemons_hub(struct daemons *d);
struct chan *daemons_leaf(struct daemons *d);
/* To one that is there; takes the reference. */
void daemons_send(struct chan *c, enum msg_type type, json_t *o);
/* leafd has its settings: it knows what it is to do things with. */
int daemons_leaf_ready(const struct daemons *d);

/* ---- any thread ---- */

void daemons_settings(struct daemons *d); /* the configuration changed; NULL: nobody to tell */
enum restart_daemons { RESTART_HUBD = 1, RESTART_LEAFD = 2 };
void daemons_restart(struct daemons *d, unsigned which);

int daemons_up(struct daemons *d, enum role role); /* whether it is connected */
/*
 * NULL, or what is wrong with hubd or leafd, to follow its name: it is away for longer than
 * a start takes, or did not answer, and counts as away until it connects anew.
 */
const char *daemons_fault(struct daemons *d, enum role role);
/* What hubd (MESH) or leafd (LEAF_STATE) said last; new reference, NULL when it is away. */
json_t *daemons_mesh(struct daemons *d);
json_t *daemons_leaf_state(struct daemons *d);
/* What the mesh has of nodes of one name or id (hubd/copies.h); new reference, or NULL. */
json_t *daemons_conflicts(struct daemons *d);
/* Why the node has no certificate for its links (linkcert.h); NULL: it has, or has its own. */
char *daemons_linkcert_fault(struct daemons *d);
/* {"hub":{"status","pid"},"leaf":{...}}; new reference */
json_t *daemons_servers(struct daemons *d);

/* The hub's mesh while `d` is locked; borrowed, NULL when hubd is away. */
const json_t *daemons_lock_mesh(struct daemons *d);
void daemons_unlock_mesh(struct daemons *d);

#endif
