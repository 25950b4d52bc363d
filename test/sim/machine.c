#include "config.h"

#include "test/sim/machine.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/post.h"
#include "common/base/worker.h"
#include "common/conf/settings.h"
#include "opsd/job/job.h"
#include "test/sim/fiber.h"
#include "test/sim/grants.h"
#include "test/sim/keys.h"
#include "test/sim/links.h"
#include "test/sim/membership.h"
#include "test/sim/mesh.h"
#include "test/sim/moves.h"
#include "test/sim/reader.h"
#include "test/sim/world.h"

#define WORKERS    2
#define LINK_FLAGS 5 /* the last ones */

struct machine machines[MACHINES_MAX];
int nmachines;

static struct machine *here;

int __wrap_fetch_start(char **err);

struct machine *
machine_here(void)
{
	return (here);
}

struct machine *
machine_enter(struct machine *m)
{
	struct machine *was = here;

	here = m;
	return (was);
}

struct machine *
machine_any(void)
{
	return (&machines[world_below((uint64_t)nmachines)]);
}

struct machine *
machine_named(const char *name)
{
	for (int i = 0; i < nmachines; i++)
		if (strcmp(machines[i].name, name) == 0)
			return (&machines[i]);
	return (NULL);
}

struct machine *
machine_with_id(const uint8_t *id)
{
	for (int i = 0; i < nmachines; i++)
		if (machines[i].up && memcmp(machines[i].data.node_id, id, NODE_ID_LEN) == 0)
			return (&machines[i]);
	return (NULL);
}

int
machine_alive(const struct machine *m)
{
	return (m->up && !m->dead);
}

/* Neighbours may bring what others wrote, where they pass it on (shape.h). */
static char *
relays_flag(const struct machine *m, const struct machine_opts *o)
{
	return (o->all_relay  ? xstrdup("--REPLICATION_RELAYS=[\"*\"]") :
		!o->republish ? xstrdup("--REPLICATION_RELAYS=[]") :
				xasprintf("--REPLICATION_RELAYS=[\"n%d\",\"n%d\"]", m->index,
				    m->index + 2));
}

static struct conf *
make_conf(const struct machine *m, const struct machine_opts *o)
{
	char *err = NULL,
	     *flags[] = { xstrdup("opsd"), xasprintf("--ROOTPATH=%s", m->disk.path),
		     xasprintf("--RUNPATH=%s", m->disk.path),
		     xasprintf("--STORAGE_PATH=%s", m->disk.path), xstrdup("--LOGGING_LEVEL=info"),
		     xstrdup("--LOGGING_FILE=false"), xstrdup("--LOGGING_STDSTREAMS=false"),
		     xstrdup("--STORAGE_RESERVE=0"), xstrdup("--CLUSTERING_ENABLED=true"),
		     xstrdup("--CLUSTERING_USER=cluster"),
		     xasprintf("--CLUSTERING_NODENAME=%s", m->name),
		     xasprintf("--CLUSTERING_REPUBLISHMESSAGES=%s",
			 o->republish ? "true" : "false"),
		     xasprintf("--CLUSTERING_LEAFSERVER_STREAMS_MAXAGE=%d", o->retention_s),
		     xasprintf("--STORAGE_TOMBSTONERETENTION=%d", o->tombstones_s),
		     xasprintf("--CLUSTERING_MAXCLOCKSKEW=%d", o->skew_ms),
		     xasprintf("--CLUSTERING_STATUSINTERVAL=%d", o->status_ms),
		     xasprintf("--REPLICATION_HOSTNAME=%s", m->name),
		     xasprintf("--REPLICATION_%s=9933", membership_on() ? "SECUREPORT" : "PORT"),
		     relays_flag(m, o),
		     xasprintf("--REPLICATION_ROUTES=%s",
			 grants_routes() != NULL ? grants_routes() : "[]"),
		     xasprintf("--REPLICATION_DATABASES=%s", o->narrow ? "[\"elsewhere\"]" : "*") };
	int all = (int)(sizeof(flags) / sizeof(flags[0])), n = links_on() ? all : all - LINK_FLAGS;
	struct conf *conf = conf_load(NULL, n, flags, &err);

	if (conf == NULL)
		world_fail("%s", err);
	for (int i = 0; i < all; i++)
		free(flags[i]);
	return (conf);
}

struct machine *
machine_new(const struct machine_opts *o)
{
	struct machine *m = &machines[nmachines];
	char path[64];

	m->index = nmachines++;
	snprintf(m->name, sizeof(m->name), "n%d", m->index + 1);
	snprintf(path, sizeof(path), "/nowhere/%s", m->name);
	disk_init(&m->disk, path);
	m->conf = make_conf(m, o);
	m->jet.max_age_ms = (uint64_t)o->retention_s * 1000;
	m->feed.m = m;
	wire_init(&m->hub, m, ROLE_HUBD);
	wire_init(&m->leaf, m, ROLE_LEAFD);
	wire_init(&m->leaf_end, m, ROLE_OPSD);
	links_joined(m);
	membership_new(m);
	return (m);
}

