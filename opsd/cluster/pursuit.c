#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/conf/settings.h"
#include "opsd/cluster/apply.h"
#include "opsd/cluster/cluster_priv.h"
#include "opsd/cluster/compat.h"
#include "opsd/cluster/cursors.h"
#include "opsd/cluster/nodes.h"

/* What cursors lack is asked for, so much at a time (catchup.h). */

#define QUESTIONS_MAX 8
#define BROKEN_US     1000000
#define BROKEN_MAX_US 60000000

struct question_out {
	struct cluster *c;
	struct cursors_question *q;
};

static void
answer_done(struct commit_job *j)
{
	struct cluster *c = j->arg;

	apply_free((struct apply *)j);
	cluster_kick(c);
}

static void
question_answered_cb(const struct carrier_answer *answer, void *arg)
{
	struct question_out *p = arg;
	struct cluster *c = p->c;
	int ok = answer->status == 200 && answer->body != NULL &&
	    (answer->who == NULL || memcmp(answer->who, p->q->peer, NODE_ID_LEN) == 0);
	struct apply *a = apply_answer_new(p->q, ok ? answer->body : NULL, ok ? answer->n : 0);

	a->job.arg = c;
	a->job.done = answer_done;
	c->questions--;
	commit_submit(c->rep->data->commit, &a->job);
	cursors_question_free(p->q);
	free(p);
}

static void
pursue_peer(struct cluster *c, const struct peer *peer)
{
	unsigned timeout = (unsigned)data_conf_int(c->rep->data, CL_REQUEST_TIMEOUT);
	struct carrier_node node = cluster_node_of(peer);
	struct cursors_question **due;
	size_t n;

	due = cursors_due(c->rep->cursors, peer->id, mono_us(),
	    (size_t)(QUESTIONS_MAX - c->questions), &n);
	for (size_t i = 0; i < n; i++) {
		struct question_out *p = xcalloc(1, sizeof(*p));

		*p = (struct question_out){ c, due[i] };
		c->questions++;
		c->carrier->catch_up(c->carrier_arg, &node, &due[i]->text, timeout,
		    question_answered_cb, p);
	}
	free(due);
}

void
cluster_answer_read(struct cluster *c, const uint8_t *peer, int broken)
{
	struct view *v;
	uint64_t pause;

	pthread_mutex_lock(&c->lock);
	v = cluster_view_of(c, peer);
	v->broken = broken ? v->broken + 1 : 0;
	pause = v->broken < 7 ? (uint64_t)BROKEN_US << v->broken >> 1 : BROKEN_MAX_US;
	v->catch_up_after_us = broken ? mono_us() + pause : 0;
	pthread_mutex_unlock(&c->lock);
}

uint64_t
cluster_catch_up_after(struct cluster *c, const uint8_t *peer)
{
	uint64_t us;

	pthread_mutex_lock(&c->lock);
	us = cluster_view_of(c, peer)->catch_up_after_us;
	pthread_mutex_unlock(&c->lock);
	return (us);
}

/* Whether it can and may be asked now. */
static int
may_pursue(struct cluster *c, const struct peer *p)
{
	return (cluster_peer_reachable(c, p) && !compat_refuses(c, p->id) &&
	    mono_us() >= cluster_catch_up_after(c, p->id));
}

void
pursuit_run(struct cluster *c)
{
	struct peer **all;
	size_t n;

	if (!c->carrier->can_catch_up(c->carrier_arg) || c->questions >= QUESTIONS_MAX)
		return;
	all = nodes_all(c->rep->nodes, &n);
	for (size_t i = 0; i < n; i++) {
		if (c->questions < QUESTIONS_MAX && may_pursue(c, all[i]))
			pursue_peer(c, all[i]);
		peer_free(all[i]);
	}
	free(all);
}
