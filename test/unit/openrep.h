#ifndef HL_OPENREP_H
#define HL_OPENREP_H

/*
 * For tests: opendata.h with replication (replication.h) on top, and what peers would send, in bytes.
 * The conversation with hubd and leafd is open, but neither is there: the test is who sends.
 */

#include <event2/event.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/seal.h"
#include "opsd/cluster/apply.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/cursors.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/replication.h"
#include "opsd/cluster/take.h"
#include "opsd/store/txn.h"
#include "test/unit/opendata.h"

struct openrep {
	struct opendata o; /* first */
	struct replication rep;
	struct cursors_question *asked[64]; /* by cursors, and not answered */
	size_t nasked;
};

static const uint8_t boston[NODE_ID_LEN] = "boston-boston-b",
		     austin[NODE_ID_LEN] = "austin-austin-a";

static inline void
openrep_open(struct openrep *r, const char *name)
{
	char *err = NULL, *run;

	memset(r, 0, sizeof(*r));
	opendata_open(&r->o, name);
	r->o.svc.base = event_base_new();
	r->o.svc.post = post_new(r->o.svc.base);
	run = conf_run_path(r->o.svc.conf, "");
	file_make_folder(run);
	if (replication_load(&r->rep, &r->o.data, &err) == -1 ||
	    replication_start(&r->rep, &err) == -1)
		fatalx("%s", err);
	free(run);
}

static inline void
openrep_close(struct openrep *r)
{
	struct event_base *base = r->o.svc.base;
	struct post *post = r->o.svc.post;

	while (r->nasked > 0)
		cursors_question_free(r->asked[--r->nasked]);
	workers_stop(r->o.data.workers);
	commit_stop(r->o.data.commit);
	r->o.data.workers = NULL;
	r->o.data.commit = NULL;
	replication_quiet(&r->rep);
	replication_stop(&r->rep);
	replication_clear(&r->rep);
	opendata_close(&r->o);
	post_free(post);
	event_base_free(base);
}

static inline void
openrep_restart(struct openrep *r)
{
	char *name = xstrdup(strrchr(conf_str(r->o.svc.conf, ROOT_PATH), '/') + 1);

	openrep_close(r);
	openrep_open(r, name);
	free(name);
}

/* For a test's setup: another node each time, with the database "dev" and these tables; and its teardown. */
static inline struct openrep *
openrep_begin(void **state, const char *table, const char *another)
{
	const char *tables[] = { table, another };
	static struct openrep r;
	static int n;
	char name[16];

	snprintf(name, sizeof(name), "node%d", n++);
	openrep_open(&r, name);
	if (opendata_define(&r.o, DDL_CREATE_DATABASE, NULL, NULL, 0) != 200)
		fatalx("no database");
	for (size_t i = 0; i < 2 && tables[i] != NULL; i++)
		if (opendata_define(&r.o, DDL_CREATE_TABLE, tables[i], NULL, 0) != 200)
			fatalx("no table %s", tables[i]);
	*state = &r;
	return (&r);
}

static inline int
openrep_end(void **state)
{
	openrep_close(*state);
	return (0);
}

/* ---- on the commit thread ---- */

struct call {
	struct commit_job job; /* first */
	void (*fn)(struct group *g, void *arg);
	void *with;
};

static inline void
call_run(struct group *g, struct commit_job *j)
{
	struct call *c = (struct call *)j;

	c->fn(g, c->with);
}

static inline int
openrep_call(struct openrep *r, void (*fn)(struct group *g, void *arg), void *arg)
{
	struct call c = { .job.run = call_run, .fn = fn, .with = arg };
	int status = commit_wait(r->o.data.commit, &c.job);

	free(c.job.error);
	return (status);
}

struct entering {
	const uint8_t *id;
	const char *name, *table;
	int publish, subscribe, removed;
	uint64_t time;
};