/* It fetches nothing from the web. */
int
__wrap_fetch_start(char **err)
{
	(void)err;
	return (0);
}

static void
on_measured(void *arg, size_t jobs, size_t bytes, uint64_t us)
{
	(void)arg;
	(void)jobs;
	(void)bytes;
	(void)us;
}

static void
open_data(struct machine *m, char **err)
{
	struct data *d = &m->data;

	data_init(d, &m->svc);
	d->measured = on_measured;
	d->started_us = world_now() + 1;
	d->store = store_open(m->disk.path, 1 << 20, err);
	if (d->store == NULL || txlog_open(&d->log, d->store, err) == -1)
		return;
	memcpy(d->node_id, d->log.node, NODE_ID_LEN);
	node_id_hex(d->node_id, d->node_hex);
	memcpy(m->hex, d->node_hex, sizeof(m->hex));
	d->catalog = catalog_load(d->store, err);
	if (*err == NULL)
		replication_load(&m->rep, d, err);
}

void
machine_open(struct machine *m)
{
	struct machine *was = machine_enter(m);
	struct data *d = &m->data;
	char *err = NULL;

	memset(&m->data, 0, sizeof(m->data));
	memset(&m->rep, 0, sizeof(m->rep));
	memset(&m->svc, 0, sizeof(m->svc));
	loop_init(&m->loop);
	m->rep.pki = membership_on() ? keys_of(m) : NULL;
	m->dead = 0;
	m->writes_left = 0;
	m->svc.name = "opsd";
	m->svc.conf = conf_dup(m->conf);
	m->svc.base = event_base_new();
	m->svc.post = post_new(m->svc.base);
	open_data(m, &err);
	if (err == NULL)
		d->commit = commit_start(d, &err);
	if (err == NULL)
		d->workers = workers_start(WORKERS, &err);
	if (err == NULL)
		m->rep.changes = workers_start(1, &err);
	if (err == NULL)
		replication_start(&m->rep, &err);
	if (err == NULL)
		m->jobs = jobs_start(&m->rep, &err);
	if (err != NULL)
		world_fail("%s: %s", m->name, err);
	m->up = 1;
	world_note(m, "opsd starts, log at %llu of %llu", (unsigned long long)d->log.last,
	    (unsigned long long)d->log.incarnation);
	wire_up(&m->hub);
	wire_up(&m->leaf);
	machine_enter(was);
}

/* As ops_stop does it. */
void
machine_close(struct machine *m)
{
	struct machine *was = machine_enter(m);
	struct data *d = &m->data;

	world_note(m, m->dead ? "opsd has crashed" : "opsd ends");
	d->stopping = 1;
	wire_down(&m->hub);
	wire_down(&m->leaf);
	replication_quiet(&m->rep);
	jobs_stop(m->jobs);
	workers_stop(m->rep.changes);
	workers_stop(d->workers);
	commit_stop(d->commit);
	loop_drain(m);
	replication_stop(&m->rep);
	replication_clear(&m->rep);
	catalog_free(d->catalog);
	txlog_close(&d->log);
	store_close(d->store);
	data_clear(d);
	post_free(m->svc.post);
	event_base_free(m->svc.base);
	conf_free(m->svc.conf);
	fiber_forget(m);
	m->up = 0;
	m->slept_us = 0;
	m->life++;
	machine_enter(was);
}

static void
return_cb(void *arg)
{
	struct machine *m = arg;

	if (!m->up)
		machine_open(m);
}

struct crash {
	struct machine *m;
	int life;
	uint64_t away_us;
};

static void
crash_cb(void *arg)
{
	struct crash *c = arg;
	struct machine *m = c->m;

	if (m->up && m->life == c->life) {
		machine_close(m);
		if (c->away_us != 0)
			world_at(c->away_us, NULL, return_cb, m, NULL);
	}
	free(c);
}

void
machine_crash(struct machine *m, uint64_t away_us)
{
	struct crash *c;

	if (!machine_alive(m))
		return;
	c = xmalloc(sizeof(*c));
	*c = (struct crash){ m, m->life, away_us };
	m->dead = 1;
	world_note(m, "crashes, for %llu ms", (unsigned long long)(away_us / 1000));
	world_at(0, NULL, crash_cb, c, NULL);
}

void
machine_crash_at_write(struct machine *m, unsigned writes, int after)
{
	m->writes_left = writes;
	m->crash_after = after;
}

void
machine_wipe(struct machine *m)
{
	struct machine *was = machine_enter(m);

	disk_erase(&m->disk);
	moves_forget(m);
	machine_enter(was);
}

void
machine_restore(struct machine *m, const struct image *i)
{
	struct machine *was = machine_enter(m);

	disk_restore(&m->disk, i);
	moves_forget(m);
	machine_enter(was);
}
