#include "config.h"

#include "opsd/cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/words.h"

/* What `hubleaf status` shows, from what the node answers. */

#define PENDING_MAX    50 /* lines */
#define HEALTH_SECONDS 10 /* what does not answer then is not asked for more */

/* What an answer that is an error says; the caller frees. */
static char *
error_in(const struct answer *a)
{
	json_t *v = json_loadb(a->body, a->len, JSON_ALLOW_NUL, NULL);
	const char *text = json_string_value(json_object_get(v, "error"));
	char *error = text != NULL ? xstrdup(text) : xasprintf("status %d: %s", a->status, a->body);

	json_decref(v);
	return (error);
}

/* The answer's body, or NULL when there is none or it is an error, with *err unless that is NULL. */
static json_t *
ask_operation(const struct cli_target *t, const char *operation, char **err)
{
	char *text = xasprintf("{\"operation\":\"%s\"}", operation), *why = NULL;
	struct answer a;
	json_t *v = NULL;

	if (cli_request(t, "POST", "/", text, &a, &why) == 0) {
		if (a.status == 200)
			v = json_loadb(a.body, a.len, JSON_ALLOW_NUL, NULL);
		else
			why = error_in(&a);
	}
	if (err != NULL && v == NULL)
		*err = why != NULL ? why : xstrdup("the answer is not understood");
	else
		free(why);
	free(a.body);
	free(text);
	return (v);
}

/* The daemon whose pid file is locked; 0: it does not run. */
int
cli_daemon_pid(const struct conf *conf, const char *name)
{
	char *file = xasprintf("%s.pid", name), *path = conf_run_path(conf, file), text[16] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC), pid = 0;

	free(file);
	free(path);
	if (fd == -1)
		return (0);
	if (flock(fd, LOCK_SH | LOCK_NB) == -1 && errno == EWOULDBLOCK &&
	    read(fd, text, sizeof(text) - 1) > 0)
		pid = atoi(text);
	close(fd);
	return (pid);
}

static const char *
status_text(const json_t *o, const char *name)
{
	const char *text = json_string_value(json_object_get(o, name));

	return (text != NULL ? text : "");
}

/* Of a process that is watched by its pid file: `word` is how it is.  pid 0: it does not run; -1: not known. */
static json_t *
status_of(int pid, const char *word)
{
	if (pid == -1)
		return (json_pack("{s:s}", "status", word));
	if (pid == 0)
		return (json_pack("{s:s, s:n}", "status", "stopped", "pid"));
	return (json_pack("{s:s, s:i}", "status", word, "pid", pid));
}

/* ---- the node ---- */

/* *err: it does not answer. */
static json_t *
health_part(const struct cli_target *t, char **err)
{
	struct cli_target soon = *t;
	struct answer a = { 0 };
	json_t *text;

	soon.timeout_s = HEALTH_SECONDS;
	if (cli_request(&soon, "GET", "/health", NULL, &a, err) == -1)
		text = json_sprintf("does not answer: %s", *err);
	else if (a.status == 200)
		text = json_string("good");
	else
		text = json_sprintf("bad: %s", a.body);
	free(a.body);
	return (text);
}

/* What operators said of it, by id. */
static void
add_statuses(json_t *o, const struct cli_target *t)
{
	json_t *list = ask_operation(t, "get_status", NULL), *e;
	size_t i;

	json_array_foreach(list, i, e)
		json_object_set(o, status_text(e, "id"), json_object_get(e, "status"));
	json_decref(list);
}

static json_t *
node_part(int pid, const struct cli_target *t, json_t *health, const json_t *info,
    const json_t *status)
{
	const json_t *about = json_object_get(info, "hubleaf");
	/* While it starts, and as long as it fails to, its process is there as well. */
	json_t *o = status_of(pid, info != NULL ? "running" : "not answering");
	char *uptime;

	if (pid == 0)
		return (o);
	json_object_set(o, "node_name", json_object_get(status, "node_name"));
	if (about != NULL) {
		uptime = words_duration((uint64_t)json_integer_value(json_object_get(about,
		    "uptime_ms")));
		json_object_set_new(o, "uptime", json_string(uptime));
		json_object_set(o, "version", json_object_get(about, "version"));
		free(uptime);
	}
	json_object_set(o, "health", health);
	if (info != NULL)
		add_statuses(o, t);
	return (o);
}

