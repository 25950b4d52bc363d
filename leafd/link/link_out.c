#include "config.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/logbrake.h"
#include "common/base/mem.h"
#include "common/base/window.h"
#include "leafd/link/link_priv.h"

/*
 * Our log, as opsd gives it for one node (LINK_READ), in frames over the link.  So that opsd need not be asked for
 * each window, it may give so many bytes, and gets more of them (LINK_MORE) long before they are used up.
 */

#define WINDOW_MAX (1u << 20) /* of opsd at once */
#define FRAME_MAX  (64u << 10)

/*
 * A LINK_READ that is not answered; link is NULL once that is gone.  Before that there is no other: who says WANT
 * again and again has no more read.
 */
struct link_read {
	struct peerlink *link;
	uint32_t turn;
};

static void
send_window_frame(struct peerlink *k, const uint8_t *p, const struct window_frame *f)
{
	static struct log_brake brake = { .most = 5 };
	static const uint8_t type = LINK_FRAME;
	const struct buf head = { .data = (uint8_t *)(uintptr_t)&type, .len = 1 };

	/* What is missing then is seen there, and asked for. */
	if (f->plain + 1 > k->hello.max) {
		log_braked(&brake, LOG_WARN, "link: %s: a frame of %zu bytes is more than it takes",
		    k->hello.hostname, f->plain);
		return;
	}
	link_send(k, &head, p + f->at, f->len);
	k->out.frames++;
	k->out.bytes += f->len;
}

static void
send_window(struct peerlink *k, const struct window *w)
{
	size_t i;

	for (i = 0; i < w->nframes; i++)
		send_window_frame(k, w->bytes.data, &w->frames[i]);
	k->out.incarnation = w->incarnation;
	if (w->last == 0)
		return;
	k->out.after = w->last;
	k->out.sent_ms = wall_ms();
	if (k->out.bytes > 0)
		k->out.sending_ms = w->ms;
}

/* Nothing more comes; at the next tick it is asked for anew. */
static void
end_reading(struct peerlink *k)
{
	k->out.turn = 0;
	k->out.idle = 1;
}

void
link_out_log(struct peerlink *k, const uint8_t *p, size_t n)
{
	struct window w;

	if (n == 0) {
		end_reading(k);
		return;
	}
	k->out.came += n;
	if (window_build(&w, p, n, k->ls->spec->id, FRAME_MAX) == -1) {
		log_warnx("link: %s: broken log data from opsd", k->hello.hostname);
		end_reading(k);
		return;
	}
	if (k->ls->spec->compress)
		window_pack(&w);
	send_window(k, &w);
	window_free(&w);
	link_out_more(k);
}

static void
say_begins(struct peerlink *k)
{
	static const uint8_t type = LINK_BEGIN;
	const struct buf head = { .data = (uint8_t *)(uintptr_t)&type, .len = 1 };

	for (; k->out.begins > 0; k->out.begins--)
		link_send(k, &head, NULL, 0);
}

/* The other's memory, and ours. */
static uint32_t
credit_of(const struct peerlink *k)
{
	uint32_t own = links_share(k->ls);

	return (k->out.share < own ? k->out.share : own);
}

static uint32_t
window_of(uint32_t credit)
{
	return (credit / 4 < WINDOW_MAX ? credit / 4 : WINDOW_MAX);
}

/* What opsd may give and has not yet. */
static uint64_t
to_come(const struct peerlink *k)
{
	return (k->out.granted > k->out.came ? k->out.granted - k->out.came : 0);
}

static void
on_reading(struct rd *body, void *arg)
{
	struct link_read *read = arg;
	struct peerlink *k = read->link;
	int is_last = k != NULL && k->out.turn == read->turn;

	free(read);
	if (k == NULL)
		return;
	k->out.read = NULL;
	if (is_last && body == NULL)
		k->out.turn = 0; /* opsd is away */
	else if (is_last && rd_u8(body) == 0)
		end_reading(k);
	link_out_more(k);
}

static void
read_log(struct peerlink *k, uint64_t bytes)
{
	struct link_read *read = xcalloc(1, sizeof(*read));
	struct buf b = { 0 };

	if (++k->ls->turns == 0)
		k->ls->turns = 1;
	read->link = k;
	read->turn = k->ls->turns;
	k->out.read = read;
	k->out.turn = read->turn;
	k->out.granted = bytes;
	k->out.came = 0;
	buf_add(&b, k->hello.id, NODE_ID_LEN);
	buf_u32(&b, read->turn);
	buf_u64(&b, bytes);
	buf_u64(&b, k->out.incarnation);
	buf_u64(&b, k->out.after);
	buf_u32(&b, window_of(credit_of(k)));
	chan_call(k->ls->opsd, MSG_LINK_READ, &b, 0, on_reading, read);
}

static void
grant_bytes(struct peerlink *k, uint64_t bytes)
{
	struct buf b = { 0 };

	k->out.granted = bytes;
	buf_add(&b, k->hello.id, NODE_ID_LEN);
	buf_u32(&b, k->out.turn);
	buf_u64(&b, bytes);
	chan_send(k->ls->opsd, MSG_LINK_MORE, &b);
}

/* As much as may be on its way; also less than before, when others came. */
static void
grant_rest(struct peerlink *k)
{
	uint64_t credit = credit_of(k), window = window_of(credit_of(k));
	uint64_t used = k->out.bytes + to_come(k), left;

	left = credit > k->out.bytes ? credit - k->out.bytes : 0;
	if (k->out.turn == 0 && k->out.read == NULL && left >= window)
		read_log(k, left);
	else if (k->out.turn != 0 && (used + window <= credit || (used > credit && to_come(k) > 0)))
		grant_bytes(k, k->out.came + left);
}

void
link_out_more(struct peerlink *k)
{
	if (k->state != LINK_ADMITTED || ws_queued(k->ws) > LINK_QUEUE)
		return;
	say_begins(k);
	if (k->out.wants > 0 && !k->out.idle && k->up_asked && links_up(k->ls))
		grant_rest(k);
}

void
link_out_forget(struct peerlink *k)
{
	if (k->out.read != NULL)
		k->out.read->link = NULL; /* on_reading frees it */
	k->out.read = NULL;
	k->out.turn = 0;
}

int
link_out_want(struct peerlink *k, struct rd *r)
{
	k->out.incarnation = rd_u64(r);
	k->out.after = rd_u64(r);
	if (!rd_done(r))
		return (-1);
	k->out.wants++;
	k->out.begins++;
	k->out.turn = 0;
	k->out.idle = 0;
	link_out_more(k);
	return (0);
}

int
link_out_got(struct peerlink *k, struct rd *r)
{
	uint32_t frames = rd_u32(r);
	uint64_t bytes = rd_u64(r);

	if (!rd_done(r) || frames > k->out.frames || bytes > k->out.bytes)
		return (-1);
	k->out.frames -= frames;
	k->out.bytes -= bytes;
	k->out.confirmed_ms = wall_ms();
	if (k->out.bytes == 0)
		k->out.sending_ms = 0;
	link_out_more(k);
	return (0);
}

int
link_out_share(struct peerlink *k, struct rd *r)
{
	uint32_t share = rd_u32(r);

	if (!rd_done(r) || share < LINK_SHARE_MIN || share > LINK_CREDIT)
		return (-1);
	k->out.share = share;
	link_out_more(k);
	return (0);
}
