#include "config.h"

#include <assert.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/turnout.h"
#include "common/tls/crypto.h"
#include "leafd/link/ws_priv.h"

/* Frames out of a connection and into it. */

#define WS_WHY_MAX   (WS_CONTROL_MAX - 2)
#define WS_PONGS_MAX (64u << 10) /* with so much not yet written, pings wait for none */

/* What goes */

static ssize_t
ws_send_cb(const uint8_t *data, size_t len, int flags, void *arg)
{
	struct ws *w = arg;

	if (evbuffer_add(turnout_buffer(w->out), data, len) == -1)
		fatalx("link: no memory to send");
	return ((ssize_t)len);
}

static int
ws_mask_cb(uint8_t *buf, size_t len, void *arg)
{
	crypto_random(buf, len);
	return (0);
}

static void
send_part(struct ws *w, struct wslay_frame_iocb *io, const void *p, size_t n)
{
	io->data = p;
	io->data_length = n;
	if (wslay_frame_send(w->frames, io) != (ssize_t)n)
		fatalx("link: a frame was not taken");
}

/* In one piece of memory, so that TLS has it in few records. */
static void
send_frame(struct ws *w, uint8_t opcode, const void *head, size_t nhead, const void *p, size_t n)
{
	struct wslay_frame_iocb io = {
		.fin = 1,
		.opcode = opcode,
		.mask = (uint8_t)w->client,
		.payload_length = nhead + n,
	};

	if (evbuffer_expand(turnout_buffer(w->out), nhead + n + 14) == -1)
		fatalx("link: no memory to send");
	send_part(w, &io, head, nhead);
	if (n > 0)
		send_part(w, &io, p, n);
}

void
ws_send(struct ws *w, const void *head, size_t nhead, const void *p, size_t n)
{
	if (w->state == WS_OPEN)
		send_frame(w, WSLAY_BINARY_FRAME, head, nhead, p, n);
}

void
ws_ping(struct ws *w)
{
	uint8_t at[8];
	uint64_t now = mono_us();

	if (w->state != WS_OPEN)
		return;
	w->pinged_us = now;
	memcpy(at, &now, sizeof(at));
	send_frame(w, WSLAY_PING, at, sizeof(at), NULL, 0);
}

void
ws_frames_bye(struct ws *w, unsigned code, const char *why)
{
	uint8_t text[WS_CONTROL_MAX + 1] = { (uint8_t)(code >> 8), (uint8_t)code };
	size_t n = strlen(why) < WS_WHY_MAX ? strlen(why) : WS_WHY_MAX;

	if (w->said_bye)
		return;
	w->said_bye = 1;
	memcpy(text + 2, why, n);
	ws_shake_plain((char *)text + 2);
	send_frame(w, WSLAY_CONNECTION_CLOSE, text, n + 2, NULL, 0);
}

/* What comes */

static ssize_t
ws_recv_cb(uint8_t *buf, size_t len, int flags, void *arg)
{
	struct ws *w = arg;
	int n = evbuffer_remove(bufferevent_get_input(w->bev), buf, len);

	return (n > 0 ? n : -1);
}

static void
on_ping(struct ws *w)
{
	if (w->state == WS_OPEN && ws_queued(w) < WS_PONGS_MAX)
		send_frame(w, WSLAY_PONG, w->control, w->ncontrol, NULL, 0);
}

static void
on_pong(struct ws *w)
{
	uint64_t at;

	if (w->ncontrol != sizeof(at) || w->state != WS_OPEN)
		return;
	memcpy(&at, w->control, sizeof(at));
	if (at == w->pinged_us && at != 0 && w->ops->pong != NULL) {
		w->pinged_us = 0;
		w->ops->pong(w, mono_us() - at, w->arg);
	}
}

static void
on_bye(struct ws *w)
{
	char why[WS_CONTROL_MAX + 1] = "";
	unsigned code = WS_NORMAL;

	w->heard_bye = 1;
	if (w->ncontrol >= 2) {
		code = (unsigned)w->control[0] << 8 | w->control[1];
		memcpy(why, w->control + 2, w->ncontrol - 2);
		ws_shake_plain(why);
	}
	if (w->state == WS_OPEN) {
		ws_frames_bye(w, code == WS_ABNORMAL || w->ncontrol < 2 ? WS_NORMAL : code, "");
		ws_begin_close(w, code, why[0] != '\0' ? why : "closed by the other");
	}
}

