#include "config.h"

#include "leafd/leaf.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/conf/logconf.h"
#include "common/ipc/chan.h"
#include "common/ipc/svc.h"
#include "common/nats/natsd.h"
#include "common/nats/natstext.h"
#include "common/tls/crypto.h"
#include "leafd/ask.h"
#include "leafd/consume.h"
#include "leafd/leafconf.h"
#include "leafd/measure.h"
#include "leafd/publish.h"
#include "leafd/pull.h"
#include "leafd/purge.h"

#define SECRET_LEN	16
#define STATE_MS	20	/* changes are told together */
#define STATE_EACH_MS	1000	/* what nobody calls us back for */

struct leaf {
	struct svc		*svc;
	struct chan		*opsd;
	int			 told;		/* SETTINGS of this opsd are here */
	struct settings		*settings;	/* NULL before the first */
	char			 sys_password[2 * SECRET_LEN + 1];	/* both made at the start */
	char			 instance[2 * SECRET_LEN + 1];

	struct natsd		*natsd;
	char			*text;		/* its configuration */
	char			*fault;		/* why its settings are of no use; NULL: they are */

	struct nats		*nats;
	unsigned		 ups;		/* how often it came up */
	struct asker		*asker;
	char			*login;		/* what the connection was made with */

	struct publish		*publish;
	struct consume		*consume;
	struct pull		*pull;
	struct purge		*purge;
	struct measure		*measure;
	struct stream_opts	 stream;	/* node borrowed from settings */

	struct event		*tell;
	char			*state;		/* as last told */
};

/* What opsd is told */

static json_t *
counts(const struct leaf *l)
{
	return (json_pack("{s:i, s:i, s:{s:i}}", "ended", (int)natsd_restarts(l->natsd, 1),
	    "renewed", (int)natsd_restarts(l->natsd, 0), "reconnects", "leaf",
	    l->ups > 0 ? (int)l->ups - 1 : 0));
}

static void
tell_state(struct leaf *l)
{
	json_t		*o;
	char		*text;
	struct buf	 b = { 0 };

	if (!chan_is_up(l->opsd))
		return;
	o = json_pack("{s:o, s:o, s:o, s:o, s:o}", "server", natsd_json(l->natsd, l->fault), "peers",
	    consume_state(l->consume), "counts", counts(l), "stream", measure_json(l->measure),
	    "handshakes", natsd_handshakes(l->natsd));
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	if (l->state != NULL && strcmp(text, l->state) == 0) {
		free(text);
		return;
	}
	buf_blob(&b, text, strlen(text));
	chan_send(l->opsd, MSG_LEAF_STATE, &b);
	free(l->state);
	l->state = text;
}

static void
tell_after(struct leaf *l, unsigned ms)
{
	struct timeval wait = { ms / 1000, (ms % 1000) * 1000 };

	evtimer_add(l->tell, &wait);
}

static void
leaf_tell_cb(evutil_socket_t fd, short what, void *arg)
{
	struct leaf *l = arg;

	measure_now(l->measure);
	tell_state(l);
	tell_after(l, STATE_EACH_MS);
}

static void
leaf_changed_cb(void *arg)
{
	tell_after(arg, STATE_MS);
}

/* What runs */

/* Work goes on while opsd, its settings and the connection are there. */
static void
follow(struct leaf *l)
{
	if (l->told && l->settings->enabled && nats_is_up(l->nats)) {
		publish_start(l->publish, l->asker);
		consume_start(l->consume, l->asker, l->settings->node);
		pull_start(l->pull, l->asker, l->settings->node);
		purge_start(l->purge, l->asker, l->settings->node);
		measure_start(l->measure, l->asker, l->settings->node);
	} else {
		publish_stop(l->publish);
		consume_stop(l->consume);
		pull_stop(l->pull);
		purge_stop(l->purge);
		measure_stop(l->measure);
	}
}

static void
leaf_nats_cb(int up, void *arg)
{
	struct leaf *l = arg;

	if (up)
		l->ups++;
	follow(l);
}

