#include "config.h"

#include "opsd/cluster/carrier_call.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/frame.h"
#include "common/base/mem.h"
#include "opsd/cluster/peerjson.h"

struct carried {
	carrier_answered *cb;
	void *arg;
	int timed, vouched;
	uint8_t who[NODE_ID_LEN];
};

static void
carried_cb(struct rd *body, void *arg)
{
	struct carried *call = arg;
	struct carrier_answer a = { .status = 504 };

	if (body != NULL) {
		a.status = rd_u16(body);
		a.us = call->timed ? rd_u32(body) : 0;
		a.body = rd_blob(body, &a.n);
		a.who = call->vouched ? call->who : NULL;
		if (!rd_done(body))
			a = (struct carrier_answer){ .status = 504 };
	}
	call->cb(&a, call->arg);
	free(call);
}

void
carrier_call(struct chan *ch, enum msg_type type, struct buf *b, unsigned timeout_ms, int timed,
    const uint8_t *who, carrier_answered *cb, void *arg)
{
	struct carried *call;

	if (ch == NULL) {
		buf_free(b);
		cb(&(struct carrier_answer){ .status = 503 }, arg);
		return;
	}
	call = xcalloc(1, sizeof(*call));
	*call = (struct carried){ .cb = cb, .arg = arg, .timed = timed, .vouched = who != NULL };
	if (who != NULL)
		memcpy(call->who, who, NODE_ID_LEN);
	chan_call(ch, type, b, timeout_ms, carried_cb, call);
}

void
carrier_call_write(struct buf *b, const char *verb, const json_t *question, unsigned timeout_ms)
{
	char *text = json_dumps(question, JSON_COMPACT);

	buf_str(b, verb);
	buf_u32(b, timeout_ms);
	buf_blob(b, text, strlen(text));
	free(text);
}

static void
question_reply(void *arg, uint16_t status, const void *body, size_t n)
{
	struct buf b = { 0 };

	buf_u16(&b, status);
	buf_blob(&b, body, n);
	chan_deferred_reply(arg, &b);
}

int
carrier_call_read(struct carrier_asked *q, struct chan *ch, struct msg *m)
{
	size_t len;
	const uint8_t *p;

	q->verb = rd_str(&m->body);
	p = rd_blob(&m->body, &len);
	if (!rd_done(&m->body) || q->verb == NULL) {
		free(q->verb);
		return (-1);
	}
	q->question = peerjson_load((const char *)p, len, 0);
	q->reply = (struct carrier_reply){ question_reply, chan_defer(ch, m) };
	return (0);
}

void
carrier_call_clear(struct carrier_asked *q)
{
	json_decref(q->question);
	free(q->verb);
}

static void
serve_reply(void *arg, uint16_t status, const void *body, size_t n)
{
	struct buf b = { 0 };

	buf_blob(&b, body, n);
	chan_deferred_reply(arg, &b);
}

struct carrier_reply
carrier_call_serve(struct chan *ch, const struct msg *m)
{
	return ((struct carrier_reply){ serve_reply, chan_defer(ch, m) });
}
