#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/nodename.h"
#include "common/conf/settings.h"
#include "opsd/cluster/carrier_link.h"
#include "opsd/cluster/carrier_nats_priv.h"
#include "opsd/cluster/compat.h"
#include "opsd/cluster/cursors.h"
#include "opsd/cluster/nodes.h"

/* ---- the log out ---- */

static void
table_withdrawn(const struct carrier_answer *a, void *arg)
{
}

/* Nobody gets the table any more: nobody need be able to. */
static void
withdraw_table(const char *database, const char *table, void *arg)
{
	carrier_nats_purge(arg, database, table, UINT64_MAX, table_withdrawn, NULL);
}

static void log_run(void *arg);

/* Not all was looked at: others want the loop's thread, too. */
void
carrier_nats_logged(void *arg)
{
	struct carrier_nats *n = arg;

	if (!atomic_exchange(&n->logged, 1))
		post(n->rep->data->svc->post, log_run, n);
}

static void
give_stream(struct carrier_nats *n, struct nats_reading *g)
{
	struct chan_deferred *reply = g->reply;
	struct buf b = { 0 };
	int found;

	if (reply == NULL)
		return;
	found = logfeed_read(n->feed, g->s, g->after, g->max, &b);
	if (found == 1) {
		g->reply = NULL;
		chan_deferred_reply(reply, &b);
	} else if (found == -1)
		carrier_nats_logged(n);
	buf_free(&b);
}

static void
give_log(struct carrier_nats *n)
{
	unsigned k, waiting = 0;

	for (k = 0; k < SHARDS_MAX; k++)
		waiting += n->reading[k].reply != NULL;
	if (waiting == 0)
		return;
	outlet_review(n->outlet, withdraw_table, n);
	for (k = 0; k < SHARDS_MAX; k++)
		give_stream(n, &n->reading[k]);
}

static void
log_run(void *arg)
{
	struct carrier_nats *n = arg;

	n->logged = 0;
	give_log(n);
}

static void
end_reading(struct nats_reading *g)
{
	if (g->reply != NULL)
		chan_deferred_drop(g->reply);
	g->reply = NULL;
}

static void
end_readings(struct carrier_nats *n)
{
	for (unsigned k = 0; k < SHARDS_MAX; k++)
		end_reading(&n->reading[k]);
}

int
carrier_nats_log_read(struct chan *ch, struct msg *m, void *arg)
{
	struct carrier_nats *n = daemons_rep(arg)->nats;
	struct nats_reading g = { .s = shard_read(&m->body) };

	g.after = rd_u64(&m->body);
	g.max = rd_u32(&m->body);
	if (!rd_done(&m->body) || g.s.n == 0)
		return (-1);
	end_reading(&n->reading[g.s.k]);
	g.reply = chan_defer(ch, m);
	n->reading[g.s.k] = g;
	give_log(n);
	return (0);
}

int
carrier_nats_log_ack(struct chan *ch, struct msg *m, void *arg)
{
	struct carrier_nats *n = daemons_rep(arg)->nats;
	struct shard s = shard_read(&m->body);
	uint64_t inc = rd_u64(&m->body), seq = rd_u64(&m->body);

	if (!rd_done(&m->body) || s.n == 0)
		return (-1);
	logfeed_acked(n->feed, s, inc, seq);
	return (0);
}

static void
tail_answer(void *arg, uint64_t incarnation, uint64_t after)
{
	struct buf b = { 0 };

	buf_u64(&b, incarnation);
	buf_u64(&b, after);
	chan_deferred_reply(arg, &b);
}

int
carrier_nats_log_tail(struct chan *ch, struct msg *m, void *arg)
{
	struct carrier_nats *n = daemons_rep(arg)->nats;
	struct shard s = shard_read(&m->body);
	struct logfeed_end end;

	end.incarnation = rd_u64(&m->body);
	end.window = rd_u64(&m->body);
	end.last = rd_u64(&m->body);
	end.seq = rd_u64(&m->body);
	end.mark = rd_u64(&m->body);
	if (!rd_done(&m->body) || s.n == 0)
		return (-1);
	/* When their number is another one, those of before are no more. */
	if (logfeed_has(n->feed, s))
		end_reading(&n->reading[s.k]);
	else
		end_readings(n);
	logfeed_tail(n->feed, s, &end, tail_answer, chan_defer(ch, m));
	return (0);
}

/* ---- what leafd consumes ---- */

