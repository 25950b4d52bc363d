#include "config.h"

#include "leafd/leaf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/logbrake.h"
#include "common/base/mem.h"
#include "common/conf/natsconf.h"
#include "common/ipc/svc.h"
#include "common/nats/natsd.h"
#include "common/nats/natstext.h"
#include "common/nats/subject.h"
#include "common/nats/supervisor.h"
#include "common/tls/crypto.h"
#include "leafd/catchup.h"
#include "leafd/consume.h"
#include "leafd/jsapi.h"
#include "leafd/leafconf.h"
#include "leafd/link/links.h"
#include "leafd/objects.h"
#include "leafd/publishers.h"
#include "leafd/stream_purge.h"
#include "leafd/stream_stats.h"

#define LEAF_FOLDER "clustering"
#define INCLUDE_MAX (1 << 20)
#define UNLIKE_US   20000000 /* before it is tried again to make a stream as it should be */

struct leaf {
	struct svc *svc;
	struct supervisor *sup;
	const struct settings *settings; /* NULL before the first */
	int told;                        /* those of the opsd that is there now */
	char *faults;                    /* what is wrong with leaf routes, as last logged */
	char *fixed;                     /* of the server's configuration: what is no reload */

	struct nats *nats;
	unsigned ups; /* how often it came up */
	struct jsapi *jsapi;
	char *login; /* what the connection was made with */

	struct publishers *publish;
	struct consume *consume;
	struct catchup_carrier *catchup;
	struct stream_purge *purge;
	struct objects *objects;
	struct stream_stats *stats;
	struct links *links;       /* run without the server as well */
	struct stream_opts stream; /* node borrowed from settings */
	unsigned shards;           /* so many of them */
	char *stuck; /* the stream's folder, which goes when the server has ended; or NULL */
	uint64_t unlike_since; /* its stream is not as it should be, mono_us; 0: it is */
	char *fault;           /* of work with external servers; NULL: none */
};

/* What opsd is told */

/* There may be more servers by now, or they take what they refused. */
static void
change_stream(struct leaf *l)
{
	if (!publishers_unlike(l->publish))
		l->unlike_since = 0;
	else if (l->unlike_since == 0)
		l->unlike_since = mono_us();
	else if (mono_us() - l->unlike_since > UNLIKE_US) {
		l->unlike_since = 0;
		publishers_look_again(l->publish);
	}
}

static void
leaf_state_cb(json_t *state, void *arg)
{
	struct leaf *l = arg;

	stream_stats_now(l->stats);
	change_stream(l);
	json_object_set_new(state, "peers", consume_state(l->consume));
	json_object_set_new(state, "stream", stream_stats_json(l->stats));
	json_object_set_new(state, "links", links_state(l->links));
	json_object_set_new(state, "dialling", links_dialling(l->links));
	json_object_set_new(state, "refused", links_refused(l->links));
	json_object_set_new(state, "listening", links_listening(l->links));
	json_object_set_new(json_object_get(state, "counts"), "reconnects",
	    json_pack("{s:i}", "leaf", l->ups > 0 ? (int)l->ups - 1 : 0));
}

static void
leaf_changed_cb(void *arg)
{
	struct leaf *l = arg;

	supervisor_changed(l->sup);
}

/* A stream that does not answer */

/*
 * Damaged blocks can keep a server busy with them for ever, which answers everything else.  The
 * stream is of what opsd's log has: it is made anew from that.
 */
static void
leaf_dropped_cb(const struct jsapi_answer *ans, void *arg)
{
	static struct log_brake brake = { .most = 2 };
	struct leaf *l = arg;

	if (ans->why == NULL)
		log_errorx(
		    "the stream of this node did not answer for too long (twice "
		    "natsServer.hangTimeout): it was deleted, and is made anew from the log");
	else if (ans->root != NULL && ans->err_code != JSAPI_NOT_FOUND)
		log_braked(&brake, LOG_WARN,
		    "the stream of this node does not answer, and cannot be deleted: %s", ans->why);
	publishers_count_anew(l->publish);
}

/*
 * External servers: one that is away for good may be the only one that had the stream, or most of those
 * that had.  The others make it anew where it can be; while there are too few of them, they do nothing.
 */
