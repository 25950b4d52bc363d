#include "config.h"

#include "common/nats/supervisor.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/conf/logconf.h"
#include "common/conf/natsconf.h"
#include "common/nats/nats.h"
#include "common/nats/natsd.h"
#include "common/tls/crypto.h"

#define SECRET_LEN   32
#define INSTANCE_LEN 8
#define SOON_MS      20   /* changes are told together */
#define EACH_MS      1000 /* what nobody calls us back for */

struct supervisor {
	struct svc *svc;
	const struct supervisor_ops *ops;
	void *arg;
	char instance[2 * INSTANCE_LEN + 1];
	char secret[2 * SECRET_LEN + 1];
	struct chan *opsd;
	struct chan_handler *handlers; /* ours, and one for each of the daemon's */
	struct chan_ops chan_ops;
	struct settings *settings; /* NULL: none, or stopped */
	char *fault;               /* why the last ones are of no use; NULL: they are */
	struct natsd *natsd;
	struct event *tell;
	int soon;
	char *told; /* the state as this opsd has it; NULL: not yet */
};

/* What opsd is told */

/* Instead of a server of ours: the connection to one that is not. */
static json_t *
external_json(const struct supervisor *s)
{
	struct nats *n = s->ops->connection(s->arg);
	const char *fault = s->fault;
	char *server = nats_server(n), *why = NULL, *refused = nats_why_refused(n);
	json_t *o;

	if (fault == NULL && refused != NULL)
		fault = why = xasprintf("%s (what a node needs: hubleaf nats-permissions)",
		    refused);
	if (fault == NULL && server != NULL && s->ops->fault != NULL)
		fault = s->ops->fault(s->arg);
	if (fault == NULL)
		fault = why = nats_why_down(n);
	o = json_pack("{s:s, s:b, s:s, s:s?, s:s*}", "status",
	    fault != NULL      ? "errored" :
		server != NULL ? "running" :
				 "starting",
	    "external", 1, "instance", s->instance, "url", server, "error", fault);
	free(why);
	free(refused);
	free(server);
	return (o);
}

static int
is_external(const struct supervisor *s)
{
	return (s->settings != NULL && s->settings->enabled &&
	    natsconf_is_external(s->settings->conf));
}

static char *
state_text(struct supervisor *s)
{
	json_t *state = json_pack("{s:o, s:{s:i, s:i}, s:o}", "server",
	    is_external(s) ? external_json(s) : natsd_json(s->natsd, s->fault), "counts", "ended",
	    (int)natsd_restarts(s->natsd, 1), "renewed", (int)natsd_restarts(s->natsd, 0),
	    "handshakes", natsd_handshakes(s->natsd));
	char *text;

	s->ops->state(state, s->arg);
	text = json_dumps(state, JSON_COMPACT);
	json_decref(state);
	return (text);
}

static void
tell_state(struct supervisor *s)
{
	char *text = state_text(s);
	struct buf b = { 0 };

	if (text == NULL || !chan_is_up(s->opsd) ||
	    (s->told != NULL && strcmp(s->told, text) == 0)) {
		free(text);
		return;
	}
	buf_blob(&b, text, strlen(text));
	chan_send(s->opsd, s->ops->state_type, &b);
	free(s->told);
	s->told = text;
}

static void
tell_after(struct supervisor *s, unsigned ms)
{
	const struct timeval wait = { ms / 1000, (ms % 1000) * 1000 };

	evtimer_add(s->tell, &wait);
}

static void
supervisor_tell_cb(evutil_socket_t fd, short what, void *arg)
{
	struct supervisor *s = arg;

	s->soon = 0;
	tell_state(s);
	if (!s->soon)
		tell_after(s, EACH_MS);
}

/* One that is about to be told is not put off by the next. */
void
supervisor_changed(struct supervisor *s)
{
	if (s->soon)
		return;
	s->soon = 1;
	tell_after(s, SOON_MS);
}

/* The server */

static void
supervisor_natsd_cb(void *arg)
{
	supervisor_changed(arg);
}

static int
supervisor_prepare_cb(void *arg, char **err)
{
	struct supervisor *s = arg;

	return (s->ops->prepare != NULL ? s->ops->prepare(s->arg, err) : 0);
}

static void
supervisor_ended_cb(void *arg)
{
	struct supervisor *s = arg;

	if (s->ops->ended != NULL)
		s->ops->ended(s->arg);
}

static struct natsd *
new_server(struct supervisor *s)
{
	const struct conf *c = s->settings->conf;
	char *dir = conf_path(s->svc->conf, s->ops->folder);
	struct natsd_opts o = {
		.name = s->ops->name,
		.binary = conf_str(c, NATS_SERVER),
		.dir = dir,
		.allow_old = conf_bool(c, NATS_ENABLE_OLD),
		.hang_ms = (unsigned)conf_int(c, NATS_HANG),
		.prepare = supervisor_prepare_cb,
		.ended = supervisor_ended_cb,
		.changed = supervisor_natsd_cb,
		.arg = s,
	};
	struct natsd *d = natsd_new(s->svc->base, &o);

	free(dir);
	return (d);
}

void
supervisor_configure(struct supervisor *s, const char *text, int restart)
{
	if (s->natsd == NULL)
		s->natsd = new_server(s);
	natsd_configure(s->natsd, text, restart);
}

