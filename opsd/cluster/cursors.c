#include "config.h"

#include "opsd/cluster/cursors.h"

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

#define CURSOR_FORMAT	3

struct cursor_key {
	uint8_t		peer[NODE_ID_LEN];
	uint32_t	table;
};

struct held {
	struct cursor	 cursor;	/* first */
	struct cursor_key	 key;
	struct buf	 label;	/* peer, database, name: of those the newest is found */
	struct held	*prev, *next;	/* of the same peer */
	UT_hash_handle	 hh, hh_label;
};

struct source {			/* a peer */
	uint8_t		 peer[NODE_ID_LEN];
	uint64_t	 stream_seq;
	uint64_t	 gone;	/* moves when one was removed last */
	struct held	*cursors;
	size_t		 n;
	UT_hash_handle	 hh;
};

struct cursors {
	struct replication	*rep;
	pthread_mutex_t	 lock;
	struct held	*cursors, *labels;
	struct source	*sources;
	uint64_t	 moves;
};

static const char *const state_names[] = { "live", "fetch", "copy", "clock", "failed",
    "recover" };

const char *
cursor_state_name(enum cursor_state s)
{
	return (state_names[s]);
}

uint64_t
cursor_rows_total(const struct cursor *cur)
{
	return (cur->peer_rows == 0 || cur->peer_rows > cur->copied ? cur->peer_rows : cur->copied);
}

static struct cursor_key
key_of(const uint8_t *peer, uint32_t table)
{
	struct cursor_key k;

	memset(&k, 0, sizeof(k));
	memcpy(k.peer, peer, NODE_ID_LEN);
	k.table = table;
	return (k);
}

static void
cursor_clear(struct cursor *cur)
{
	free(cur->database);
	free(cur->name);
	free(cur->next_key);
	free(cur->why);
}

void
cursor_free(struct cursor *cur)
{
	if (cur == NULL)
		return;
	cursor_clear(cur);
	free(cur);
}

static struct source *
source_find(struct cursors *f, const uint8_t *peer)
{
	struct source *s;

	HASH_FIND(hh, f->sources, peer, NODE_ID_LEN, s);
	return (s);
}

static struct source *
source_of(struct cursors *f, const uint8_t *peer)
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
insert(struct cursors *f, const uint8_t *peer, uint32_t table, char *database, char *name)
{
	struct held *h = xcalloc(1, sizeof(*h));
	struct source *s = source_of(f, peer);

	h->key = key_of(peer, table);
	memcpy(h->cursor.peer, peer, NODE_ID_LEN);
	h->cursor.table = table;
	h->cursor.database = database;
	h->cursor.name = name;
	add_label(&h->label, peer, database, strlen(database), name, strlen(name));
	HASH_ADD(hh, f->cursors, key, sizeof(h->key), h);
	HASH_ADD_KEYPTR(hh_label, f->labels, h->label.data, h->label.len, h);
	h->cursor.moved = ++f->moves;
	DL_APPEND(s->cursors, h);
	s->n++;
	return (h);
}

static void
cursor_delete(struct cursors *f, struct held *h)
{
	struct source *s = source_of(f, h->cursor.peer);

	s->gone = ++f->moves;
	DL_DELETE(s->cursors, h);
	s->n--;
	HASH_DELETE(hh, f->cursors, h);
	HASH_DELETE(hh_label, f->labels, h);
	buf_free(&h->label);
	cursor_clear(&h->cursor);
	free(h);
}

static int
load_one(struct cursors *f, const uint8_t *k, size_t klen, const uint8_t *v, size_t vlen, char **err)
{
	struct rd key = rd_init(k, klen), r = rd_init(v, vlen);
	const uint8_t *peer = rd_bytes(&key, NODE_ID_LEN), *next;
	uint32_t table = rd_be32(&key);
	struct cursor *cur;
	uint8_t format, state;
	char *database, *name;

	if (!rd_done(&key))
		return (-1);
	if (table == 0) {
		source_of(f, peer)->stream_seq = rd_u64(&r);
		return (rd_done(&r) ? 0 : -1);
	}
	format = rd_u8(&r);
	if (format != CURSOR_FORMAT) {
		*err = xasprintf("store: a cursor is of format %u, and this version (" PACKAGE_VERSION
		    ") reads format %u", format, CURSOR_FORMAT);
		return (-1);
	}
	state = rd_u8(&r);
	database = rd_str(&r);
	name = rd_str(&r);
	cur = &insert(f, peer, table, database, name)->cursor;
	cur->state = state;
	cur->incarnation = rd_u64(&r);
	cur->seq = rd_u64(&r);
	cur->mark = rd_u64(&r);
	cur->ms = rd_u64(&r);
	cur->from_ms = rd_u64(&r);
	cur->chunks = (int)rd_u32(&r);
	cur->recovering = rd_u8(&r);
	next = rd_blob(&r, &cur->next_len);
	cur->next_key = cur->next_len > 0 ? xmemdup(next, cur->next_len) : NULL;
	cur->why = rd_str(&r);
	cur->copied = rd_u64(&r);
	cur->since_ms = rd_u64(&r);
	if (cur->why[0] == '\0') {
		free(cur->why);
		cur->why = NULL;
	}
	cur->fetched = cur->seq;
	return (rd_done(&r) && cur->state <= CURSOR_RECOVER ? 0 : -1);
}