static void
drop_stream(struct leaf *l, struct shard s)
{
	char *name = subject_stream(jsapi_names(l->jsapi), l->settings->node, s);
	char *subject = jsapi_subject(l->jsapi, NULL, "STREAM.DELETE", name);

	publishers_count_anew(l->publish);
	jsapi_ask(l->jsapi, NULL, subject, NULL, leaf_dropped_cb, l);
	free(subject);
	free(name);
}

static void
leaf_unanswered_cb(struct shard s, uint64_t us, uint64_t failing_us, void *arg)
{
	struct leaf *l = arg;
	struct natsd *d = supervisor_natsd(l->sup);
	int64_t most = conf_int(l->settings->conf, NATS_HANG);
	char *refused = nats_why_refused(l->nats);
	int permitted = refused == NULL;

	free(refused);
	/* One that answers nothing at all is killed for that after half the time, and keeps its store. */
	if (natsconf_is_external(l->settings->conf)) {
		if (permitted && failing_us / 1000 >= 2 * (uint64_t)most)
			drop_stream(l, s);
		return;
	}
	if (l->stuck != NULL || us / 1000 < 2 * (uint64_t)most)
		return;
	log_errorx(
	    "leaf server: its stream has not answered for %d s (twice natsServer.hangTimeout): "
	    "the server is started anew, and the stream made anew from the log",
	    (int)(us / 1000000));
	l->stuck = leafconf_stream_path(l->settings, s);
	natsd_renew(d, 0);
}

static void
leaf_ended_cb(void *arg)
{
	struct leaf *l = arg;

	if (l->stuck != NULL && file_remove_tree(l->stuck) == -1)
		log_error("leaf server: cannot remove %s", l->stuck);
	free(l->stuck);
	l->stuck = NULL;
}

/* What runs */

/* Work goes on while opsd, its settings and the connection are there. */
static void
start_or_stop(struct leaf *l)
{
	if (l->told && l->settings->enabled && nats_is_up(l->nats)) {
		publishers_start(l->publish, l->jsapi);
		consume_start(l->consume, l->jsapi, l->settings->node);
		catchup_start(l->catchup, l->jsapi, l->settings->node);
		stream_purge_start(l->purge, l->jsapi, l->settings->node, l->shards);
		objects_start(l->objects, l->jsapi);
		stream_stats_start(l->stats, l->jsapi, l->settings->node, l->shards);
	} else {
		publishers_stop(l->publish);
		consume_stop(l->consume);
		catchup_stop(l->catchup);
		stream_purge_stop(l->purge);
		objects_stop(l->objects);
		stream_stats_stop(l->stats);
	}
}

static void
leaf_nats_cb(int up, void *arg)
{
	struct leaf *l = arg;

	if (up)
		l->ups++;
	start_or_stop(l);
}

static void
disconnect_leaf(struct leaf *l)
{
	struct nats *n = l->nats;

	l->nats = NULL;
	start_or_stop(l);
	nats_close(n);
	jsapi_free(l->jsapi);
	l->jsapi = NULL;
	free(l->login);
	l->login = NULL;
}

static void
connect_as(struct leaf *l, const struct settings *s)
{
	int own = !natsconf_is_external(s->conf);
	struct nats_opts o = { .conf = s->conf,
		.user = own ? s->user : NULL,
		.password = own ? s->password : NULL };
	char *url = own ? natstext_leaf_url(s->conf) : NULL;
	char *name = xasprintf("%s-leafd", s->node);
	char *login = xasprintf("%s\n%s\n%s\n%s", own ? url : "", name, own ? s->user : "",
	    own ? s->password : "");

	if (l->login == NULL || strcmp(l->login, login) != 0) {
		disconnect_leaf(l);
		o.url = url;
		o.name = name;
		l->login = xstrdup(login);
		l->nats = nats_open(l->svc->base, &o, leaf_nats_cb, l);
		l->jsapi = jsapi_new(l->nats);
	}
	free(login);
	free(name);
	free(url);
}

/* Of nats.server_config: what it holds; the server says what is wrong with it. */
static char *
include_made(const struct settings *s)
{
	const char *path = conf_str(s->conf, NATS_SERVER_CONFIG);
	char hex[65] = "", *text;
	size_t n;

	if (path == NULL)
		return (NULL);
	if ((text = file_read(path, INCLUDE_MAX, &n)) != NULL)
		crypto_sha256_hex(text, n, hex);
	free(text);
	return (xstrdup(hex));
}

