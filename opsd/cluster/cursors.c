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

#define QUESTION_BYTES (1u << 20) /* of an answer, at most */

struct cursor_key {
	uint8_t peer[NODE_ID_LEN];
	uint32_t table;
};

struct held {
	struct cursor *cursor;
	const struct cursor_view *v; /* of that */
	struct cursor_key key;
	struct buf label;         /* peer, database, name; empty: it only recovers */
	uint64_t moved;           /* when it was saved last, in moves of the cursors */
	struct held *prev, *next; /* of the same peer */
	UT_hash_handle hh, hh_label;
};

struct source { /* a peer */
	uint8_t peer[NODE_ID_LEN];
	uint64_t stream_seq;
	uint64_t gone; /* moves when one was removed last */
	struct held *cursors;
	size_t n;
	UT_hash_handle hh;
};

struct cursors {
	struct replication *rep;
	pthread_mutex_t lock;
	struct held *cursors, *labels;
	struct source *sources;
	uint64_t moves, turns;
};

static struct cursor_key
key_of(const uint8_t *peer, uint32_t table)
{
	struct cursor_key k;

	memset(&k, 0, sizeof(k));
	memcpy(k.peer, peer, NODE_ID_LEN);
	k.table = table;
	return (k);
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

/* With the lock held, or before anybody else knows of the cursors. */
static struct held *
insert_cursor(struct cursors *f, const struct cursor_view *v)
{
	struct held *h = xcalloc(1, sizeof(*h));
	struct source *s = source_of(f, v->peer);

	h->key = key_of(v->peer, v->table);
	h->cursor = cursor_new(v);
	h->v = cursor_view(h->cursor);
	HASH_ADD(hh, f->cursors, key, sizeof(h->key), h);
	if (!(v->table & CURSOR_OWN)) {
		add_label(&h->label, v->peer, v->database, strlen(v->database), v->name,
		    strlen(v->name));
		HASH_ADD_KEYPTR(hh_label, f->labels, h->label.data, h->label.len, h);
	}
	h->moved = ++f->moves;
	DL_APPEND(s->cursors, h);
	s->n++;
	return (h);
}

static void
delete_cursor(struct cursors *f, struct held *h)
{
	struct source *s = source_of(f, h->v->peer);

	s->gone = ++f->moves;
	DL_DELETE(s->cursors, h);
	s->n--;
	HASH_DELETE(hh, f->cursors, h);
	if (h->label.len > 0)
		HASH_DELETE(hh_label, f->labels, h);
	buf_free(&h->label);
	cursor_free(h->cursor);
	free(h);
}

static int
load_one(struct cursors *f, const uint8_t *k, size_t klen, const uint8_t *v, size_t vlen,
    char **err)
{
	struct rd key = rd_init(k, klen), r = rd_init(v, vlen);
	const uint8_t *peer = rd_bytes(&key, NODE_ID_LEN);
	struct cursor_view view = { .table = rd_be32(&key) };
	int rc;

	if (!rd_done(&key))
		return (-1);
	if (view.table == 0) {
		source_of(f, peer)->stream_seq = rd_u64(&r);
		return (rd_done(&r) ? 0 : -1);
	}
	if (vlen > 0 && v[0] != CURSOR_FORMAT) {
		*err =
		    xasprintf("store: a cursor is of format %u, and this version (" PACKAGE_VERSION
			      ") reads format %u",
			v[0], CURSOR_FORMAT);
		return (-1);
	}
	memcpy(view.peer, peer, NODE_ID_LEN);
	rc = cursor_view_read(&view, &r);
	if (rc == 0)
		insert_cursor(f, &view);
	cursor_view_clear(&view);
	return (rc);
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
		delete_cursor(f, h);
	HASH_ITER(hh, f->sources, s, stmp) {
		HASH_DEL(f->sources, s);
		free(s);
	}
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static struct held *
held_find(struct cursors *f, const uint8_t *peer, uint32_t table)
{
	struct cursor_key k = key_of(peer, table);
	struct held *h;

	HASH_FIND(hh, f->cursors, &k, sizeof(k), h);
	return (h);
}

static struct held *
held_of(struct cursors *f, const struct cursor *cur)
{
	const struct cursor_view *v = cursor_view(cur);

	return (held_find(f, v->peer, v->table));
}

static struct cursor *
cursor_of(const struct held *h)
{
	return (h != NULL ? h->cursor : NULL);
}

struct cursor *
cursors_find(struct cursors *f, const uint8_t *peer, uint32_t table)
{
	return (cursor_of(held_find(f, peer, table)));
}

static struct cursor_view *
view_of(const struct held *h)
{
	struct cursor_view *v = xmalloc(sizeof(*v));

	cursor_view_copy(v, h->v);
	return (v);
}

void
cursors_done(struct cursor_view **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		cursor_view_free(list[i]);
	free(list);
}

struct cursor_view **
cursors_all(struct cursors *f, const uint8_t *peer, size_t *n)
{
	struct cursor_view **list;
	struct source *s;
	struct held *h;
	size_t most;

	*n = 0;
	pthread_mutex_lock(&f->lock);
	s = peer != NULL ? source_find(f, peer) : NULL;
	most = peer == NULL ? HASH_COUNT(f->cursors) : s != NULL ? s->n : 0;
	list = xcalloc(most + 1, sizeof(*list));
	if (peer == NULL)
		for (h = f->cursors; h != NULL; h = h->hh.next)
			list[(*n)++] = view_of(h);
	else if (s != NULL)
		DL_FOREACH(s->cursors, h)
			list[(*n)++] = view_of(h);
	pthread_mutex_unlock(&f->lock);
	return (list);
}

struct cursor_view **
cursors_moved(struct cursors *f, const uint8_t *peer, uint64_t since, uint64_t *upto, int *whole,
    size_t *n)
{
	struct cursor_view **list;
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
			if (*whole || h->moved > since || h->v->state != CURSOR_LIVE)
				list[(*n)++] = view_of(h);
	pthread_mutex_unlock(&f->lock);
	return (list);
}

/* With the lock held. */
static struct cursors_question *
ask_of_cursor(struct cursors *f, struct held *h)
{
	struct cursors_question *question = xcalloc(1, sizeof(*question));
	struct cursor_event e = { .kind = ON_ASKED, .turn = ++f->turns };
	struct catchup_question q;

	cursor_question(h->cursor, &q);
	memcpy(q.asker, f->rep->data->node_id, NODE_ID_LEN);
	q.max = QUESTION_BYTES;
	catchup_question_write(&question->text, &q);
	memcpy(question->peer, h->v->peer, NODE_ID_LEN);
	question->table = h->v->table;
	question->kind = q.kind;
	question->turn = e.turn;
	cursor_on(h->cursor, &e, &(struct cursor_now){ 0 });
	return (question);
}

struct cursors_question **
cursors_due(struct cursors *f, const uint8_t *peer, uint64_t now_us, size_t max, size_t *n)
{
	struct cursors_question **list = xcalloc(max + 1, sizeof(*list));
	struct source *s;
	struct held *h;

	*n = 0;
	pthread_mutex_lock(&f->lock);
	s = source_find(f, peer);
	for (h = s != NULL ? s->cursors : NULL; h != NULL && *n < max; h = h->next)
		if (cursor_due(h->cursor, now_us))
			list[(*n)++] = ask_of_cursor(f, h);
	pthread_mutex_unlock(&f->lock);
	return (list);
}

void
cursors_question_free(struct cursors_question *q)
{
	if (q == NULL)
		return;
	buf_free(&q->text);
	free(q);
}

void
cursors_heard(struct cursors *f, const uint8_t *peer, uint32_t table, uint64_t head,
    uint64_t head_ms, uint64_t rows)
{
	struct cursor_event e = {
		.kind = ON_HEARD,
		.at = { .seq = head, .ms = head_ms },
		.rows = rows,
	};
	struct held *h;

	pthread_mutex_lock(&f->lock);
	h = held_find(f, peer, table);
	if (h != NULL)
		cursor_on(h->cursor, &e, &(struct cursor_now){ 0 });
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
		behind = cursor_is_behind(h->cursor, incarnation);
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

static struct held *
held_named(struct cursors *f, const uint8_t *peer, const char *db, size_t dblen, const char *name,
    size_t nlen)
{
	struct buf label = { 0 };
	struct held *h;

	add_label(&label, peer, db, dblen, name, nlen);
	HASH_FIND(hh_label, f->labels, label.data, label.len, h);
	buf_free(&label);
	return (h);
}

struct cursor *
cursors_find_named(struct cursors *f, const uint8_t *peer, const char *db, size_t dblen,
    const char *name, size_t nlen)
{
	return (cursor_of(held_named(f, peer, db, dblen, name, nlen)));
}

int
cursors_have_all(struct cursors *f, const uint8_t *peer, const char *database, const char *name)
{
	struct held *h;
	int all;

	pthread_mutex_lock(&f->lock);
	h = held_named(f, peer, database, strlen(database), name, strlen(name));
	all = h == NULL || (h->v->state == CURSOR_LIVE && h->v->seq >= h->v->head);
	pthread_mutex_unlock(&f->lock);
	return (all);
}

struct cursor *
cursors_add(struct group *g, const uint8_t *peer, uint32_t table, const char *database,
    const char *name)
{
	struct cursors *f = replication_of(g)->cursors;
	struct cursor_view v = {
		.table = table,
		.database = (char *)(uintptr_t)database,
		.name = (char *)(uintptr_t)name,
		.state = CURSOR_NEW,
	};
	struct cursor *cur;

	memcpy(v.peer, peer, NODE_ID_LEN);
	pthread_mutex_lock(&f->lock);
	cur = insert_cursor(f, &v)->cursor;
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

	cursor_key(&k, cursor_view(cur)->peer, cursor_view(cur)->table);
	store_batch_delete(group_batch(g), CF_CURSOR, k.data, k.len);
	buf_free(&k);
	pthread_mutex_lock(&f->lock);
	delete_cursor(f, held_of(f, cur));
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

static void
save_cursor(struct group *g, const struct cursor_view *view)
{
	struct buf k = { 0 }, v = { 0 };

	cursor_key(&k, view->peer, view->table);
	cursor_view_write(view, &v);
	store_batch_put(group_batch(g), CF_CURSOR, k.data, k.len, v.data, v.len);
	buf_free(&k);
	buf_free(&v);
}

static void
tell_cursor_state(struct replication *rep, const struct cursor_view *v)
{
	static struct log_brake brake = { .most = 1000 };
	char *peer = nodes_shown(rep->nodes, v->peer);

	log_braked(&brake, v->state == CURSOR_FAILED ? LOG_ERROR : LOG_INFO,
	    "cursor %s.%s from node "
	    "%s: %s%s%s, after transaction %llu of its log",
	    v->database, v->name, peer, cursor_view_state(v->state), v->why != NULL ? ": " : "",
	    v->why != NULL ? v->why : "", (unsigned long long)v->seq);
	free(peer);
}

static void
tell_copied(struct replication *rep, const struct cursor_view *v)
{
	static struct log_brake brake = { .most = 1000 };
	char *peer = nodes_shown(rep->nodes, v->peer);

	log_braked(&brake, LOG_INFO, "copy of %s.%s from node %s is whole: %llu rows seen",
	    v->database, v->name, peer, (unsigned long long)v->copied);
	free(peer);
}

static unsigned
step_cursor(struct cursors *f, struct cursor *cur, const struct cursor_event *e)
{
	struct cursor_now now = { wall_ms(), mono_us() };
	unsigned actions;

	pthread_mutex_lock(&f->lock);
	actions = cursor_on(cur, e, &now);
	if (actions & CURSOR_SAVE)
		held_of(f, cur)->moved = ++f->moves;
	pthread_mutex_unlock(&f->lock);
	return (actions);
}

/* Others may have copied from here meanwhile: when all is back they must look again. */
static void
recovered_from_one(struct replication *rep)
{
	if (!cluster_recovering(rep->cluster))
		rep->data->log.incarnation++;
}

unsigned
cursors_on(struct group *g, struct cursor *cur, const struct cursor_event *e)
{
	struct replication *rep = replication_of(g);
	const struct cursor_view *v = cursor_view(cur);
	unsigned actions = step_cursor(rep->cursors, cur, e);

	if (actions & CURSOR_TELL)
		tell_cursor_state(rep, v);
	if (actions & CURSOR_COPIED)
		tell_copied(rep, v);
	if (actions & CURSOR_REMOVE)
		cursors_remove(g, cur);
	else if (actions & CURSOR_SAVE)
		save_cursor(g, v);
	if (actions & CURSOR_RECOVERED)
		recovered_from_one(rep);
	if (actions & CURSOR_KICK)
		cluster_kick(rep->cluster);
	return (actions);
}

struct cursor *
cursors_first(struct cursors *f)
{
	return (cursor_of(f->cursors));
}

struct cursor *
cursors_next(struct cursors *f, const struct cursor *cur)
{
	return (cursor_of(held_of(f, cur)->hh.next));
}

struct cursor *
cursors_first_of(struct cursors *f, const uint8_t *peer)
{
	struct source *s = source_find(f, peer);

	return (cursor_of(s != NULL ? s->cursors : NULL));
}

struct cursor *
cursors_next_of(struct cursors *f, const struct cursor *cur)
{
	return (cursor_of(held_of(f, cur)->next));
}
