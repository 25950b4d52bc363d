#include "config.h"

#include "leafd/consume_priv.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/base/mem.h"
#include "common/ipc/chan.h"

/* From a peer's consumer into opsd: what is in flight, and where we are. */

#define FLIGHT_BYTES	(8 << 20)	/* with opsd, all peers together */
#define SHARE_MIN	(256 << 10)
#define BACK_GROWTH	4

/* What one peer may have with opsd, so that one that is held does not hold the others. */
size_t
handover_share(const struct consume *c)
{
	size_t n = FLIGHT_BYTES / (c->npeers > 0 ? c->npeers : 1);

	return (n > SHARE_MIN ? n : SHARE_MIN);
}

/* opsd may finish out of order: done is what has nothing unfinished before it. */
static void
take_done(struct peer *p)
{
	struct apply *ap;

	while ((ap = p->applies) != NULL && ap->done) {
		if (ap->seq > p->processed) {
			p->processed = ap->seq;
			p->mark = ap->mark;
		}
		DL_DELETE(p->applies, ap);
		free(ap);
	}
}

static void
on_applied(struct rd *body, void *arg)
{
	struct apply	*ap = arg;
	struct peer	*p = ap->peer;

	if (p == NULL) {
		free(ap);
		return;
	}
	p->bytes -= ap->bytes;
	if (body == NULL) {
		DL_DELETE(p->applies, ap);
		free(ap);
		return;
	}
	ap->done = 1;
	take_done(p);
	peer_pull(p);
}

static struct mark
mark_of(const struct nats_msg *m)
{
	struct rd	r = rd_init(m->data, m->len);
	struct mark	mark = { 0 };
	struct frame	f;

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
handover_send(struct peer *p, uint64_t seq, const struct nats_msg *m)
{
	struct apply	*ap = xcalloc(1, sizeof(*ap));
	struct buf	 b = { 0 };

	ap->peer = p;
	ap->seq = seq;
	ap->mark = mark_of(m);
	ap->bytes = m->len;
	DL_APPEND(p->applies, ap);
	p->bytes += m->len;
	buf_reserve(&b, NODE_ID_LEN + 12 + m->len);
	buf_add(&b, p->id, NODE_ID_LEN);
	buf_u64(&b, seq);
	buf_blob(&b, m->data, m->len);
	chan_call(p->c->opsd, MSG_APPLY, &b, 0, on_applied, ap);
}

void
handover_drop(struct peer *p)
{
	struct apply *ap, *tmp;

	DL_FOREACH_SAFE(p->applies, ap, tmp) {
		DL_DELETE(p->applies, ap);
		if (ap->done)
			free(ap);
		else
			ap->peer = NULL;	/* on_applied frees it */
	}
	p->bytes = 0;
}

/* Positions begin anew at `seq`; those in flight belong to the former ones. */
void
handover_rewind(struct peer *p, uint64_t seq)
{
	handover_drop(p);
	p->processed = seq;
	p->back = 0;
	memset(&p->mark, 0, sizeof(p->mark));
}

/*
 * A peer that lost the end of its stream publishes it again from its log, and
 * may group it otherwise: then the message at our position is another one.
 * We go back until one comes that is not newer than what opsd has.
 */
static int
is_where_we_were(const struct peer *p, uint64_t seq, const struct mark *m)
{
	const struct mark *was = &p->mark;

	if (was->incarnation == 0)
		return (1);
	if (p->back == 0)
		return (seq != p->processed || (m->incarnation == was->incarnation &&
		    m->window == was->window && m->last == was->last && m->entry == was->entry &&
		    m->table == was->table));
	return (p->processed <= p->back ||
	    (m->incarnation == was->incarnation && m->window <= was->window));
}

int
handover_check(struct peer *p, uint64_t seq, const struct nats_msg *m)
{
	struct mark mark = mark_of(m);

	p->fresh = 0;
	if (!is_where_we_were(p, seq, &mark)) {
		p->back = p->back == 0 ? BACK_MIN : p->back * BACK_GROWTH;
		return (-1);
	}
	if (p->back != 0)
		handover_rewind(p, seq - 1);
	return (0);
}