/* A reload does not take over changed remotes, so nearly any change is a restart. */
static void
configure_server(struct leaf *l, const struct settings *s)
{
	char *dir = conf_path(l->svc->conf, LEAF_FOLDER), *made = include_made(s);
	struct leafconf_run run = {
		.instance = supervisor_instance(l->sup),
		.sys_password = supervisor_secret(l->sup),
		.dir = dir,
		.include = conf_str(s->conf, NATS_SERVER_CONFIG),
		.include_made = made,
	};
	char *faults = NULL, *again = NULL, *fixed = leafconf_text(s, &run, 0, &again);
	char *text = leafconf_text(s, &run, 1, &faults);

	free(again);
	if (faults != NULL && (l->faults == NULL || strcmp(l->faults, faults) != 0))
		log_warnx("%s", faults);
	free(l->faults);
	l->faults = faults;
	supervisor_configure(l->sup, text, l->fixed == NULL || strcmp(l->fixed, fixed) != 0);
	free(l->fixed);
	l->fixed = fixed;
	free(text);
	free(made);
	free(dir);
}

/* What opsd says */

static void
set_stream(struct leaf *l, const struct settings *s)
{
	struct stream_opts o = {
		.node = s->node,
		.max_age = conf_int(s->conf, STREAM_MAX_AGE),
		.max_bytes = conf_int(s->conf, STREAM_MAX_BYTES),
		.max_msgs = conf_int(s->conf, STREAM_MAX_MSGS),
		.max_entries = conf_int(s->conf, LOG_MAX_ENTRIES),
		.copies = conf_int(s->conf, LOG_REPLICAS),
		.compress = conf_bool(s->conf, LOG_COMPRESS),
	};
	const struct stream_opts *was = &l->stream;
	unsigned n = (unsigned)conf_int(s->conf, LOG_SHARDS);

	memcpy(o.node_id, s->node_id, NODE_ID_LEN);
	if (was->node == NULL || strcmp(was->node, o.node) != 0 ||
	    memcmp(was->node_id, o.node_id, NODE_ID_LEN) != 0 || was->max_age != o.max_age ||
	    was->max_bytes != o.max_bytes || was->max_msgs != o.max_msgs || l->shards != n ||
	    was->max_entries != o.max_entries || was->copies != o.copies ||
	    was->compress != o.compress)
		publishers_set(l->publish, &o, n);
	l->stream = o;
	if (l->shards != n) {
		stream_purge_stop(l->purge);
		stream_stats_stop(l->stats);
	}
	l->shards = n;
}

static void
leaf_apply_cb(const struct settings *was, const struct settings *now, void *arg)
{
	struct leaf *l = arg;

	/* All that runs has the node's name and id in it. */
	if (was != NULL &&
	    (!now->enabled || strcmp(was->node, now->node) != 0 ||
		memcmp(was->node_id, now->node_id, NODE_ID_LEN) != 0))
		disconnect_leaf(l);
	l->settings = now;
	l->told = 1;
	if (now->enabled) {
		set_stream(l, now);
		consume_set_batch(l->consume, conf_int(now->conf, STREAM_MAX_CONSUME));
		if (!natsconf_is_external(now->conf))
			configure_server(l, now);
		connect_as(l, now);
	} else
		l->stream.node = NULL;
	start_or_stop(l);
}

