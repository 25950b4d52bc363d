#ifndef HL_MACHINE_H
#define HL_MACHINE_H

#include <stdint.h>

#include "opsd/cluster/replication.h"
#include "test/sim/disk.h"
#include "test/sim/feed.h"
#include "test/sim/jet.h"
#include "test/sim/loop.h"
#include "test/sim/wire.h"

/*
 * One machine of the cluster: its disk, its clock, the stream in its leaf server, and what
 * runs on it: a whole opsd less its API (store, catalog, log, commits, replication, the
 * conversation with the daemons), and models of hubd and leafd.
 */
#define MACHINES_MAX 7

struct reader;

struct machine {
	int index;
	char name[8];
	char hex[2 * NODE_ID_LEN + 1]; /* the id of its node, when opsd ran last */
	int64_t skew_us;               /* of the wall clock */
	uint64_t slept_us;             /* by its threads, while all of them were to end */
	int off;                       /* as a whole: its servers as well */
	int renews;                    /* it has another's id still, and is off until then */
	uint8_t leaf_id[NODE_ID_LEN];  /* what leafd takes it for */
	struct disk disk;
	struct jet jet;
	struct feed feed;
	struct reader *readers;
	/* opsd */
	int up;
	int life;             /* which start of it */
	int dead;             /* it has crashed: nothing that it still does is seen */
	unsigned writes_left; /* of the disk, then it crashes; 0: it does not */
	int crash_after;      /* that write is still made */
	struct conf *conf;
	struct svc svc;
	struct data data;
	struct replication rep;
	struct jobs *jobs;
	struct loop loop;
	struct chan hub, leaf;
	struct chan leaf_end; /* of leaf, for leafd's own code */
};

extern struct machine machines[MACHINES_MAX];
extern int nmachines;

struct machine *machine_here(void);                 /* whose code runs; NULL: the world's own */
struct machine *machine_enter(struct machine *m);   /* gives where we were */
struct machine *machine_any(void);                  /* by chance */
struct machine *machine_named(const char *name);    /* NULL: none */
struct machine *machine_with_id(const uint8_t *id); /* whose opsd runs with it */

/* How its nodes are configured. */
struct machine_opts {
	int republish, retention_s, tombstones_s, skew_ms, status_ms;
	int all_relay; /* whoever passes on what others wrote is believed, not only neighbours */
	int narrow;    /* over links nothing replicates unless both sides have asked for it */
};

struct machine *machine_new(const struct machine_opts *o);
void machine_open(struct machine *m);  /* opsd starts; the daemons find it a little later */
void machine_close(struct machine *m); /* it ends: orderly, or as `dead` says */
/* It crashes now, or at one of its next writes; and comes back after so long. */
void machine_crash(struct machine *m, uint64_t away_us);
void machine_crash_at_write(struct machine *m, unsigned writes, int after);
int machine_alive(const struct machine *m);
/* While it is down: its disk becomes empty, or as it was. */
void machine_wipe(struct machine *m);
void machine_restore(struct machine *m, const struct image *i);

#endif
