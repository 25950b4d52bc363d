#include "config.h"

#include "test/sim/upkeep.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/worker.h"
#include "opsd/job/forget.h"
#include "opsd/job/job.h"
#include "opsd/op/op_cluster.h"
#include "opsd/store/sysrow.h"
#include "test/sim/change.h"
#include "test/sim/machine.h"
#include "test/sim/work.h"
#include "test/sim/world.h"

#define WAIT_US    60000000
#define OLD_MAX_MS 20000
#define USER       "operator"
#define OPEN_ENDED UINT64_MAX

struct upkeep {
	struct machine *m;
	struct table *table;
	int t, force;
	uint64_t before_ms;
};

static unsigned purges, forgets; /* that run */

/* NULL: the table is not there, or is another one. */
static struct upkeep *
upkeep_of(struct machine *m, int t)
{
	struct upkeep *u;

	if (!machine_alive(m) || !work_has_table(m, t) || work_is_other(m, t))
		return (NULL);
	u = xcalloc(1, sizeof(*u));
	u->m = m;
	u->t = t;
	u->table = catalog_get(m->data.catalog, "dev", work_table(t));
	return (u);
}

static void
upkeep_free(struct upkeep *u)
{
	table_unref(u->table);
	free(u);
}

/* ---- purge_stream ---- */

static void
purge(struct upkeep *u)
{
	char *err = NULL;
	int64_t n = op_purge_before(&u->m->rep, u->table, USER, OPEN_ENDED, u->force, &err);

	world_note(u->m, "purge of %s: %lld %s", u->table->name, (long long)n,
	    err != NULL ? err : "");
	free(err);
}

static void
purge_run(void *arg)
{
	struct upkeep *u = arg;

	purge(u);
	upkeep_free(u);
	purges--;
}

static void
purge_all_run(void *arg)
{
	struct upkeep u = { .m = arg, .force = 1 };

	for (int t = 0; t < work_tables(); t++)
		if ((u.table = catalog_get(u.m->data.catalog, "dev", work_table(t))) != NULL) {
			purge(&u);
			table_unref(u.table);
		}
	purges--;
}

static void
purge_all_cb(void *arg)
{
	struct machine *m = arg, *was = machine_enter(m);

	if (machine_alive(m) && purges == 0) {
		purges++;
		workers_run(m->data.workers, purge_all_run, m);
	}
	machine_enter(was);
}

void
upkeep_purge_later(struct machine *m, uint64_t us)
{
	world_at(us, NULL, purge_all_cb, m, NULL);
}

/* One at a time, as there is one lock for it, which all of the simulation's nodes have. */
static void
begin_purge(struct upkeep *u)
{
	struct machine *was = machine_enter(u->m);

	world_note(u->m, "purges the stream of %s%s", work_table(u->t), u->force ? ", forced" : "");
	purges++;
	workers_run(u->m->data.workers, purge_run, u);
	machine_enter(was);
}

void
upkeep_purge(void)
{
	struct upkeep *u = purges > 0 ?
	    NULL :
	    upkeep_of(machine_any(), (int)world_below((uint64_t)work_tables()));

	if (u == NULL)
		return;
	u->force = world_chance(50);
	begin_purge(u);
}

static void
wait_for_end(const unsigned *running)
{
	uint64_t end = world_now() + WAIT_US;

	while (*running > 0 && world_now() < end && world_step())
		;
	if (*running > 0)
		world_fail("a call does not end");
}

void
upkeep_purge_table(struct machine *m, int t, int force)
{
	struct upkeep *u;

	wait_for_end(&purges);
	if ((u = upkeep_of(m, t)) == NULL)
		return;
	u->force = force;
	begin_purge(u);
	wait_for_end(&purges);
}

/* ---- delete_records_before ---- */

static void
forget_run(struct job *job, void *arg)
{
	struct upkeep *u = arg;

	forget_rows(job, u->table, USER, u->before_ms);
	world_note(u->m, "rows of %s from before are %s", work_table(u->t),
	    job_failed(job) ? "not all gone" : "gone");
	change_forget(u->m, u->t);
}

static void
forget_end(void *arg)
{
	upkeep_free(arg);
	forgets--;
}

static void
forget_begin(void *arg)
{
	struct upkeep *u = arg;
	struct job_spec spec = {
		.type = "delete_records_before",
		.did = "deleted",
		.run = forget_run,
		.free = forget_end,
		.arg = u,
	};
	json_t *body = json_pack("{s:s, s:I}", "table", u->table->name, "before",
	    (json_int_t)u->before_ms);
	char id[JOB_ID_SIZE], *err = NULL;

	job_start(u->m->jobs, USER, body, &spec, id, &err);
	free(err);
	json_decref(body);
}

static uint64_t
wall_of(struct machine *m)
{
	struct machine *was = machine_enter(m);
	uint64_t ms = wall_ms();

	machine_enter(was);
	return (ms);
}

static void
begin_forget(struct upkeep *u, uint64_t before_ms)
{
	struct machine *was = machine_enter(u->m);

	u->before_ms = before_ms;
	world_note(u->m, "deletes what is older than %lld ms of %s",
	    (long long)(wall_ms() - u->before_ms), work_table(u->t));
	change_forget(u->m, u->t);
	forgets++;
	workers_run(u->m->data.workers, forget_begin, u);
	machine_enter(was);
}

void
upkeep_forget(void)
{
	struct upkeep *u = upkeep_of(machine_any(), (int)world_below((uint64_t)work_tables()));

	if (u != NULL)
		begin_forget(u, wall_of(u->m) - world_below(OLD_MAX_MS));
}

void
upkeep_forget_table(struct machine *m, int t)
{
	struct upkeep *u = upkeep_of(m, t);

	if (u == NULL)
		return;
	begin_forget(u, wall_of(m));
	wait_for_end(&forgets);
}

/* What the job's row says that it was to do; 0: it was of another table, or ended well. */
static uint64_t
cut_off(const json_t *row, const char *table)
{
	const char *name = NULL, *status = NULL;
	json_int_t before = 0;

	json_unpack((json_t *)(uintptr_t)row, "{s:s, s:{s:s, s:I}}", "status", &status, "request",
	    "table", &name, "before", &before);
	return (name != NULL && strcmp(name, table) == 0 && strcmp(status, "ERROR") == 0 ?
		(uint64_t)before :
		0);
}

static uint64_t
newest_cut_off(struct machine *m, int t)
{
	struct machine *was = machine_enter(m);
	json_t *all = sysrow_all(&m->data, SYS_JOB), *row;
	uint64_t newest = 0, before;
	size_t i;

	json_array_foreach(all, i, row) {
		before = cut_off(row, work_table(t));
		newest = before > newest ? before : newest;
	}
	json_decref(all);
	machine_enter(was);
	return (newest);
}

static void
forget_again(struct machine *m, int t)
{
	uint64_t before_ms = newest_cut_off(m, t);
	struct upkeep *u = before_ms != 0 ? upkeep_of(m, t) : NULL;

	if (u == NULL)
		return;
	begin_forget(u, before_ms);
	wait_for_end(&forgets);
}

void
upkeep_complete(void)
{
	for (int i = 0; i < nmachines; i++)
		for (int t = 0; t < work_tables(); t++)
			forget_again(&machines[i], t);
}
