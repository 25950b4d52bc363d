#include "config.h"

#include <jansson.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "opsd/auth/auth.h"
#include "opsd/cluster/daemons.h"
#include "opsd/job/job.h"
#include "opsd/watch/health.h"
#include "opsd/watch/host.h"
#include "opsd/watch/metrics_priv.h"
#include "opsd/watch/processes.h"
#include "opsd/watch/watch.h"

/* The node itself: its state, its processes, what they count, its store. */

static double
figure_of(const json_t *o, const char *name)
{
	return (json_number_value(json_object_get(o, name)));
}

static void
put_this_node(struct watch *w, struct buf *out)
{
	char *name = data_node_name(w->data);

	metric_head(out, "build_info", "gauge", "What runs: always 1.");
	metric_line(out, "build_info", 1, "version", PACKAGE_VERSION, NULL);
	metric_head(out, "node_info", "gauge", "Who it is: always 1.");
	metric_line(out, "node_info", 1, "node", name, "node_id", w->data->node_hex, NULL);
	metric_one(out, "start_time_seconds", "gauge", "When opsd was started, since 1970.",
	    ((double)wall_ms() - (double)(mono_us() - w->data->started_us) / 1000) / 1000);
	metric_one(out, "healthy", "gauge",
	    "1 while writes are taken: GET /health is 503 while not.",
	    health_write_fault(w) == NULL);
	metric_one(out, "available", "gauge",
	    "0 while set_status has it out of service: GET /health is 503 then, too.",
	    !w->unavailable);
	metric_one(out, "clustering_enabled", "gauge", "1 while clustering is on.",
	    w->data->live.replicates);
	free(name);
}

static void
put_open_requests(struct watch *w, int connections, int open, struct buf *out)
{
	unsigned running, waiting, local, remote;

	jobs_count(w->jobs, &running, &waiting);
	commit_waiting(w->data->commit, &local, &remote);
	metric_one(out, "connections", "gauge", "Connections of clients that are open.",
	    connections);
	metric_one(out, "requests_in_progress", "gauge", "Requests that are not answered yet.",
	    open);
	metric_one(out, "failed_logins_total", "counter", "Logins with a wrong name or password.",
	    (double)auth_failed(w->auth));
	metric_one(out, "jobs_running", "gauge", "Jobs that run.", running);
	metric_one(out, "jobs_waiting", "gauge", "Jobs that wait for a thread.", waiting);
	metric_head(out, "commit_waiting_jobs", "gauge",
	    "Transactions and other jobs that wait for the commit thread, by where they are from.");
	metric_line(out, "commit_waiting_jobs", local, "from", "clients", NULL);
	metric_line(out, "commit_waiting_jobs", remote, "from", "peers", NULL);
	metric_one(out, "commit_busy_seconds", "gauge",
	    "For how long the present group is being written already.",
	    (double)commit_busy_ms(w->data->commit) / 1000);
}

/* ---- the other daemons and the servers ---- */

static void
put_servers(struct watch *w, struct buf *out)
{
	static const char *const names[] = { "hub", "leaf" };
	json_t *all = daemons_servers(w->rep->daemons);
	const char *status;

	metric_head(out, "daemon_up", "gauge", "1 while the daemon is connected to opsd.");
	metric_line(out, "daemon_up", daemons_up(w->rep->daemons, ROLE_HUBD), "daemon", "hubd",
	    NULL);
	metric_line(out, "daemon_up", daemons_up(w->rep->daemons, ROLE_LEAFD), "daemon", "leafd",
	    NULL);
	metric_head(out, "nats_server_up", "gauge", "1 while the nats-server is ready.");
	for (int i = 0; i < 2; i++) {
		status = json_string_value(json_object_get(json_object_get(all, names[i]),
		    "status"));
		metric_line(out, "nats_server_up", status != NULL && strcmp(status, "running") == 0,
		    "server", names[i], NULL);
	}
	json_decref(all);
}

static void
put_restarts(struct buf *out, const char *server, const json_t *counts)
{
	if (counts == NULL)
		return;
	metric_line(out, "nats_server_restarts_total", figure_of(counts, "ended"), "server", server,
	    "cause", "ended", NULL);
	metric_line(out, "nats_server_restarts_total", figure_of(counts, "renewed"), "server",
	    server, "cause", "configured", NULL);
}

static void
put_reconnects(struct buf *out, const char *daemon, const json_t *counts)
{
	const char *server;
	json_t *n;

	json_object_foreach(json_object_get(counts, "reconnects"), server, n)
		metric_line(out, "nats_reconnects_total", json_number_value(n), "daemon", daemon,
		    "server", server, NULL);
}

static void
put_streams(struct buf *out, const json_t *list, const char *name, const char *help,
    const char *field)
{
	char which[12];
	const json_t *one;
	size_t k;

	metric_head(out, name, "gauge", help);
	json_array_foreach(list, k, one) {
		snprintf(which, sizeof(which), "%zu", k + 1);
		metric_line(out, name, figure_of(one, field), "shard", which, NULL);
	}
}

static void
put_stream(struct buf *out, const json_t *stream)
{
	const json_t *list = json_object_get(stream, "shards");

	metric_one(out, "stream_messages", "gauge", "Messages in this node's streams.",
	    figure_of(stream, "messages"));
	metric_one(out, "stream_bytes", "gauge", "Bytes of this node's streams.",
	    figure_of(stream, "bytes"));
	if (list == NULL)
		return;
	put_streams(out, list, "stream_shard_messages",
	    "Messages in each of this node's streams, where there are several.", "messages");
	put_streams(out, list, "stream_shard_bytes",
	    "Bytes of each of this node's streams, where there are several.", "bytes");
}

