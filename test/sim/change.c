#include "config.h"

#include "test/sim/change.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/worker.h"
#include "opsd/cluster/renew.h"
#include "test/sim/check.h"
#include "test/sim/grants.h"
#include "test/sim/links.h"
#include "test/sim/membership.h"
#include "test/sim/mesh.h"
#include "test/sim/net.h"
#include "test/sim/shape.h"
#include "test/sim/trouble.h"
#include "test/sim/upkeep.h"
#include "test/sim/work.h"
#include "test/sim/world.h"

#define RECOVERY_US   60000000 /* so long own lost writes may be on their way */
#define ALONE_US      15000000
#define RENEWAL_US    1000000
#define BACKUP_MAX_US 6000000 /* an older one would be older than tombstones may be */

static struct machine_opts opts;
static struct {
	struct image image;
	struct work_promises *promises;
	uint64_t us;
	int life; /* of the machine's disk: not one of before */
} backups[MACHINES_MAX];
static uint64_t restored_us[MACHINES_MAX];
static int forgot[MACHINES_MAX][WORK_TABLES];
static int disks[MACHINES_MAX]; /* how often each was another */

void
change_begin(const struct machine_opts *o)
{
	opts = *o;
}

/*
 * Who has subscriptions with some only for longer than tombstones are kept deletes for them only,
 * as hubleaf(7) says.
 */
static int
may_be_apart(void)
{
	return (opts.tombstones_s > 100);
}

void
change_join(void)
{
	struct machine *m;

	if (nmachines == MACHINES_MAX || !may_be_apart())
		return;
	m = machine_new(&opts);
	world_note(m, "joins");
	machine_open(m);
	for (int i = 0; i < nmachines; i++)
		mesh_changed(&machines[i]);
}

/* Closed, as by a crash, unless it is down anyway. */
static void
stop(struct machine *m)
{
	if (m->up) {
		m->dead = 1;
		machine_close(m);
	}
}

static void
start(struct machine *m)
{
	machine_open(m);
	for (int i = 0; i < nmachines; i++)
		mesh_changed(&machines[i]);
}

static int
may_recover(const struct machine *m)
{
	return (restored_us[m->index] != 0 && world_now() - restored_us[m->index] < RECOVERY_US);
}

/* What it holds of others goes: who was put back may not have got it from there yet.  -1: all tables. */
static void
let_go(const struct machine *m, int t)
{
	for (int i = 0; i < nmachines; i++)
		for (int k = 0; k < work_tables(); k++)
			if ((t == -1 || t == k) && may_recover(&machines[i]) &&
			    check_is_whole(&machines[i], m, k))
				work_lose_holder(&machines[i], m, k);
}

void
change_install_anew(void)
{
	struct machine *m = machine_any();

	/* Who has a link alone is not let in with another id. */
	if (!may_be_apart() || grants_concern(m))
		return;
	world_note(m, "is installed anew");
	let_go(m, -1);
	stop(m);
	machine_wipe(m);
	if (world_chance(70))
		jet_delete(&m->jet);
	for (int t = 0; t < work_tables(); t++)
		work_forget(m, t);
	for (int t = 0; t < work_tables(); t++)
		work_recall(m, t);
	work_new_clock(m);
	shape_lose(m, -1);
	membership_new(m);
	disks[m->index]++;
	start(m);
}

/* ---- backups ---- */

void
change_back_up(struct machine *m)
{
	struct machine *was = machine_enter(m);
	int i = m->index;

	/* Put back to before it was anything, it would be another node with the id of before. */
	if (machine_alive(m) && (!membership_on() || membership_has(m))) {
		world_note(m, "is backed up");
		image_free(&backups[i].image);
		disk_save(m->data.store, &backups[i].image);
		work_promises_free(backups[i].promises);
		backups[i].promises = work_promises(m);
		backups[i].us = world_now();
		backups[i].life = disks[i];
	}
	machine_enter(was);
}

static void
cut_from_all(struct machine *m, int cut)
{
	for (int i = 0; i < nmachines; i++)
		if (&machines[i] != m)
			net_cut(m, &machines[i], cut);
}

static void
found_cb(void *arg)
{
	if (trouble_lasts())
		cut_from_all(arg, 0);
}

static int
has_backup(int i)
{
	return (backups[i].image.n > 0 && backups[i].life == disks[i] &&
	    (opts.tombstones_s > 100 || world_now() - backups[i].us <= BACKUP_MAX_US));
}

/* Any with a backup of this disk that is not too old; NULL: none. */
static struct machine *
any_with_backup(void)
{
	int from = (int)world_below((uint64_t)nmachines);

	for (int n = 0; n < nmachines; n++)
		if (has_backup((from + n) % nmachines))
			return (&machines[(from + n) % nmachines]);
	return (NULL);
}

/*
 * What it wrote since the backup comes back from those that have all of its table; what none
 * of them has is lost, and only that.  Of those that are down it is not known.
 */
static void
restore(struct machine *m, int alone)
{
	int i = m->index;

	world_note(m, "is put back to %llu ms ago",
	    (unsigned long long)((world_now() - backups[i].us) / 1000));
	let_go(m, -1);
	work_lose(m, backups[i].promises);
	restored_us[i] = world_now();
	membership_put_back(m);
	stop(m);
	machine_restore(m, &backups[i].image);
	for (int t = 0; t < work_tables(); t++)
		work_recall(m, t);
	work_new_clock(m);
	if (alone)
		cut_from_all(m, 1);
	if (alone || world_chance(20))
		jet_delete(&m->jet);
	start(m);
}

