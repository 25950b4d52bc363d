#include "config.h"

#include <stdlib.h>
#include <utlist.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/logbrake.h"
#include "common/base/mem.h"
#include "common/base/window.h"
#include "leafd/link/link_priv.h"

/* Our log, as opsd gives it for one node, in frames over the link. */

#define WINDOW_MAX (1u << 20) /* asked of opsd at once */
#define FRAME_MAX  (64u << 10)

/*
 * One LINK_READ; link is NULL once that is gone.  opsd answers it at the latest when there is another
 * one, so two are enough: who says WANT again and again has no more read.
 */
struct link_read {
	struct link_read *prev, *next;
	struct peerlink *link;
	unsigned want; /* for which it was asked */
};

static void
send_window_frame(struct peerlink *k, const uint8_t *p, size_t n)
{
	static struct log_brake brake = { .most = 5 };
	static const uint8_t type = LINK_FRAME;
	const struct buf head = { .data = (uint8_t *)(uintptr_t)&type, .len = 1 };

	/* What is missing then is seen there, and asked for. */
	if (n + 1 > k->hello.max) {
		log_braked(&brake, LOG_WARN, "link: %s: a frame of %zu bytes is more than it takes",
		    k->hello.hostname, n);
		return;
	}
	link_send(k, &head, p, n);
	if (k->out.bytes == 0)
		k->out.sending_ms = wall_ms();
	k->out.frames++;
	k->out.bytes += n;
}

static void
send_window(struct peerlink *k, const struct window *w)
{
	size_t i;

	for (i = 0; i < w->nframes; i++)
		send_window_frame(k, w->bytes.data + w->frames[i].at, w->frames[i].len);
	k->out.incarnation = w->incarnation;
	if (w->last == 0) {
		k->out.idle = 1;
		return;
	}
	k->out.after = w->last;
	k->out.sent_ms = wall_ms();
}

static void
on_log_data(struct rd *body, void *arg)
{
	struct link_read *read = arg;
	struct peerlink *k = read->link;
	int is_old = k != NULL && read->want != k->out.wants;
	struct window w;

	if (k != NULL)
		DL_DELETE(k->out.reads, read);
	free(read);
	if (is_old)
		link_out_more(k);
	/* opsd is away, or has called it off. */
	if (k == NULL || is_old || body == NULL || rd_left(body) == 0)
		return;
	if (window_build(&w, body->p, rd_left(body), k->ls->spec->id, FRAME_MAX) == -1) {
		log_warnx("link: %s: broken log data from opsd", k->hello.hostname);
		k->out.idle = 1;
		return;
	}
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

/* It is asked for, or must wait for what was asked before. */
static int
is_read(const struct peerlink *k)
{
	const struct link_read *first = k->out.reads;

	return (first != NULL && (first->next != NULL || first->want == k->out.wants));
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

static void
read_log(struct peerlink *k)
{
	struct link_read *read = xcalloc(1, sizeof(*read));
	struct buf b = { 0 };

	read->link = k;
	read->want = k->out.wants;
	DL_APPEND(k->out.reads, read);
	buf_add(&b, k->hello.id, NODE_ID_LEN);
	buf_u64(&b, k->out.incarnation);
	buf_u64(&b, k->out.after);
	buf_u32(&b, window_of(credit_of(k)));
	chan_call(k->ls->opsd, MSG_LINK_READ, &b, 0, on_log_data, read);
}

void
link_out_more(struct peerlink *k)
{
	uint32_t credit = credit_of(k);

	if (k->state != LINK_ADMITTED || ws_queued(k->ws) > LINK_QUEUE)
		return;
	say_begins(k);
	if (k->out.wants > 0 && !is_read(k) && !k->out.idle && k->up_asked && links_up(k->ls) &&
	    k->out.bytes + window_of(credit) <= credit)
		read_log(k);
}

void
link_out_forget(struct peerlink *k)
{
	struct link_read *read, *tmp;

	DL_FOREACH_SAFE(k->out.reads, read, tmp) {
		DL_DELETE(k->out.reads, read);
		read->link = NULL; /* on_log_data frees it */
	}
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
