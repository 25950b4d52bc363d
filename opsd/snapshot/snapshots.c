#include "config.h"

#include "opsd/snapshot/snapshots.h"

#include <event2/event.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/iso.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/worker.h"
#include "common/conf/settings.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/cursors.h"
#include "opsd/cluster/nodes.h"
#include "opsd/snapshot/snaprestore.h"
#include "opsd/snapshot/snapstore.h"
#include "opsd/snapshot/snaptake.h"
#include "opsd/snapshot/snaptold.h"
#include "opsd/snapshot/snapturn.h"
#include "opsd/snapshot/snapwanted.h"

#define TICK_US     200000
#define LOOK_US     1000000  /* whether one is due */
#define AGAIN_US    30000000 /* after one that failed */
#define LIST_US     10000000
#define GATHER_US   300000   /* tables come together */
#define PATIENCE_MS 60000    /* least time by which each node waits for the one before it */
#define MOVED_US    60000000 /* least time between two that the log's moves ask for */

struct snapshots {
	struct replication *rep;
	struct snapstore *store;
	struct snapwanted *wanted;
	struct workers *thread;
	struct event *tick;
	_Atomic int enabled, busy;
	/* the thread's */
	uint64_t looked_us, took_us, listed_us, failed_us;
	uint64_t log_then, moves_then; /* at the last one that was taken here, or at the start */
	/* what is told */
	struct snaprestored restored;
	_Atomic int restoring, taking;
	_Atomic size_t before; /* so many peers are to take one rather than this node */
	struct snaptold *told;
};

/* ---- what is told ---- */

static void
set_newest(struct snapshots *s, const char *name, uint64_t bytes)
{
	snaptold_newest(s->told, name, bytes);
	s->rep->snapshots.taken_ms = snapstore_taken_ms(name);
}

/* 2: all of its tables, 1: from some time on. */
static int
shown_rank(unsigned rank)
{
	return (rank == 0 ? 0 : rank % 2 == 1 ? 2 : 1);
}

json_t *
snapshots_status(struct snapshots *s)
{
	json_t *o;

	if (!s->enabled)
		return (NULL);
	o = json_pack("{s:s, s:b, s:i, s:i}", "store", s->store->kind, "taking", (int)s->taking,
	    "rank", shown_rank(s->rep->snapshots.rank), "before", (int)s->before);
	snaptold_put(s->told, s->rep->snapshots.taken_ms, o);
	if (s->restoring)
		json_object_set_new(o, "restoring",
		    json_pack("{s:I, s:I, s:I}", "tables", (json_int_t)s->restored.tables,
			"records", (json_int_t)s->restored.rows, "total_records",
			(json_int_t)s->restored.total));
	return (o);
}

int
snapshots_view(struct snapshots *s, struct snapshots_view *v)
{
	*v = (struct snapshots_view){ 0 };
	if (!s->enabled)
		return (0);
	v->newest_ms = s->rep->snapshots.taken_ms;
	snaptold_count(s->told, v);
	return (1);
}

/* replication.h's. */
static char *
taking_fault(void *arg)
{
	struct snapshots *s = arg;

	return (s->enabled ? snaptold_taking_fault(s->told) : NULL);
}

/* ---- restoring ---- */

/* Fetched and whole: its path, for the store's done. */
static char *
fetch_usable(struct snapshots *s, const char *name, int is_last)
{
	char *err = NULL, *path = s->store->fetch(s->store, name, &err);
	int rc = path != NULL ? snaprestore_check(s->rep, path, &err) : -1;

	snapwanted_moved(s->wanted, mono_us());
	if (rc == 0)
		return (path);
	if (rc == -1)
		snaptold_fault(s->told,
		    xasprintf("%s is not used: %s%s", name, err,
			is_last ? "" : "; the one before it is looked at"));
	free(err);
	s->store->done(s->store, path);
	return (NULL);
}

/* The newest that is of use; NULL: there is none. */
static char *
find_usable(struct snapshots *s, char *name)
{
	struct snapstore_item *items = NULL;
	char *err = NULL, *path = NULL;
	size_t n = 0;

	if (s->store->list(s->store, 0, &items, &n, &err) == -1)
		snaptold_fault(s->told, err);
	for (size_t i = 0; i < n && path == NULL; i++) {
		path = fetch_usable(s, items[i].name, i + 1 == n);
		snprintf(name, SNAPSTORE_NAME, "%s", items[i].name);
	}
	free(items);
	return (path);
}

