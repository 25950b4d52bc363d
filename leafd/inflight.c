#include "config.h"

#include "leafd/consume_priv.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/base/mem.h"
#include "common/ipc/chan.h"

/* From a peer's consumer into opsd: what is in flight, and where we are. */

#define FLIGHT_BYTES (8 << 20) /* with opsd, all peers together */
#define SHARE_MIN    (256 << 10)
#define BACK_GROWTH  4

/* What one peer may have with opsd, so that one that is held does not hold the others. */
size_t
inflight_share(const struct consume *c)
{
	size_t n = FLIGHT_BYTES / (c->nconsumers > 0 ? c->nconsumers : 1);

	return (n > SHARE_MIN ? n : SHARE_MIN);
}

/* opsd may finish out of order: done is what has nothing unfinished before it. */
static void
take_done(struct consumer *cr)
{
	struct inflight *in;

	while ((in = cr->inflight) != NULL && in->done) {
		if (in->seq > cr->processed) {
			cr->processed = in->seq;
			cr->mark = in->mark;
		}
		DL_DELETE(cr->inflight, in);
		free(in);
	}
}

static void
on_applied(struct rd *body, void *arg)
{
	struct inflight *in = arg;
	struct consumer *cr = in->consumer;

	if (cr == NULL) {
		free(in);
		return;
	}
	cr->bytes -= in->bytes;
	if (body == NULL) {
		DL_DELETE(cr->inflight, in);
		free(in);
		return;
	}
	in->done = 1;
	take_done(cr);
	consumer_pull(cr);
}

static struct mark
mark_of(const struct nats_msg *m)
{
	struct rd r = rd_init(m->data, m->len);
	struct mark mark = { 0 };
	struct frame f;

	if (frame_read(&r, &f) == 0) {
		mark.incarnation = f.incarnation;
		mark.window = f.window;
		mark.last = f.last;
		mark.entry = f.mark;
		mark.table = f.table;
	}
	return (mark);
}

void
inflight_send(struct consumer *cr, uint64_t seq, const struct nats_msg *m)
{
	struct inflight *in = xcalloc(1, sizeof(*in));
	struct buf b = { 0 };

	in->consumer = cr;
	in->seq = seq;
	in->mark = mark_of(m);
	in->bytes = m->len;
	DL_APPEND(cr->inflight, in);
	cr->bytes += m->len;
	buf_reserve(&b, NODE_ID_LEN + 16 + m->len);
	buf_add(&b, cr->peer_id, NODE_ID_LEN);
	shard_write(&b, cr->shard);
	buf_u64(&b, seq);
	buf_blob(&b, m->data, m->len);
	chan_call(cr->c->opsd, MSG_APPLY, &b, 0, on_applied, in);
}

void
inflight_drop(struct consumer *cr)
{
	struct inflight *in, *tmp;

	DL_FOREACH_SAFE(cr->inflight, in, tmp) {
		DL_DELETE(cr->inflight, in);
		if (in->done)
			free(in);
		else
			in->consumer = NULL; /* on_applied frees it */
	}
	cr->bytes = 0;
}

/* Positions begin anew at `seq`; those in flight belong to the former ones. */
void
inflight_rewind(struct consumer *cr, uint64_t seq)
{
	inflight_drop(cr);
	cr->processed = seq;
	cr->back = 0;
	memset(&cr->mark, 0, sizeof(cr->mark));
}

/*
 * A peer that lost the end of its stream publishes it again from its log, and
 * may group it otherwise: then the message at our position is another one.
 * We go back until one comes that is not newer than what opsd has.
 */
static int
is_where_we_were(const struct consumer *cr, uint64_t seq, const struct mark *m)
{
	const struct mark *was = &cr->mark;

	if (was->incarnation == 0)
		return (1);
	if (cr->back == 0)
		return (seq != cr->processed ||
		    (m->incarnation == was->incarnation && m->window == was->window &&
			m->last == was->last && m->entry == was->entry && m->table == was->table));
	return (cr->processed <= cr->back ||
	    (m->incarnation == was->incarnation && m->window <= was->window));
}

int
inflight_check(struct consumer *cr, uint64_t seq, const struct nats_msg *m)
{
	struct mark mark = mark_of(m);

	cr->fresh = 0;
	if (!is_where_we_were(cr, seq, &mark)) {
		cr->back = cr->back == 0 ? BACK_MIN : cr->back * BACK_GROWTH;
		return (-1);
	}
	if (cr->back != 0)
		inflight_rewind(cr, seq - 1);
	return (0);
}