static inline void
entering_run(struct group *g, void *arg)
{
	struct entering *e = arg;
	struct peer *p = nodes_edit(g, e->id, e->name);

	subscriptions_take(&p->subs,
	    &(struct subscription){ (char *)"dev", (char *)(uintptr_t)e->table, e->publish,
		e->subscribe, e->removed, { e->time, 1 }, 0 });
	nodes_store(g, p);
}

/* ---- what a peer offers ---- */

static inline struct offer *
offering_new(const uint8_t *id, const char *name, uint64_t incarnation)
{
	struct offer *o = xcalloc(1, sizeof(*o));

	memcpy(o->id, id, NODE_ID_LEN);
	o->name = xstrdup(name);
	o->incarnation = incarnation;
	return (o);
}

/* A subscription of database "dev", from the peer's side. */
static inline struct offer_item *
offering_add(struct offer *o, const char *table, int publish, int subscribe, int removed,
    uint64_t time)
{
	struct offer_item *i;

	o->items = xrealloc(o->items, (o->n + 1) * sizeof(*o->items));
	i = &o->items[o->n++];
	*i = (struct offer_item){
		.sub = { xstrdup("dev"), xstrdup(table), publish, subscribe, removed, { time, 1 },
		    0 },
		.has_database = 1,
	};
	return (i);
}

/* The one for all databases, both ways. */
static inline struct offer_item *
offering_all(struct offer *o, uint64_t time)
{
	struct offer_item *i = offering_add(o, "*", 1, 1, 0, time);

	free(i->sub.database);
	i->sub.database = xstrdup("*");
	return (i);
}

/* What the peer has, of the last subscription; a database only for all of them. */
static inline void
offering_table_in(struct offer *o, const char *database, const char *name, uint32_t id,
    uint64_t head, const char *key)
{
	struct offer_item *i = &o->items[o->n - 1];

	i->tables = xrealloc(i->tables, (i->n + 1) * sizeof(*i->tables));
	i->tables[i->n++] = (struct offer_table){
		xstrdup(database),
		xstrdup(name),
		id,
		{ head, head, head },
		json_pack("{s:s, s:[]}", "primary_key", key, "attributes"),
	};
}

/* What the peer has, of the last subscription. */
static inline void
offering_table(struct offer *o, const char *name, uint32_t id, uint64_t head, const char *key)
{
	offering_table_in(o, NULL, name, id, head, key);
}

/* Takes it; the status. */
static inline int
openrep_take(struct openrep *r, struct offer *o)
{
	struct take *t = take_new(o);
	int status = commit_wait(r->o.data.commit, &t->job);

	take_free(t);
	return (status);
}

/* ---- what a peer sends ---- */

/* An entry of a peer's log: one row {"id": key, "a": a} (a -1: it is deleted) at a time in ms. */
struct sent {
	uint64_t seq, prev, ms;
	int key, a;
	uint64_t life; /* of the node that wrote it; 0: LIFE_MARK */
};

#define LIFE_MARK          UINT64_C(7)
#define MARK_OF(life, seq) ((seq) == 0 ? 0 : (life) << 32 | (seq))
#define MARK(seq)          MARK_OF(LIFE_MARK, seq)

static inline void
sent_payload(struct buf *b, const struct sent *s, const uint8_t *peer, const char *table)
{
	size_t at = txn_begin(b, TXN_WRITE, s->a == -1 ? TXN_DELETE : TXN_UPSERT, peer, "", "dev",
	    table, "id");
	json_t *key = json_integer(s->key), *value = json_integer(s->a);
	struct buf k = { 0 }, v = { 0 };

	txn_set_stamp(b, at, s->ms << 16);
	txn_set_count(b, at, 1);
	key_from_json(&k, key);
	value_pack(&v, value);
	buf_u8(b, s->a == -1 ? REC_CLEARED : REC_CREATED | REC_CLEARED);
	buf_strn(b, k.data, k.len);
	buf_u32(b, s->a != -1);
	if (s->a != -1) {
		buf_u8(b, 1);
		buf_add(b, "a", 1);
		buf_blob(b, v.data, v.len);
	}
	buf_free(&k);
	buf_free(&v);
	json_decref(key);
	json_decref(value);
}