/* ---- what is under way or waits ---- */

static long long
status_number(const json_t *o, const char *name)
{
	return ((long long)json_integer_value(json_object_get(o, name)));
}

/* How many rows there are is not known before the peer has said it. */
static json_t *
copy_text(const json_t *f, const char *table, const char *why)
{
	long long rows = status_number(f, "rows_copied"), of = status_number(f, "rows_total");
	char *all = of > 0 ? xasprintf(" of about %lld", of) : xstrdup("");
	json_t *text = json_sprintf("%s is copied, %lld%s rows so far%s%s", table, rows, all,
	    why[0] != '\0' ? ": " : "", why);

	free(all);
	return (text);
}

/* A table from a peer, unless it is live. */
static json_t *
cursor_text(const json_t *f)
{
	const char *state = status_text(f, "state"), *why = status_text(f, "error");
	char *table = xasprintf("%s.%s from %s", status_text(f, "database"),
	    status_text(f, "table"), status_text(f, "node_name"));
	json_t *text = NULL;

	if (strcmp(state, "clock") == 0 || json_is_true(json_object_get(f, "held")))
		text = json_sprintf("%s is held: %s", table,
		    why[0] != '\0' ? why : "its times are ahead of this node's clock");
	else if (strcmp(state, "failed") == 0)
		text = json_sprintf("%s cannot be applied: %s", table, why);
	else if (strcmp(state, "copy") == 0)
		text = copy_text(f, table, why);
	else if (strcmp(state, "fetch") == 0)
		text = json_sprintf("%s catches up from its log, after transaction %lld of %lld",
		    table, status_number(f, "applied"), status_number(f, "head"));
	else if (strcmp(state, "recover") == 0)
		text = json_sprintf("%s: this node's own lost writes are fetched", table);
	free(table);
	return (text);
}

/* A subscription to which a peer that is away lacks something. */
static json_t *
lack_text(const json_t *connection, const json_t *sub)
{
	long long lag = status_number(sub, "peer_lag");

	if (lag == 0 || strcmp(status_text(connection, "status"), "closed") != 0)
		return (NULL);
	return (json_sprintf("%s.%s waits for %s, which is away and lacks up to %lld transactions",
	    status_text(sub, "database"), status_text(sub, "table"),
	    status_text(connection, "node_name"), lag));
}

/* What this node asks a peer for, and the peer has not agreed to. */
static json_t *
proposal_text(const json_t *connection, const json_t *proposal)
{
	const json_t *here = json_object_get(proposal, "agreed_here");
	const json_t *there = json_object_get(proposal, "agreed_there");
	int sends = json_is_true(json_object_get(here, "publish")) &&
	    !json_is_true(json_object_get(there, "publish"));
	int gets = json_is_true(json_object_get(here, "subscribe")) &&
	    !json_is_true(json_object_get(there, "subscribe"));

	if (!sends && !gets)
		return (NULL);
	return (json_sprintf("%s.%s, %s %s, waits for add_node or update_node there",
	    status_text(proposal, "database"), status_text(proposal, "table"),
	    sends && gets ? "both ways with" :
		sends     ? "to" :
			    "from",
	    status_text(connection, "node_name")));
}

static json_t *
setting_text(const json_t *change)
{
	return (json_sprintf("%s is set, and in force after a restart",
	    status_text(change, "key")));
}

/* Takes the text; NULL is none.  Those beyond PENDING_MAX are counted. */
static void
add_pending_text(json_t *list, unsigned *n, json_t *text)
{
	if (text != NULL && (*n)++ < PENDING_MAX)
		json_array_append(list, text);
	json_decref(text);
}

static json_t *
pending_part(const json_t *info, const json_t *status, const json_t *config)
{
	json_t *list = json_array(), *e, *sub;
	unsigned n = 0;
	size_t i, k;

	json_array_foreach(json_object_get(json_object_get(info, "replication"), "cursors"), i, e)
		add_pending_text(list, &n, cursor_text(e));
	json_array_foreach(json_object_get(status, "connections"), i, e)
		json_array_foreach(json_object_get(e, "subscriptions"), k, sub)
			add_pending_text(list, &n, lack_text(e, sub));
	json_array_foreach(json_object_get(status, "connections"), i, e)
		json_array_foreach(json_object_get(e, "proposals"), k, sub)
			add_pending_text(list, &n, proposal_text(e, sub));
	json_array_foreach(json_object_get(config, "pending"), i, e)
		add_pending_text(list, &n, setting_text(e));
	if (n > PENDING_MAX)
		json_array_append_new(list, json_sprintf("and %u more", n - PENDING_MAX));
	return (list);
}