/* What hubd and leafd tell; nothing of one that is away. */
static void
put_told(struct watch *w, struct buf *out)
{
	json_t *mesh = daemons_mesh(w->rep->daemons), *leaf = daemons_leaf_state(w->rep->daemons);
	const json_t *of_hub = json_object_get(mesh, "counts");
	const json_t *of_leaf = json_object_get(leaf, "counts");
	const json_t *stream = json_object_get(leaf, "stream");

	metric_head(out, "nats_server_restarts_total", "counter",
	    "Restarts of the nats-server since its daemon's start: as it had ended, or for another "
	    "configuration.");
	put_restarts(out, "hub", of_hub);
	put_restarts(out, "leaf", of_leaf);
	metric_head(out, "nats_reconnects_total", "counter",
	    "Connections of the daemon to the server after the first.");
	put_reconnects(out, "hubd", of_hub);
	put_reconnects(out, "leafd", of_leaf);
	if (json_is_object(stream))
		put_stream(out, stream);
	json_decref(mesh);
	json_decref(leaf);
}

/* ---- processes ---- */

static void
process_lines(struct buf *out, json_t *const *all, const struct process *p, const char *name,
    const char *field)
{
	for (int i = 0; i < PROCESSES; i++)
		if (all[i] != NULL)
			metric_line(out, name, figure_of(all[i], field), "process", p[i].role,
			    NULL);
}

static void
put_memory(struct watch *w, struct buf *out)
{
	json_t *all[PROCESSES];
	struct process p[PROCESSES];

	processes(w, p);
	for (int i = 0; i < PROCESSES; i++)
		all[i] = p[i].pid != 0 ? host_process(p[i].pid) : NULL;
	metric_head(out, "process_resident_memory_bytes", "gauge",
	    "Memory of the node's processes.");
	process_lines(out, all, p, "process_resident_memory_bytes", "memory");
	metric_head(out, "process_cpu_seconds_total", "counter",
	    "Time of processors that they took.");
	process_lines(out, all, p, "process_cpu_seconds_total", "cpu_seconds");
	for (int i = 0; i < PROCESSES; i++)
		json_decref(all[i]);
}

/* ---- the store ---- */

static void
put_family(struct buf *out, const struct store_figures *f, const char *name, const char *help,
    size_t at)
{
	metric_head(out, name, "gauge", help);
	for (int cf = 0; cf < CF_COUNT; cf++)
		metric_line(out, name, (double)*(const uint64_t *)((const char *)&f->cf[cf] + at),
		    "family", store_cf_name(cf), NULL);
}

#define FAMILY(out, f, name, help, field) \
	put_family(out, f, name, help, offsetof(struct store_family, field))

static void
put_store(struct watch *w, struct buf *out)
{
	struct store_figures f;

	store_figures(w->data->store, &f);
	FAMILY(out, &f, "store_memtable_bytes", "Memory of rows not in table files yet.", memtable);
	FAMILY(out, &f, "store_table_files", "Table files.", files);
	FAMILY(out, &f, "store_table_files_bytes", "Bytes of table files.", files_bytes);
	FAMILY(out, &f, "store_level0_files", "Table files that are not compacted yet.", level0);
	metric_one(out, "store_wal_bytes", "gauge", "Bytes of the write-ahead log.",
	    (double)f.wal_bytes);
	metric_one(out, "store_write_stopped", "gauge",
	    "1 while writes wait for RocksDB's compaction.", (double)f.stopped);
	metric_one(out, "store_delayed_write_bytes_per_second", "gauge",
	    "What RocksDB slows writes to; 0: it does not.", (double)f.delayed_rate);
	metric_one(out, "store_compaction_pending_bytes", "gauge",
	    "Bytes that compaction has yet to rewrite, an estimate.", (double)f.compaction_pending);
	metric_one(out, "store_compactions_running", "gauge", "Compactions that run.",
	    (double)f.compactions);
	metric_one(out, "store_flushes_running", "gauge", "Flushes that run.", (double)f.flushes);
	metric_one(out, "store_background_errors_total", "counter",
	    "Errors of flushes and compactions.", (double)f.errors);
	metric_one(out, "store_cache_used_bytes", "gauge", "Block cache in use.",
	    (double)f.cache_used);
	metric_one(out, "store_cache_pinned_bytes", "gauge", "Block cache that cannot be freed.",
	    (double)f.cache_pinned);
	metric_one(out, "store_cache_size_bytes", "gauge", "storage.cacheSize.",
	    (double)f.cache_size);
	metric_one(out, "store_free_disk_bytes", "gauge", "Free disk below storage.path.",
	    (double)store_free_bytes(w->data->store));
	metric_one(out, "store_reserve_bytes", "gauge",
	    "storage.reserve: with less free disk, writes are refused.",
	    (double)w->data->live.reserve);
}

void
metrics_host(struct watch *w, int connections, int open, struct buf *out)
{
	put_this_node(w, out);
	put_open_requests(w, connections, open, out);
	put_servers(w, out);
	put_told(w, out);
	put_memory(w, out);
	put_store(w, out);
}
