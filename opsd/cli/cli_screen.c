#include "config.h"

#include "opsd/cli/cli.h"

#include <string.h>

#include "opsd/cli/cli_plain.h"
#include "opsd/cli/cli_print.h"
#include "opsd/cli/cli_screen_files.h"

/* `hubleaf status` on one screen: what is wrong first, then the node, then a line a peer. */

#define WRONG_MAX 8 /* lines of a kind */
#define PEERS_MAX 24

static const char *
screen_text(const json_t *o, const char *name)
{
	const char *text = json_string_value(json_object_get(o, name));

	return (text != NULL ? text : "");
}

static long long
screen_number(const json_t *o, const char *name)
{
	return ((long long)json_integer_value(json_object_get(o, name)));
}

static void
put_more(struct buf *out, size_t left)
{
	if (left > 0)
		buf_addf(out, "and %zu more: hubleaf status --long\n", left);
}

/* ---- what is wrong ---- */

/* To the end of the line. */
static void
put_text(struct buf *out, const char *text)
{
	cli_plain(out, text);
	buf_u8(out, '\n');
}

static void
put_wrong(struct buf *out, const char *kind, const json_t *list)
{
	size_t i, n = json_array_size(list);
	const json_t *v;

	json_array_foreach(list, i, v)
		if (i < WRONG_MAX && json_is_object(v)) {
			buf_addf(out, "%s: %s: ", kind, screen_text(v, "kind"));
			put_text(out, screen_text(v, "message"));
		} else if (i < WRONG_MAX) {
			buf_addf(out, "%s: ", kind);
			put_text(out, json_string_value(v));
		}
	put_more(out, n > WRONG_MAX ? n - WRONG_MAX : 0);
}

/* ---- the node ---- */

