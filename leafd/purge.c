#include "config.h"

#include "leafd/purge.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/base/frame.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/ipc/chan.h"
#include "common/nats/subject.h"
#include "leafd/ask.h"

#define GET_TIMEOUT_MS	3000

/*
 * One STREAM_PURGE.  Messages of one subject follow each other as the log does, so the first
 * that stays is found by halving: messages below `low` go, those from `high` on stay.
 */
struct purging {
	struct purge	*p;
	struct chan_deferred *reply;
	char		*subject;
	uint64_t	 upto;		/* log sequence */
	uint64_t	 low, high;	/* stream sequences */
	struct ask	*ask;
	struct purging	*prev, *next;
};

struct purge {
	struct chan	*opsd;
	struct asker	*a;		/* NULL: stopped */
	char		*node, *stream;
	struct purging	*purgings;
};

static void look(struct purging *g);

static void
answer(struct chan_deferred *reply, uint16_t status, uint64_t messages)
{
	struct buf b = { 0 };

	buf_u16(&b, status);
	buf_u64(&b, messages);
	chan_deferred_reply(reply, &b);
}

/* Answers, and is gone. */
static void
purging_end(struct purging *g, uint16_t status, uint64_t messages)
{
	answer(g->reply, status, messages);
	ask_cancel(&g->ask);
	DL_DELETE(g->p->purgings, g);
	free(g->subject);
	free(g);
}

static void
purging_fail(struct purging *g, const char *why)
{
	log_warnx("stream %s: %s cannot be purged: %s", g->p->stream, g->subject, why);
	purging_end(g, 500, 0);
}

static void
on_purged(const struct ask_answer *ans, void *arg)
{
	struct purging	*g = arg;
	uint64_t	 n = (uint64_t)json_integer_value(json_object_get(ans->root, "purged"));

	if (ans->why != NULL) {
		purging_fail(g, ans->why);
		return;
	}
	log_info("stream %s: %" PRIu64 " messages of %s purged", g->p->stream, n, g->subject);
	purging_end(g, 200, n);
}

static void
purge_below(struct purging *g)
{
	char *subject = xasprintf("$JS.API.STREAM.PURGE.%s", g->p->stream);

	ask_api(g->p->a, &g->ask, subject, json_pack("{s:s, s:I}", "filter", g->subject, "seq",
	    (json_int_t)g->low), on_purged, g);
	free(subject);
}

static void
on_message(const struct nats_msg *m, void *arg)
{
	struct purging	*g = arg;
	uint64_t	 middle = g->low + (g->high - g->low) / 2;
	struct frame	 f = { 0 };
	struct rd	 r;
	int		 none = m != NULL && m->status != NULL && strcmp(m->status, "404") == 0;

	if (m == NULL || (m->status != NULL && !none)) {
		purging_fail(g, "no answer from the stream");
		return;
	}
	if (!none) {
		r = rd_init(m->data, m->len);
		if (frame_read(&r, &f) == -1) {
			purging_fail(g, "a message is no frame");
			return;
		}
	}
	/* None after it, or the next of this subject is one that stays. */
	if (none || f.last > g->upto)
		g->high = middle;
	else
		g->low = middle + 1;
	look(g);
}

static void
look(struct purging *g)
{
	uint64_t	 middle = g->low + (g->high - g->low) / 2;
	json_t		*question;
	char		*subject, *text;

	if (g->low >= g->high) {
		purge_below(g);
		return;
	}
	question = json_pack("{s:I, s:s}", "seq", (json_int_t)middle, "next_by_subj", g->subject);
	text = json_dumps(question, JSON_COMPACT);
	subject = xasprintf("$JS.API.DIRECT.GET.%s", g->p->stream);
	ask_raw(g->p->a, &g->ask, subject, text, strlen(text), GET_TIMEOUT_MS, on_message, g);
	free(subject);
	free(text);
	json_decref(question);
}

static void
on_info(const struct ask_answer *ans, void *arg)
{
	struct purging	*g = arg;
	const json_t	*state = json_object_get(ans->root, "state");

	if (ans->why != NULL) {
		purging_fail(g, ans->why);
		return;
	}
	g->low = (uint64_t)json_integer_value(json_object_get(state, "first_seq"));
	g->high = (uint64_t)json_integer_value(json_object_get(state, "last_seq")) + 1;
	if (g->low == 0)
		g->low = 1;
	look(g);
}

int
purge_ask(struct purge *p, struct msg *m)
{
	char		*database = rd_str(&m->body), *table = rd_str(&m->body), *subject;
	uint64_t	 upto = rd_u64(&m->body);
	struct purging	*g;
	int		 fine = rd_done(&m->body);

	if (fine && p->a == NULL)
		answer(chan_defer(p->opsd, m), 503, 0);
	else if (fine) {
		g = xcalloc(1, sizeof(*g));
		g->p = p;
		g->reply = chan_defer(p->opsd, m);
		g->upto = upto;
		g->subject = subject_txn(p->node, database, table);
		DL_APPEND(p->purgings, g);
		subject = xasprintf("$JS.API.STREAM.INFO.%s", p->stream);
		ask_api(p->a, &g->ask, subject, NULL, on_info, g);
		free(subject);
	}
	free(database);
	free(table);
	return (fine ? 0 : -1);
}

struct purge *
purge_new(struct chan *opsd)
{
	struct purge *p = xcalloc(1, sizeof(*p));

	p->opsd = opsd;
	return (p);
}

void
purge_free(struct purge *p)
{
	if (p == NULL)
		return;
	purge_stop(p);
	free(p);
}

void
purge_start(struct purge *p, struct asker *a, const char *node)
{
	if (p->a != NULL)
		return;
	p->a = a;
	p->node = xstrdup(node);
	p->stream = subject_stream(node);
}

void
purge_stop(struct purge *p)
{
	struct purging *g, *tmp;

	if (p->a == NULL)
		return;
	DL_FOREACH_SAFE(p->purgings, g, tmp)
		purging_end(g, 503, 0);
	free(p->node);
	free(p->stream);
	p->node = p->stream = NULL;
	p->a = NULL;
}
