#include "config.h"

#include "opsd/cluster/status.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/conf/settings.h"
#include "opsd/cluster/cursors.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/positions.h"
#include "opsd/cluster/subscribe.h"

/* Statuses in a row without movement before the log is asked directly. */
#define STUCK 2

json_t *
status_question(struct replication *rep, const struct peer *p, const struct status_base *base,
    uint64_t *upto)
{
	char *name = data_node_name(rep->data);
	json_t *list = json_array(), *o;
	struct cursor **cursors;
	size_t n;
	int whole;

	cursors = cursors_moved(rep->cursors, p->id, base->moves, upto, &whole, &n);
	for (size_t i = 0; i < n; i++) {
		const struct cursor *cur = cursors[i];

		if (cur->state != CURSOR_RECOVER)
			json_array_append_new(list,
			    json_pack("[I,I,I,I,I]", (json_int_t)cur->table,
				(json_int_t)cur->incarnation, (json_int_t)cur->seq,
				(json_int_t)cur->ms, (json_int_t)cur->mark));
		cursor_free(cursors[i]);
	}
	free(cursors);
	o = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:[I,I]}", "id",
	    rep->data->node_hex, "name", name, "incarnation",
	    (json_int_t)rep->data->log.incarnation, "now", (json_int_t)wall_ms(), "digest",
	    (json_int_t)p->subs.digest, "since", whole ? (json_int_t)0 : (json_int_t)base->moves,
	    "upto", (json_int_t)*upto, "cursors", list, "heads_after",
	    (json_int_t)base->incarnation, (json_int_t)base->heads);
	free(name);
	return (o);
}

struct told { /* where the asker is in a table of ours */
	uint32_t table;
	struct position at;
	uint64_t mark;
};

static int
read_told(const json_t *cursor, struct told *t)
{
	json_int_t table, inc, seq, ms, mark;

	if (json_unpack((json_t *)(uintptr_t)cursor, "[I,I,I,I,I]", &table, &inc, &seq, &ms,
		&mark) == -1 ||
	    inc < 0 || (uint64_t)inc > INCARNATION_MAX)
		return (-1);
	*t = (struct told){
		(uint32_t)table,
		{ (uint64_t)inc, (uint64_t)seq, (uint64_t)ms },
		(uint64_t)mark,
	};
	return (0);
}

uint64_t
status_ahead(struct replication *rep, const json_t *question)
{
	uint64_t ahead = 0;
	json_t *f;
	size_t i;

	json_array_foreach(json_object_get(question, "cursors"), i, f) {
		struct told has;
		struct table *t;

		if (read_told(f, &has) == -1)
			continue;
		t = catalog_by_id(rep->data->catalog, has.table);
		if (has.at.incarnation > ahead &&
		    !txlog_has(&rep->data->log, t, has.at.incarnation, has.at.seq, has.mark))
			ahead = has.at.incarnation;
		table_unref(t);
	}
	return (ahead);
}

void
status_positions(const json_t *question, struct positions *p)
{
	struct told t;
	json_t *f;
	size_t i;

	json_array_foreach(json_object_get(question, "cursors"), i, f)
		if (read_told(f, &t) == 0)
			positions_set(p, t.table, t.at);
}

enum which { ALL, NEWS, OTHERS };

/* News: for who has all of our heads up to `after`. */
static void
add_head(struct replication *rep, json_t *heads, uint32_t id, enum which which, uint64_t after)
{
	struct table *t = catalog_by_id(rep->data->catalog, id);
	enum which is = t == NULL || t->stat->head > after ? NEWS : OTHERS;

	if (which == ALL || which == is)
		json_array_append_new(heads,
		    t == NULL ? json_pack("[I,i,i,i]", (json_int_t)id, -1, 0, 0) :
				json_pack("[I,I,I,I]", (json_int_t)id, (json_int_t)t->stat->head,
				    (json_int_t)t->stat->head_ms, (json_int_t)t->stat->count));
	table_unref(t);
}

/* Of the tables that it asks for; of the others that it has what is news. */
static json_t *
heads_of(struct replication *rep, const json_t *question, struct positions *received,
    uint64_t after)
{
	json_t *heads = json_array(), *f;
	uint32_t *tables;
	struct told t;
	size_t n, i;

	json_array_foreach(json_object_get(question, "cursors"), i, f)
		if (read_told(f, &t) == 0)
			add_head(rep, heads, t.table, received == NULL ? ALL : OTHERS, after);
	if (received == NULL)
		return (heads);
	tables = positions_tables(received, &n);
	for (i = 0; i < n; i++)
		add_head(rep, heads, tables[i], NEWS, after);
	free(tables);
	return (heads);
}

/* Where the heads begin that the asker does not know. */
static uint64_t
heads_after(const json_t *question, uint64_t incarnation)
{
	const json_t *after = json_object_get(question, "heads_after");

	return ((uint64_t)json_integer_value(json_array_get(after, 0)) != incarnation ?
		0 :
		(uint64_t)json_integer_value(json_array_get(after, 1)));
}