/* ---- all ---- */

/* Of a node that has said what it is; of another NULL. */
static json_t *
ask_further(const struct cli_target *t, const json_t *info, const char *operation)
{
	return (info != NULL ? ask_operation(t, operation, NULL) : NULL);
}

/*
 * A nats-server, which opsd knows of.  When opsd answers and has not heard of it, its daemon hangs, or is not
 * connected; when opsd does not answer, nobody knows.
 */
static json_t *
server_status(int pid, const json_t *info, const char *name)
{
	const json_t *server = json_object_get(json_object_get(info, "nats"), name);
	const char *word = json_string_value(json_object_get(server, "status"));

	if (word == NULL)
		word = pid == -1 ? "stopped" : info != NULL ? "errored" : "unknown";
	return (status_of(pid, word));
}

static int
pid_of(const struct conf *conf, const char *name)
{
	return (conf != NULL ? cli_daemon_pid(conf, name) : -1);
}

/* A node that has links and is in no mesh runs neither. */
static int
has_servers(const json_t *status, const json_t *config)
{
	return (json_object_get(status, "type") == NULL ||
	    !json_is_false(json_object_get(json_object_get(config, "clustering"), "enabled")));
}

static json_t *
clustering_part(const struct conf *conf, const json_t *info, const json_t *network,
    const json_t *status, const json_t *config)
{
	json_t *nodes = json_object_get(network, "nodes"), *o = json_object();

	if (has_servers(status, config)) {
		json_object_set_new(o, "hub_server",
		    server_status(pid_of(conf, "hubd"), info, "hub"));
		json_object_set_new(o, "leaf_server",
		    server_status(pid_of(conf, "leafd"), info, "leaf"));
	}
	json_object_set_new(o, "network", nodes != NULL ? json_incref(nodes) : json_array());
	json_object_set_new(o, "replication",
	    status != NULL ? json_incref((json_t *)(uintptr_t)status) : json_object());
	return (o);
}

/* Why opsd does not answer, when its log says it. */
static json_t *
failed_part(const struct conf *conf, const json_t *info)
{
	char *why = conf != NULL && info == NULL ? cli_daemon_error(conf, "opsd") : NULL;
	json_t *list = json_array();

	if (why != NULL)
		json_array_append_new(list, json_string(why));
	free(why);
	return (list);
}

/* Not shown when it is empty; takes the reference. */
static void
set_list(json_t *o, const char *name, json_t *list)
{
	if (json_array_size(list) > 0)
		json_object_set(o, name, list);
	json_decref(list);
}

json_t *
cli_status(const struct conf *conf, const struct cli_target *t, int *runs, char **err)
{
	char *why = NULL;
	json_t *health = health_part(t, &why), *info = NULL, *network, *status, *users, *config;
	json_t *routes, *o;
	int pid = pid_of(conf, "opsd");

	if (why == NULL)
		info = ask_operation(t, "system_information", &why);
	*runs = info != NULL;
	if (conf == NULL && info == NULL) {
		json_decref(health);
		*err = why;
		return (NULL);
	}
	free(why);
	network = ask_further(t, info, "cluster_network");
	status = ask_further(t, info, "cluster_status");
	users = ask_further(t, info, "list_users");
	config = ask_further(t, info, "get_configuration");
	routes = ask_further(t, info, "cluster_get_routes");
	o = json_pack("{s:o, s:o}", "hubleaf", node_part(pid, t, health, info, status),
	    "clustering", clustering_part(conf, info, network, status, config));
	set_list(o, "failed", failed_part(conf, info));
	set_list(o, "pending", pending_part(info, status, config));
	set_list(o, "missing",
	    cli_missing(users, config, routes, json_object_get(network, "nodes"), status));
	json_decref(health);
	json_decref(info);
	json_decref(network);
	json_decref(status);
	json_decref(users);
	json_decref(config);
	json_decref(routes);
	return (o);
}