static void
restore_from(struct snapshots *s, const char *path, const char *name)
{
	uint64_t began = mono_us();
	char *err = NULL;

	log_info("snapshots: %s is restored", name);
	if (snaprestore_file(s->rep, path, s->wanted, &s->restored, &err) == -1)
		snaptold_fault(s->told, xasprintf("%s: %s", name, err));
	else
		log_info("snapshots: %s: %" PRIu64 " tables with %" PRIu64
			 " rows are restored, in %" PRIu64 " ms",
		    name, (uint64_t)s->restored.tables, (uint64_t)s->restored.rows,
		    (mono_us() - began) / 1000);
	free(err);
}

/* What no snapshot had is copied from peers. */
static void
end_waits(struct snapshots *s)
{
	char *database, *table;

	while (snapwanted_any(s->wanted, &database, &table)) {
		snaprestore_turn(s->rep, s->wanted, database, table);
		free(database);
		free(table);
	}
}

static void
restore_run(struct snapshots *s)
{
	char name[SNAPSTORE_NAME], *path;

	s->restored.tables = s->restored.rows = s->restored.total = 0;
	s->restoring = 1;
	path = find_usable(s, name);
	if (path != NULL)
		restore_from(s, path, name);
	s->store->done(s->store, path);
	s->restoring = 0;
	snaptold_restored(s->told, s->restored.tables, s->restored.rows);
	end_waits(s);
}

/* ---- taking one ---- */

/* All that moved since the start, here and at peers. */
static uint64_t
count_moves(struct snapshots *s)
{
	struct cursor_view **all;
	uint64_t sum = s->rep->data->log.durable;
	size_t n;

	all = cursors_all(s->rep->cursors, NULL, &n);
	for (size_t i = 0; i < n; i++)
		sum += all[i]->seq;
	cursors_done(all, n);
	return (sum);
}

static int
has_moved_far(struct snapshots *s, const struct conf *conf)
{
	return (mono_us() - s->took_us > MOVED_US &&
	    txlog_bytes(&s->rep->data->log, s->log_then + 1) >
		(uint64_t)conf_int(conf, STREAM_MAX_BYTES) / 2);
}

/* Nothing changed: what there is stays good, until what was deleted may be forgotten. */
static int
is_due(struct snapshots *s, size_t before, uint64_t taken_ms)
{
	struct conf *conf = data_conf(s->rep->data);
	uint64_t every = (uint64_t)conf_int(conf, SNAPSHOT_INTERVAL) * 1000;
	uint64_t most = (uint64_t)conf_int(conf, STORAGE_TOMBSTONES) * 250;
	uint64_t age = wall_ms() > taken_ms ? wall_ms() - taken_ms : 0;
	uint64_t patience = before * (every > PATIENCE_MS ? every : PATIENCE_MS);
	int due;

	due = age >= every + patience || (before == 0 && has_moved_far(s, conf));
	if (due && taken_ms != 0 && age < most && count_moves(s) == s->moves_then)
		due = 0;
	conf_free(conf);
	return (due);
}

static void
remove_old(struct snapshots *s)
{
	struct snapstore_item *items = NULL;
	char *err = NULL;
	size_t n = 0;

	if (s->store->list(s->store, 1, &items, &n, &err) == -1)
		snaptold_fault(s->told, err);
	for (size_t i = SNAPSHOTS_KEPT; i < n; i++) {
		err = NULL;
		if (s->store->remove(s->store, items[i].name, &err) == -1)
			snaptold_fault(s->told, err);
	}
	free(items);
}

/* Into the store, once it was read back. */
static int
keep_taken(struct snapshots *s, const char *path, struct snaptaken *taken, char *name, char **err)
{
	char *why = NULL;

	if (snaptake_file(s->rep, path, taken, err) == -1)
		return (-1);
	if (snaprestore_check(s->rep, path, &why) == -1) {
		*err = xasprintf("what was written is not what is read: %s", why);
		free(why);
		(void)file_remove(path);
		return (-1);
	}
	snapstore_name(name, taken->ms, s->rep->data->node_id);
	return (s->store->keep(s->store, path, name, err));
}

static void
note_taken(struct snapshots *s, const struct snaptaken *taken, const char *name, uint64_t us)
{
	snaptold_taken(s->told, taken);
	set_newest(s, name, taken->bytes);
	log_info("snapshots: %s is taken: %" PRIu64 " tables, %" PRIu64 " rows, %" PRIu64
		 " bytes, in %" PRIu64 " ms",
	    name, taken->tables, taken->rows, taken->bytes, us / 1000);
}

static void
taking_run(struct snapshots *s)
{
	uint64_t began = mono_us(), moves = count_moves(s), log = s->rep->data->log.durable;
	char name[SNAPSTORE_NAME], *err = NULL, *path;
	struct snaptaken taken;

	s->taking = 1;
	s->took_us = began;
	path = s->store->work(s->store, &err);
	if (path != NULL && keep_taken(s, path, &taken, name, &err) == 0) {
		s->moves_then = moves;
		s->log_then = log;
		note_taken(s, &taken, name, mono_us() - began);
		remove_old(s);
		s->failed_us = 0;
	} else {
		snaptold_taking_failed(s->told, err);
		s->failed_us = mono_us();
	}
	free(path);
	s->taking = 0;
}

