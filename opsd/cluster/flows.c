#include "config.h"

#include "opsd/cluster/flows.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/logbrake.h"
#include "common/base/mem.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/replication.h"

#define FLOW_FORMAT	3

struct flow_key {
	uint8_t		peer[NODE_ID_LEN];
	uint32_t	table;
};

struct held {
	struct flow	 flow;	/* first */
	struct flow_key	 key;
	struct buf	 label;	/* peer, database, name: of those the newest is found */
	struct held	*prev, *next;	/* of the same peer */
	UT_hash_handle	 hh, hh_label;
};

struct source {			/* a peer */
	uint8_t		 peer[NODE_ID_LEN];
	uint64_t	 stream_seq;
	uint64_t	 gone;	/* moves when one was removed last */
	struct held	*flows;
	size_t		 n;
	UT_hash_handle	 hh;
};

struct flows {
	struct replication	*rep;
	pthread_mutex_t	 lock;
	struct held	*flows, *labels;
	struct source	*sources;
	uint64_t	 moves;
};

static const char *const state_names[] = { "live", "fetch", "copy", "clock", "failed",
    "recover" };

const char *
flow_state_name(enum flow_state s)
{
	return (state_names[s]);
}

uint64_t
flow_rows_total(const struct flow *fl)
{
	return (fl->peer_rows == 0 || fl->peer_rows > fl->copied ? fl->peer_rows : fl->copied);
}

static struct flow_key
key_of(const uint8_t *peer, uint32_t table)
{
	struct flow_key k;

	memset(&k, 0, sizeof(k));
	memcpy(k.peer, peer, NODE_ID_LEN);
	k.table = table;
	return (k);
}

static void
flow_clear(struct flow *fl)
{
	free(fl->database);
	free(fl->name);
	free(fl->next_key);
	free(fl->why);
}

void
flow_free(struct flow *fl)
{
	if (fl == NULL)
		return;
	flow_clear(fl);
	free(fl);
}

static struct source *
source_find(struct flows *f, const uint8_t *peer)
{
	struct source *s;

	HASH_FIND(hh, f->sources, peer, NODE_ID_LEN, s);
	return (s);
}

static struct source *
source_of(struct flows *f, const uint8_t *peer)
{
	struct source *s = source_find(f, peer);

	if (s == NULL) {
		s = xcalloc(1, sizeof(*s));
		memcpy(s->peer, peer, NODE_ID_LEN);
		HASH_ADD(hh, f->sources, peer, NODE_ID_LEN, s);
	}
	return (s);
}

static void
add_label(struct buf *b, const uint8_t *peer, const char *db, size_t dblen, const char *name,
    size_t nlen)
{
	buf_add(b, peer, NODE_ID_LEN);
	buf_add(b, db, dblen);
	buf_u8(b, 0);
	buf_add(b, name, nlen);
}

/* Takes the names. */
static struct held *
insert(struct flows *f, const uint8_t *peer, uint32_t table, char *database, char *name)
{
	struct held *h = xcalloc(1, sizeof(*h));
	struct source *s = source_of(f, peer);

	h->key = key_of(peer, table);
	memcpy(h->flow.peer, peer, NODE_ID_LEN);
	h->flow.table = table;
	h->flow.database = database;
	h->flow.name = name;
	add_label(&h->label, peer, database, strlen(database), name, strlen(name));
	HASH_ADD(hh, f->flows, key, sizeof(h->key), h);
	HASH_ADD_KEYPTR(hh_label, f->labels, h->label.data, h->label.len, h);
	h->flow.moved = ++f->moves;
	DL_APPEND(s->flows, h);
	s->n++;
	return (h);
}

static void
delete(struct flows *f, struct held *h)
{
	struct source *s = source_of(f, h->flow.peer);

	s->gone = ++f->moves;
	DL_DELETE(s->flows, h);
	s->n--;
	HASH_DELETE(hh, f->flows, h);
	HASH_DELETE(hh_label, f->labels, h);
	buf_free(&h->label);
	flow_clear(&h->flow);
	free(h);
}