json_t *
status_answer(struct replication *rep, const json_t *question, struct positions *received)
{
	struct conf *conf = data_conf(rep->data);
	/* Before the heads: what is committed meanwhile is news the next time, too. */
	uint64_t mine = rep->data->log.incarnation, durable = rep->data->log.durable;
	json_t *heads = heads_of(rep, question, received, heads_after(question, mine)), *o;
	uint8_t id[NODE_ID_LEN];
	struct peer *p = NULL;

	if (node_id_read(json_string_value(json_object_get(question, "id")), id) == 0)
		p = nodes_by_id(rep->nodes, id);
	o = json_pack("{s:s, s:s, s:I, s:I, s:I, s:{s:I, s:I}, s:o, s:I, s:o}", "id",
	    rep->data->node_hex, "name", conf_str(conf, CL_NODENAME), "incarnation",
	    (json_int_t)mine, "now", (json_int_t)wall_ms(), "uptime",
	    (json_int_t)((mono_us() - rep->data->started_us) / 1000), "ports", "clustering",
	    (json_int_t)conf_int(conf, HUB_CLUSTER_PORT), "operations_api",
	    (json_int_t)conf_int(conf, API_PORT), "system_info", offer_system_info(), "digest",
	    (json_int_t)(p != NULL ? p->subs.digest : 0), "heads", heads);
	if (received == NULL)
		json_object_set_new(o, "again", json_true());
	else
		json_object_set_new(o, "heads_upto",
		    json_pack("[I,I]", (json_int_t)mine, (json_int_t)durable));
	peer_free(p);
	conf_free(conf);
	return (o);
}

int
status_answered(struct status_base *base, uint64_t moves, const json_t *answer)
{
	const json_t *upto = json_object_get(answer, "heads_upto");
	int again = !json_is_array(upto) && base->moves != 0;

	base->moves = json_is_array(upto) ? moves : 0;
	if (json_is_array(upto)) {
		base->incarnation = (uint64_t)json_integer_value(json_array_get(upto, 0));
		base->heads = (uint64_t)json_integer_value(json_array_get(upto, 1));
	}
	return (again);
}

int
status_differs(struct replication *rep, const struct peer *p, const json_t *answer,
    uint64_t compared_us)
{
	json_int_t theirs = json_integer_value(json_object_get(answer, "digest"));
	const json_t *h;
	size_t i;

	if ((uint64_t)theirs != p->subs.digest)
		return (1);
	/* Under "*", tables of the peer may have waited for a database that was dropped here. */
	if (catalog_made_us(rep->data->catalog) > compared_us)
		return (1);
	/* A table that is gone may have been made again under another id. */
	json_array_foreach(json_object_get(answer, "heads"), i, h)
		if (json_integer_value(json_array_get(h, 1)) == -1)
			return (1);
	return (0);
}

struct looked {
	struct commit_job job; /* first */
	uint8_t peer[NODE_ID_LEN];
	uint64_t incarnation;
};

static void
look_at(struct group *g, struct cursor *cur, uint64_t incarnation)
{
	struct cursors *f = replication_of(g)->cursors;
	int moved, behind, stuck;

	cursors_lock(f);
	moved = cur->seq != cur->fetched;
	behind = cur->head > cur->seq;
	if (cur->state == CURSOR_LIVE)
		cur->fetched = cur->seq;
	cursors_unlock(f);
	if (incarnation > cur->incarnation) {
		if (cur->state == CURSOR_LIVE || cur->state == CURSOR_FETCH)
			cursor_copy_anew(g, cur, 0);
		return;
	}
	if (cur->state != CURSOR_LIVE)
		return;
	cursors_lock(f);
	stuck = cur->stuck = moved || !behind ? 0 : cur->stuck + 1;
	cursors_unlock(f);
	if (stuck >= STUCK)
		cursor_set(g, cur, CURSOR_FETCH, "the stream does not bring what the log has");
}

static void
looked_run(struct group *g, struct commit_job *j)
{
	struct looked *l = (struct looked *)j;
	struct cursor *cur = cursors_first_of(replication_of(g)->cursors, l->peer);

	for (; cur != NULL; cur = cursors_next_of(cur))
		look_at(g, cur, l->incarnation);
}

static void
looked_done(struct commit_job *j)
{
	free(j->error);
	free(j);
}

struct commit_job *
status_job(struct replication *rep, const struct peer *p, const json_t *answer)
{
	uint64_t inc = (uint64_t)json_integer_value(json_object_get(answer, "incarnation"));
	struct looked *l;
	json_t *h;
	size_t i;

	json_array_foreach(json_object_get(answer, "heads"), i, h) {
		json_int_t table, head, ms, rows;

		if (json_unpack(h, "[I,I,I,I]", &table, &head, &ms, &rows) == 0 && head >= 0)
			cursors_heard(rep->cursors, p->id, (uint32_t)table, (uint64_t)head,
			    (uint64_t)ms, (uint64_t)rows);
	}
	if (!cursors_behind(rep->cursors, p->id, inc))
		return (NULL);
	l = xcalloc(1, sizeof(*l));
	l->job.run = looked_run;
	l->job.done = looked_done;
	l->job.remote = 1;
	memcpy(l->peer, p->id, NODE_ID_LEN);
	l->incarnation = inc;
	return (&l->job);
}
