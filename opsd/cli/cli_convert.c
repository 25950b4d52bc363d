#include "config.h"

#include "opsd/cli/cli_command.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/conf/yaml.h"
#include "opsd/cli/toml.h"
#include "opsd/op/opdoc.h"

/*
 * hubleaf convert-config: a HarmonyLite configuration as one of this node.  Each key of it is set here, or
 * a comment says why not.
 */
#define FILE_MAX (1 << 20)

struct convert {
	struct conf *conf; /* takes what is set, so that it is checked */
	json_t *tree;      /* what is printed */
	const json_t *theirs;
	struct buf notes;
};

/* ---- saying and setting ---- */

static void note_key(struct convert *c, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
note_key(struct convert *c, const char *key, const char *fmt, ...)
{
	struct buf text = { 0 };
	va_list ap;
	char *s;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) == -1)
		fatal("vasprintf");
	va_end(ap);
	/* It may have lines, and each is a comment. */
	for (char *p = s; *p != '\0'; p++)
		if (*p == '\n')
			buf_addf(&text, "\n#   ");
		else
			buf_u8(&text, (uint8_t)*p);
	buf_addf(&c->notes, "# %s: %.*s\n", key, (int)text.len, (const char *)text.data);
	buf_free(&text);
	free(s);
}

/* Takes the value. */
static void
put_nested(json_t *tree, const char *name, json_t *v)
{
	const char *dot = strchr(name, '.');
	char *part;
	json_t *below;

	if (dot == NULL) {
		json_object_set_new(tree, name, v);
		return;
	}
	part = xstrndup(name, (size_t)(dot - name));
	if ((below = json_object_get(tree, part)) == NULL) {
		below = json_object();
		json_object_set_new(tree, part, below);
	}
	put_nested(below, dot + 1, v);
	free(part);
}

/* Takes the value. */
static void
set_ours(struct convert *c, const char *theirs, const char *ours, json_t *v)
{
	int key = conf_find(ours);
	char *err = NULL;

	if (v == NULL || json_is_null(v))
		return;
	if (key == -1)
		note_key(c, theirs, "has no counterpart");
	else if (conf_set(c->conf, (enum conf_key)key, v, &err) == -1)
		note_key(c, theirs, "is left out: %s", err);
	else
		put_nested(c->tree, ours, json_incref(v));
	free(err);
	json_decref(v);
}

/* ---- keys that need more than another name ---- */

typedef void convert_fn(struct convert *c, const char *key, const json_t *v, const char *ours);

/* Where this build has no such key, that has no counterpart. */
static void
take_same(struct convert *c, const char *key, const json_t *v, const char *ours)
{
	/* Their examples set what is not used to "". */
	if (json_is_string(v) && json_string_length(v) == 0)
		return;
	set_ours(c, key, ours != NULL ? ours : key, json_copy((json_t *)(uintptr_t)v));
}

/* Milliseconds, which are whole seconds here; 0 is off. */
static void
take_ms(struct convert *c, const char *key, const json_t *v, const char *ours)
{
	json_int_t ms = json_integer_value(v);

	if (ms > 0)
		set_ours(c, key, ours != NULL ? ours : key,
		    json_sprintf("%llds", (long long)((ms + 999) / 1000)));
}

static void
take_database(struct convert *c, const char *key, const json_t *v, const char *ours)
{
	const char *path = json_string_value(v);

	if (path == NULL || opdoc_find("attach_sqlite") == NULL) {
		note_key(c, key, "has no counterpart: rows are in the node's own store");
		return;
	}
	set_ours(c, key, "sqlite.paths", json_pack("[s]", path));
	note_key(c, key,
	    "when the node runs and is subscribed to the others, on one node, then on the\n"
	    "others with seed=cluster:\n"
	    "hubleaf attach_sqlite database=data path=%s tables='*'\n"
	    "Before that, harmonylite -cleanup takes its triggers and tables out",
	    path);
}

static void
take_node_id(struct convert *c, const char *key, const json_t *v, const char *ours)
{
	set_ours(c, key, "clustering.nodeName",
	    json_is_integer(v) ? json_sprintf("node-%lld", (long long)json_integer_value(v)) :
				 json_copy((json_t *)(uintptr_t)v));
}

static void
take_switch(struct convert *c, const char *key, const json_t *v, const char *ours)
{
	if (json_is_false(v))
		note_key(c, key,
		    "has no counterpart in the configuration: say it of each table with "
		    "set_node_replication, %s: false",
		    strcmp(key, "publish") == 0 ? "publish" : "subscribe");
}