static int
load_one(struct flows *f, const uint8_t *k, size_t klen, const uint8_t *v, size_t vlen)
{
	struct rd key = rd_init(k, klen), r = rd_init(v, vlen);
	const uint8_t *peer = rd_bytes(&key, NODE_ID_LEN), *next;
	uint32_t table = rd_be32(&key);
	struct flow *fl;
	uint8_t format, state;
	char *database, *name;

	if (!rd_done(&key))
		return (-1);
	if (table == 0) {
		source_of(f, peer)->stream_seq = rd_u64(&r);
		return (rd_done(&r) ? 0 : -1);
	}
	format = rd_u8(&r);
	state = rd_u8(&r);
	database = rd_str(&r);
	name = rd_str(&r);
	fl = &insert(f, peer, table, database, name)->flow;
	if (format != FLOW_FORMAT)
		return (-1);
	fl->state = state;
	fl->incarnation = rd_u64(&r);
	fl->seq = rd_u64(&r);
	fl->mark = rd_u64(&r);
	fl->ms = rd_u64(&r);
	fl->from_ms = rd_u64(&r);
	fl->chunks = (int)rd_u32(&r);
	fl->recovering = rd_u8(&r);
	next = rd_blob(&r, &fl->next_len);
	fl->next_key = fl->next_len > 0 ? xmemdup(next, fl->next_len) : NULL;
	fl->why = rd_str(&r);
	fl->copied = rd_u64(&r);
	fl->since_ms = rd_u64(&r);
	if (fl->why[0] == '\0') {
		free(fl->why);
		fl->why = NULL;
	}
	fl->fetched = fl->seq;
	return (rd_done(&r) && fl->state <= FLOW_RECOVER ? 0 : -1);
}

struct flows *
flows_load(struct replication *rep, char **err)
{
	struct flows *f = xcalloc(1, sizeof(*f));
	struct store_iter *it = store_iter_new(rep->data->store, NULL, CF_CURSOR, NULL, 0, NULL, 0);
	int rc = 0;

	f->rep = rep;
	pthread_mutex_init(&f->lock, NULL);
	for (store_iter_first(it); rc == 0 && store_iter_valid(it); store_iter_next(it)) {
		size_t klen, vlen;
		const uint8_t *k = store_iter_key(it, &klen), *v = store_iter_value(it, &vlen);

		rc = load_one(f, k, klen, v, vlen);
	}
	if (store_iter_failed(it))
		rc = -1;
	store_iter_free(it);
	if (rc == -1) {
		*err = xasprintf("store: the cursors cannot be read");
		flows_free(f);
		return (NULL);
	}
	return (f);
}

void
flows_free(struct flows *f)
{
	struct held *h, *tmp;
	struct source *s, *stmp;

	if (f == NULL)
		return;
	HASH_ITER(hh, f->flows, h, tmp)
		delete(f, h);
	HASH_ITER(hh, f->sources, s, stmp) {
		HASH_DEL(f->sources, s);
		free(s);
	}
	pthread_mutex_destroy(&f->lock);
	free(f);
}

struct flow *
flows_find(struct flows *f, const uint8_t *peer, uint32_t table)
{
	struct flow_key k = key_of(peer, table);
	struct held *h;

	HASH_FIND(hh, f->flows, &k, sizeof(k), h);
	return (h != NULL ? &h->flow : NULL);
}

static struct flow *
flow_copy(const struct flow *fl)
{
	struct flow *c = xmalloc(sizeof(*c));

	*c = *fl;
	c->database = xstrdup(c->database);
	c->name = xstrdup(c->name);
	c->why = xstrdup(c->why);
	c->next_key = c->next_len > 0 ? xmemdup(c->next_key, c->next_len) : NULL;
	return (c);
}

struct flow **
flows_all(struct flows *f, const uint8_t *peer, size_t *n)
{
	struct flow **list;
	struct source *s;
	struct held *h;

	*n = 0;
	pthread_mutex_lock(&f->lock);
	s = peer != NULL ? source_find(f, peer) : NULL;
	list = xcalloc((peer == NULL ? HASH_COUNT(f->flows) : s != NULL ? s->n : 0) + 1, sizeof(*list));
	if (peer == NULL)
		for (h = f->flows; h != NULL; h = h->hh.next)
			list[(*n)++] = flow_copy(&h->flow);
	else if (s != NULL)
		DL_FOREACH(s->flows, h)
			list[(*n)++] = flow_copy(&h->flow);
	pthread_mutex_unlock(&f->lock);
	return (list);
}

struct flow **
flows_moved(struct flows *f, const uint8_t *peer, uint64_t since, uint64_t *upto, int *whole,
    size_t *n)
{
	struct flow **list;
	struct source *s;
	struct held *h;

	*n = 0;
	pthread_mutex_lock(&f->lock);
	s = source_find(f, peer);
	*upto = f->moves;
	*whole = since == 0 || (s != NULL && s->gone > since);
	list = xcalloc((s != NULL ? s->n : 0) + 1, sizeof(*list));
	if (s != NULL)
		DL_FOREACH(s->flows, h)
			if (*whole || h->flow.moved > since || h->flow.state != FLOW_LIVE)
				list[(*n)++] = flow_copy(&h->flow);
	pthread_mutex_unlock(&f->lock);
	return (list);
}