static void
ws_on_message(struct ws *w)
{
	struct buf m = w->message;

	memset(&w->message, 0, sizeof(w->message));
	if (w->state == WS_OPEN)
		w->ops->message(w, &m, w->arg);
	/* The memory of a small one does for the next. */
	if (m.cap <= WS_IO && w->message.data == NULL) {
		buf_clear(&m);
		w->message = m;
	} else
		buf_free(&m);
}

/* What is wrong with a frame that begins; NULL: nothing. */
static const char *
frame_fault(struct ws *w, const struct wslay_frame_iocb *io, unsigned *code)
{
	size_t have = w->partial ? w->message.len - w->o.headroom : 0;

	*code = WS_NOT_UNDERSTOOD;
	if (io->rsv != 0 || io->mask == w->client)
		return ("a malformed frame");
	if (wslay_is_ctrl_frame(io->opcode)) {
		if (io->payload_length > WS_CONTROL_MAX || !io->fin)
			return ("a malformed control frame");
		return (io->opcode > WSLAY_PONG ? "a frame of an unknown kind" : NULL);
	}
	if (io->opcode == WSLAY_TEXT_FRAME) {
		*code = WS_NOT_BINARY;
		return ("a text message");
	}
	if (io->opcode != (w->partial ? WSLAY_CONTINUATION_FRAME : WSLAY_BINARY_FRAME))
		return ("a frame out of order");
	*code = WS_TOO_BIG;
	if (io->payload_length > w->o.max || have > w->o.max - io->payload_length)
		return ("too large a message");
	return (NULL);
}

/* 0, or -1: it ends the connection. */
static int
ws_frame_begins(struct ws *w, const struct wslay_frame_iocb *io)
{
	unsigned code;
	const char *why = frame_fault(w, io, &code);

	if (why != NULL) {
		if (w->state == WS_OPEN)
			ws_close(w, code, why);
		/* What comes after that is not looked at. */
		w->heard_bye = 1;
		return (-1);
	}
	w->reading = 1;
	w->left = io->payload_length;
	w->opcode = io->opcode;
	w->fin = io->fin;
	if (wslay_is_ctrl_frame(io->opcode))
		w->ncontrol = 0;
	else if (!w->partial) {
		buf_clear(&w->message);
		buf_reserve(&w->message, w->o.headroom + 1);
		memset(w->message.data, 0, w->o.headroom);
		w->message.len = w->o.headroom;
		w->partial = 1;
	}
	return (0);
}

static void
take_piece(struct ws *w, const uint8_t *p, size_t n)
{
	if (n == 0)
		return;
	assert(n <= w->left);
	w->left -= n;
	if (wslay_is_ctrl_frame(w->opcode)) {
		memcpy(w->control + w->ncontrol, p, n);
		w->ncontrol += n;
	} else
		buf_add(&w->message, p, n);
}

static void
ws_frame_ends(struct ws *w)
{
	w->reading = 0;
	switch (w->opcode) {
	case WSLAY_PING:
		on_ping(w);
		break;
	case WSLAY_PONG:
		on_pong(w);
		break;
	case WSLAY_CONNECTION_CLOSE:
		on_bye(w);
		break;
	default:
		if (!w->fin)
			break;
		w->partial = 0;
		ws_on_message(w);
	}
}

static int
may_read(const struct ws *w)
{
	return (!w->freed && !w->paused && !w->heard_bye &&
	    (w->state == WS_OPEN || w->state == WS_CLOSING));
}

void
ws_frames_read(struct ws *w)
{
	struct wslay_frame_iocb io;
	ssize_t n;

	while (may_read(w) && w->frames != NULL) {
		memset(&io, 0, sizeof(io));
		n = wslay_frame_recv(w->frames, &io);
		if (n == WSLAY_ERR_WANT_READ)
			return;
		if (n < 0) {
			ws_close(w, WS_NOT_UNDERSTOOD, "a malformed frame");
			w->heard_bye = 1;
			return;
		}
		if (!w->reading && ws_frame_begins(w, &io) == -1)
			return;
		take_piece(w, io.data, (size_t)n);
		if (w->left == 0)
			ws_frame_ends(w);
	}
}

void
ws_frames_begin(struct ws *w)
{
	static const struct wslay_frame_callbacks cbs = {
		.send_callback = ws_send_cb,
		.recv_callback = ws_recv_cb,
		.genmask_callback = ws_mask_cb,
	};

	if (wslay_frame_context_init(&w->frames, &cbs, w) != 0)
		fatalx("link: no memory");
}
