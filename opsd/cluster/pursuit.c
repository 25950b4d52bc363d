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

#define QUESTIONS_MAX  16 /* that are out, or are answered and not dealt with yet */
#define QUESTIONS_EACH 8  /* to one peer */
#define QUESTIONS_LOGS 4  /* of those, for its log, each of which may be for many tables */
#define CLAIM_US       60000000
#define CLAIM_MAX_US   3600000000
#define CLAIM_OLD_US   86400000000 /* then it begins anew */
#define CLAIM_AHEAD_MS 86400000
#define BROKEN_US      1000000
#define BROKEN_MAX_US  60000000

struct question_out {
	struct cluster *c;
	struct cursors_question *q;
};

/* Only now is the next asked: answers do not pile up before a disk that is slow. */
static void
answer_done(struct commit_job *j)
{
	struct question_out *p = j->arg;
	struct cluster *c = p->c;
	struct view *v;

	pthread_mutex_lock(&c->lock);
	v = cluster_view_of(c, p->q->peer);
	v->questions--;
	v->logs -= p->q->kind == CATCHUP_LOG;
	c->questions--;
	pthread_mutex_unlock(&c->lock);
	apply_free((struct apply *)j);
	cursors_question_free(p->q);
	free(p);
	cluster_kick(c);
}

static void
question_answered_cb(const struct carrier_answer *answer, void *arg)
{
	struct question_out *p = arg;
	struct cluster *c = p->c;
	int ok = answer->status == 200 && answer->body != NULL &&
	    (answer->who == NULL || memcmp(answer->who, p->q->peer, NODE_ID_LEN) == 0);
	struct apply *a = apply_answer_new(p->q, answer->who != NULL, ok ? answer->body : NULL,
	    ok ? answer->n : 0);

	pthread_mutex_lock(&c->lock);
	cluster_view_of(c, p->q->peer)->silent = !ok;
	pthread_mutex_unlock(&c->lock);
	a->job.arg = p;
	a->job.done = answer_done;
	commit_submit(c->rep->data->commit, &a->job);
}

/*
 * How many more the peer may be asked, and of those for its log.  Whoever did not answer the last is
 * asked one at a time.
 */
static size_t
questions_left(struct cluster *c, const struct peer *peer, size_t *logs)
{
	const struct view *v;
	unsigned most, left = 0;

	pthread_mutex_lock(&c->lock);
	v = cluster_view_of(c, peer->id);
	most = v->silent ? 1 : QUESTIONS_EACH;
	if (v->questions < most)
		left = most - v->questions;
	if (left > QUESTIONS_MAX - c->questions)
		left = QUESTIONS_MAX - c->questions;
	*logs = v->logs < QUESTIONS_LOGS ? QUESTIONS_LOGS - v->logs : 0;
	pthread_mutex_unlock(&c->lock);
	return (left);
}

static void
count_questions(struct cluster *c, const struct peer *peer, struct cursors_question *const *list,
    size_t n)
{
	struct view *v;

	pthread_mutex_lock(&c->lock);
	v = cluster_view_of(c, peer->id);
	v->questions += (unsigned)n;
	c->questions += (unsigned)n;
	for (size_t i = 0; i < n; i++)
		v->logs += list[i]->kind == CATCHUP_LOG;
	pthread_mutex_unlock(&c->lock);
}

static void
pursue_peer(struct cluster *c, const struct peer *peer, size_t most, size_t logs)
{
	unsigned timeout = (unsigned)data_conf_int(c->rep->data, CL_REQUEST_TIMEOUT);
	struct carrier_node node = cluster_node_of(peer);
	struct cursors_question **due;
	size_t n;

	due = cursors_due(c->rep->cursors, peer->id, mono_us(), most, logs, &n);
	count_questions(c, peer, due, n);
	for (size_t i = 0; i < n; i++) {
		struct question_out *p = xcalloc(1, sizeof(*p));

		*p = (struct question_out){ c, due[i] };
		c->carrier->catch_up(c->carrier_arg, &node, &due[i]->text, timeout,
		    question_answered_cb, p);
	}
	free(due);
}

/* How long to leave off after so many times: each time twice as long, up to the most. */
static uint64_t
pause_after(unsigned times, uint64_t first_us, uint64_t most_us)
{
	uint64_t us = first_us;

	for (; times > 1 && us < most_us; times--)
		us *= 2;
	return (us < most_us ? us : most_us);
}

void
cluster_answer_read(struct cluster *c, const uint8_t *peer, int broken)
{
	struct view *v;
	uint64_t pause;

	pthread_mutex_lock(&c->lock);
	v = cluster_view_of(c, peer);
	v->broken = broken ? v->broken + 1 : 0;
	pause = pause_after(v->broken, BROKEN_US, BROKEN_MAX_US);
	v->catch_up_after_us = broken ? mono_us() + pause : 0;
	pthread_mutex_unlock(&c->lock);
}

int
cluster_may_claim(struct cluster *c, const uint8_t *who, uint64_t incarnation)
{
	uint64_t now = mono_us(), passed;
	struct view *v;
	int may;

	if (who == NULL)
		return (1);
	pthread_mutex_lock(&c->lock);
	v = cluster_view_of(c, who);
	passed = now - v->claimed_us;
	may = incarnation < wall_ms() + CLAIM_AHEAD_MS &&
	    (v->claims == 0 || passed > pause_after(v->claims, CLAIM_US, CLAIM_MAX_US));
	if (may) {
		v->claims = passed > CLAIM_OLD_US ? 1 : v->claims + 1;
		v->claimed_us = now;
	}
	pthread_mutex_unlock(&c->lock);
	return (may);
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

/* Each time another peer is the first, so that none of them takes all the room. */
void
pursuit_run(struct cluster *c)
{
	struct peer **all;
	size_t n, left, logs;

	if (!c->carrier->can_catch_up(c->carrier_arg))
		return;
	all = nodes_all(c->rep->nodes, &n);
	c->turn++;
	for (size_t i = 0; i < n; i++) {
		const struct peer *p = all[(c->turn + i) % n];

		if ((left = questions_left(c, p, &logs)) > 0 && may_pursue(c, p))
			pursue_peer(c, p, left, logs);
	}
	for (size_t i = 0; i < n; i++)
		peer_free(all[i]);
	free(all);
}
