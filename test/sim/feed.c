#include "config.h"

#include "test/sim/feed.h"

#include <stdlib.h>

#include "common/base/mem.h"
#include "common/base/shard.h"
#include "common/base/window.h"
#include "test/sim/machine.h"
#include "test/sim/reader.h"
#include "test/sim/world.h"

#define WINDOW_MAX   4096 /* small, that there are many */
#define FRAME_MIN    100
#define FRAME_MAX    900
#define RETRY_MIN_US 100000
#define RETRY_MAX_US 2000000

struct feed_frame {
	uint64_t expected;
	char *database, *table;
	struct buf bytes;
	struct feed_frame *next;
};

/* What is asked or comes later, which may be in another session. */
struct feed_event {
	struct feed *f;
	uint64_t session;
};

static uint64_t published;

static void begin_cb(void *arg);
static void read_more(struct feed *f);

uint64_t
feed_published(void)
{
	return (published);
}

static struct feed_event *
event_of(struct feed *f)
{
	struct feed_event *e = xmalloc(sizeof(*e));

	*e = (struct feed_event){ f, f->session };
	return (e);
}

/* Whose it is; NULL: of another session. */
static struct feed *
take_event(struct feed_event *e)
{
	struct feed *f = e->session == e->f->session ? e->f : NULL;

	free(e);
	return (f);
}

static struct feed_frame *
take_sent(struct feed *f)
{
	struct feed_frame *fr = f->sent;

	f->sent = fr->next;
	if (f->sent == NULL)
		f->sent_tail = &f->sent;
	return (fr);
}

static void
frame_free(struct feed_frame *fr)
{
	free(fr->database);
	free(fr->table);
	buf_free(&fr->bytes);
	free(fr);
}

/* 0: the server has it. */
static int
arrive(struct feed *f, struct feed_frame *fr)
{
	int rc = jet_append(&f->m->jet, fr->expected, fr->database, fr->table, &fr->bytes);

	published += rc == 0;
	frame_free(fr);
	if (rc == 0)
		reader_notify(f->m);
	return (rc);
}

/* Of what is on its way when a session ends, the first may still arrive. */
static void
end_session(struct feed *f)
{
	int some = !f->m->off;

	f->session++;
	f->running = f->reading = 0;
	f->n = 0;
	while (f->sent != NULL) {
		struct feed_frame *fr = take_sent(f);

		some = some && world_chance(80);
		if (!some)
			frame_free(fr);
		else if (arrive(f, fr) == -1)
			some = 0;
	}
}

void
feed_again(struct feed *f)
{
	if (!f->on)
		return;
	end_session(f);
	world_at(f->retry_us, NULL, begin_cb, event_of(f), NULL);
	f->retry_us = f->retry_us * 2 > RETRY_MAX_US ? RETRY_MAX_US : f->retry_us * 2;
}

/* ---- windows ---- */

static void
tell_acked(struct feed *f, uint64_t window)
{
	struct buf b = { 0 };

	shard_write(&b, (struct shard){ 0, 1 });
	buf_u64(&b, f->incarnation);
	buf_u64(&b, window);
	wire_tell(&f->m->leaf, MSG_LOG_ACK, &b);
}

static void
acked_cb(void *arg)
{
	struct feed *f = take_event(arg);
	uint64_t window = 0;

	if (f == NULL)
		return;
	f->acked++;
	f->retry_us = RETRY_MIN_US;
	while (f->n > 0 && f->windows[0].end <= f->acked) {
		window = f->windows[0].last;
		f->n--;
		for (unsigned i = 0; i < f->n; i++)
			f->windows[i] = f->windows[i + 1];
	}
	if (window == 0)
		return;
	tell_acked(f, window);
	read_more(f);
}

static void
arrive_cb(void *arg)
{
	struct feed *f = take_event(arg);

	if (f == NULL || f->sent == NULL)
		return;
	if (f->m->off || arrive(f, take_sent(f)) == -1)
		feed_again(f);
	else
		world_at(world_between(50, 3000), NULL, acked_cb, event_of(f), NULL);
}

