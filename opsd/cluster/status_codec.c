#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/conf/settings.h"
#include "common/tls/pem.h"
#include "opsd/cluster/peerjson.h"
#include "opsd/cluster/status.h"
#include "opsd/cluster/topology.h"

/* How questions for the status and their answers travel. */

/* ---- out ---- */

static json_t *
position_write(const struct status_position *p)
{
	return (json_pack("[I,I,I,I,I]", (json_int_t)p->table, (json_int_t)p->at.incarnation,
	    (json_int_t)p->at.seq, (json_int_t)p->at.ms, (json_int_t)p->mark));
}

json_t *
status_question_write(const struct status_question *q)
{
	json_t *list = json_array(), *o;
	char hex[2 * NODE_ID_LEN + 1];

	node_id_hex(q->id, hex);
	for (size_t i = 0; i < q->n; i++)
		json_array_append_new(list, position_write(&q->positions[i]));
	o = json_pack("{s:s, s:s, s:I, s:I, s:I, s:o}", "id", hex, "name", q->name, "incarnation",
	    (json_int_t)q->incarnation, "now", (json_int_t)q->now_ms, "digest",
	    (json_int_t)q->digest, "cursors", list);
	if (!q->tells)
		return (o);
	json_object_set_new(o, "since", json_integer((json_int_t)q->since));
	json_object_set_new(o, "upto", json_integer((json_int_t)q->upto));
	json_object_set_new(o, "heads_after",
	    json_pack("[I,I]", (json_int_t)q->heads_incarnation, (json_int_t)q->heads_after));
	json_object_set_new(o, "life", json_integer(q->life));
	json_object_set_new(o, "topology_digest", json_integer(q->topology_digest));
	return (o);
}

static json_t *
head_write(const struct status_head *h)
{
	return (json_pack("[I,I,I,I]", (json_int_t)h->table,
	    h->gone ? (json_int_t)-1 : (json_int_t)h->head, (json_int_t)h->ms,
	    (json_int_t)h->rows));
}

json_t *
status_answer_write(const struct status_answer *a)
{
	json_t *list = json_array(), *o;
	char hex[2 * NODE_ID_LEN + 1];

	node_id_hex(a->id, hex);
	for (size_t i = 0; i < a->n; i++)
		json_array_append_new(list, head_write(&a->heads[i]));
	o = json_pack("{s:s, s:s, s:I, s:I, s:I, s:{s:i, s:i}, s:O?, s:I, s:I, s:o, s:I}", "id",
	    hex, "name", a->name, "incarnation", (json_int_t)a->incarnation, "now",
	    (json_int_t)a->now_ms, "uptime", (json_int_t)a->uptime_ms, "ports", "clustering",
	    a->cluster_port, "operations_api", a->api_port, "system_info", a->system_info, "digest",
	    (json_int_t)a->digest, "roster", (json_int_t)a->roster, "heads", list,
	    "topology_digest", (json_int_t)a->topology_digest);
	if (a->link_key != NULL)
		json_object_set_new(o, "link_key", json_string(a->link_key));
	if (a->again)
		json_object_set_new(o, "again", json_true());
	else
		json_object_set_new(o, "heads_upto",
		    json_pack("[I,I]", (json_int_t)a->heads_incarnation,
			(json_int_t)a->heads_upto));
	if (a->topology != NULL)
		json_object_set_new(o, "topology", topology_report_write(a->topology));
	if (a->snapshot_rank != 0 || a->snapshot_ms != 0)
		json_object_set_new(o, "snapshots",
		    json_pack("[I,I]", (json_int_t)a->snapshot_rank, (json_int_t)a->snapshot_ms));
	return (o);
}

/* ---- in ---- */

#define LIST_MAX   1000000
#define POSITION_N 5
#define HEAD_N     4

static void
position_read(struct status_position *p, const json_t *o, size_t i, struct peerjson *w)
{
	uint64_t v[POSITION_N];

	peerjson_in(w, "cursors", i);
	peerjson_numbers(w, o, "position", v, POSITION_N);
	if (v[0] > UINT32_MAX || v[1] > INCARNATION_MAX || v[2] > INT64_MAX || v[3] > INT64_MAX)
		peerjson_fault(w, "position", "is none: table, incarnation, sequence and time are");
	peerjson_out(w);
	*p = (struct status_position){ (uint32_t)v[0], { v[1], v[2], v[3] }, v[4] };
}

/* A log and a sequence in it. */
static void
place_read(const json_t *o, const char *field, uint64_t *incarnation, uint64_t *seq,
    struct peerjson *w)
{
	uint64_t v[2];

	peerjson_numbers(w, json_object_get(o, field), field, v, 2);
	if (v[0] > INCARNATION_MAX || v[1] > INT64_MAX)
		peerjson_fault(w, field, "is no place in a log");
	*incarnation = v[0];
	*seq = v[1];
}

static void
told_rest_read(struct status_question *q, const json_t *o, struct peerjson *w)
{
	q->tells = 1;
	q->since = peerjson_number(w, o, "since", INT64_MAX);
	q->upto = peerjson_number(w, o, "upto", INT64_MAX);
	place_read(o, "heads_after", &q->heads_incarnation, &q->heads_after, w);
	q->life = (int64_t)peerjson_bits(w, o, "life");
	q->topology_digest = (int64_t)peerjson_bits(w, o, "topology_digest");
}

