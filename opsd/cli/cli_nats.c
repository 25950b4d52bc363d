#include "config.h"

#include "opsd/cli/cli_command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/conf/natsconf.h"
#include "common/nats/natstext.h"
#include "common/nats/nkey.h"
#include "common/nats/subject.h"

/* hubleaf nats-permissions: what a node may do in a NATS cluster, for that cluster's configuration. */

#define SEED_MAX 65536

struct rights {
	struct natsconf_names names;
	const char *node;
	unsigned streams;
	struct buf out;
};

static void
put_subject(struct rights *r, char *subject)
{
	buf_addf(&r->out, "      ");
	natstext_quote(&r->out, subject);
	buf_addf(&r->out, "\n");
	free(subject);
}

/* Of the stream's own API: with its name, or any. */
static void
put_api(struct rights *r, const char *const *verbs, const char *of)
{
	char *api = subject_api(&r->names, NULL);

	for (; *verbs != NULL; verbs++)
		put_subject(r,
		    xasprintf("%s.%s%s%s", api, *verbs, of != NULL ? "." : "",
			of != NULL ? of : ""));
	free(api);
}

/* Snapshots: those of all nodes are in one object store. */
static void
put_object_store(struct rights *r, const struct conf *c)
{
	static const char *const own[] = { "STREAM.CREATE", "STREAM.PURGE", "STREAM.MSG.GET",
		NULL };
	const char *bucket = conf_str(c, SNAPSHOT_BUCKET);
	char *stream;

	if (!conf_bool(c, SNAPSHOT_ENABLED) || strcmp(conf_str(c, SNAPSHOT_STORE), "nats") != 0)
		return;
	stream = xasprintf("OBJ_%s", bucket);
	put_subject(r, xasprintf("$O.%s.>", bucket));
	put_api(r, own, stream);
	free(stream);
}

static void
put_own(struct rights *r, const char *const *verbs, struct shard s)
{
	char *stream = subject_stream(&r->names, r->node, s);

	put_api(r, verbs, stream);
	free(stream);
}

static void
put_publish(struct rights *r, const struct conf *c)
{
	static const char *const own[] = { "STREAM.CREATE", "STREAM.UPDATE", "STREAM.DELETE",
		"STREAM.PURGE", "STREAM.MSG.GET", "DIRECT.GET", NULL };
	static const char *const any[] = { "STREAM.INFO.*", "STREAM.NAMES", "STREAM.LIST",
		"CONSUMER.CREATE.*.>", "CONSUMER.INFO.*.*", "CONSUMER.DELETE.*.*",
		"CONSUMER.MSG.NEXT.*.*", NULL };
	unsigned k;

	/* Into its own stream; questions to all nodes, and answers. */
	put_subject(r, subject_txns(&r->names, r->node, (struct shard){ 0, 1 }));
	put_subject(r, subject_txns(&r->names, r->node, (struct shard){ 0, 0 }));
	put_subject(r, xasprintf("%s.req.*.*", r->names.subjects));
	put_subject(r, xasprintf("%s.catchup.*", r->names.subjects));
	put_subject(r, subject_word(&r->names, "ping"));
	put_subject(r, xasprintf("%s%s.>", SUBJECT_INBOX, r->names.subjects));
	put_own(r, own, (struct shard){ 0, 1 });
	for (k = 0; k < r->streams && r->streams > 1; k++)
		put_own(r, own, (struct shard){ k, r->streams });
	put_api(r, any, NULL);
	put_object_store(r, c);
}

static void
put_subscribe(struct rights *r)
{
	put_subject(r, subject_req(&r->names, r->node, "*"));
	put_subject(r, subject_catchup(&r->names, r->node));
	put_subject(r, subject_word(&r->names, "ping"));
	put_subject(r, xasprintf("%s%s.>", SUBJECT_INBOX, r->names.subjects));
}

/* ---- who it is ---- */

static void
put_user(struct buf *b, const char *user, const char *password)
{
	buf_addf(b, "  user: ");
	natstext_quote(b, user);
	buf_addf(b, ", password: ");
	natstext_quote(b, password != NULL ? password : "");
	buf_addf(b, "\n");
}

static void
put_nkey(struct buf *b, const char *path)
{
	char *text = file_read(path, SEED_MAX, NULL), public[NKEY_PUBLIC_LEN];

	if (text == NULL)
		cli_die("nats.seed_file %s: %s", path, strerror(errno));
	if (nkey_public(text, public) == -1)
		cli_die("nats.seed_file %s has no seed of a user's NKey (SU...)", path);
	mem_wipe(text);
	buf_addf(b, "  nkey: %s\n", public);
}

/* As the first URL or nats.* say; a token and a creds file have no user in a configuration. */
static void
put_login(struct buf *b, const struct conf *c, const char *node)
{
	const char *first = json_string_value(json_array_get(conf_list(c, NATS_URLS), 0));
	const char *user = conf_str(c, NATS_USER), *seed = conf_str(c, NATS_SEED);
	struct natsconf_url u = { 0 };
	char *err = NULL;

	if (first != NULL && natsconf_url_read(&u, first, &err) == -1)
		free(err);
	if (u.user != NULL)
		put_user(b, u.user, u.password);
	else if (user != NULL)
		put_user(b, user, conf_str(c, NATS_PASSWORD));
	else if (seed != NULL)
		put_nkey(b, seed);
	else if (conf_str(c, NATS_CREDS) != NULL)
		buf_addf(b,
		    "  # nats.creds_file: the user is a JWT, whose permissions are to be these\n");
	else {
		buf_addf(b,
		    "  # set the same as nats.user_name and nats.user_password of the node\n");
		put_user(b, node, "CHANGE ME");
	}
	natsconf_url_clear(&u);
}

int
cli_nats_permissions(struct cli *c)
{
	struct rights r = { 0 };

	if (c->nfields > 0)
		cli_die("nats-permissions takes no fields");
	cli_load_conf(c, 0);
	r.node = conf_str(c->conf, CL_NODENAME);
	if (r.node == NULL)
		cli_die("'%s' is not set: the permissions are those of one node",
		    conf_name(CL_NODENAME));
	r.names = natsconf_names(c->conf);
	r.names.external = 1;
	r.streams = (unsigned)conf_int(c->conf, LOG_SHARDS);
	r.names.domain = conf_str(c->conf, NATS_DOMAIN);
	buf_addf(&r.out, "# Node %s: one of the users of an account that has JetStream\n{\n",
	    r.node);
	put_login(&r.out, c->conf, r.node);
	buf_addf(&r.out, "  permissions: {\n    publish: { allow: [\n");
	put_publish(&r, c->conf);
	buf_addf(&r.out, "    ] }\n    subscribe: { allow: [\n");
	put_subscribe(&r);
	buf_addf(&r.out, "    ] }\n  }\n}\n");
	fwrite(r.out.data, 1, r.out.len, stdout);
	buf_free(&r.out);
	return (0);
}