static int
has_urls(const struct convert *c)
{
	return (json_array_size(json_object_get(json_object_get(c->theirs, "nats"), "urls")) > 0);
}

/* Below 1 it is what most of the shards are. */
static void
take_replicas(struct convert *c, const char *key, const json_t *v, const char *ours)
{
	json_int_t n = json_integer_value(v);
	const json_t *shards = json_object_get(json_object_get(c->theirs, "replication_log"),
	    "shards");

	if (!has_urls(c)) {
		note_key(c, key,
		    "has no counterpart without nats.urls: each node keeps its own "
		    "stream, and its log");
		return;
	}
	if (n < 1)
		n = (json_is_integer(shards) ? json_integer_value(shards) : 1) / 2 + 1;
	set_ours(c, key, key, json_integer(n > 5 ? 5 : n));
}

/* Servers of one's own have a snapshot each. */
static void
take_copies(struct convert *c, const char *key, const json_t *v, const char *ours)
{
	if (has_urls(c))
		take_same(c, key, v, ours);
	else
		note_key(c, key,
		    "has no counterpart without nats.urls: each node has its own store");
}

/* Of the server that a node has only without nats.urls: theirs passes over it then. */
static int
is_of_no_server(struct convert *c, const char *key)
{
	if (has_urls(c))
		note_key(c, key, "is left out: with nats.urls a node has no server of its own");
	return (has_urls(c));
}

static void
take_own(struct convert *c, const char *key, const json_t *v, const char *ours)
{
	if (json_string_length(v) > 0 && !is_of_no_server(c, key))
		take_same(c, key, v, ours);
}

/* Theirs offers both to the server; one says who it is. */
static void
take_seed(struct convert *c, const char *key, const json_t *v, const char *ours)
{
	const json_t *user = json_object_get(json_object_get(c->theirs, "nats"), "user_name");

	if (json_string_length(v) > 0 && json_string_length(user) > 0)
		note_key(c, key, "is left out: nats.user_name says who the node is");
	else
		take_same(c, key, v, ours);
}

/* ":4222" is on all addresses, ":-1" a port that nobody is told. */
static void
take_bind(struct convert *c, const char *key, const json_t *v, const char *ours)
{
	const char *s = json_string_value(v);

	if (s == NULL || *s == '\0' || is_of_no_server(c, key))
		return;
	if (strchr(s, '-') != NULL &&
	    strcmp(strrchr(s, ':') != NULL ? strrchr(s, ':') : "", ":-1") == 0)
		note_key(c, key,
		    "is left out: the port is 9940, clustering.leafServer.network.port");
	else
		set_ours(c, key, key, json_sprintf("%s%s", *s == ':' ? "0.0.0.0" : "", s));
}

static void
take_verbose(struct convert *c, const char *key, const json_t *v, const char *ours)
{
	if (json_is_true(v))
		set_ours(c, key, "logging.level", json_string("debug"));
}

/* What is set to what is so anyway needs no word. */
static void
take_format(struct convert *c, const char *key, const json_t *v, const char *ours)
{
	if (json_string_value(v) != NULL && strcmp(json_string_value(v), "console") != 0)
		note_key(c, key, "has no counterpart: the log is lines of text");
}

/* ---- all of them ---- */

static const struct {
	const char *key;  /* "x.*": all below it that have no line of their own */
	convert_fn *take; /* NULL: `ours` says why there is none */
	const char *ours;
} keys[] = {
	{ "db_path", take_database, NULL },
	{ "node_id", take_node_id, NULL },
	{ "seq_map_path", NULL, "positions are in the node's store" },
	{ "publish", take_switch, NULL },
	{ "replicate", take_switch, NULL },
	{ "scan_max_changes", NULL, "changes go in batches as large as they come" },
	{ "cleanup_interval", NULL, "what is published is forgotten at once" },
	{ "sleep_timeout", NULL, "a node does not end by itself" },
	{ "polling_interval", NULL, "changes are noticed when they are made" },
	{ "snapshot.interval", take_ms, NULL },
	{ "snapshot.leader_ttl", NULL, "who takes a snapshot needs no lease" },
	{ "snapshot.s3.*", NULL, "snapshots are with the servers or in files" },
	{ "snapshot.webdav.*", NULL, "snapshots are with the servers or in files" },
	{ "snapshot.sftp.*", NULL, "snapshots are with the servers or in files" },
	{ "snapshot.nats.replicas", take_copies, NULL },
	{ "snapshot.*", take_same, NULL },
	{ "replication_log.replicas", take_replicas, NULL },
	{ "replication_log.update_existing", NULL, "a stream is always made to be as configured" },
	{ "replication_log.*", take_same, NULL },
	{ "nats.bind_address", take_bind, NULL },
	{ "nats.server_config", take_own, NULL },
	{ "nats.seed_file", take_seed, NULL },
	{ "nats.*", take_same, NULL },
	{ "logging.verbose", take_verbose, NULL },
	{ "logging.format", take_format, NULL },
	{ "prometheus.*", NULL, "the operations API's port has GET /metrics, always" },
	{ "health_check.*", NULL, "the operations API's port has GET /health, always" },
};

