#include "config.h"

#include "flows.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "clock.h"
#include "cluster.h"
#include "log.h"
#include "mem.h"
#include "nodes.h"
#include "ops.h"

#define FLOW_FORMAT	2	/* 1: without copied and since_ms */

struct flow_key {
	uint8_t		peer[NODE_ID_LEN];
	uint32_t	table;
};

struct held {
	struct flow	 flow;	/* first */
	struct flow_key	 key;
	UT_hash_handle	 hh;
};

struct hint {
	uint8_t		 peer[NODE_ID_LEN];
	uint64_t	 seq;
	UT_hash_handle	 hh;
};

struct flows {
	struct ops	*ops;
	pthread_mutex_t	 lock;
	struct held	*flows;
	struct hint	*hints;
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

static struct held *
insert(struct flows *f, const uint8_t *peer, uint32_t table)
{
	struct held *h = xcalloc(1, sizeof(*h));

	h->key = key_of(peer, table);
	memcpy(h->flow.peer, peer, NODE_ID_LEN);
	h->flow.table = table;
	HASH_ADD(hh, f->flows, key, sizeof(h->key), h);
	return (h);
}

static struct hint *
hint_of(struct flows *f, const uint8_t *peer)
{
	struct hint *h;

	HASH_FIND(hh, f->hints, peer, NODE_ID_LEN, h);
	if (h == NULL) {
		h = xcalloc(1, sizeof(*h));
		memcpy(h->peer, peer, NODE_ID_LEN);
		HASH_ADD(hh, f->hints, peer, NODE_ID_LEN, h);
	}
	return (h);
}

static int
load_one(struct flows *f, const uint8_t *k, size_t klen, const uint8_t *v, size_t vlen)
{
	struct rd key = rd_init(k, klen), r = rd_init(v, vlen);
	const uint8_t *peer = rd_bytes(&key, NODE_ID_LEN), *next;
	uint32_t table = rd_be32(&key);
	struct flow *fl;
	uint8_t format;

	if (!rd_done(&key))
		return (-1);
	if (table == 0) {
		hint_of(f, peer)->seq = rd_u64(&r);
		return (rd_done(&r) ? 0 : -1);
	}
	fl = &insert(f, peer, table)->flow;
	format = rd_u8(&r);
	if (format < 1 || format > FLOW_FORMAT)
		return (-1);
	fl->state = rd_u8(&r);
	fl->database = rd_str(&r);
	fl->name = rd_str(&r);
	fl->incarnation = rd_u64(&r);
	fl->seq = rd_u64(&r);
	fl->ms = rd_u64(&r);
	fl->from_ms = rd_u64(&r);
	fl->chunks = (int)rd_u32(&r);
	fl->recovering = rd_u8(&r);
	next = rd_blob(&r, &fl->next_len);
	fl->next_key = fl->next_len > 0 ? xmemdup(next, fl->next_len) : NULL;
	fl->why = rd_str(&r);
	if (format > 1) {
		fl->copied = rd_u64(&r);
		fl->since_ms = rd_u64(&r);
	}
	if (fl->why[0] == '\0') {
		free(fl->why);
		fl->why = NULL;
	}
	fl->fetched = fl->seq;
	return (rd_done(&r) && fl->state <= FLOW_RECOVER ? 0 : -1);
}

struct flows *
flows_load(struct ops *ops, char **err)
{
	struct flows *f = xcalloc(1, sizeof(*f));
	struct store_iter *it = store_iter_new(ops->store, NULL, CF_CURSOR, NULL, 0, NULL, 0);
	int rc = 0;

	f->ops = ops;
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
	struct hint *hint, *htmp;

	if (f == NULL)
		return;
	HASH_ITER(hh, f->flows, h, tmp) {
		HASH_DEL(f->flows, h);
		flow_clear(&h->flow);
		free(h);
	}
	HASH_ITER(hh, f->hints, hint, htmp) {
		HASH_DEL(f->hints, hint);
		free(hint);
	}
	pthread_mutex_destroy(&f->lock);
	free(f);
}

struct flow **
flows_all(struct flows *f, const uint8_t *peer, size_t *n)
{
	struct flow **list;
	struct held *h;

	*n = 0;
	pthread_mutex_lock(&f->lock);
	list = xcalloc(HASH_COUNT(f->flows) + 1, sizeof(*list));
	for (h = f->flows; h != NULL; h = h->hh.next) {
		struct flow *c;

		if (peer != NULL && memcmp(peer, h->flow.peer, NODE_ID_LEN) != 0)
			continue;
		c = xmalloc(sizeof(*c));
		*c = h->flow;
		c->database = xstrdup(c->database);
		c->name = xstrdup(c->name);
		c->why = xstrdup(c->why);
		c->next_key = c->next_len > 0 ? xmemdup(c->next_key, c->next_len) : NULL;
		list[(*n)++] = c;
	}
	pthread_mutex_unlock(&f->lock);
	return (list);
}

uint64_t
flows_stream_seq(struct flows *f, const uint8_t *peer)
{
	struct hint *h;
	uint64_t seq;

	pthread_mutex_lock(&f->lock);
	HASH_FIND(hh, f->hints, peer, NODE_ID_LEN, h);
	seq = h != NULL ? h->seq : 0;
	pthread_mutex_unlock(&f->lock);
	return (seq);
}

struct flow *
flows_find(struct flows *f, const uint8_t *peer, uint32_t table)
{
	struct flow_key k = key_of(peer, table);
	struct held *h;

	HASH_FIND(hh, f->flows, &k, sizeof(k), h);
	return (h != NULL ? &h->flow : NULL);
}

struct flow *
flows_find_named(struct flows *f, const uint8_t *peer, const char *db, size_t dblen,
    const char *name, size_t nlen)
{
	struct held *h;

	for (h = f->flows; h != NULL; h = h->hh.next)
		if (memcmp(h->flow.peer, peer, NODE_ID_LEN) == 0 &&
		    strlen(h->flow.database) == dblen && memcmp(h->flow.database, db, dblen) == 0 &&
		    strlen(h->flow.name) == nlen && memcmp(h->flow.name, name, nlen) == 0)
			return (&h->flow);
	return (NULL);
}

struct flow *
flows_add(struct group *g, const uint8_t *peer, uint32_t table, const char *database,
    const char *name)
{
	struct flows *f = group_ops(g)->flows;
	struct flow *fl;

	pthread_mutex_lock(&f->lock);
	fl = &insert(f, peer, table)->flow;
	fl->database = xstrdup(database);
	fl->name = xstrdup(name);
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
	struct flows *f = group_ops(g)->flows;
	struct buf k = { 0 };

	cursor_key(&k, fl->peer, fl->table);
	store_batch_delete(group_batch(g), CF_CURSOR, k.data, k.len);
	buf_free(&k);
	pthread_mutex_lock(&f->lock);
	HASH_DEL(f->flows, (struct held *)fl);
	pthread_mutex_unlock(&f->lock);
	flow_clear(fl);
	free(fl);
}

void
flows_set_stream_seq(struct group *g, const uint8_t *peer, uint64_t seq)
{
	struct flows *f = group_ops(g)->flows;
	struct buf k = { 0 }, v = { 0 };

	pthread_mutex_lock(&f->lock);
	hint_of(f, peer)->seq = seq;
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
	struct buf k = { 0 }, v = { 0 };

	cursor_key(&k, fl->peer, fl->table);
	buf_u8(&v, FLOW_FORMAT);
	buf_u8(&v, (uint8_t)fl->state);
	buf_str(&v, fl->database);
	buf_str(&v, fl->name);
	buf_u64(&v, fl->incarnation);
	buf_u64(&v, fl->seq);
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
	char *peer = nodes_shown(group_ops(g)->nodes, fl->peer);

	log_line(state == FLOW_FAILED ? LOG_WARN : LOG_INFO, "flow %s.%s from node %s: %s%s%s, after "
	    "transaction %llu of its log", fl->database, fl->name, peer,
	    state_names[state], why != NULL ? ": " : "", why != NULL ? why : "",
	    (unsigned long long)fl->seq);
	free(peer);
}

void
flow_set(struct group *g, struct flow *fl, enum flow_state state, const char *why)
{
	struct flows *f = group_ops(g)->flows;

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
		cluster_kick(group_ops(g)->cluster);
}

void
flow_set_key(struct group *g, struct flow *fl, const uint8_t *key, size_t n)
{
	struct flows *f = group_ops(g)->flows;

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
