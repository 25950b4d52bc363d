#ifndef HL_WATCH_H
#define HL_WATCH_H

#include "opsd/store/data.h"

/* What this room looks at, and what it keeps. */
struct watch {
	struct data *data;
	struct replication *rep;
	struct auth *auth;
	struct jobs *jobs;
	struct lite *lite;
	struct snapshots *snapshots;
	struct metrics *metrics;
	_Atomic int unavailable; /* health.h */
};

#endif