static inline struct log_entry
sent_entry(struct buf *payload, const struct sent *s, const uint8_t *peer, uint32_t id,
    const char *table)
{
	uint64_t life = s->life != 0 ? s->life : LIFE_MARK;

	sent_payload(payload, s, peer, table);
	return ((struct log_entry){ .seq = s->seq,
	    .mark = MARK_OF(life, s->seq),
	    .prev = s->prev,
	    .prev_mark = MARK_OF(life, s->prev),
	    .ms = s->ms,
	    .table = id,
	    .payload = payload->data,
	    .len = (uint32_t)payload->len });
}

static inline void
sent_frame(struct buf *bytes, uint64_t incarnation, uint32_t id, const char *table,
    const struct sent *s)
{
	struct frame f = { .incarnation = incarnation, .table = id, .window = s->seq };
	struct buf payload = { 0 };
	struct log_entry e = sent_entry(&payload, s, boston, id, table);

	memcpy(f.node, boston, NODE_ID_LEN);
	frame_add(bytes, frame_begin(bytes, &f), &e);
	frame_end(bytes, 0, bytes->len, 0);
	buf_free(&payload);
}

static inline void
openrep_frame_in(struct openrep *r, const uint8_t *peer, struct shard of, uint64_t at,
    const struct buf *bytes)
{
	struct apply *a = apply_frame_new(peer, of, at, bytes->data, bytes->len);

	if (commit_wait(r->o.data.commit, &a->job) != 200)
		fatalx("a frame: %s", a->job.error);
	apply_free(a);
}

static inline void
openrep_frame_as_is(struct openrep *r, const uint8_t *peer, uint64_t at, const struct buf *bytes)
{
	openrep_frame_in(r, peer, (struct shard){ 0, 1 }, at, bytes);
}

/* One frame with one entry, taken as it comes from the peer's stream. */
static inline void
openrep_frame(struct openrep *r, const uint8_t *peer, uint64_t incarnation, uint32_t id,
    const char *table, const struct sent *s)
{
	struct buf bytes = { 0 };

	sent_frame(&bytes, incarnation, id, table, s);
	openrep_frame_as_is(r, peer, s->seq, &bytes);
	buf_free(&bytes);
}

/* Asks what cursors ask boston now, or soon; how much that is. */
static inline size_t
openrep_ask(struct openrep *r, uint64_t in_us)
{
	struct cursors_question **list;
	size_t n;

	list = cursors_due(r->rep.cursors, boston, mono_us() + in_us, 64 - r->nasked,
	    64 - r->nasked, &n);
	for (size_t i = 0; i < n; i++)
		r->asked[r->nasked++] = list[i];
	free(list);
	return (n);
}

static inline int
is_asked_for(const struct cursors_question *q, uint32_t id)
{
	for (size_t i = 0; i < q->n; i++)
		if (q->tables[i] == id)
			return (1);
	return (0);
}

/* The last question for the table; the caller frees it. */
static inline struct cursors_question *
openrep_asked(struct openrep *r, uint32_t id)
{
	struct cursors_question *q;
	size_t i = r->nasked;

	while (i > 0 && !is_asked_for(r->asked[i - 1], id))
		i--;
	if (i == 0)
		fatalx("table %u asks nothing", id);
	q = r->asked[i - 1];
	r->asked[i - 1] = r->asked[--r->nasked];
	return (q);
}

/* b is the answer to a question; NULL: none comes. */
static inline void
openrep_answer_to(struct openrep *r, const struct cursors_question *q, const struct buf *b)
{
	struct apply *a = apply_answer_new(q, 0, b != NULL ? b->data : NULL,
	    b != NULL ? b->len : 0);

	if (commit_wait(r->o.data.commit, &a->job) != 200)
		fatalx("an answer: %s", a->job.error);
	apply_free(a);
}

