#include "config.h"

#include "leafd/leafconf.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/nats/natstext.h"
#include "common/nats/subject.h"

#define ROUTES_MAX 1000
#define MAX_STORE  (1LL << 50) /* the stream has its own limit */

/*
 * JetStream's API at this node that peers have no use for.  They need
 * STREAM.NAMES, STREAM.INFO, STREAM.MSG.GET, CONSUMER.CREATE, INFO, DELETE and MSG.NEXT.
 */
static const char *const denied_api[] = {
	"INFO",
	"ACCOUNT.>",
	"SERVER.>",
	"META.>",
	"DIRECT.GET.>",
	"STREAM.CREATE.*",
	"STREAM.UPDATE.*",
	"STREAM.DELETE.*",
	"STREAM.PURGE.*",
	"STREAM.SNAPSHOT.*",
	"STREAM.RESTORE.*",
	"STREAM.LIST",
	"STREAM.MSG.DELETE.*",
	"STREAM.PEER.>",
	"STREAM.LEADER.>",
	"STREAM.TEMPLATE.>",
	"CONSUMER.DURABLE.>",
	"CONSUMER.NAMES.*",
	"CONSUMER.LIST.*",
	"CONSUMER.LEADER.>",
	"CONSUMER.PAUSE.>",
	"CONSUMER.UNPIN.>",
	"CONSUMER.RESET.>",
};

static void
add_tls(struct buf *b, const struct settings *s, int insecure)
{
	buf_addf(b, "tls {\n");
	natstext_tls_suites(b);
	natstext_tls_files(b, s);
	if (insecure)
		buf_addf(b, "insecure: true\n");
	buf_addf(b, "timeout: 5\n}\n");
}

/*
 * Only requests and what consumers ask for cross a link: no node publishes
 * into another one's stream or object store ($O), and none manages it.
 */
static void
add_denied(struct buf *b, const struct settings *s)
{
	const char *prefix = conf_str(s->conf, NATS_SUBJECT_PREFIX);
	char *subject;
	size_t i;

	buf_addf(b,
	    "deny_exports: [ \"%s.txn.>\", \"%s.shard.>\", \"$O.>\" ]\n"
	    "deny_imports: [\n\"%s.txn.>\"\n\"%s.shard.>\"\n\"$O.>\"\n",
	    prefix, prefix, prefix, prefix);
	for (i = 0; i < sizeof(denied_api) / sizeof(denied_api[0]); i++) {
		subject = xasprintf("$JS.%s.API.%s", s->node, denied_api[i]);
		natstext_quote(b, subject);
		buf_u8(b, '\n');
		free(subject);
	}
	buf_addf(b, "]\n");
}

/* Remotes */

struct route {
	const char *scheme, *host;
	int64_t port;
	int separate;
};

static const char *
route_scheme(const json_t *tls)
{
	const char *word = json_string_value(tls);

	if (tls == NULL || json_is_null(tls) || json_is_true(tls))
		return ("tls");
	if (json_is_false(tls))
		return ("nats");
	return (word != NULL && strcmp(word, "wss") == 0 ? "wss" : NULL);
}

/* -1 when it is no route. */
static int
route_read(const json_t *json, struct route *r)
{
	r->scheme = route_scheme(json_object_get(json, "tls"));
	r->separate = json_is_true(json_object_get(json, "separate"));
	return (r->scheme != NULL ? natstext_route(json, &r->host, &r->port) : -1);
}

/* Said to another node: nothing where the certificate tells who this is. */
static struct natstext_login
remote_login(const struct settings *s)
{
	if (s->link_users != NULL)
		return ((struct natstext_login){ NULL, NULL });
	return ((struct natstext_login){ s->user, s->password });
}

static void
begin_remote(struct buf *b)
{
	buf_addf(b, "{\naccount: DATA\nurls: [\n");
}

static void
end_remote(struct buf *b, const struct settings *s, const char *scheme, int insecure)
{
	buf_addf(b, "]\n");
	if (strcmp(scheme, "nats") != 0)
		add_tls(b, s, insecure);
	add_denied(b, s);
	buf_addf(b, "}\n");
}

/* The own hub is whoever has the port here: only what opsd made has the address that it is
 * dialled by. */
static void
add_own_hub(struct buf *b, const struct settings *s)
{
	struct natstext_login login = remote_login(s);

	begin_remote(b);
	natstext_route_url(b, &login, "tls", natstext_dialled(conf_str(s->conf, HUB_LEAF_HOST)),
	    conf_int(s->conf, HUB_LEAF_PORT));
	end_remote(b, s, "tls", s->made == NULL);
}

