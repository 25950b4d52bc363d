#include "config.h"

#include "opsd/op/restart.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "opsd/cluster/daemons.h"
#include "opsd/http/http.h"
#include "opsd/op/node.h"

#define SOON_US 100000 /* answers and messages go out first */
#define WAIT_US 60000000
#define LOOK_NS 50000000

static const char *const cluster_keys[] = { "clustering.hubServer.", "clustering.leafServer.",
	"clustering.tls.", "natsServer.", "nats.", "replication_log.", NULL };
static const char *const http_keys[] = { "operationsApi.", "tls.", "threads", NULL };

/* ---- daemons: each begins anew as the process that it is (svc_restart) ---- */

static void
restart_now_cb(evutil_socket_t fd, short what, void *arg)
{
	struct ops *ops = arg;

	svc_restart(ops->data.svc);
}

static void
opsd_soon(void *arg)
{
	struct ops *ops = arg;
	struct timeval soon = { 0, SOON_US };

	log_info("restarting");
	if (event_base_once(ops->data.svc->base, -1, EV_TIMEOUT, restart_now_cb, ops, &soon) == -1)
		svc_restart(ops->data.svc);
}

void
restart_opsd(struct ops *ops)
{
	post(ops->data.svc->post, opsd_soon, ops);
}

void
restart_node(struct ops *ops)
{
	daemons_restart(ops->rep.daemons, RESTART_HUBD | RESTART_LEAFD);
	restart_opsd(ops);
}

/*
 * Its process, and of a connection to an external one the daemon's, as a text while it runs, else "";
 * the caller frees.
 */
static char *
running_as(struct ops *ops, const char *server)
{
	json_t *servers = daemons_servers(ops->rep.daemons), *s = json_object_get(servers, server);
	const char *status = json_string_value(json_object_get(s, "status"));
	const char *instance = json_string_value(json_object_get(s, "instance"));
	char *text;

	if (status == NULL || strcmp(status, "running") != 0)
		text = xstrdup("");
	else
		text = xasprintf("%s %d", instance != NULL ? instance : "",
		    (int)json_integer_value(json_object_get(s, "pid")));
	json_decref(servers);
	return (text);
}

/* It runs, and not as before. */
static int
runs_anew(struct ops *ops, const char *server, const char *before)
{
	char *now = running_as(ops, server);
	int anew = *now != '\0' && strcmp(now, before) != 0;

	free(now);
	return (anew);
}

char *
restart_daemons(struct ops *ops, unsigned which)
{
	const struct timespec pause = { 0, LOOK_NS };
	char *hub = running_as(ops, "hub"), *leaf = running_as(ops, "leaf");
	int done = 0;
	uint64_t end = mono_us() + WAIT_US;

	ops_conf_adopt(ops, NULL, cluster_keys);
	daemons_restart(ops->rep.daemons, which);
	while (!done && ops->data.live.clustering && !ops->data.stopping && mono_us() < end) {
		nanosleep(&pause, NULL);
		done = ((which & RESTART_HUBD) == 0 || runs_anew(ops, "hub", hub)) &&
		    ((which & RESTART_LEAFD) == 0 || runs_anew(ops, "leaf", leaf));
	}
	free(hub);
	free(leaf);
	return (done || ops->data.stopping || !ops->data.live.clustering ?
		NULL :
		xasprintf("the servers do not run %d seconds later: see read_log",
		    WAIT_US / 1000000));
}

void
restart_clustering_config(struct ops *ops)
{
	ops_conf_adopt(ops, NULL, cluster_keys);
	daemons_settings(ops->rep.daemons);
}

/* ---- the HTTP server, which the loop's thread starts and stops ---- */

/* Of the job's thread and the loop's: who is the last frees it. */
struct http_restart {
	struct ops *ops;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	int done, left;
	char *err;
};

static void
http_restart_free(struct http_restart *hr)
{
	pthread_mutex_destroy(&hr->lock);
	pthread_cond_destroy(&hr->cond);
	free(hr->err);
	free(hr);
}

/* What was in force before is known to work. */
static char *
start_http(struct ops *ops, struct conf *before)
{
	char *err = NULL, *again = NULL;

	ops->http = ops_http(ops, &err);
	if (ops->http != NULL)
		return (NULL);
	ops_conf_adopt(ops, before, http_keys);
	ops->http = ops_http(ops, &again);
	if (ops->http == NULL)
		fatalx("http: %s", again);
	return (err);
}

static void
http_anew(void *arg)
{
	struct http_restart *hr = arg;
	struct conf *before = data_conf(&hr->ops->data);
	int left;

	/* The server that stops now is not started any more. */
	if (!hr->ops->data.stopping) {
		http_stop(hr->ops->http);
		ops_conf_adopt(hr->ops, NULL, http_keys);
		hr->err = start_http(hr->ops, before);
	}
	conf_free(before);
	pthread_mutex_lock(&hr->lock);
	hr->done = 1;
	left = hr->left;
	pthread_cond_signal(&hr->cond);
	pthread_mutex_unlock(&hr->lock);
	if (left)
		http_restart_free(hr);
}

/* With the lock held: until it is done, or the node stops and the loop may not get to it. */
static void
await_http(struct http_restart *hr)
{
	struct timespec until;

	while (!hr->done && !hr->ops->data.stopping) {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec++;
		pthread_cond_timedwait(&hr->cond, &hr->lock, &until);
	}
}

char *
restart_http(struct ops *ops)
{
	struct http_restart *hr = xcalloc(1, sizeof(*hr));
	char *err = NULL;
	int done;

	hr->ops = ops;
	pthread_mutex_init(&hr->lock, NULL);
	pthread_cond_init(&hr->cond, NULL);
	post(ops->data.svc->post, http_anew, hr);
	pthread_mutex_lock(&hr->lock);
	await_http(hr);
	done = hr->done;
	hr->left = 1;
	if (done) {
		err = hr->err;
		hr->err = NULL;
	}
	pthread_mutex_unlock(&hr->lock);
	if (done)
		http_restart_free(hr);
	return (err);
}