struct cursors *
cursors_load(struct replication *rep, char **err)
{
	struct cursors *f = xcalloc(1, sizeof(*f));
	struct store_iter *it = store_iter_new(rep->data->store, NULL, CF_CURSOR, NULL, 0, NULL, 0);
	int rc = 0;

	f->rep = rep;
	pthread_mutex_init(&f->lock, NULL);
	for (store_iter_first(it); rc == 0 && store_iter_valid(it); store_iter_next(it)) {
		size_t klen, vlen;
		const uint8_t *k = store_iter_key(it, &klen), *v = store_iter_value(it, &vlen);

		rc = load_one(f, k, klen, v, vlen, err);
	}
	if (store_iter_failed(it))
		rc = -1;
	store_iter_free(it);
	if (rc == -1) {
		if (*err == NULL)
			*err = xasprintf("store: the cursors cannot be read");
		cursors_free(f);
		return (NULL);
	}
	return (f);
}

void
cursors_free(struct cursors *f)
{
	struct held *h, *tmp;
	struct source *s, *stmp;

	if (f == NULL)
		return;
	HASH_ITER(hh, f->cursors, h, tmp)
		cursor_delete(f, h);
	HASH_ITER(hh, f->sources, s, stmp) {
		HASH_DEL(f->sources, s);
		free(s);
	}
	pthread_mutex_destroy(&f->lock);
	free(f);
}

struct cursor *
cursors_find(struct cursors *f, const uint8_t *peer, uint32_t table)
{
	struct cursor_key k = key_of(peer, table);
	struct held *h;

	HASH_FIND(hh, f->cursors, &k, sizeof(k), h);
	return (h != NULL ? &h->cursor : NULL);
}

static struct cursor *
cursor_copy(const struct cursor *cur)
{
	struct cursor *c = xmalloc(sizeof(*c));

	*c = *cur;
	c->database = xstrdup(c->database);
	c->name = xstrdup(c->name);
	c->why = xstrdup(c->why);
	c->next_key = c->next_len > 0 ? xmemdup(c->next_key, c->next_len) : NULL;
	return (c);
}

struct cursor **
cursors_all(struct cursors *f, const uint8_t *peer, size_t *n)
{
	struct cursor **list;
	struct source *s;
	struct held *h;

	*n = 0;
	pthread_mutex_lock(&f->lock);
	s = peer != NULL ? source_find(f, peer) : NULL;
	list = xcalloc((peer == NULL ? HASH_COUNT(f->cursors) : s != NULL ? s->n : 0) + 1, sizeof(*list));
	if (peer == NULL)
		for (h = f->cursors; h != NULL; h = h->hh.next)
			list[(*n)++] = cursor_copy(&h->cursor);
	else if (s != NULL)
		DL_FOREACH(s->cursors, h)
			list[(*n)++] = cursor_copy(&h->cursor);
	pthread_mutex_unlock(&f->lock);
	return (list);
}

struct cursor **
cursors_moved(struct cursors *f, const uint8_t *peer, uint64_t since, uint64_t *upto, int *whole,
    size_t *n)
{
	struct cursor **list;
	struct source *s;
	struct held *h;

	*n = 0;
	pthread_mutex_lock(&f->lock);
	s = source_find(f, peer);
	*upto = f->moves;
	*whole = since == 0 || (s != NULL && s->gone > since);
	list = xcalloc((s != NULL ? s->n : 0) + 1, sizeof(*list));
	if (s != NULL)
		DL_FOREACH(s->cursors, h)
			if (*whole || h->cursor.moved > since || h->cursor.state != CURSOR_LIVE)
				list[(*n)++] = cursor_copy(&h->cursor);
	pthread_mutex_unlock(&f->lock);
	return (list);
}

