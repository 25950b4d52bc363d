#include "config.h"

#include "opsd/cluster/cursors.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "opsd/cluster/cursors_priv.h"
#include "opsd/cluster/replication.h"

#define STALLED_TIMEOUTS 3 /* so many clustering.requestTimeout */

static struct cursor_key
key_of(const uint8_t *peer, uint32_t table)
{
	struct cursor_key k;

	memset(&k, 0, sizeof(k));
	memcpy(k.peer, peer, NODE_ID_LEN);
	k.table = table;
	return (k);
}

struct source *
cursors_source_find(struct cursors *f, const uint8_t *peer)
{
	struct source *s;

	HASH_FIND(hh, f->sources, peer, NODE_ID_LEN, s);
	return (s);
}

struct source *
cursors_source(struct cursors *f, const uint8_t *peer)
{
	struct source *s = cursors_source_find(f, peer);

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

size_t
cursors_waits(const struct cursor_view *v)
{
	return (v->leans || v->state == CURSOR_QUEUED);
}

int
cursors_waiting(struct cursors *f)
{
	size_t n;

	pthread_mutex_lock(&f->lock);
	n = f->waiting;
	pthread_mutex_unlock(&f->lock);
	return (n != 0);
}

struct held *
cursors_insert(struct cursors *f, const struct cursor_view *v)
{
	struct held *h = xcalloc(1, sizeof(*h));
	struct source *s = cursors_source(f, v->peer);

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
	s->recovering += (size_t)h->v->recovering;
	f->waiting += cursors_waits(h->v);
	return (h);
}

void
cursors_delete(struct cursors *f, struct held *h)
{
	struct source *s = cursors_source(f, h->v->peer);

	s->gone = ++f->moves;
	DL_DELETE(s->cursors, h);
	s->n--;
	s->recovering -= (size_t)h->v->recovering;
	f->waiting -= cursors_waits(h->v);
	HASH_DELETE(hh, f->cursors, h);
	if (h->label.len > 0)
		HASH_DELETE(hh_label, f->labels, h);
	buf_free(&h->label);
	cursor_free(h->cursor);
	free(h);
}

void
cursors_free(struct cursors *f)
{
	struct held *h, *tmp;
	struct source *s, *stmp;

	if (f == NULL)
		return;
	HASH_ITER(hh, f->cursors, h, tmp)
		cursors_delete(f, h);
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

struct held *
cursors_held(struct cursors *f, const struct cursor *cur)
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
	s = peer != NULL ? cursors_source_find(f, peer) : NULL;
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
	s = cursors_source_find(f, peer);
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
	s = cursors_source_find(f, peer);
	for (h = s != NULL ? s->cursors : NULL; h != NULL && !behind; h = h->next)
		behind = cursor_is_behind(h->cursor, incarnation);
	pthread_mutex_unlock(&f->lock);
	return (behind);
}

uint64_t
cursors_stalled_us(const struct replication *rep)
{
	return ((uint64_t)data_conf_int(rep->data, CL_REQUEST_TIMEOUT) * 1000 * STALLED_TIMEOUTS);
}

uint64_t
cursors_passed_us(const struct replication *rep, uint64_t us)
{
	uint64_t started = rep->data->started_us;

	return (mono_us() - (us > started ? us : started));
}

/* With the lock held. */
static int
gets_own_back(const struct cursors *f, const struct source *s, uint64_t stalled_us,
    uint64_t most_us)
{
	return (s->recovering > 0 && cursors_passed_us(f->rep, s->recovered_us) < stalled_us &&
	    cursors_passed_us(f->rep, s->recovers_us) < most_us);
}

uint8_t *
cursors_recovering(struct cursors *f, uint64_t stalled_us, uint64_t most_us, size_t *n)
{
	struct source *s;
	uint8_t *ids;

	*n = 0;
	pthread_mutex_lock(&f->lock);
	ids = xmalloc((size_t)(HASH_COUNT(f->sources) + 1) * NODE_ID_LEN);
	for (s = f->sources; s != NULL; s = s->hh.next)
		if (gets_own_back(f, s, stalled_us, most_us))
			memcpy(ids + (*n)++ * NODE_ID_LEN, s->peer, NODE_ID_LEN);
	pthread_mutex_unlock(&f->lock);
	return (ids);
}

struct cursors_hint
cursors_hint(struct cursors *f, const uint8_t *peer)
{
	struct cursors_hint hint = { 0 };
	struct source *s;

	pthread_mutex_lock(&f->lock);
	s = cursors_source_find(f, peer);
	if (s != NULL)
		hint = s->hint;
	pthread_mutex_unlock(&f->lock);
	return (hint);
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

uint8_t *
cursors_peers(struct cursors *f, const char *database, const char *name, size_t *n)
{
	struct source *s;
	uint8_t *ids;

	*n = 0;
	pthread_mutex_lock(&f->lock);
	ids = xmalloc((size_t)(HASH_COUNT(f->sources) + 1) * NODE_ID_LEN);
	for (s = f->sources; s != NULL; s = s->hh.next)
		if (held_named(f, s->peer, database, strlen(database), name, strlen(name)) != NULL)
			memcpy(ids + (*n)++ * NODE_ID_LEN, s->peer, NODE_ID_LEN);
	pthread_mutex_unlock(&f->lock);
	return (ids);
}

struct cursor *
cursors_find_named(struct cursors *f, const uint8_t *peer, const char *db, size_t dblen,
    const char *name, size_t nlen)
{
	return (cursor_of(held_named(f, peer, db, dblen, name, nlen)));
}

struct cursor **
cursors_named(struct cursors *f, const char *database, const char *name, size_t *n)
{
	struct cursor **list = xcalloc(HASH_COUNT(f->sources) + 1, sizeof(struct cursor *));
	struct source *s;
	struct cursor *cur;

	*n = 0;
	for (s = f->sources; s != NULL; s = s->hh.next) {
		cur = cursors_find_named(f, s->peer, database, strlen(database), name,
		    strlen(name));
		if (cur != NULL)
			list[(*n)++] = cur;
	}
	return (list);
}

/* As it is on the disk; NULL: it is not, or is another one. */
static struct cursor_view *
read_stored(struct cursors *f, const struct cursor_view *known)
{
	struct cursor_view *v = xcalloc(1, sizeof(*v));
	struct buf k = { 0 }, bytes = { 0 };
	struct rd r;

	memcpy(v->peer, known->peer, NODE_ID_LEN);
	v->table = known->table;
	cursors_key(&k, v->peer, v->table);
	if (store_get(f->rep->data->store, NULL, CF_CURSOR, k.data, k.len, &bytes) != 1) {
		free(v);
		v = NULL;
	} else {
		r = rd_init(bytes.data, bytes.len);
		if (cursor_view_read(v, &r) == -1 || strcmp(v->name, known->name) != 0 ||
		    strcmp(v->database, known->database) != 0) {
			cursor_view_free(v);
			v = NULL;
		}
	}
	buf_free(&k);
	buf_free(&bytes);
	return (v);
}

struct cursor_view **
cursors_stored(struct cursors *f, const char *database, const char *name, size_t *n)
{
	struct cursor_view **list, *v;
	struct source *s;
	struct held *h;
	size_t all = 0;

	*n = 0;
	pthread_mutex_lock(&f->lock);
	list = xcalloc(HASH_COUNT(f->sources) + 1, sizeof(*list));
	for (s = f->sources; s != NULL; s = s->hh.next) {
		h = held_named(f, s->peer, database, strlen(database), name, strlen(name));
		if (h != NULL)
			list[all++] = view_of(h);
	}
	pthread_mutex_unlock(&f->lock);
	for (size_t i = 0; i < all; i++) {
		v = read_stored(f, list[i]);
		cursor_view_free(list[i]);
		if (v != NULL)
			list[(*n)++] = v;
	}
	return (list);
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
cursors_first(struct cursors *f)
{
	return (cursor_of(f->cursors));
}

struct cursor *
cursors_next(struct cursors *f, const struct cursor *cur)
{
	return (cursor_of(cursors_held(f, cur)->hh.next));
}

struct cursor *
cursors_first_of(struct cursors *f, const uint8_t *peer)
{
	struct source *s = cursors_source_find(f, peer);

	return (cursor_of(s != NULL ? s->cursors : NULL));
}

struct cursor *
cursors_next_of(struct cursors *f, const struct cursor *cur)
{
	return (cursor_of(cursors_held(f, cur)->next));
}