/* To what the cursor asked last, or would soon. */
static inline void
openrep_answer_as_is(struct openrep *r, uint32_t id, const struct buf *b)
{
	struct cursors_question *q;

	openrep_ask(r, 60000000);
	q = openrep_asked(r, id);
	openrep_answer_to(r, q, b);
	cursors_question_free(q);
}

/* b is what answer_start began. */
static inline void
openrep_answer(struct openrep *r, uint32_t id, struct buf *b)
{
	seal_end(b, 0, b->len);
	openrep_answer_as_is(r, id, b);
}

static inline void
answer_head(struct buf *b, uint64_t head)
{
	buf_str(b, "id");
	buf_u64(b, head);
	buf_u64(b, MARK(head));
	buf_u64(b, 1000);
}

/* Of rows, or of sums. */
static inline void
answer_start(struct buf *b, uint64_t incarnation, uint32_t id, uint64_t head)
{
	seal_begin(b);
	buf_u16(b, 200);
	buf_u64(b, incarnation);
	buf_u32(b, id);
	answer_head(b, head);
}

/* Entries that were asked for; it is up to the last one, and done when that is the head. */
static inline void
sent_log(struct buf *b, uint64_t incarnation, uint32_t id, const char *table, const struct sent *s,
    uint32_t n, uint64_t head)
{
	seal_begin(b);
	buf_u16(b, 200);
	buf_u64(b, incarnation);
	buf_u32(b, id);
	buf_u64(b, n > 0 ? s[0].prev : 0);
	buf_u64(b, n > 0 ? s[n - 1].seq : head);
	buf_u32(b, 1);
	buf_u16(b, 200);
	buf_u32(b, id);
	answer_head(b, head);
	buf_u8(b, n == 0 || s[n - 1].seq >= head);
	buf_u32(b, n);
	for (uint32_t i = 0; i < n; i++) {
		struct buf payload = { 0 };
		struct log_entry e = sent_entry(&payload, &s[i], boston, id, table);

		log_entry_write(b, &e);
		buf_free(&payload);
	}
	seal_end(b, 0, b->len);
}

static inline void
openrep_log(struct openrep *r, uint64_t incarnation, uint32_t id, const char *table,
    const struct sent *s, uint32_t n, uint64_t head)
{
	struct buf b = { 0 };

	sent_log(&b, incarnation, id, table, s, n, head);
	openrep_answer(r, id, &b);
	buf_free(&b);
}

/* A chunk of a copy with one row. */
static inline void
sent_rows(struct buf *b, uint64_t incarnation, uint32_t id, const struct sent *s, uint64_t head,
    int done)
{
	struct stamp at = { s->ms << 16, stamp_node(boston) };
	struct row row = { .created = at, .cleared = at };
	struct buf k = { 0 }, v = { 0 }, state = { 0 };
	json_t *key = json_integer(s->key), *value = json_integer(s->a);
	struct attr *a = row_add(&row, "a", 1);

	key_from_json(&k, key);
	value_pack(&v, value);
	a->value = v.data;
	a->vlen = (uint32_t)v.len;
	a->stamp = at;
	row_encode(&row, &state);
	answer_start(b, incarnation, id, head);
	buf_u8(b, (uint8_t)done);
	buf_blob(b, k.data, k.len);
	buf_blob(b, NULL, 0);
	buf_u32(b, 1);
	buf_strn(b, k.data, k.len);
	buf_blob(b, state.data, state.len);
	seal_end(b, 0, b->len);
	row_free(&row);
	buf_free(&k);
	buf_free(&v);
	buf_free(&state);
	json_decref(key);
	json_decref(value);
}

static inline void
openrep_rows(struct openrep *r, uint64_t incarnation, uint32_t id, const struct sent *s,
    uint64_t head, int done)
{
	struct buf b = { 0 };

	sent_rows(&b, incarnation, id, s, head, done);
	openrep_answer(r, id, &b);
	buf_free(&b);
}

#endif