struct flow **
flows_due(struct flows *f, const uint8_t *peer, uint64_t now_us, size_t max, size_t *n)
{
	struct flow **list = xcalloc(max + 1, sizeof(*list));
	struct source *s;
	struct held *h;

	*n = 0;
	pthread_mutex_lock(&f->lock);
	s = source_find(f, peer);
	for (h = s != NULL ? s->flows : NULL; h != NULL && *n < max; h = h->next)
		if (h->flow.state != FLOW_LIVE && !h->flow.pulling && now_us >= h->flow.retry_us)
			list[(*n)++] = flow_copy(&h->flow);
	pthread_mutex_unlock(&f->lock);
	return (list);
}

void
flows_heard(struct flows *f, const uint8_t *peer, uint32_t table, uint64_t head, uint64_t head_ms,
    uint64_t rows)
{
	struct flow *fl;

	pthread_mutex_lock(&f->lock);
	fl = flows_find(f, peer, table);
	if (fl != NULL) {
		fl->head = head;
		fl->head_ms = head_ms;
		fl->peer_rows = rows;
	}
	pthread_mutex_unlock(&f->lock);
}

int
flows_behind(struct flows *f, const uint8_t *peer, uint64_t incarnation)
{
	struct source *s;
	struct held *h;
	int behind = 0;

	pthread_mutex_lock(&f->lock);
	s = source_find(f, peer);
	for (h = s != NULL ? s->flows : NULL; h != NULL && !behind; h = h->next)
		behind = h->flow.incarnation < incarnation || h->flow.stuck != 0 ||
		    (h->flow.state == FLOW_LIVE && h->flow.head > h->flow.seq);
	pthread_mutex_unlock(&f->lock);
	return (behind);
}

uint64_t
flows_stream_seq(struct flows *f, const uint8_t *peer)
{
	struct source *s;
	uint64_t seq;

	pthread_mutex_lock(&f->lock);
	s = source_find(f, peer);
	seq = s != NULL ? s->stream_seq : 0;
	pthread_mutex_unlock(&f->lock);
	return (seq);
}

struct flow *
flows_find_named(struct flows *f, const uint8_t *peer, const char *db, size_t dblen,
    const char *name, size_t nlen)
{
	struct buf label = { 0 };
	struct held *h;

	add_label(&label, peer, db, dblen, name, nlen);
	HASH_FIND(hh_label, f->labels, label.data, label.len, h);
	buf_free(&label);
	return (h != NULL ? &h->flow : NULL);
}

struct flow *
flows_add(struct group *g, const uint8_t *peer, uint32_t table, const char *database,
    const char *name)
{
	struct flows *f = replication_of(g)->flows;
	struct flow *fl;

	pthread_mutex_lock(&f->lock);
	fl = &insert(f, peer, table, xstrdup(database), xstrdup(name))->flow;
	fl->since_ms = wall_ms();
	pthread_mutex_unlock(&f->lock);
	return (fl);
}

static void
cursor_key(struct buf *k, const uint8_t *peer, uint32_t table)
{
	buf_add(k, peer, NODE_ID_LEN);
	buf_be32(k, table);
}

void
flows_remove(struct group *g, struct flow *fl)
{
	struct flows *f = replication_of(g)->flows;
	struct buf k = { 0 };

	cursor_key(&k, fl->peer, fl->table);
	store_batch_delete(group_batch(g), CF_CURSOR, k.data, k.len);
	buf_free(&k);
	pthread_mutex_lock(&f->lock);
	delete(f, (struct held *)fl);
	pthread_mutex_unlock(&f->lock);
}

void
flows_set_stream_seq(struct group *g, const uint8_t *peer, uint64_t seq)
{
	struct flows *f = replication_of(g)->flows;
	struct buf k = { 0 }, v = { 0 };

	pthread_mutex_lock(&f->lock);
	source_of(f, peer)->stream_seq = seq;
	pthread_mutex_unlock(&f->lock);
	cursor_key(&k, peer, 0);
	buf_u64(&v, seq);
	store_batch_put(group_batch(g), CF_CURSOR, k.data, k.len, v.data, v.len);
	buf_free(&k);
	buf_free(&v);
}

