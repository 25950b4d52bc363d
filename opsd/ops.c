#include "config.h"

#include "opsd/ops.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/worker.h"
#include "common/conf/settings.h"
#include "common/conf/tlsconf.h"
#include "common/tls/cert.h"
#include "common/tls/crypto.h"
#include "opsd/auth/auth.h"
#include "opsd/auth/certends.h"
#include "opsd/auth/certstore.h"
#include "opsd/cluster/daemons.h"
#include "opsd/http/http.h"
#include "opsd/job/backup.h"
#include "opsd/job/job.h"
#include "opsd/lite/lite.h"
#include "opsd/op/node.h"
#include "opsd/op/op.h"
#include "opsd/op/op_cert.h"
#include "opsd/op/op_sql.h"
#include "opsd/op/restart.h"
#include "opsd/pki/pki.h"
#include "opsd/snapshot/snapshots.h"
#include "opsd/watch/health.h"
#include "opsd/watch/metrics.h"

#define WORKERS      8
#define BODY_WORKERS 2

/* Rows need it not: what it seals is set again. */
static int
load_key(const char *path, uint8_t key[32])
{
	char *aside;
	int rc = crypto_key_file(path, key), saved;

	if (rc == 0 || errno != EINVAL)
		return (rc);
	aside = xasprintf("%s.damaged", path);
	log_warnx("%s is damaged: it is kept as %s, and another is made", path, aside);
	rc = rename(path, aside) == -1 ? -1 : crypto_key_file(path, key);
	saved = errno;
	free(aside);
	errno = saved;
	return (rc);
}

static void
make_keys(struct ops *o, char **err)
{
	const struct conf *c = o->data.svc->conf;
	const char *name = conf_str(c, CL_NODENAME);
	char *dir = conf_path(c, "keys"), *secret = conf_path(c, "keys/node.key");
	char *key = conf_path(c, "keys/privateKey.pem");
	char *cert = conf_path(c, "keys/certificate.pem");

	if (mkdir(dir, 0700) == -1 && errno != EEXIST)
		*err = xasprintf("%s: %s", dir, strerror(errno));
	else if (load_key(secret, o->data.key) == -1)
		*err = xasprintf("%s: %s", secret, strerror(errno));
	else
		cert_make(key, cert, name != NULL ? name : "hubleaf", err);
	free(dir);
	free(secret);
	free(key);
	free(cert);
}

/* What would fail later, and less clearly. */
static void
check_tls_files(const struct conf *c, char **err)
{
	char *warnings;

	(void)tlsconf_check(c, &warnings, err);
	if (warnings != NULL)
		log_warnx("%s", warnings);
	free(warnings);
}

/* What only a new process can do: RocksDB's C API does not open a store twice. */
static void
reopen_cb(evutil_socket_t fd, short what, void *arg)
{
	struct ops *o = arg;

	if (!store_may_reopen(o->data.store))
		return;
	log_info("store: there is room again");
	event_del(o->reopen);
	restart_opsd(o);
}

static void
watch_room(struct ops *o)
{
	struct timeval every = { 1, 0 };

	log_warnx("store %s: the disk is full: opened for reading only, until there is room",
	    store_path(o->data.store));
	o->reopen = event_new(o->data.svc->base, -1, EV_PERSIST, reopen_cb, o);
	event_add(o->reopen, &every);
}

static void
open_store(struct ops *o, char **err)
{
	o->data.store = store_open(conf_str(o->data.svc->conf, STORAGE_PATH),
	    (size_t)conf_int(o->data.svc->conf, STORAGE_CACHE), err);
	if (o->data.store != NULL && store_read_only(o->data.store))
		watch_room(o);
	if (o->data.store == NULL || txlog_open(&o->data.log, o->data.store, err) == -1)
		return;
	backup_sweep(&o->data);
	memcpy(o->data.node_id, o->data.log.node, NODE_ID_LEN);
	node_id_hex(o->data.node_id, o->data.node_hex);
	o->data.catalog = catalog_load(o->data.store, err);
	if (*err == NULL)
		replication_load(&o->rep, &o->data, err);
	if (*err == NULL)
		health_load(&o->watch);
}

