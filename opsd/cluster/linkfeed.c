#include "config.h"

#include "opsd/cluster/linkfeed.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/cluster/compat.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/verdicts.h"

#define PASS_BYTES (4u << 20) /* looked at in one turn of the loop */

struct linkfeed {
	struct replication *rep;
	uint8_t id[NODE_ID_LEN];
	struct verdicts *verdicts;
	struct peer *peer; /* as it was when they were made */
	uint64_t seen;     /* nodes_changes then */
	uint64_t start;    /* the log's end when the feed was made */
	uint64_t passed;   /* given, or seen, up to here */
};

static int
may_have(void *arg, const char *database, const char *table)
{
	struct linkfeed *f = arg;
	const struct subscription *s = f->peer != NULL ? peer_effective(f->peer, database, table) :
							 NULL;

	return (subscription_gives(s));
}

struct linkfeed *
linkfeed_new(struct replication *rep, const uint8_t *id)
{
	struct linkfeed *f = xcalloc(1, sizeof(*f));

	f->rep = rep;
	memcpy(f->id, id, NODE_ID_LEN);
	f->verdicts = verdicts_new(may_have, f, 0);
	f->start = f->passed = rep->data->log.durable;
	return (f);
}

void
linkfeed_free(struct linkfeed *f)
{
	if (f == NULL)
		return;
	verdicts_free(f->verdicts);
	peer_free(f->peer);
	free(f);
}

/* A right that changed counts from the next read on. */
static void
review_rights(struct linkfeed *f)
{
	uint64_t now = nodes_changes(f->rep->nodes);

	if (f->peer != NULL && now == f->seen)
		return;
	f->seen = now;
	peer_free(f->peer);
	f->peer = nodes_by_id(f->rep->nodes, f->id);
	verdicts_review(f->verdicts, NULL, NULL);
}

static int
still_reaches(const struct txlog *l, uint64_t after)
{
	return (after >= l->trimmed && after <= l->durable);
}

/*
 * A position of another incarnation may be of what was lost, whose numbers are given again; what it
 * lacks its cursors copy anyway.
 */
void
linkfeed_begin(struct linkfeed *f, uint64_t incarnation, uint64_t after)
{
	const struct txlog *l = &f->rep->data->log;

	if (incarnation == l->incarnation && still_reaches(l, after))
		f->passed = after;
	else
		f->passed = still_reaches(l, f->start) ? f->start : l->durable;
}

int
linkfeed_is_behind(const struct linkfeed *f)
{
	return (f->passed < f->rep->data->log.durable);
}

int
linkfeed_read(struct linkfeed *f, uint32_t max, struct buf *out)
{
	struct txlog *l = &f->rep->data->log;
	struct log_read q = {
		.max = max,
		.scan = PASS_BYTES,
		.wants = verdicts_wants,
		.arg = f->verdicts,
	};
	int n;

	if (compat_refuses(f->rep->cluster, f->id))
		return (0);
	review_rights(f);
	q.after = f->passed;
	if ((n = txlog_read(l, &q, out)) == -1)
		return (0);
	f->passed = q.upto;
	if (n == 0)
		return (q.cut ? -1 : 0);
	return (1);
}