static void
send_frame(struct feed *f, const struct window *w, const struct window_frame *wf)
{
	struct feed_frame *fr = xcalloc(1, sizeof(*fr));

	fr->expected = f->published++;
	fr->database = xstrdup(w->tables[wf->table].database);
	fr->table = xstrdup(w->tables[wf->table].name);
	buf_add(&fr->bytes, w->bytes.data + wf->at, wf->len);
	*f->sent_tail = fr;
	f->sent_tail = &fr->next;
	world_at(world_between(50, 2000), NULL, arrive_cb, event_of(f), NULL);
}

static void
publish_window(struct feed *f, const struct window *w)
{
	f->windows[f->n++] = (struct feed_window){ w->last, f->published + w->nframes };
	f->after = w->last;
	for (size_t i = 0; i < w->nframes; i++)
		send_frame(f, w, &w->frames[i]);
	read_more(f);
}

static void
on_log(struct rd *body, void *arg)
{
	struct feed *f = take_event(arg);
	struct window w;

	if (f == NULL || body == NULL)
		return;
	f->reading = 0;
	if (window_build(&w, body->p, rd_left(body), f->m->leaf_id,
		world_between(FRAME_MIN, FRAME_MAX)) == -1)
		world_fail("%s: broken log data", f->m->name);
	if (w.last % 2 == 0)
		window_pack(&w);
	if (w.incarnation != f->incarnation || w.last <= f->after)
		feed_again(f);
	else
		publish_window(f, &w);
	window_free(&w);
}

static void
read_more(struct feed *f)
{
	struct buf b = { 0 };

	if (f->reading || f->n >= FEED_WINDOWS)
		return;
	f->reading = 1;
	shard_write(&b, (struct shard){ 0, 1 });
	buf_u64(&b, f->after);
	buf_u32(&b, (uint32_t)world_between(1, WINDOW_MAX));
	wire_ask(&f->m->leaf, MSG_LOG_READ, &b, on_log, event_of(f));
}

/* ---- the beginning ---- */

static void
on_tail(struct rd *body, void *arg)
{
	struct feed *f = take_event(arg);

	if (f == NULL || body == NULL)
		return;
	f->incarnation = rd_u64(body);
	f->after = rd_u64(body);
	if (!rd_done(body))
		world_fail("%s: the answer to LOG_TAIL cannot be read", f->m->name);
	world_note(f->m, "publishes after %llu of %llu, stream at %llu",
	    (unsigned long long)f->after, (unsigned long long)f->incarnation,
	    (unsigned long long)f->published);
	f->running = 1;
	read_more(f);
}

static void
begin_cb(void *arg)
{
	struct feed *f = take_event(arg);
	struct jet_tail t;
	struct buf b = { 0 };

	if (f == NULL)
		return;
	if (f->m->off) {
		feed_again(f);
		return;
	}
	jet_find_tail(&f->m->jet, f->m->leaf_id, &t);
	f->published = f->acked = t.seq;
	shard_write(&b, (struct shard){ 0, 1 });
	buf_u64(&b, t.incarnation);
	buf_u64(&b, t.window);
	buf_u64(&b, t.last);
	buf_u64(&b, t.newest);
	buf_u64(&b, t.mark);
	wire_ask(&f->m->leaf, MSG_LOG_TAIL, &b, on_tail, event_of(f));
}

void
feed_start(struct feed *f)
{
	if (f->sent_tail == NULL)
		f->sent_tail = &f->sent;
	end_session(f);
	f->on = 1;
	f->retry_us = RETRY_MIN_US;
	world_at(world_between(1000, 20000), NULL, begin_cb, event_of(f), NULL);
}

void
feed_stop(struct feed *f)
{
	if (!f->on)
		return;
	end_session(f);
	f->on = 0;
}