/* It shares its id or name with another node, or we do. */
static int
is_shut_out(const json_t *conflicts, const char *name)
{
	const json_t *conflict, *n;
	size_t i, k;

	json_array_foreach(conflicts, i, conflict) {
		if (json_is_true(json_object_get(conflict, "own")))
			return (1);
		json_array_foreach(json_object_get(conflict, "nodes"), k, n)
			if (strcmp(json_string_value(n), name) == 0)
				return (1);
	}
	return (0);
}

/* All that what is wanted follows from. */
static char *
wanted_from(const struct replication *rep, const json_t *conflicts)
{
	char *text = json_dumps(conflicts, JSON_COMPACT | JSON_ENCODE_ANY);
	char *from = xasprintf("%llu %llu %llu %d %s",
	    (unsigned long long)nodes_changes(rep->nodes),
	    (unsigned long long)compat_changes(rep->cluster),
	    (unsigned long long)carrier_link_changes(rep->link), rep->data->live.clustering,
	    text != NULL ? text : "");

	free(text);
	return (from);
}

static json_t *
tables_wanted(const struct peer *p)
{
	json_t *tables = json_array();

	for (size_t i = 0; i < p->subs.n; i++)
		if (!p->subs.list[i].removed && subscription_brings(&p->subs.list[i]))
			json_array_append_new(tables,
			    json_pack("[s,s]", p->subs.list[i].database, p->subs.list[i].table));
	return (tables);
}

/* Who has no name there, or is linked, is not consumed. */
static int
is_on_nats(struct replication *rep, const struct peer *p)
{
	return (node_name_ok(p->name, strlen(p->name)) && !carrier_link_has(rep->link, p->id));
}

static json_t *
peers_wanted(struct replication *rep, const json_t *conflicts)
{
	json_t *peers = json_array();
	struct peer **all;
	size_t n;

	all = nodes_all(rep->nodes, &n);
	for (size_t i = 0; i < n; i++) {
		json_t *tables = tables_wanted(all[i]);

		if (json_array_size(tables) > 0 && rep->data->live.clustering &&
		    is_on_nats(rep, all[i]) && !is_shut_out(conflicts, all[i]->name) &&
		    !compat_refuses(rep->cluster, all[i]->id))
			json_array_append_new(peers,
			    json_pack("{s:s, s:s, s:O}", "name", all[i]->name, "id", all[i]->hex,
				"tables", tables));
		json_decref(tables);
		peer_free(all[i]);
	}
	free(all);
	return (peers);
}

static json_t *
stream_seqs(struct replication *rep, const uint8_t *id)
{
	struct cursors_hint hint = cursors_hint(rep->cursors, id);
	json_t *list = json_array();

	for (unsigned k = 0; k < hint.streams; k++)
		json_array_append_new(list, json_integer((json_int_t)hint.stream_seq[k]));
	return (list);
}

/* Where opsd is in each stream, as a hint: they move all the time, and alone are no news. */
static void
add_hints(struct replication *rep, json_t *peers)
{
	uint8_t id[NODE_ID_LEN];
	json_t *p;
	size_t i;

	json_array_foreach(peers, i, p) {
		node_id_read(json_string_value(json_object_get(p, "id")), id);
		json_object_set_new(p, "stream_seqs", stream_seqs(rep, id));
	}
}

/* Nothing is said when nothing is other than leafd was told. */
static void
tell_wanted(struct carrier_nats *n)
{
	json_t *conflicts = daemons_conflicts(n->rep->daemons), *peers;
	char *from = wanted_from(n->rep, conflicts), *text;

	if (n->wanted_from != NULL && strcmp(from, n->wanted_from) == 0) {
		json_decref(conflicts);
		free(from);
		return;
	}
	free(n->wanted_from);
	n->wanted_from = from;
	peers = peers_wanted(n->rep, conflicts);
	json_decref(conflicts);
	text = json_dumps(peers, JSON_COMPACT);
	if (n->wanted_sent == NULL || strcmp(text, n->wanted_sent) != 0) {
		add_hints(n->rep, peers);
		daemons_send(daemons_leaf(n->rep->daemons), MSG_CONSUME,
		    json_pack("{s:O}", "peers", peers));
	}
	free(n->wanted_sent);
	n->wanted_sent = text;
	json_decref(peers);
}

void
carrier_nats_changed(void *arg)
{
	struct carrier_nats *n = arg;

	if (daemons_leaf(n->rep->daemons) != NULL)
		outlet_review(n->outlet, withdraw_table, n);
	give_log(n);
	if (daemons_leaf_ready(n->rep->daemons))
		tell_wanted(n);
}

void
carrier_nats_forget(struct carrier_nats *n)
{
	end_readings(n);
	free(n->wanted_sent);
	free(n->wanted_from);
	n->wanted_sent = n->wanted_from = NULL;
}
