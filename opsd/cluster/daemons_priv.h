#ifndef HL_DAEMONS_PRIV_H
#define HL_DAEMONS_PRIV_H

#include <pthread.h>

#include "opsd/cluster/daemons.h"
#include "opsd/cluster/linkcert.h"

/* What daemons.c and pulse.c share. */

/* Whether one of the two answers. */
struct pulse {
	enum role role;
	int asking;
	uint64_t asked_us, silent_us; /* silent: since then, while we ran */
	uint64_t away_us;             /* under lock: when it went; 0: it is here */
	int hung;                     /* under lock: it went as it did not answer */
};

struct daemons {
	struct replication *rep;
	struct daemons_above above[DAEMONS_ABOVE_MAX];
	size_t nabove;
	struct chan_handler *handlers; /* those above and ours */
	struct chan_ops ops;
	struct chan_listener *listener;
	struct chan *hub, *leaf; /* changed under lock; the loop's thread may look */
	struct linkcert *linkcert;
	json_t *removed;      /* ids of removed nodes; NULL: nobody has looked yet */
	uint64_t roster_seen; /* its changes then */
	int said_trust;       /* in the log, of this start */
	uint64_t leaf_held;   /* since when leafd waits for its settings; 0: not */
	struct pulse hub_pulse, leaf_pulse;
	uint64_t beat_us;     /* when they were last felt */
	pthread_mutex_t lock; /* mesh, leaf_state */
	json_t *mesh, *leaf_state;
};

/* daemons_settings.c: what they are told; NULL: not before the certificate of the links is made,
 * after which they are to be told. */
json_t *daemons_settings_json(struct daemons *d);

/* There are others in d->removed than there were. */
int daemons_removed_changed(struct daemons *d);

/* pulse.c: daemons that are connected and hang. */
void pulse_init(struct daemons *d);
void pulse_up(struct pulse *p); /* these two with the lock held */
void pulse_down(struct pulse *p);
void pulse_beat(struct daemons *d);

#endif