/* Words that set_status keeps. */
static void
put_said(struct buf *out, const json_t *node)
{
	static const char *const names[] = { "primary", "availability", "maintenance" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (json_object_get(node, names[i]) != NULL) {
			buf_addf(out, "%s: ", names[i]);
			put_text(out, screen_text(node, names[i]));
		}
}

static void
put_connection(struct buf *out, const char *daemon, const json_t *server, const char *end)
{
	const char *url = screen_text(server, "url");

	buf_addf(out, "%s %s%s%s%s", daemon, screen_text(server, "status"),
	    url[0] != '\0' ? " at " : "", url, end);
}

/* Servers that are not the node's own: those that its daemons have.  0: it has its own. */
static int
put_external(struct buf *out, const json_t *clustering)
{
	const json_t *servers = json_object_get(json_object_get(clustering, "replication"),
	    "servers");
	const json_t *hub = json_object_get(servers, "hub"),
		     *leaf = json_object_get(servers, "leaf");

	if (!json_is_true(json_object_get(hub, "external")) &&
	    !json_is_true(json_object_get(leaf, "external")))
		return (0);
	put_connection(out, "hubd", hub, ", ");
	put_connection(out, "leafd", leaf, "\n");
	return (1);
}

static void
put_node(struct buf *out, const json_t *node, const json_t *clustering)
{
	const char *name = screen_text(node, "node_name"), *uptime = screen_text(node, "uptime");

	buf_addf(out, "%s  %s", name[0] != '\0' ? name : "this node", screen_text(node, "status"));
	if (uptime[0] != '\0')
		buf_addf(out, "  up %s  version %s  health %s", uptime,
		    screen_text(node, "version"), screen_text(node, "health"));
	else if (json_object_get(node, "health") != NULL)
		buf_addf(out, "  health %s", screen_text(node, "health"));
	buf_u8(out, '\n');
	if (put_external(out, clustering))
		;
	else if (json_object_get(clustering, "hub_server") != NULL)
		buf_addf(out, "hub server %s, leaf server %s\n",
		    screen_text(json_object_get(clustering, "hub_server"), "status"),
		    screen_text(json_object_get(clustering, "leaf_server"), "status"));
	put_said(out, node);
}

/* "12 minutes" */
static void
put_age(struct buf *out, long long ms)
{
	static const struct {
		long long ms;
		const char *one;
	} units[] = { { 86400000, "day" }, { 3600000, "hour" }, { 60000, "minute" },
		{ 1000, "second" } };
	size_t i = 0;

	while (i < sizeof(units) / sizeof(units[0]) - 1 && ms < 2 * units[i].ms)
		i++;
	buf_addf(out, "%lld %s%s", ms / units[i].ms, units[i].one,
	    ms / units[i].ms == 1 ? "" : "s");
}

static void
put_snapshots(struct buf *out, const json_t *s)
{
	const json_t *restoring = json_object_get(s, "restoring");

	if (!json_is_object(s))
		return;
	buf_addf(out, "snapshots in %s: ", screen_text(s, "store"));
	if (json_object_get(s, "age_ms") == NULL)
		buf_addf(out, "none yet");
	else {
		buf_addf(out, "the newest is ");
		put_age(out, screen_number(s, "age_ms"));
		buf_addf(out, " old");
	}
	if (json_object_get(s, "newest_bytes") != NULL)
		buf_addf(out, " and has %lld bytes", screen_number(s, "newest_bytes"));
	if (json_is_true(json_object_get(s, "taking")))
		buf_addf(out, ", one is being taken");
	buf_u8(out, '\n');
	if (restoring != NULL)
		buf_addf(out, "restoring a snapshot: %lld of about %lld rows, %lld tables done\n",
		    screen_number(restoring, "records"), screen_number(restoring, "total_records"),
		    screen_number(restoring, "tables"));
	if (json_object_get(s, "error") != NULL) {
		buf_addf(out, "snapshots went wrong at %s: ", screen_text(s, "error_time"));
		put_text(out, screen_text(s, "error"));
	}
}

/* ---- peers ---- */

/* The greatest of a peer's tables. */
struct most {
	long long n;
	int bound; /* it is the most that it can be */
};

static void
take_most(struct most *m, const json_t *sub, const char *name, const char *bound)
{
	if (screen_number(sub, name) <= m->n)
		return;
	m->n = screen_number(sub, name);
	m->bound = json_is_true(json_object_get(sub, bound));
}

static json_t *
lag_text(const char *what, const struct most *m)
{
	return (json_sprintf("%s %s%lld", what, m->bound ? "at most " : "", m->n));
}

/* The tables of a peer's subscriptions, or of the databases that replicate with it. */
struct tables {
	json_t *states; /* {state: how many} */
	struct most lag, peer_lag;
	long long rows, of; /* while some are copied */
	int sends, off;
};

static void
count_table(struct tables *t, const json_t *sub)
{
	const json_t *many = json_object_get(sub, "tables");
	const char *state = screen_text(sub, "state");
	long long n = many != NULL ? json_integer_value(many) : 1;

	if (state[0] != '\0')
		json_object_set_new(t->states, state,
		    json_integer(screen_number(t->states, state) + n));
	else if (!json_is_false(json_object_get(sub, "publish")))
		t->sends++;
	else
		t->off++;
	take_most(&t->lag, sub, "lag", "lag_bound");
	take_most(&t->peer_lag, sub, "peer_lag", "peer_lag_bound");
	t->rows += screen_number(sub, "rows_copied");
	t->of += screen_number(sub, "rows_total");
}

/* "3 tables live, 1 copy (1200 of 5000 rows)" */
static json_t *
states_text(const struct tables *t)
{
	struct buf b = { 0 };
	const char *state;
	json_t *n, *text;

	json_object_foreach(t->states, state, n) {
		long long many = json_integer_value(n);

		if (b.len == 0)
			buf_addf(&b, "%lld table%s %s", many, many == 1 ? "" : "s", state);
		else
			buf_addf(&b, ", %lld %s", many, state);
	}
	if (t->sends > 0)
		buf_addf(&b, b.len == 0 ? "%d table%s only published" : ", %d only published",
		    t->sends, t->sends == 1 ? "" : "s");
	if (t->off > 0)
		buf_addf(&b, b.len == 0 ? "%d table%s off" : ", %d off", t->off,
		    t->off == 1 ? "" : "s");
	if (t->of > 0)
		buf_addf(&b, " (%lld of %lld rows)", t->rows, t->of);
	else if (t->rows > 0)
		buf_addf(&b, " (%lld rows)", t->rows);
	text = json_stringn(b.len > 0 ? (const char *)b.data : "no tables", b.len > 0 ? b.len : 9);
	buf_free(&b);
	return (text);
}

static json_t *
latency_text(const json_t *connection)
{
	const json_t *ms = json_object_get(connection, "latency_ms");

	return (json_is_number(ms) ? json_sprintf("%.1f ms", json_number_value(ms)) :
				     json_string("-"));
}

/* Where everything replicates there is no subscription for each. */
static const json_t *
flows_of(const json_t *connection)
{
	return (json_object_get(connection,
	    json_is_true(json_object_get(connection, "replicateByDefault")) ? "database_sockets" :
									      "subscriptions"));
}

static json_t *
peer_line(const json_t *connection)
{
	struct tables t = { .states = json_object() };
	const json_t *sub;
	json_t *line = json_array();
	size_t i;

	json_array_foreach(flows_of(connection), i, sub)
		count_table(&t, sub);
	json_array_append(line, json_object_get(connection, "node_name"));
	json_array_append(line, json_object_get(connection, "status"));
	json_array_append_new(line, latency_text(connection));
	json_array_append_new(line, states_text(&t));
	json_array_append_new(line, lag_text("lag", &t.lag));
	if (t.peer_lag.n > 0)
		json_array_append_new(line, lag_text("peer_lag", &t.peer_lag));
	json_decref(t.states);
	return (line);
}

static int
is_open(const json_t *connection)
{
	return (strcmp(screen_text(connection, "status"), "open") == 0);
}

/* Those that are not open stand above. */
static void
put_peers(struct buf *out, const json_t *connections)
{
	json_t *lines = json_array();
	const json_t *c;
	size_t i, n = json_array_size(connections);

	for (int open = 0; open <= 1; open++)
		json_array_foreach(connections, i, c)
			if (is_open(c) == open && json_array_size(lines) < PEERS_MAX)
				json_array_append_new(lines, peer_line(c));
	if (n > 0) {
		buf_u8(out, '\n');
		cli_table(out, lines);
	}
	put_more(out, n - json_array_size(lines));
	json_decref(lines);
}

static int
is_peer(const json_t *connections, const char *name)
{
	const json_t *c;
	size_t i;

	json_array_foreach(connections, i, c)
		if (strcmp(screen_text(c, "node_name"), name) == 0)
			return (1);
	return (0);
}

/* Whom cluster_network has found, and nothing is subscribed with. */
static void
put_others(struct buf *out, const json_t *network, const json_t *connections, const char *self)
{
	const json_t *node;
	size_t i, n = 0;

	json_array_foreach(network, i, node) {
		const char *name = screen_text(node, "name");

		if (strcmp(name, self) == 0 || is_peer(connections, name))
			continue;
		if (n++ < PEERS_MAX) {
			buf_addf(out, "%s", n == 1 ? "without subscriptions: " : ", ");
			cli_plain(out, name);
		}
	}
	if (n > PEERS_MAX)
		buf_addf(out, ", and %zu more", n - PEERS_MAX);
	if (n > 0)
		buf_u8(out, '\n');
}

/* ---- all ---- */

void
cli_screen(const json_t *status, struct buf *out)
{
	const json_t *node = json_object_get(status, "hubleaf");
	const json_t *clustering = json_object_get(status, "clustering");
	const json_t *replication = json_object_get(clustering, "replication");
	const json_t *connections = json_object_get(replication, "connections");

	put_wrong(out, "failed", json_object_get(status, "failed"));
	put_wrong(out, "warning", json_object_get(replication, "warnings"));
	put_wrong(out, "missing", json_object_get(status, "missing"));
	put_wrong(out, "pending", json_object_get(status, "pending"));
	cli_screen_files_wrong(out, json_object_get(replication, "sqlite"));
	if (out->len > 0)
		buf_u8(out, '\n');
	put_node(out, node, clustering);
	put_snapshots(out, json_object_get(replication, "snapshots"));
	put_peers(out, connections);
	put_others(out, json_object_get(clustering, "network"), connections,
	    screen_text(node, "node_name"));
	cli_screen_files(out, json_object_get(replication, "sqlite"));
}
