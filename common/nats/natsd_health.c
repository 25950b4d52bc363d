#include "config.h"

#include "common/nats/natsd_priv.h"

#include <dirent.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"

#define PORTS_MAX 65536
#define ANSWER_S  2    /* for one answer */
#define WATCH_MS  4000 /* while it answers */
#define AGAIN_MS  1000 /* while it does not */
#define SILENT_US (WATCH_MS * 1000ULL + ANSWER_S * 1000000ULL + 1000000ULL)

/* <binary>_<pid>.ports, which a killed server leaves behind. */
static char *
ports_name(const struct natsd *d, pid_t pid)
{
	const char *slash = strrchr(d->binary, '/');

	return (xasprintf("%s/%s_%d.ports", d->o.dir, slash != NULL ? slash + 1 : d->binary,
	    (int)pid));
}

void
natsd_remove_ports(const struct natsd *d)
{
	DIR *dir = opendir(d->o.dir);
	struct dirent *e;
	const char *dot;

	if (dir == NULL)
		return;
	while ((e = readdir(dir)) != NULL)
		if ((dot = strrchr(e->d_name, '.')) != NULL && strcmp(dot, ".ports") == 0)
			(void)unlinkat(dirfd(dir), e->d_name, 0);
	closedir(dir);
}

/* The port of its monitoring listener; 0: not known yet. */
static unsigned
monitoring_port(const struct natsd *d)
{
	char *path = ports_name(d, d->pid), *text;
	const char *url, *colon;
	json_t *ports = NULL;
	size_t len;
	unsigned port = 0;

	text = file_read(path, PORTS_MAX, &len);
	if (text != NULL)
		ports = json_loads(text, 0, NULL);
	url = json_string_value(json_array_get(json_object_get(ports, "monitoring"), 0));
	if (url != NULL && (colon = strrchr(url, ':')) != NULL)
		port = (unsigned)strtoul(colon + 1, NULL, 10);
	json_decref(ports);
	free(text);
	free(path);
	return (port <= 65535 ? port : 0);
}

int
natsd_is_silent(const struct natsd *d)
{
	return (d->state == STATE_RUNNING && mono_us() - d->heard > SILENT_US);
}

/* Whatever it answers while it runs, it answers. */
static void
natsd_health_cb(struct evhttp_request *req, void *arg)
{
	struct natsd *d = arg;
	int code = req != NULL ? evhttp_request_get_response_code(req) : 0;
	int silent = natsd_is_silent(d);

	d->asking = 0;
	if (code == 0)
		return;
	d->heard = mono_us();
	if (d->state == STATE_STARTING && code == 200) {
		natsd_set_state(d, STATE_RUNNING);
		evtimer_del(d->timer);
		log_info("%s server: ready (nats-server %s, pid %d)", d->o.name, d->version,
		    (int)d->pid);
		natsd_watch(d);
		d->o.changed(d->o.arg);
	} else if (silent) {
		log_info("%s server: answers again", d->o.name);
		d->o.changed(d->o.arg);
	}
}

void
natsd_ask_health(struct natsd *d)
{
	struct evhttp_request *req;
	unsigned port;

	if (d->asking)
		return;
	if (d->http == NULL) {
		if ((port = monitoring_port(d)) == 0)
			return;
		d->http = evhttp_connection_base_new(d->base, NULL, "127.0.0.1", (uint16_t)port);
		if (d->http == NULL)
			return;
		evhttp_connection_set_timeout(d->http, ANSWER_S);
	}
	if ((req = evhttp_request_new(natsd_health_cb, d)) == NULL)
		return;
	evhttp_add_header(evhttp_request_get_output_headers(req), "Host", "127.0.0.1");
	d->asking = evhttp_make_request(d->http, req, EVHTTP_REQ_GET, "/healthz") == 0;
}

/* A process that is stopped takes no other signal. */
static void
end_hung(struct natsd *d)
{
	log_line(LOG_ERROR,
	    "%s server: no answer for %u s (natsServer.hangTimeout): process %d is "
	    "killed",
	    d->o.name, d->o.hang_ms / 1000, (int)d->pid);
	(void)kill(d->pid, SIGKILL);
}

static void
natsd_watch_cb(evutil_socket_t fd, short what, void *arg)
{
	struct natsd *d = arg;
	uint64_t silence = mono_us() - d->heard;
	unsigned ms = silence > WATCH_MS * 1000ULL + 1000000 ? AGAIN_MS : WATCH_MS;
	struct timeval wait = { ms / 1000, (ms % 1000) * 1000 };

	if (d->state != STATE_RUNNING)
		return;
	if (silence > d->o.hang_ms * 1000ULL)
		end_hung(d);
	else
		natsd_ask_health(d);
	if (natsd_is_silent(d))
		d->o.changed(d->o.arg);
	evtimer_add(d->watch, &wait);
}

void
natsd_watch(struct natsd *d)
{
	static const struct timeval wait = { WATCH_MS / 1000, 0 };

	if (d->watch == NULL && (d->watch = evtimer_new(d->base, natsd_watch_cb, d)) == NULL)
		fatalx("%s server: no timer", d->o.name);
	d->heard = mono_us();
	evtimer_add(d->watch, &wait);
}

void
natsd_unwatch(struct natsd *d)
{
	if (d->watch != NULL)
		evtimer_del(d->watch);
	if (d->http != NULL)
		evhttp_connection_free(d->http);
	d->http = NULL;
	d->asking = 0;
}