static void
add_separate(struct buf *b, const struct settings *s, const struct route *r)
{
	struct natstext_login login = remote_login(s);

	begin_remote(b);
	natstext_route_url(b, &login, r->scheme, r->host, r->port);
	end_remote(b, s, r->scheme, s->insecure);
}

static void
add_leaf_routes(struct buf *b, const struct settings *s, struct buf *faults)
{
	const json_t *list = conf_list(s->conf, LEAF_ROUTES), *json;
	struct natstext_login login = remote_login(s);
	const char *scheme = NULL;
	struct buf separate = { 0 };
	struct route r;
	size_t i;

	json_array_foreach(list, i, json) {
		if (i >= ROUTES_MAX || route_read(json, &r) == -1) {
			buf_addf(faults, "leaf route %zu is no {host, port, tls, separate}\n",
			    i + 1);
		} else if (r.separate) {
			add_separate(&separate, s, &r);
		} else if (scheme != NULL && strcmp(scheme, r.scheme) != 0) {
			buf_addf(faults,
			    "leaf route %s:%" PRId64 " is left out: one link cannot "
			    "be %s and %s\n",
			    r.host, r.port, scheme, r.scheme);
		} else {
			if (scheme == NULL)
				begin_remote(b);
			scheme = r.scheme;
			natstext_route_url(b, &login, r.scheme, r.host, r.port);
		}
	}
	if (scheme != NULL)
		end_remote(b, s, scheme, s->insecure);
	buf_add(b, separate.data, separate.len);
	buf_free(&separate);
}

/*
 * More of the operator's: before all that the node sets, so that this counts.  It is a file of its
 * own to the server, which takes only names relative to the one that names it.
 */
static void
add_include(struct buf *b, const struct leafconf_run *run)
{
	struct buf path = { 0 };
	const char *s;

	if (run->include == NULL)
		return;
	for (s = run->dir; *s != '\0'; s++)
		if (s[0] == '/' && s[1] != '/' && s[1] != '\0')
			buf_addf(&path, "../");
	buf_addf(&path, "%s", run->include + (*run->include == '/'));
	buf_u8(&path, 0);
	buf_addf(b, "# %s\ninclude ", run->include_made);
	natstext_quote(b, (const char *)path.data);
	buf_addf(b, "\n");
	buf_free(&path);
}

static void
add_place(struct buf *b, const struct settings *s)
{
	struct repaddress at = natsconf_leaf(s->conf);

	natstext_string(b, "host", at.host);
	buf_addf(b, "port: %d\n", at.port);
}

static void
add_jetstream(struct buf *b, const struct settings *s)
{
	buf_addf(b, "jetstream {\n");
	natstext_string(b, "store_dir", conf_str(s->conf, STREAM_PATH));
	natstext_string(b, "domain", s->node);
	buf_addf(b, "max_memory_store: %d\nmax_file_store: %lld\n}\n", 64 << 20, MAX_STORE);
}

char *
leafconf_stream_path(const struct settings *s, struct shard of)
{
	struct natsconf_names names = natsconf_names(s->conf);
	char *name = subject_stream(&names, s->node, of);
	char *path = xasprintf("%s/jetstream/DATA/streams/%s", conf_str(s->conf, STREAM_PATH),
	    name);

	free(name);
	return (path);
}

char *
leafconf_text(const struct settings *s, const struct leafconf_run *run, int live, char **faults)
{
	struct buf b = { 0 }, wrong = { 0 };
	char *name = xasprintf("%s-leaf.%s", s->node, run->instance);

	add_include(&b, run);
	natstext_string(&b, "server_name", name);
	free(name);
	add_place(&b, s);
	natstext_limits(&b, s->conf);
	natstext_log_level(&b, s->conf);
	if (live)
		natstext_made(&b, s);
	add_jetstream(&b, s);
	buf_addf(&b, "leafnodes { remotes: [\n");
	add_own_hub(&b, s);
	add_leaf_routes(&b, s, &wrong);
	buf_addf(&b, "] }\n");
	natstext_accounts(&b, s,
	    &(struct natstext_accounts){ .sys_password = run->sys_password,
		.data = "jetstream: enabled, " });
	buf_u8(&b, 0);
	*faults = NULL;
	if (wrong.len > 0)
		*faults = xstrndup((const char *)wrong.data, wrong.len - 1);
	buf_free(&wrong);
	return ((char *)buf_take(&b, NULL));
}