static void
disconnect(struct leaf *l)
{
	struct nats *n = l->nats;

	l->nats = NULL;
	follow(l);
	nats_close(n);
	asker_free(l->asker);
	l->asker = NULL;
	free(l->login);
	l->login = NULL;
}

static void
connect_as(struct leaf *l, const struct settings *s)
{
	struct nats_opts	 o = { .user = s->user, .password = s->password };
	char			*url = natstext_url(conf_str(s->conf, LEAF_HOST),
				    conf_int(s->conf, LEAF_PORT));
	char			*name = xasprintf("%s-leafd", s->node);
	char			*login = xasprintf("%s\n%s\n%s\n%s", url, name, s->user, s->password);

	if (l->login == NULL || strcmp(l->login, login) != 0) {
		disconnect(l);
		o.url = url;
		o.name = name;
		l->login = xstrdup(login);
		l->nats = nats_open(l->svc->base, &o, leaf_nats_cb, l);
		l->asker = asker_new(l->nats);
	}
	free(login);
	free(name);
	free(url);
}

static void
stop_server(struct leaf *l)
{
	disconnect(l);
	natsd_free(l->natsd);
	l->natsd = NULL;
	free(l->text);
	l->text = NULL;
}

static struct natsd *
new_server(struct leaf *l, const struct settings *s)
{
	char			*dir = conf_path(s->conf, "clustering");
	struct natsd_opts	 o = {
		.name = "leaf", .binary = conf_str(s->conf, NATS_SERVER), .dir = dir,
		.allow_old = conf_bool(s->conf, NATS_ENABLE_OLD),
		.hang_ms = (unsigned)conf_int(s->conf, NATS_HANG),
		.changed = leaf_changed_cb, .arg = l,
	};
	struct natsd		*d = natsd_new(l->svc->base, &o);

	free(dir);
	return (d);
}

/* A reload does not take over changed remotes, so any change is a restart. */
static void
configure(struct leaf *l, const struct settings *s)
{
	char	*faults = NULL, *text = leafconf_text(s, l->instance, l->sys_password, &faults);

	if (l->natsd == NULL)
		l->natsd = new_server(l, s);
	if (faults != NULL && (l->text == NULL || strcmp(l->text, text) != 0))
		log_warnx("%s", faults);
	free(faults);
	natsd_configure(l->natsd, text, 1);
	free(l->text);
	l->text = text;
}

static void
set_fault(struct leaf *l, char *why)
{
	if (why != NULL && (l->fault == NULL || strcmp(l->fault, why) != 0))
		log_errorx("leaf server: %s", why);
	free(l->fault);
	l->fault = why;
	leaf_changed_cb(l);
}

/* What opsd says */

static void
set_stream(struct leaf *l, const struct settings *s)
{
	struct stream_opts o = { .node = s->node, .max_age = conf_int(s->conf, STREAM_MAX_AGE),
	    .max_bytes = conf_int(s->conf, STREAM_MAX_BYTES),
	    .max_msgs = conf_int(s->conf, STREAM_MAX_MSGS) };
	const struct stream_opts *was = &l->stream;

	memcpy(o.node_id, s->node_id, NODE_ID_LEN);
	if (was->node == NULL || strcmp(was->node, o.node) != 0 ||
	    memcmp(was->node_id, o.node_id, NODE_ID_LEN) != 0 || was->max_age != o.max_age ||
	    was->max_bytes != o.max_bytes || was->max_msgs != o.max_msgs)
		publish_set(l->publish, &o);
	l->stream = o;
}

static void
take_settings(struct leaf *l, struct settings *s)
{
	struct settings		*was = l->settings;

	log_conf("leafd", s->conf);
	/* Names and ids are in all that runs. */
	if (was != NULL && s->enabled && was->enabled && (strcmp(was->node, s->node) != 0 ||
	    memcmp(was->node_id, s->node_id, NODE_ID_LEN) != 0))
		disconnect(l);
	l->settings = s;
	l->told = 1;
	if (s->enabled) {
		set_stream(l, s);
		consume_set_batch(l->consume, conf_int(s->conf, STREAM_MAX_CONSUME));
		configure(l, s);
		connect_as(l, s);
	} else {
		stop_server(l);
		l->stream.node = NULL;
	}
	set_fault(l, NULL);
	settings_free(was);
	follow(l);
}