static int
key_is(const char *pattern, const char *key)
{
	size_t n = strlen(pattern);

	if (n > 2 && strcmp(pattern + n - 2, ".*") == 0)
		return (strncmp(pattern, key, n - 1) == 0);
	return (strcmp(pattern, key) == 0);
}

static void
convert_key(struct convert *c, const char *key, const json_t *v)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (!key_is(keys[i].key, key))
			continue;
		if (keys[i].take != NULL)
			keys[i].take(c, key, v, keys[i].ours);
		else
			note_key(c, key, "has no counterpart: %s", keys[i].ours);
		return;
	}
	note_key(c, key, "is left out: it is no key of HarmonyLite");
}

static void
convert_table(struct convert *c, const char *prefix, const json_t *table)
{
	const char *name;
	json_t *v;
	char *key;

	json_object_foreach((json_t *)(uintptr_t)table, name, v) {
		key = xasprintf("%s%s%s", prefix, *prefix != '\0' ? "." : "", name);
		if (json_is_object(v))
			convert_table(c, key, v);
		else
			convert_key(c, key, v);
		free(key);
	}
}

/* ---- what the node needs beside ---- */

static void
name_node(struct convert *c)
{
	char host[256] = "";

	if (conf_str(c->conf, CL_NODENAME) != NULL)
		return;
	if (gethostname(host, sizeof(host) - 1) == -1 || *host == '\0')
		strcpy(host, "node");
	for (char *p = host; *p != '\0'; p++)
		if (*p == '.')
			*p = '-';
	set_ours(c, "node_id", "clustering.nodeName", json_string(host));
	note_key(c, "clustering.nodeName",
	    "is this machine's name; each node needs one of its own");
}

static void
add_needed(struct convert *c)
{
	char *err = NULL;

	set_ours(c, "", "clustering.enabled", json_true());
	name_node(c);
	if (json_array_size(conf_list(c->conf, NATS_URLS)) == 0) {
		set_ours(c, "", "clustering.user", json_string("cluster"));
		note_key(c, "clustering.user",
		    "the same on all nodes; start each for the first time with\n"
		    "CLUSTERING_PASSWORD in its environment. -cluster-addr and -cluster-peers are\n"
		    "flags of hubleaf run, or clustering.hubServer.cluster.network");
	}
	if (conf_check(c->conf, &err) == -1)
		note_key(c, "to be mended", "%s", err);
	free(err);
}

int
cli_convert(struct cli *cli)
{
	struct convert c = { .tree = json_object() };
	const char *path = cli->nfields == 1 ? cli->fields[0] : NULL;
	char *text, *err = NULL, *yaml;
	json_t *none = json_object(), *theirs;
	size_t n;

	if (path == NULL)
		cli_die("convert-config takes a HarmonyLite configuration: a file of TOML");
	if ((text = file_read(path, FILE_MAX, &n)) == NULL)
		cli_die("%s: %s", path, strerror(errno));
	if ((theirs = toml_read(path, text, n, &err)) == NULL)
		cli_die("%s", err);
	if ((c.conf = conf_from_tree(none, &err)) == NULL)
		cli_die("%s", err);
	c.theirs = theirs;
	convert_table(&c, "", theirs);
	add_needed(&c);
	yaml = yaml_dump(c.tree);
	printf("# Made of %s by hubleaf convert-config\n%.*s\n%s", path, (int)c.notes.len,
	    c.notes.data != NULL ? (const char *)c.notes.data : "", yaml);
	free(yaml);
	buf_free(&c.notes);
	conf_free(c.conf);
	json_decref(c.tree);
	json_decref(theirs);
	json_decref(none);
	free(text);
	return (0);
}
