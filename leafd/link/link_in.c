#include "config.h"

#include <stdlib.h>
#include <utlist.h>

#include "common/base/mem.h"
#include "common/base/shard.h"
#include "leafd/link/link_priv.h"

/* The other's log: each frame goes on to opsd, and is GOT when that is done with it. */

/* One APPLY; link is NULL once that is gone. */
struct link_apply {
	struct link_apply *prev, *next;
	struct peerlink *link;
	size_t bytes;
};

static void
frame_is_got(struct peerlink *k, size_t bytes)
{
	if (k->in.got == 0)
		link_turn(k);
	k->in.got++;
	k->in.got_bytes += bytes;
}

/* With the opsd that is gone: its next one will say where to go on. */
static void
frame_is_owed(struct peerlink *k, size_t bytes)
{
	k->in.owed++;
	k->in.owed_bytes += bytes;
}

static void
on_link_applied(struct rd *body, void *arg)
{
	struct link_apply *a = arg;
	struct peerlink *k = a->link;

	if (k != NULL) {
		DL_DELETE(k->in.applies, a);
		if (body != NULL)
			frame_is_got(k, a->bytes);
		else
			frame_is_owed(k, a->bytes);
	}
	free(a);
}

/* The message as it came becomes APPLY: its type and what is free before it give room for the fields. */
static void
pass_frame(struct peerlink *k, struct buf *m, size_t n)
{
	struct link_apply *a = xcalloc(1, sizeof(*a));
	struct buf head = { .data = m->data, .cap = m->cap };
	struct buf body = { .cap = m->cap, .len = m->len };

	buf_add(&head, k->hello.id, NODE_ID_LEN);
	shard_write(&head, (struct shard){ 0, 1 });
	buf_u64(&head, 0);
	buf_u32(&head, (uint32_t)n);
	body.data = buf_take(m, NULL);
	a->link = k;
	a->bytes = n;
	DL_APPEND(k->in.applies, a);
	chan_call(k->ls->opsd, MSG_APPLY, &body, 0, on_link_applied, a);
}

int
link_in_frame(struct peerlink *k, struct buf *m)
{
	size_t n = m->len - LINK_APPLY_HEAD;

	/* An entry that is larger than its window goes alone. */
	if (m->len <= LINK_APPLY_HEAD || !k->in.asked ||
	    k->in.bytes > LINK_CREDIT + k->ls->spec->max_payload)
		return (-1);
	k->in.bytes += n;
	if (k->in.wants > 0)
		frame_is_got(k, n);
	else if (!links_up(k->ls) || !k->up_asked)
		frame_is_owed(k, n);
	else
		pass_frame(k, m, n);
	return (0);
}

/* Others came or went. */
static void
say_share(struct peerlink *k)
{
	uint32_t share = links_share(k->ls);
	struct buf head = { 0 };

	if (share == k->in.share)
		return;
	k->in.share = share;
	buf_u8(&head, LINK_SHARE);
	buf_u32(&head, share);
	link_send(k, &head, NULL, 0);
	buf_free(&head);
}

static void
send_got(struct peerlink *k)
{
	struct buf head = { 0 };

	if (k->in.got == 0)
		return;
	say_share(k);
	buf_u8(&head, LINK_GOT);
	buf_u32(&head, k->in.got);
	buf_u64(&head, k->in.got_bytes);
	k->in.bytes -= k->in.got_bytes;
	k->in.got = 0;
	k->in.got_bytes = 0;
	link_send(k, &head, NULL, 0);
	buf_free(&head);
}

void
link_in_turn(struct peerlink *k)
{
	if (k->state == LINK_ADMITTED)
		send_got(k);
}

void
link_in_want(struct peerlink *k, uint64_t incarnation, uint64_t after)
{
	struct buf head = { 0 };

	k->in.got += k->in.owed;
	k->in.got_bytes += k->in.owed_bytes;
	k->in.owed = 0;
	k->in.owed_bytes = 0;
	send_got(k);
	k->in.asked = 1;
	k->in.wants++;
	say_share(k);
	buf_u8(&head, LINK_WANT);
	buf_u64(&head, incarnation);
	buf_u64(&head, after);
	link_send(k, &head, NULL, 0);
	buf_free(&head);
}

int
link_in_begin(struct peerlink *k, const struct rd *r)
{
	if (!rd_done(r) || k->in.wants == 0)
		return (-1);
	k->in.wants--;
	return (0);
}

void
link_in_end(struct peerlink *k)
{
	struct link_apply *a, *tmp;

	DL_FOREACH_SAFE(k->in.applies, a, tmp) {
		DL_DELETE(k->in.applies, a);
		a->link = NULL; /* on_link_applied frees it */
	}
}