static int
on_settings(struct chan *c, struct msg *m, void *arg)
{
	struct leaf		*l = arg;
	struct settings		*s;
	const uint8_t		*json;
	char			*err = NULL;
	size_t			 n = 0;

	json = rd_blob(&m->body, &n);
	if (!rd_done(&m->body))
		return (-1);
	s = settings_read(json, n, &err);
	if (s == NULL) {
		/* opsd sends better ones once its operator has corrected them. */
		set_fault(l, err);
		return (0);
	}
	take_settings(l, s);
	return (0);
}

static int
on_consume(struct chan *c, struct msg *m, void *arg)
{
	struct leaf	*l = arg;
	const uint8_t	*text;
	json_t		*wanted;
	size_t		 n = 0;
	int		 result;

	text = rd_blob(&m->body, &n);
	if (!rd_done(&m->body))
		return (-1);
	wanted = json_loadb((const char *)text, n, JSON_REJECT_DUPLICATES, NULL);
	if (wanted == NULL)
		return (-1);
	result = consume_want(l->consume, wanted);
	json_decref(wanted);
	return (result);
}

static int
on_pull(struct chan *c, struct msg *m, void *arg)
{
	struct leaf *l = arg;

	return (pull_ask(l->pull, m));
}

static int
on_stream_purge(struct chan *c, struct msg *m, void *arg)
{
	struct leaf *l = arg;

	return (purge_ask(l->purge, m));
}

static void
leaf_up_cb(struct chan *c, enum role peer, void *arg)
{
	struct leaf *l = arg;

	free(l->state);
	l->state = NULL;
	tell_after(l, STATE_MS);
}

/* The leaf server stays: peers go on reading what it has. */
static void
leaf_down_cb(struct chan *c, enum role peer, void *arg)
{
	struct leaf *l = arg;

	l->told = 0;
	consume_forget(l->consume);
	follow(l);
}

static int
on_restart(struct chan *c, struct msg *m, void *arg)
{
	struct leaf *l = arg;

	if (!rd_done(&m->body))
		return (-1);
	log_info("restarting");
	svc_restart(l->svc);
	return (0);
}

static const struct chan_handler leaf_handlers[] = {
	{ MSG_SETTINGS, on_settings }, { MSG_RESTART, on_restart },
	{ MSG_CONSUME, on_consume },
	{ MSG_PULL, on_pull },
	{ MSG_STREAM_PURGE, on_stream_purge },
	{ 0 },
};

static const struct chan_ops leaf_ops = {
	.handlers = leaf_handlers,
	.up = leaf_up_cb,
	.down = leaf_down_cb,
};

struct leaf *
leaf_start(struct svc *svc)
{
	struct leaf	*l = xcalloc(1, sizeof(*l));
	char		*path = conf_run_path(svc->conf, "ops.sock");

	l->svc = svc;
	crypto_random_hex(l->sys_password, SECRET_LEN);
	crypto_random_hex(l->instance, SECRET_LEN);
	l->tell = evtimer_new(svc->base, leaf_tell_cb, l);
	if (l->tell == NULL)
		fatalx("leaf: no timer");
	l->opsd = chan_dial(svc->base, path, ROLE_LEAFD, ROLE_OPSD, &leaf_ops, l);
	free(path);
	l->publish = publish_new(svc->base, l->opsd);
	l->consume = consume_new(svc->base, l->opsd, leaf_changed_cb, l);
	l->pull = pull_new(l->opsd);
	l->purge = purge_new(l->opsd);
	l->measure = measure_new();
	return (l);
}

void
leaf_stop(struct leaf *l)
{
	l->told = 0;
	stop_server(l);
	chan_free(l->opsd);
	pull_free(l->pull);
	purge_free(l->purge);
	measure_free(l->measure);
	consume_free(l->consume);
	publish_free(l->publish);
	settings_free(l->settings);
	event_free(l->tell);
	free(l->fault);
	free(l->state);
	free(l);
}