/* What is there when the node starts, or others have put there; peers tell of theirs. */
static void
list_newest(struct snapshots *s)
{
	struct snapstore_item *items = NULL;
	char *err = NULL;
	size_t n = 0;

	if (s->listed_us != 0 && mono_us() - s->listed_us < LIST_US)
		return;
	s->listed_us = mono_us();
	if (s->store->list(s->store, 1, &items, &n, &err) == -1)
		free(err); /* it is said when one is to be taken */
	else if (n > 0)
		set_newest(s, items[0].name, items[0].bytes);
	free(items);
}

static void
due_run(struct snapshots *s)
{
	uint64_t taken_ms;
	unsigned rank = snapturn_rank(s->rep);
	size_t before;

	list_newest(s);
	taken_ms = s->rep->snapshots.taken_ms;
	s->before = before = snapturn_before(s->rep, rank, &taken_ms);
	s->rep->snapshots.taken_ms = taken_ms;
	s->rep->snapshots.rank = rank;
	if (rank > 0 && (s->failed_us == 0 || mono_us() - s->failed_us > AGAIN_US) &&
	    is_due(s, before, taken_ms))
		taking_run(s);
}

/* ---- the thread ---- */

static void
work_run(void *arg)
{
	struct snapshots *s = arg;

	if (s->rep->data->stopping)
		;
	else if (snapwanted_count(s->wanted, mono_us(), GATHER_US) > 0)
		restore_run(s);
	else if (s->enabled && mono_us() - s->looked_us >= LOOK_US) {
		s->looked_us = mono_us();
		due_run(s);
	}
	s->busy = 0;
}

static void
snapshots_tick(evutil_socket_t fd, short what, void *arg)
{
	struct snapshots *s = arg;

	(void)fd;
	(void)what;
	s->enabled = data_conf_bool(s->rep->data, SNAPSHOT_ENABLED) &&
	    s->rep->data->live.replicates;
	if (!s->enabled)
		s->rep->snapshots.rank = 0;
	if (s->rep->data->stopping || atomic_exchange(&s->busy, 1))
		return;
	workers_run(s->thread, work_run, s);
}

static int
holds_copy(void *arg, const char *database, const char *table)
{
	struct snapshots *s = arg;

	return (s->enabled && strcmp(database, "system") != 0 &&
	    snapwanted_holds(s->wanted, database, table, mono_us()));
}

static struct snapstore *
open_snapstore(struct replication *rep)
{
	struct conf *conf = data_conf(rep->data);
	char *root = conf_path(conf, ".");
	struct snapstore *store;

	if (strcmp(conf_str(conf, SNAPSHOT_STORE), "file") == 0)
		store = snapstore_file_new(conf_str(conf, SNAPSHOT_PATH), rep->data->node_id);
	else
		store = snapstore_nats_new(rep, root, conf_str(conf, SNAPSHOT_BUCKET),
		    (unsigned)conf_int(conf, SNAPSHOT_REPLICAS));
	free(root);
	conf_free(conf);
	return (store);
}

struct snapshots *
snapshots_start(struct replication *rep, char **err)
{
	struct snapshots *s = xcalloc(1, sizeof(*s));
	struct timeval every = { 0, TICK_US };

	s->rep = rep;
	s->told = snaptold_new();
	s->wanted = snapwanted_new();
	s->store = open_snapstore(rep);
	s->enabled = data_conf_bool(rep->data, SNAPSHOT_ENABLED) && rep->data->live.replicates;
	s->log_then = rep->data->log.durable;
	s->took_us = mono_us();
	s->thread = workers_start(1, err);
	if (s->thread == NULL) {
		snapshots_free(s);
		return (NULL);
	}
	rep->snapshots.arg = s;
	rep->snapshots.holds = holds_copy;
	rep->snapshots.fault = taking_fault;
	s->tick = event_new(rep->data->svc->base, -1, EV_PERSIST, snapshots_tick, s);
	event_add(s->tick, &every);
	return (s);
}

void
snapshots_quiet(struct snapshots *s)
{
	event_free(s->tick);
	s->tick = NULL;
	s->store->quiet(s->store);
}

void
snapshots_stop(struct snapshots *s)
{
	if (s->thread != NULL)
		workers_stop(s->thread);
	s->thread = NULL;
}

void
snapshots_free(struct snapshots *s)
{
	s->rep->snapshots.holds = NULL;
	s->rep->snapshots.fault = NULL;
	s->store->free(s->store);
	snapwanted_free(s->wanted);
	snaptold_free(s->told);
	free(s);
}