/* It may be found by the others only when it has written, and its log was purged. */
void
change_restore(void)
{
	struct machine *m = any_with_backup();
	int alone = world_chance(30);

	if (m == NULL)
		return;
	restore(m, alone);
	if (!alone)
		return;
	upkeep_purge_later(m, world_between(1000000, ALONE_US));
	world_at(world_between(2000000, ALONE_US), NULL, found_cb, m, NULL);
}

void
change_restore_alone(struct machine *m)
{
	if (has_backup(m->index))
		restore(m, 1);
}

/* ---- copies of a machine ---- */

struct cloning {
	struct machine *m;
	int status, done;
	int life; /* in another one, after a crash, it has written under the new id */
};

static void
renew_run(void *arg)
{
	struct cloning *c = arg;
	char hex[2 * NODE_ID_LEN + 1], *err = NULL;

	c->status = renew_node_id(&c->m->rep, hex, &err);
	free(err);
	c->done = 1;
}

/* What the copy wrote before it had an id of its own is nobody's to give. */
static void
has_no_log(struct machine *m)
{
	struct machine *was = machine_enter(m);
	struct store_iter *it = store_iter_new(m->data.store, NULL, CF_LOG, NULL, 0, NULL, 0);

	store_iter_first(it);
	if (store_iter_valid(it))
		world_fail("%s has another id, and still the log of before", m->name);
	store_iter_free(it);
	machine_enter(was);
}

/* It starts under the new id. */
static void
renewed_cb(void *arg)
{
	struct cloning *c = arg;
	int crashed = c->m->life != c->life;

	if (!c->done) {
		world_at(RENEWAL_US, NULL, renewed_cb, c, NULL);
		return;
	}
	if (c->status != 200)
		world_fail("%s gets no other id: %d", c->m->name, c->status);
	stop(c->m);
	c->m->off = c->m->renews = 0;
	start(c->m);
	if (!crashed)
		has_no_log(c->m);
	free(c);
}

/* A clone in a chain has peers for which it is no neighbour (machine.c). */
static int
may_be_cloned(void)
{
	return (may_be_apart() && (!opts.republish || !links_on() || opts.all_relay));
}

/*
 * A machine's data folder, copied while it runs, is started under another name: without a network
 * until it has an id of its own, as hubleaf(7) says.
 */
void
change_clone(void)
{
	struct machine *of = machine_any(), *was = machine_enter(of), *m;
	struct image i = { 0 };
	struct cloning *c;

	if (nmachines < MACHINES_MAX && may_be_cloned() && machine_alive(of)) {
		disk_save(of->data.store, &i);
		m = machine_new(&opts);
		world_note(m, "is a copy of %s", of->name);
		m->off = m->renews = 1;
		membership_copy(m, of);
		machine_restore(m, &i);
		image_free(&i);
		memcpy(forgot[m->index], forgot[of->index], sizeof(forgot[0]));
		machine_open(m);
		c = xcalloc(1, sizeof(*c));
		c->m = m;
		c->life = m->life;
		machine_enter(m);
		workers_run(m->data.workers, renew_run, c);
		world_at(RENEWAL_US, NULL, renewed_cb, c, NULL);
	}
	machine_enter(was);
}

int
change_must_not_write(const struct machine *m)
{
	for (int i = 0; i < nmachines; i++)
		if (may_recover(&machines[i]) && shape_gives(&machines[i], m) &&
		    !shape_gives(m, &machines[i]))
			return (1);
	return (0);
}

void
change_part(struct machine *m)
{
	if (!may_recover(m))
		return;
	for (int t = 0; t < work_tables(); t++)
		work_forget(m, t);
}

/* ---- tables ---- */

static void
drop(struct machine *m, int t)
{
	let_go(m, t);
	work_forget(m, t);
	shape_lose(m, t);
	disks[m->index]++; /* older backups still have it */
}

void
change_drop_table(void)
{
	struct machine *m = machine_any();
	int t = (int)world_below((uint64_t)work_tables());

	if (!machine_alive(m))
		return;
	if (work_has_table(m, t)) {
		change_forget(m, t);
		work_drop(m, t, NULL);
	} else if (world_chance(25))
		work_define_other(m, t);
	else
		work_define(m, t);
}

void
change_remake_table(struct machine *m, int t)
{
	change_forget(m, t);
	work_drop(m, t, NULL);
	work_define(m, t);
}

void
change_drop_attribute(void)
{
	struct machine *m = machine_any();
	int t = (int)world_below((uint64_t)work_tables());

	if (!machine_alive(m) || !work_has_table(m, t))
		return;
	change_forget(m, t);
	work_drop(m, t, "b");
}

void
change_forget(struct machine *m, int t)
{
	drop(m, t);
	forgot[m->index][t] = 1;
}

int
change_was_put_back(const struct machine *m)
{
	return (restored_us[m->index] != 0);
}

int
change_forgot(const struct machine *m, int t)
{
	return (forgot[m->index][t]);
}

void
change_complete(void)
{
	for (int i = 0; i < nmachines; i++)
		for (int t = 0; t < work_tables(); t++) {
			if (work_is_other(&machines[i], t)) {
				drop(&machines[i], t);
				work_drop(&machines[i], t, NULL);
			}
			if (!work_has_table(&machines[i], t))
				work_define(&machines[i], t);
		}
}