static const char *
operation_name(unsigned number)
{
	return (op_at(number)->name);
}

static void
on_measured(void *arg, size_t jobs, size_t bytes, uint64_t us)
{
	metrics_group(((struct ops *)arg)->watch.metrics, jobs, bytes, us);
}

/* What the daemons log in with may be another password now. */
static void
on_users_changed(void *arg)
{
	struct ops *o = arg;

	if (o->auth != NULL)
		auth_changed(o->auth);
	if (o->data.live.clustering)
		daemons_settings(o->rep.daemons);
}

struct ops *
ops_start(struct svc *svc)
{
	struct ops *o = xcalloc(1, sizeof(*o));
	char *err = NULL;

	data_init(&o->data, svc);
	o->data.measured = on_measured;
	o->data.measured_arg = o;
	o->data.users_changed = on_users_changed;
	o->data.users_arg = o;
	o->data.started_us = mono_us();
	o->watch = (struct watch){
		.data = &o->data,
		.rep = &o->rep,
		.metrics = metrics_new(op_count(), operation_name),
	};
	pthread_mutex_init(&o->status_lock, NULL);
	ops_conf_start(o);
	make_keys(o, &err);
	certstore_sweep(svc->conf);
	if (err == NULL)
		check_tls_files(svc->conf, &err);
	if (err == NULL)
		open_store(o, &err);
	if (err == NULL)
		o->data.commit = commit_start(&o->data, &err);
	if (err == NULL)
		o->data.workers = workers_start(WORKERS, &err);
	if (err == NULL)
		o->bodies = workers_start(BODY_WORKERS, &err);
	if (err == NULL)
		op_sql_start(o, &err);
	if (err == NULL)
		o->rep.changes = workers_start(1, &err);
	if (err == NULL)
		o->pages = workers_start(1, &err);
	if (err == NULL)
		o->watch.jobs = o->jobs = jobs_start(&o->rep, &err);
	if (err == NULL)
		o->watch.auth = o->auth = auth_start(&o->data, &err);
	if (err == NULL)
		o->rep.pki = o->pki = pki_start(&o->data, &err);
	if (err == NULL)
		replication_start(&o->rep, &err);
	if (err == NULL)
		o->watch.lite = o->lite = lite_start(&o->data);
	if (err == NULL)
		o->watch.snapshots = o->snapshots = snapshots_start(&o->rep, &err);
	if (err == NULL)
		o->http = ops_http(o, &err);
	if (err != NULL)
		fatalx("%s", err);
	o->certends = certends_watch(&o->data);
	o->certs = op_cert_table_watch(o);
	svc->on_hup = ops_conf_reload;
	svc->hup_arg = o;
	return (o);
}

void
ops_stop(struct ops *o)
{
	o->data.stopping = 1;
	http_stop(o->http);
	snapshots_quiet(o->snapshots);
	replication_quiet(&o->rep);
	event_free(o->certends);
	event_free(o->certs);
	if (o->reopen != NULL)
		event_free(o->reopen);
	workers_stop(o->pages);
	workers_stop(o->bodies);
	workers_stop(o->statements);
	workers_stop(o->rep.changes);
	snapshots_stop(o->snapshots);
	workers_stop(o->data.workers);
	jobs_stop(o->jobs);
	lite_stop(o->lite);
	commit_stop(o->data.commit);
	lite_free(o->lite);
	snapshots_free(o->snapshots);
	/* What the others have posted to this loop by now is run, then nobody posts. */
	event_base_loop(o->data.svc->base, EVLOOP_NONBLOCK);
	replication_stop(&o->rep);
	pki_stop(o->pki);
	auth_stop(o->auth);
	replication_clear(&o->rep);
	catalog_free(o->data.catalog);
	txlog_close(&o->data.log);
	store_close(o->data.store);
	conf_free(o->set);
	data_clear(&o->data);
	pthread_mutex_destroy(&o->status_lock);
	metrics_free(o->watch.metrics);
	free(o);
}
