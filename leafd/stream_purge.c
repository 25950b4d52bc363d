#include "config.h"

#include "leafd/stream_purge.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/base/frame.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/shard.h"
#include "common/ipc/chan.h"
#include "common/nats/subject.h"
#include "leafd/jsapi.h"

#define GET_TIMEOUT_MS 3000

/*
 * One STREAM_PURGE.  Messages of one subject follow each other as the log does, so the first
 * that stays is found by halving: messages below `low` go, those from `high` on stay.
 */
struct stream_purging {
	struct stream_purge *p;
	struct chan_deferred *reply;
	char *stream, *subject;
	uint64_t upto;      /* log sequence */
	uint64_t low, high; /* stream sequences */
	struct jsapi_call *call;
	struct stream_purging *prev, *next;
};

struct stream_purge {
	struct chan *opsd;
	struct jsapi *a; /* NULL: stopped */
	char *node;
	unsigned streams;
	struct stream_purging *purgings;
};

static void look_at_middle(struct stream_purging *g);

static void
answer_purge(struct chan_deferred *reply, uint16_t status, uint64_t messages)
{
	struct buf b = { 0 };

	buf_u16(&b, status);
	buf_u64(&b, messages);
	chan_deferred_reply(reply, &b);
}

/* Answers, and is gone. */
static void
purging_end(struct stream_purging *g, uint16_t status, uint64_t messages)
{
	answer_purge(g->reply, status, messages);
	jsapi_cancel(&g->call);
	DL_DELETE(g->p->purgings, g);
	free(g->stream);
	free(g->subject);
	free(g);
}

static void
purging_fail(struct stream_purging *g, const char *why)
{
	log_warnx("stream %s: %s cannot be purged: %s", g->stream, g->subject, why);
	purging_end(g, 500, 0);
}

static void
on_purged(const struct jsapi_answer *ans, void *arg)
{
	struct stream_purging *g = arg;
	uint64_t n = (uint64_t)json_integer_value(json_object_get(ans->root, "purged"));

	if (ans->why != NULL) {
		purging_fail(g, ans->why);
		return;
	}
	log_info("stream %s: %" PRIu64 " messages of %s purged", g->stream, n, g->subject);
	purging_end(g, 200, n);
}

static void
purge_below(struct stream_purging *g)
{
	char *subject = jsapi_subject(g->p->a, NULL, "STREAM.PURGE", g->stream);

	jsapi_ask(g->p->a, &g->call, subject,
	    json_pack("{s:s, s:I}", "filter", g->subject, "seq", (json_int_t)g->low), on_purged, g);
	free(subject);
}

static void
on_middle(const struct nats_msg *m, void *arg)
{
	struct stream_purging *g = arg;
	uint64_t middle = g->low + (g->high - g->low) / 2;
	struct frame f = { 0 };
	struct rd r;
	int none = m != NULL && m->status != NULL && strcmp(m->status, "404") == 0;

	if (m == NULL || (m->status != NULL && !none)) {
		purging_fail(g, "no answer from the stream");
		return;
	}
	if (!none) {
		r = rd_init(m->data, m->len);
		/* Nobody can use what is no frame: it goes, and what was before it is in the log. */
		if (frame_read(&r, &f) == -1)
			f.last = 0;
	}
	/* None after it, or the next of this subject is one that stays. */
	if (none || f.last > g->upto)
		g->high = middle;
	else
		g->low = middle + 1;
	look_at_middle(g);
}

static void
look_at_middle(struct stream_purging *g)
{
	uint64_t middle = g->low + (g->high - g->low) / 2;
	json_t *question;
	char *subject, *text;

	if (g->low >= g->high) {
		purge_below(g);
		return;
	}
	question = json_pack("{s:I, s:s}", "seq", (json_int_t)middle, "next_by_subj", g->subject);
	text = json_dumps(question, JSON_COMPACT);
	subject = jsapi_subject(g->p->a, NULL, "DIRECT.GET", g->stream);
	jsapi_ask_raw(g->p->a, &g->call, subject, text, strlen(text), GET_TIMEOUT_MS, on_middle, g);
	free(subject);
	free(text);
	json_decref(question);
}

static void
on_purge_info(const struct jsapi_answer *ans, void *arg)
{
	struct stream_purging *g = arg;
	const json_t *state = json_object_get(ans->root, "state");

	if (ans->why != NULL) {
		purging_fail(g, ans->why);
		return;
	}
	g->low = (uint64_t)json_integer_value(json_object_get(state, "first_seq"));
	g->high = (uint64_t)json_integer_value(json_object_get(state, "last_seq")) + 1;
	if (g->low == 0)
		g->low = 1;
	look_at_middle(g);
}

static void
purging_begin(struct stream_purge *p, struct chan_deferred *reply, const char *database,
    const char *table, uint64_t upto)
{
	struct stream_purging *g = xcalloc(1, sizeof(*g));
	struct shard s = { 0, p->streams };
	char *subject;

	s.k = shard_of(database, strlen(database), table, strlen(table), s.n);
	g->p = p;
	g->reply = reply;
	g->upto = upto;
	g->stream = subject_stream(jsapi_names(p->a), p->node, s);
	g->subject = subject_txn(jsapi_names(p->a), p->node, s, database, table);
	DL_APPEND(p->purgings, g);
	subject = jsapi_subject(p->a, NULL, "STREAM.INFO", g->stream);
	jsapi_ask(p->a, &g->call, subject, NULL, on_purge_info, g);
	free(subject);
}

int
stream_purge_ask(struct stream_purge *p, struct msg *m)
{
	char *database = rd_str(&m->body), *table = rd_str(&m->body);
	uint64_t upto = rd_u64(&m->body);
	int fine = rd_done(&m->body);

	if (fine && p->a == NULL)
		answer_purge(chan_defer(p->opsd, m), 503, 0);
	else if (fine)
		purging_begin(p, chan_defer(p->opsd, m), database, table, upto);
	free(database);
	free(table);
	return (fine ? 0 : -1);
}

struct stream_purge *
stream_purge_new(struct chan *opsd)
{
	struct stream_purge *p = xcalloc(1, sizeof(*p));

	p->opsd = opsd;
	return (p);
}

void
stream_purge_free(struct stream_purge *p)
{
	if (p == NULL)
		return;
	stream_purge_stop(p);
	free(p);
}

void
stream_purge_start(struct stream_purge *p, struct jsapi *a, const char *node, unsigned streams)
{
	if (p->a != NULL)
		return;
	p->a = a;
	p->node = xstrdup(node);
	p->streams = streams;
}

void
stream_purge_stop(struct stream_purge *p)
{
	struct stream_purging *g, *tmp;

	if (p->a == NULL)
		return;
	DL_FOREACH_SAFE(p->purgings, g, tmp)
		purging_end(g, 503, 0);
	free(p->node);
	p->node = NULL;
	p->a = NULL;
}