struct cursor **
cursors_due(struct cursors *f, const uint8_t *peer, uint64_t now_us, size_t max, size_t *n)
{
	struct cursor **list = xcalloc(max + 1, sizeof(*list));
	struct source *s;
	struct held *h;

	*n = 0;
	pthread_mutex_lock(&f->lock);
	s = source_find(f, peer);
	for (h = s != NULL ? s->cursors : NULL; h != NULL && *n < max; h = h->next)
		if (h->cursor.state != CURSOR_LIVE && !h->cursor.pulling && now_us >= h->cursor.retry_us)
			list[(*n)++] = cursor_copy(&h->cursor);
	pthread_mutex_unlock(&f->lock);
	return (list);
}

void
cursors_heard(struct cursors *f, const uint8_t *peer, uint32_t table, uint64_t head, uint64_t head_ms,
    uint64_t rows)
{
	struct cursor *cur;

	pthread_mutex_lock(&f->lock);
	cur = cursors_find(f, peer, table);
	if (cur != NULL) {
		cur->head = head;
		cur->head_ms = head_ms;
		cur->peer_rows = rows;
	}
	pthread_mutex_unlock(&f->lock);
}

int
cursors_behind(struct cursors *f, const uint8_t *peer, uint64_t incarnation)
{
	struct source *s;
	struct held *h;
	int behind = 0;

	pthread_mutex_lock(&f->lock);
	s = source_find(f, peer);
	for (h = s != NULL ? s->cursors : NULL; h != NULL && !behind; h = h->next)
		behind = h->cursor.incarnation < incarnation || h->cursor.stuck != 0 ||
		    (h->cursor.state == CURSOR_LIVE && h->cursor.head > h->cursor.seq);
	pthread_mutex_unlock(&f->lock);
	return (behind);
}

uint64_t
cursors_stream_seq(struct cursors *f, const uint8_t *peer)
{
	struct source *s;
	uint64_t seq;

	pthread_mutex_lock(&f->lock);
	s = source_find(f, peer);
	seq = s != NULL ? s->stream_seq : 0;
	pthread_mutex_unlock(&f->lock);
	return (seq);
}

struct cursor *
cursors_find_named(struct cursors *f, const uint8_t *peer, const char *db, size_t dblen,
    const char *name, size_t nlen)
{
	struct buf label = { 0 };
	struct held *h;

	add_label(&label, peer, db, dblen, name, nlen);
	HASH_FIND(hh_label, f->labels, label.data, label.len, h);
	buf_free(&label);
	return (h != NULL ? &h->cursor : NULL);
}

struct cursor *
cursors_add(struct group *g, const uint8_t *peer, uint32_t table, const char *database,
    const char *name)
{
	struct cursors *f = replication_of(g)->cursors;
	struct cursor *cur;

	pthread_mutex_lock(&f->lock);
	cur = &insert(f, peer, table, xstrdup(database), xstrdup(name))->cursor;
	cur->since_ms = wall_ms();
	pthread_mutex_unlock(&f->lock);
	return (cur);
}

static void
cursor_key(struct buf *k, const uint8_t *peer, uint32_t table)
{
	buf_add(k, peer, NODE_ID_LEN);
	buf_be32(k, table);
}

void
cursors_remove(struct group *g, struct cursor *cur)
{
	struct cursors *f = replication_of(g)->cursors;
	struct buf k = { 0 };

	cursor_key(&k, cur->peer, cur->table);
	store_batch_delete(group_batch(g), CF_CURSOR, k.data, k.len);
	buf_free(&k);
	pthread_mutex_lock(&f->lock);
	cursor_delete(f, (struct held *)cur);
	pthread_mutex_unlock(&f->lock);
}