static int
on_consume(struct chan *c, struct msg *m, void *arg)
{
	struct leaf *l = arg;
	const uint8_t *text;
	json_t *wanted;
	size_t n = 0;
	int result;

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
on_catchup(struct chan *c, struct msg *m, void *arg)
{
	struct leaf *l = arg;

	return (catchup_ask(l->catchup, m));
}

static int
on_stream_purge(struct chan *c, struct msg *m, void *arg)
{
	struct leaf *l = arg;

	return (stream_purge_ask(l->purge, m));
}

static int
on_object(struct chan *c, struct msg *m, void *arg)
{
	struct leaf *l = arg;

	return (objects_ask(l->objects, m));
}

static int
on_links(struct chan *c, struct msg *m, void *arg)
{
	struct leaf *l = arg;

	return (links_set(l->links, m));
}

static int
on_link_ask(struct chan *c, struct msg *m, void *arg)
{
	struct leaf *l = arg;

	return (links_ask(l->links, m));
}

static int
on_link_pull(struct chan *c, struct msg *m, void *arg)
{
	struct leaf *l = arg;

	return (links_pull(l->links, m));
}

static int
on_link_log(struct chan *c, struct msg *m, void *arg)
{
	struct leaf *l = arg;

	return (links_log(l->links, m));
}

static int
on_link_close(struct chan *c, struct msg *m, void *arg)
{
	struct leaf *l = arg;

	return (links_close(l->links, m));
}

static void
leaf_down_cb(struct chan *c, void *arg)
{
	struct leaf *l = arg;

	l->told = 0;
	consume_forget(l->consume);
	links_forget(l->links);
	start_or_stop(l);
}

static const struct chan_handler leaf_handlers[] = {
	{ MSG_CONSUME, on_consume },
	{ MSG_CATCHUP, on_catchup },
	{ MSG_STREAM_PURGE, on_stream_purge },
	{ MSG_OBJECT_MAKE, on_object },
	{ MSG_OBJECT_LIST, on_object },
	{ MSG_OBJECT_PUT, on_object },
	{ MSG_OBJECT_NAME, on_object },
	{ MSG_OBJECT_GET, on_object },
	{ MSG_OBJECT_DROP, on_object },
	{ MSG_LINKS, on_links },
	{ MSG_LINK_ASK, on_link_ask },
	{ MSG_LINK_PULL, on_link_pull },
	{ MSG_LINK_LOG, on_link_log },
	{ MSG_LINK_CLOSE, on_link_close },
	{ 0 },
};

static struct nats *
leaf_connection_cb(void *arg)
{
	struct leaf *l = arg;

	return (l->nats);
}

static const char *
leaf_fault_cb(void *arg)
{
	struct leaf *l = arg;
	int64_t least = natsconf_max_payload(l->settings->conf), most = nats_max_payload(l->nats);
	int64_t copies = publishers_copies(l->publish);
	const char *why = publishers_fault(l->publish);

	free(l->fault);
	l->fault = NULL;
	if (why != NULL)
		l->fault = xasprintf("the stream of this node: %s", why);
	else if (copies != 0 && copies < l->stream.copies)
		l->fault =
		    xasprintf("the stream of this node is on %d of %d servers "
			      "(replication_log.replicas): no more of them are there with room "
			      "for it",
			(int)copies, (int)l->stream.copies);
	else if (most < least)
		l->fault = xasprintf("its max_payload is %" PRId64
				     " bytes, and clustering.maxTransaction "
				     "needs %" PRId64 ": raise the former or lower the latter",
		    most, least);
	return (l->fault);
}

static const struct supervisor_ops leaf_ops = {
	.name = "leaf",
	.folder = LEAF_FOLDER,
	.role = ROLE_LEAFD,
	.state_type = MSG_LEAF_STATE,
	.handlers = leaf_handlers,
	.down = leaf_down_cb,
	.apply = leaf_apply_cb,
	.connection = leaf_connection_cb,
	.fault = leaf_fault_cb,
	.ended = leaf_ended_cb,
	.state = leaf_state_cb,
};

struct leaf *
leaf_start(struct svc *svc)
{
	struct leaf *l = xcalloc(1, sizeof(*l));
	struct chan *opsd;

	l->svc = svc;
	l->sup = supervisor_new(svc, &leaf_ops, l);
	opsd = supervisor_opsd(l->sup);
	l->publish = publishers_new(svc->base, opsd, leaf_unanswered_cb, l);
	l->consume = consume_new(svc->base, opsd, leaf_changed_cb, l);
	l->catchup = catchup_new(opsd);
	l->purge = stream_purge_new(opsd);
	l->objects = objects_new(opsd);
	l->stats = stream_stats_new();
	l->links = links_new(svc->base, opsd, supervisor_instance(l->sup), leaf_changed_cb, l);
	return (l);
}

void
leaf_stop(struct leaf *l)
{
	l->told = 0;
	disconnect_leaf(l);
	supervisor_free(l->sup);
	catchup_free(l->catchup);
	stream_purge_free(l->purge);
	objects_free(l->objects);
	stream_stats_free(l->stats);
	links_free(l->links);
	consume_free(l->consume);
	publishers_free(l->publish);
	free(l->faults);
	free(l->fixed);
	free(l->stuck);
	free(l->fault);
	free(l);
}