int
status_question_read(struct status_question *q, const json_t *o, char **fault)
{
	struct peerjson w = { 0 };
	const json_t *list, *item;
	size_t i;

	*q = (struct status_question){ 0 };
	peerjson_node(&w, o, q->id, &q->name);
	q->incarnation = peerjson_number(&w, o, "incarnation", INCARNATION_MAX);
	q->now_ms = peerjson_number(&w, o, "now", INT64_MAX);
	q->digest = peerjson_bits(&w, o, "digest");
	list = peerjson_list(&w, o, "cursors", LIST_MAX);
	q->positions = xcalloc(json_array_size(list) + 1, sizeof(*q->positions));
	json_array_foreach(list, i, item)
		position_read(&q->positions[q->n++], item, i, &w);
	if (json_object_get(o, "upto") != NULL)
		told_rest_read(q, o, &w);
	if (w.fault == NULL)
		return (0);
	*fault = w.fault;
	status_question_clear(q);
	return (-1);
}

static void
told_head_read(struct status_head *h, const json_t *o, size_t i, struct peerjson *w)
{
	uint64_t v[HEAD_N];

	peerjson_in(w, "heads", i);
	peerjson_numbers(w, o, "head", v, HEAD_N);
	*h = (struct status_head){ (uint32_t)v[0], v[1] == UINT64_MAX, v[1], v[2], v[3] };
	if (h->gone)
		h->head = h->ms = h->rows = 0;
	if (v[0] > UINT32_MAX || h->head > INT64_MAX || h->ms > INT64_MAX || h->rows > INT64_MAX)
		peerjson_fault(w, "head", "is none: table, sequence, time and rows are");
	peerjson_out(w);
}

static void
ports_read(struct status_answer *a, const json_t *o, struct peerjson *w)
{
	const json_t *ports = peerjson_object(w, o, "ports");

	a->cluster_port = (int)peerjson_number(w, ports, "clustering", UINT16_MAX);
	a->api_port = (int)peerjson_number(w, ports, "operations_api", UINT16_MAX);
}

static void
heads_read(struct status_answer *a, const json_t *o, struct peerjson *w)
{
	const json_t *list = peerjson_list(w, o, "heads", LIST_MAX), *item;
	size_t i;

	a->heads = xcalloc(json_array_size(list) + 1, sizeof(*a->heads));
	json_array_foreach(list, i, item)
		told_head_read(&a->heads[a->n++], item, i, w);
	a->again = json_object_get(o, "again") != NULL && peerjson_flag(w, o, "again");
	if (!a->again)
		place_read(o, "heads_upto", &a->heads_incarnation, &a->heads_upto, w);
}

static void
snapshots_read(struct status_answer *a, const json_t *o, struct peerjson *w)
{
	uint64_t v[2];

	peerjson_numbers(w, o, "snapshots", v, 2);
	if (v[0] > SNAPSHOT_RANK_MAX || v[1] > INT64_MAX)
		peerjson_fault(w, "snapshots", "must be a rank up to %u and a time",
		    SNAPSHOT_RANK_MAX);
	a->snapshot_rank = (unsigned)v[0];
	a->snapshot_ms = v[1];
}

int
status_answer_read(struct status_answer *a, const json_t *o, char **fault)
{
	struct peerjson w = { 0 };

	*a = (struct status_answer){ 0 };
	peerjson_node(&w, o, a->id, &a->name);
	a->incarnation = peerjson_number(&w, o, "incarnation", INCARNATION_MAX);
	a->now_ms = peerjson_number(&w, o, "now", INT64_MAX);
	a->uptime_ms = peerjson_number(&w, o, "uptime", INT64_MAX);
	ports_read(a, o, &w);
	a->system_info = json_incref(peerjson_info(&w, o));
	a->digest = peerjson_bits(&w, o, "digest");
	a->roster = peerjson_bits(&w, o, "roster");
	if (json_object_get(o, "link_key") != NULL)
		a->link_key = xstrdup(peerjson_text(&w, o, "link_key"));
	if (a->link_key != NULL && strlen(a->link_key) >= PEM_HASH)
		peerjson_fault(&w, "link_key", "must have %d digits", PEM_HASH - 1);
	heads_read(a, o, &w);
	a->topology_digest = (int64_t)peerjson_bits(&w, o, "topology_digest");
	if (json_object_get(o, "snapshots") != NULL)
		snapshots_read(a, json_object_get(o, "snapshots"), &w);
	if (json_object_get(o, "topology") != NULL)
		a->topology = topology_report_read(peerjson_object(&w, o, "topology"), &w);
	if (w.fault == NULL)
		return (0);
	*fault = w.fault;
	status_answer_clear(a);
	return (-1);
}

/* ---- the end ---- */

void
status_question_clear(struct status_question *q)
{
	free(q->name);
	free(q->positions);
	*q = (struct status_question){ 0 };
}

void
status_answer_clear(struct status_answer *a)
{
	free(a->name);
	free(a->link_key);
	free(a->heads);
	json_decref(a->system_info);
	topology_report_free(a->topology);
	*a = (struct status_answer){ 0 };
}