void
cursors_set_stream_seq(struct group *g, const uint8_t *peer, uint64_t seq)
{
	struct cursors *f = replication_of(g)->cursors;
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
cursor_save(struct group *g, struct cursor *cur)
{
	struct cursors *f = replication_of(g)->cursors;
	struct buf k = { 0 }, v = { 0 };

	pthread_mutex_lock(&f->lock);
	cur->moved = ++f->moves;
	pthread_mutex_unlock(&f->lock);
	cursor_key(&k, cur->peer, cur->table);
	buf_u8(&v, CURSOR_FORMAT);
	buf_u8(&v, (uint8_t)cur->state);
	buf_str(&v, cur->database);
	buf_str(&v, cur->name);
	buf_u64(&v, cur->incarnation);
	buf_u64(&v, cur->seq);
	buf_u64(&v, cur->mark);
	buf_u64(&v, cur->ms);
	buf_u64(&v, cur->from_ms);
	buf_u32(&v, (uint32_t)cur->chunks);
	buf_u8(&v, (uint8_t)cur->recovering);
	buf_blob(&v, cur->next_key, cur->next_len);
	buf_str(&v, cur->why != NULL ? cur->why : "");
	buf_u64(&v, cur->copied);
	buf_u64(&v, cur->since_ms);
	store_batch_put(group_batch(g), CF_CURSOR, k.data, k.len, v.data, v.len);
	buf_free(&k);
	buf_free(&v);
}

static void
log_state(struct group *g, const struct cursor *cur, enum cursor_state state, const char *why)
{
	static struct log_brake brake = { .most = 1000 };
	char *peer = nodes_shown(replication_of(g)->nodes, cur->peer);

	log_braked(&brake, state == CURSOR_FAILED ? LOG_ERROR : LOG_INFO, "cursor %s.%s from node %s: %s%s%s, after "
	    "transaction %llu of its log", cur->database, cur->name, peer,
	    state_names[state], why != NULL ? ": " : "", why != NULL ? why : "",
	    (unsigned long long)cur->seq);
	free(peer);
}

void
cursor_set(struct group *g, struct cursor *cur, enum cursor_state state, const char *why)
{
	struct cursors *f = replication_of(g)->cursors;

	if (state != cur->state && (state == CURSOR_COPY || state == CURSOR_FAILED ||
	    state == CURSOR_CLOCK))
		log_state(g, cur, state, why);
	pthread_mutex_lock(&f->lock);
	if (state != cur->state)
		cur->since_ms = wall_ms();
	cur->state = state;
	free(cur->why);
	cur->why = xstrdup(why);
	cur->fetched = cur->seq;
	cur->stuck = cur->ahead = 0;
	cur->retry_us = state == CURSOR_CLOCK || state == CURSOR_FAILED ? mono_us() + 1000000 : 0;
	pthread_mutex_unlock(&f->lock);
	cursor_save(g, cur);
	if (state != CURSOR_LIVE)
		cluster_kick(replication_of(g)->cluster);
}

int
cursor_other_key(struct group *g, struct cursor *cur, const struct table *t, const char *key, size_t n)
{
	char *why;

	if (strlen(t->primary_key) == n && memcmp(t->primary_key, key, n) == 0)
		return (0);
	why = xasprintf("the table has another primary key there, '%.*s', than here, '%s': drop "
	    "one of the two and make it like the other", (int)n, key, t->primary_key);
	cursor_set(g, cur, CURSOR_FAILED, why);
	free(why);
	return (1);
}

void
cursor_set_key(struct group *g, struct cursor *cur, const uint8_t *key, size_t n)
{
	struct cursors *f = replication_of(g)->cursors;

	pthread_mutex_lock(&f->lock);
	free(cur->next_key);
	cur->next_key = n > 0 ? xmemdup(key, n) : NULL;
	cur->next_len = n;
	pthread_mutex_unlock(&f->lock);
}

void
cursor_copy_anew(struct group *g, struct cursor *cur, int recovering)
{
	cursor_set_key(g, cur, NULL, 0);
	cur->chunks = 0;
	cur->copied = 0;
	cur->recovering |= recovering;
	cursor_set(g, cur, cur->state == CURSOR_RECOVER ? CURSOR_RECOVER : CURSOR_COPY,
	    recovering ? "recovering own writes" : "the log does not reach");
}

void
cursors_lock(struct cursors *f)
{
	pthread_mutex_lock(&f->lock);
}

void
cursors_unlock(struct cursors *f)
{
	pthread_mutex_unlock(&f->lock);
}

struct cursor *
cursors_first(struct cursors *f)
{
	return ((struct cursor *)f->cursors);
}

struct cursor *
cursors_next(struct cursor *cur)
{
	return ((struct cursor *)((struct held *)cur)->hh.next);
}

struct cursor *
cursors_first_of(struct cursors *f, const uint8_t *peer)
{
	struct source *s = source_find(f, peer);

	return (s != NULL ? (struct cursor *)s->cursors : NULL);
}

struct cursor *
cursors_next_of(struct cursor *cur)
{
	return ((struct cursor *)((struct held *)cur)->next);
}