static void
stop_server(struct supervisor *s)
{
	natsd_free(s->natsd);
	s->natsd = NULL;
}

/* What opsd says */

/* Takes the text. */
static void
set_fault(struct supervisor *s, char *why)
{
	if (why != NULL && (s->fault == NULL || strcmp(s->fault, why) != 0))
		log_errorx("%s server: %s", s->ops->name, why);
	free(s->fault);
	s->fault = why;
	supervisor_changed(s);
}

static void
take_settings(struct supervisor *s, struct settings *now)
{
	struct settings *was = s->settings;

	/* What it is called and whom it talks to is in all that runs. */
	if (was != NULL && !natsconf_same(was->conf, now->conf)) {
		settings_free(now);
		log_info("restarting, as nats.* are others");
		svc_restart(s->svc);
		return;
	}
	logconf_apply(role_name(s->ops->role), now->conf);
	s->settings = now;
	s->ops->apply(was, now, s->arg);
	if (!now->enabled || natsconf_is_external(now->conf))
		stop_server(s);
	settings_free(was);
	set_fault(s, NULL);
}

static int
on_settings(struct chan *c, struct msg *m, void *arg)
{
	struct supervisor *s = arg;
	size_t len = 0;
	const uint8_t *json = rd_blob(&m->body, &len);
	struct settings *now;
	char *err = NULL;

	if (!rd_done(&m->body))
		return (-1);
	/* opsd sends better ones once its operator has corrected them. */
	if ((now = settings_read(json, len, &err)) == NULL)
		set_fault(s, xasprintf("settings: %s", err));
	else
		take_settings(s, now);
	free(err);
	return (0);
}

static int
on_restart(struct chan *c, struct msg *m, void *arg)
{
	struct supervisor *s = arg;

	if (!rd_done(&m->body))
		return (-1);
	if (s->ops->restart != NULL && s->ops->restart(s->arg))
		return (0);
	log_info("restarting");
	svc_restart(s->svc);
	return (0);
}

static int
on_other(struct chan *c, struct msg *m, void *arg)
{
	struct supervisor *s = arg;
	const struct chan_handler *h;

	for (h = s->ops->handlers; h->type != m->type; h++)
		continue;
	return (h->fn(c, m, s->arg));
}

static void
supervisor_up_cb(struct chan *c, enum role peer, void *arg)
{
	struct supervisor *s = arg;

	free(s->told);
	s->told = NULL;
	if (s->ops->up != NULL)
		s->ops->up(c, s->arg);
	supervisor_changed(s);
}

/* The server stays: peers go on reading what it has. */
static void
supervisor_down_cb(struct chan *c, enum role peer, void *arg)
{
	struct supervisor *s = arg;

	if (s->ops->down != NULL)
		s->ops->down(c, s->arg);
}

/* The whole */

static struct chan_handler *
join_handlers(const struct supervisor_ops *ops)
{
	const struct chan_handler *h;
	struct chan_handler *all;
	size_t n = 0;

	for (h = ops->handlers; h->type != 0; h++)
		n++;
	all = xcalloc(n + 3, sizeof(*all));
	all[0] = (struct chan_handler){ MSG_SETTINGS, on_settings };
	all[1] = (struct chan_handler){ MSG_RESTART, on_restart };
	while (n-- > 0)
		all[n + 2] = (struct chan_handler){ ops->handlers[n].type, on_other };
	return (all);
}

struct supervisor *
supervisor_new(struct svc *svc, const struct supervisor_ops *ops, void *arg)
{
	struct supervisor *s = xcalloc(1, sizeof(*s));
	char *path = conf_run_path(svc->conf, "ops.sock");

	s->svc = svc;
	s->ops = ops;
	s->arg = arg;
	crypto_random_hex(s->instance, INSTANCE_LEN);
	crypto_random_hex(s->secret, SECRET_LEN);
	s->handlers = join_handlers(ops);
	s->chan_ops = (struct chan_ops){ s->handlers, supervisor_up_cb, supervisor_down_cb };
	if ((s->tell = evtimer_new(svc->base, supervisor_tell_cb, s)) == NULL)
		fatalx("%s server: no timer", ops->name);
	tell_after(s, EACH_MS);
	s->opsd = chan_dial(svc->base, path, ops->role, ROLE_OPSD, &s->chan_ops, s);
	free(path);
	return (s);
}

void
supervisor_free(struct supervisor *s)
{
	if (s == NULL)
		return;
	stop_server(s);
	chan_free(s->opsd);
	event_free(s->tell);
	settings_free(s->settings);
	free(s->handlers);
	free(s->fault);
	free(s->told);
	free(s);
}

void
supervisor_stop(struct supervisor *s)
{
	stop_server(s);
	settings_free(s->settings);
	s->settings = NULL;
	set_fault(s, NULL);
}

struct chan *
supervisor_opsd(const struct supervisor *s)
{
	return (s->opsd);
}

struct natsd *
supervisor_natsd(const struct supervisor *s)
{
	return (s->natsd);
}

const char *
supervisor_instance(const struct supervisor *s)
{
	return (s->instance);
}

const char *
supervisor_secret(const struct supervisor *s)
{
	return (s->secret);
}
