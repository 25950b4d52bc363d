#include "config.h"

#include "common/ipc/chan_priv.h"

#include <assert.h>
#include <event2/buffer.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/turnout.h"

/* What the peer is sent. */

#define CHAN_COPY_MAX 1024 /* longer bodies are sent from where they are */

static void
chan_free_body(const void *data, size_t len, void *arg)
{
	free(arg);
}

void
chan_write(struct chan *c, uint16_t type, uint32_t id, struct buf *body)
{
	struct evbuffer *out = turnout_buffer(c->out);
	struct buf head = { 0 };
	uint8_t *data;
	size_t n = body != NULL ? body->len : 0;
	int r = 0;

	buf_u32(&head, (uint32_t)n);
	buf_u16(&head, type);
	buf_u32(&head, id);
	r |= evbuffer_add(out, head.data, head.len);
	if (n > CHAN_COPY_MAX) {
		data = buf_take(body, NULL);
		r |= evbuffer_add_reference(out, data, n, chan_free_body, data);
	} else if (n > 0) {
		r |= evbuffer_add(out, body->data, n);
	}
	if (r != 0)
		fatalx("%s: no memory to send", chan_who(c));
	buf_free(&head);
	if (body != NULL)
		buf_free(body);
}

int
chan_may_send(struct chan *c, uint16_t type, struct buf *body)
{
	if (chan_is_up(c) && (body == NULL || body->len <= PROTO_MAX_BODY)) {
		assert(proto_allowed(type, c->me, c->peer));
		return (1);
	}
	if (chan_is_up(c))
		log_warnx("%s: %s of %zu bytes is too large, not sent", chan_who(c),
		    proto_name(type), body->len);
	if (body != NULL)
		buf_free(body);
	return (0);
}

void
chan_send_hello(struct chan *c)
{
	struct buf b = { 0 };

	buf_u16(&b, PROTO_MAJOR);
	buf_u16(&b, PROTO_MINOR);
	buf_u8(&b, (uint8_t)c->me);
	buf_str(&b, PACKAGE_VERSION);
	chan_write(c, MSG_HELLO, 0, &b);
}

void
chan_send(struct chan *c, uint16_t type, struct buf *body)
{
	if (chan_may_send(c, type, body))
		chan_write(c, type, 0, body);
}

void
chan_reply(struct chan *c, uint32_t id, struct buf *body)
{
	if (chan_may_send(c, MSG_REPLY, body))
		chan_write(c, MSG_REPLY, id, body);
}
