#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/logbrake.h"
#include "common/base/mem.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/cursors_priv.h"
#include "opsd/cluster/firstcopy.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/origin.h"
#include "opsd/cluster/replication.h"

/* How cursors come, move and go: on the commit thread, in its batches; and from disk at the start. */

/* ---- on disk ---- */

static int
load_hint(struct cursors *f, const uint8_t *peer, struct rd *r)
{
	struct cursors_hint *hint = &cursors_source(f, peer)->hint;

	hint->incarnation = rd_u64(r);
	hint->window = rd_u64(r);
	hint->streams = rd_u16(r);
	for (unsigned k = 0; k < hint->streams && k < SHARDS_MAX; k++)
		hint->stream_seq[k] = rd_u64(r);
	return (rd_done(r) ? 0 : -1);
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
	if (view.table == 0)
		return (load_hint(f, peer, &r));
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
		cursors_insert(f, &view);
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
cursors_key(struct buf *k, const uint8_t *peer, uint32_t table)
{
	buf_add(k, peer, NODE_ID_LEN);
	buf_be32(k, table);
}

/* Others may have copied from here meanwhile: when all is back they must look again. */
static void
recovered_from_one(struct replication *rep)
{
	if (!cluster_recovering(rep->cluster))
		rep->data->log.incarnation++;
}

void
cursors_remove(struct group *g, struct cursor *cur)
{
	struct cursors *f = replication_of(g)->cursors;
	struct cursor_view was;
	struct buf k = { 0 };

	cursor_view_copy(&was, cursor_view(cur));
	cursors_key(&k, was.peer, was.table);
	store_batch_delete(group_batch(g), CF_CURSOR, k.data, k.len);
	buf_free(&k);
	if (!(was.table & CURSOR_OWN))
		origin_forget(g, was.database, was.name);
	pthread_mutex_lock(&f->lock);
	cursors_delete(f, cursors_held(f, cur));
	pthread_mutex_unlock(&f->lock);
	if (was.recovering)
		recovered_from_one(f->rep); /* no more comes from there */
	if (!(was.table & CURSOR_OWN))
		firstcopy_gone(g, was.peer, was.database, was.name);
	cursor_view_clear(&was);
}

void
cursors_set_hint(struct group *g, const uint8_t *peer, const struct cursors_hint *hint)
{
	struct cursors *f = replication_of(g)->cursors;
	struct buf k = { 0 }, v = { 0 };

	pthread_mutex_lock(&f->lock);
	cursors_source(f, peer)->hint = *hint;
	pthread_mutex_unlock(&f->lock);
	cursors_key(&k, peer, 0);
	buf_u64(&v, hint->incarnation);
	buf_u64(&v, hint->window);
	buf_u16(&v, (uint16_t)hint->streams);
	for (unsigned i = 0; i < hint->streams; i++)
		buf_u64(&v, hint->stream_seq[i]);
	store_batch_put(group_batch(g), CF_CURSOR, k.data, k.len, v.data, v.len);
	buf_free(&k);
	buf_free(&v);
}

uint64_t
cursors_came(struct cursors *f, const uint8_t *peer, struct shard s, uint64_t incarnation,
    uint64_t window)
{
	struct source_streams *t;
	uint64_t all = UINT64_MAX;

	pthread_mutex_lock(&f->lock);
	t = &cursors_source(f, peer)->streams;
	if (t->n != s.n || t->incarnation < incarnation)
		*t = (struct source_streams){ .n = s.n, .incarnation = incarnation };
	if (t->incarnation == incarnation && window > t->windows[s.k])
		t->windows[s.k] = window;
	for (unsigned k = 0; k < t->n; k++)
		all = t->windows[k] < all ? t->windows[k] : all;
	if (t->incarnation != incarnation)
		all = 0;
	pthread_mutex_unlock(&f->lock);
	return (all);
}

/* What those that brought something have: one may be behind the others. */
static uint64_t
streams_coming(struct source_streams *t, uint64_t incarnation)
{
	uint64_t upto = 0;

	for (unsigned k = 0; k < t->n; k++) {
		if (t->incarnation == incarnation && t->windows[k] != t->coming[k] &&
		    (upto == 0 || t->windows[k] < upto))
			upto = t->windows[k];
		t->coming[k] = t->windows[k];
	}
	return (upto);
}

uint64_t
cursors_coming(struct cursors *f, const uint8_t *peer, uint64_t incarnation)
{
	struct source *s;
	uint64_t upto;

	pthread_mutex_lock(&f->lock);
	s = cursors_source(f, peer);
	upto = streams_coming(&s->streams, incarnation);
	if (upto == 0 && s->hint.incarnation == incarnation && s->hint.window != s->coming)
		upto = s->hint.window;
	s->coming = s->hint.window;
	pthread_mutex_unlock(&f->lock);
	return (upto);
}

static void
save_cursor(struct group *g, const struct cursor_view *view)
{
	struct buf k = { 0 }, v = { 0 };

	cursors_key(&k, view->peer, view->table);
	cursor_view_write(view, &v);
	store_batch_put(group_batch(g), CF_CURSOR, k.data, k.len, v.data, v.len);
	buf_free(&k);
	buf_free(&v);
}

/* ---- what happens to them ---- */

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
	cur = cursors_insert(f, &v)->cursor;
	pthread_mutex_unlock(&f->lock);
	return (cur);
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
	const struct cursor_view *v = cursor_view(cur);
	struct cursor_now now = { wall_ms(), mono_us() };
	struct source *s;
	unsigned actions;
	int recovered;

	pthread_mutex_lock(&f->lock);
	s = cursors_source(f, v->peer);
	recovered = s->recovering > 0;
	s->recovering -= (size_t)v->recovering;
	f->waiting -= cursors_waits(v);
	actions = cursor_on(cur, e, &now);
	s->recovering += (size_t)v->recovering;
	if (s->recovering > 0 && !recovered)
		s->recovers_us = now.mono_us;
	if (v->recovering && cursor_copied_us(cur) > s->recovered_us)
		s->recovered_us = cursor_copied_us(cur);
	f->waiting += cursors_waits(v);
	if (actions & CURSOR_SAVE)
		cursors_held(f, cur)->moved = ++f->moves;
	pthread_mutex_unlock(&f->lock);
	return (actions);
}

unsigned
cursors_on(struct group *g, struct cursor *cur, const struct cursor_event *e)
{
	struct replication *rep = replication_of(g);
	const struct cursor_view *v = cursor_view(cur);
	unsigned actions = step_cursor(rep->cursors, cur, e);

	if (actions & CURSOR_BEGUN)
		firstcopy_begun(g, cur);
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
	if ((actions & CURSOR_COPIED) && !(actions & CURSOR_REMOVE))
		firstcopy_ended(g, cur);
	if (actions & CURSOR_KICK)
		cluster_kick(rep->cluster);
	return (actions);
}