void
flow_save(struct group *g, struct flow *fl)
{
	struct flows *f = replication_of(g)->flows;
	struct buf k = { 0 }, v = { 0 };

	pthread_mutex_lock(&f->lock);
	fl->moved = ++f->moves;
	pthread_mutex_unlock(&f->lock);
	cursor_key(&k, fl->peer, fl->table);
	buf_u8(&v, FLOW_FORMAT);
	buf_u8(&v, (uint8_t)fl->state);
	buf_str(&v, fl->database);
	buf_str(&v, fl->name);
	buf_u64(&v, fl->incarnation);
	buf_u64(&v, fl->seq);
	buf_u64(&v, fl->mark);
	buf_u64(&v, fl->ms);
	buf_u64(&v, fl->from_ms);
	buf_u32(&v, (uint32_t)fl->chunks);
	buf_u8(&v, (uint8_t)fl->recovering);
	buf_blob(&v, fl->next_key, fl->next_len);
	buf_str(&v, fl->why != NULL ? fl->why : "");
	buf_u64(&v, fl->copied);
	buf_u64(&v, fl->since_ms);
	store_batch_put(group_batch(g), CF_CURSOR, k.data, k.len, v.data, v.len);
	buf_free(&k);
	buf_free(&v);
}

static void
log_state(struct group *g, const struct flow *fl, enum flow_state state, const char *why)
{
	static struct log_brake brake = { .most = 1000 };
	char *peer = nodes_shown(replication_of(g)->nodes, fl->peer);

	log_braked(&brake, state == FLOW_FAILED ? LOG_ERROR : LOG_INFO, "flow %s.%s from node %s: %s%s%s, after "
	    "transaction %llu of its log", fl->database, fl->name, peer,
	    state_names[state], why != NULL ? ": " : "", why != NULL ? why : "",
	    (unsigned long long)fl->seq);
	free(peer);
}

void
flow_set(struct group *g, struct flow *fl, enum flow_state state, const char *why)
{
	struct flows *f = replication_of(g)->flows;

	if (state != fl->state && (state == FLOW_COPY || state == FLOW_FAILED ||
	    state == FLOW_CLOCK))
		log_state(g, fl, state, why);
	pthread_mutex_lock(&f->lock);
	if (state != fl->state)
		fl->since_ms = wall_ms();
	fl->state = state;
	free(fl->why);
	fl->why = xstrdup(why);
	fl->fetched = fl->seq;
	fl->stuck = fl->ahead = 0;
	fl->retry_us = state == FLOW_CLOCK || state == FLOW_FAILED ? mono_us() + 1000000 : 0;
	pthread_mutex_unlock(&f->lock);
	flow_save(g, fl);
	if (state != FLOW_LIVE)
		cluster_kick(replication_of(g)->cluster);
}

int
flow_other_key(struct group *g, struct flow *fl, const struct table *t, const char *key, size_t n)
{
	char *why;

	if (strlen(t->primary_key) == n && memcmp(t->primary_key, key, n) == 0)
		return (0);
	why = xasprintf("the table has another primary key there, '%.*s', than here, '%s': drop "
	    "one of the two and make it like the other", (int)n, key, t->primary_key);
	flow_set(g, fl, FLOW_FAILED, why);
	free(why);
	return (1);
}

void
flow_set_key(struct group *g, struct flow *fl, const uint8_t *key, size_t n)
{
	struct flows *f = replication_of(g)->flows;

	pthread_mutex_lock(&f->lock);
	free(fl->next_key);
	fl->next_key = n > 0 ? xmemdup(key, n) : NULL;
	fl->next_len = n;
	pthread_mutex_unlock(&f->lock);
}

void
flow_copy_anew(struct group *g, struct flow *fl, int recovering)
{
	flow_set_key(g, fl, NULL, 0);
	fl->chunks = 0;
	fl->copied = 0;
	fl->recovering |= recovering;
	flow_set(g, fl, fl->state == FLOW_RECOVER ? FLOW_RECOVER : FLOW_COPY,
	    recovering ? "recovering own writes" : "the log does not reach");
}

void
flows_lock(struct flows *f)
{
	pthread_mutex_lock(&f->lock);
}

void
flows_unlock(struct flows *f)
{
	pthread_mutex_unlock(&f->lock);
}

struct flow *
flows_first(struct flows *f)
{
	return ((struct flow *)f->flows);
}

struct flow *
flows_next(struct flow *fl)
{
	return ((struct flow *)((struct held *)fl)->hh.next);
}

struct flow *
flows_first_of(struct flows *f, const uint8_t *peer)
{
	struct source *s = source_find(f, peer);

	return (s != NULL ? (struct flow *)s->flows : NULL);
}

struct flow *
flows_next_of(struct flow *fl)
{
	return ((struct flow *)((struct held *)fl)->next);
}
