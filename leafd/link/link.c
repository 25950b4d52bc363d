#include "config.h"

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "common/base/address.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/logbrake.h"
#include "common/base/mem.h"
#include "common/conf/repaddress.h"
#include "common/tls/tlslink.h"
#include "leafd/link/link_priv.h"
#include "leafd/link/ws_priv.h"

/* One link, from its connection to its end: who is there, and what each message is for. */

/* A message that waits until the other is ready. */
struct link_early {
	struct link_early *prev, *next;
	struct buf bytes;
};

static void
link_wait(struct peerlink *k, unsigned ms)
{
	const struct timeval wait = { ms / 1000, (ms % 1000) * 1000 };

	evtimer_add(k->timer, &wait);
}

/* Sending */

void
link_send(struct peerlink *k, const struct buf *head, const void *p, size_t n)
{
	struct link_early *e;

	if (k->state == LINK_ENDED)
		return;
	if (k->other_ready || head->data[0] <= LINK_READY || head->data[0] == LINK_BYE) {
		ws_send(k->ws, head->data, head->len, p, n);
		return;
	}
	e = xcalloc(1, sizeof(*e));
	buf_add(&e->bytes, head->data, head->len);
	buf_add(&e->bytes, p, n);
	DL_APPEND(k->early, e);
}

static void
send_early(struct peerlink *k, int wanted)
{
	struct link_early *e, *tmp;

	DL_FOREACH_SAFE(k->early, e, tmp) {
		DL_DELETE(k->early, e);
		if (wanted)
			ws_send(k->ws, e->bytes.data, e->bytes.len, NULL, 0);
		buf_free(&e->bytes);
		free(e);
	}
}

static void
send_hello(struct peerlink *k)
{
	json_t *o = json_deep_copy(k->ls->spec->hello);
	struct buf head = { 0 };
	char *text;

	json_object_set_new(o, "now", json_integer((json_int_t)wall_ms()));
	json_object_set_new(o, "boot", json_string(k->ls->instance));
	json_object_set_new(o, "max", json_integer((json_int_t)k->ls->spec->max_payload));
	if (k->ls->spec->introduced != NULL)
		json_object_set(o, "introduced", k->ls->spec->introduced);
	text = json_dumps(o, JSON_COMPACT);
	buf_u8(&head, LINK_HELLO);
	link_send(k, &head, text, strlen(text));
	buf_free(&head);
	free(text);
	json_decref(o);
}

static void
send_bye(struct peerlink *k, const char *why)
{
	struct buf head = { 0 };

	buf_u8(&head, LINK_BYE);
	buf_str(&head, why);
	link_send(k, &head, NULL, 0);
	buf_free(&head);
}

/* The end */

static void
log_link_end(const struct peerlink *k, const char *why)
{
	static struct log_brake brake = { .most = 20 };
	const char *who = k->hello.hostname != NULL ? k->hello.hostname : "an unknown node";

	if (k->state == LINK_ADMITTED)
		log_info("link: %s (%s): ended: %s", who, k->address, why);
	else if (k->target == NULL) /* of its own it speaks itself */
		log_braked(&brake, LOG_WARN, "link: %s (%s): not linked: %s", who, k->address, why);
}

static void
tell_opsd(struct peerlink *k, const char *why)
{
	struct buf b = { 0 };

	if (!k->up_asked)
		return;
	k->up_asked = 0;
	if (links_known_by_another(k))
		return;
	buf_add(&b, k->hello.id, NODE_ID_LEN);
	buf_str(&b, why);
	chan_send(k->ls->opsd, MSG_LINK_DOWN, &b);
}

/* What waits for it, or is kept for it. */
static void
link_let_go(struct peerlink *k)
{
	links_drop_question(k);
	link_out_forget(k);
	link_in_end(k);
	link_ask_end(k);
	send_early(k, 0);
}

/* Both ends log it, so it says whose. */
void
link_end_revoked(struct peerlink *k)
{
	char *why = xasprintf("the certificate with serial number %s is revoked", k->cert.serial);

	link_end(k, WS_REFUSED, why);
	free(why);
}

void
link_end(struct peerlink *k, unsigned code, const char *why)
{
	int stood = k->state == LINK_ADMITTED && k->other_ready &&
	    wall_ms() - k->since_ms > LINK_STOOD_MS;

	if (k->state == LINK_ENDED)
		return;
	log_link_end(k, why);
	if (code != WS_ABNORMAL)
		send_bye(k, why);
	if (!k->dialled && k->state != LINK_ADMITTED) {
		listen_judge(k->ls, k->address, 0);
		if (code == WS_REFUSED || code == WS_ABNORMAL)
			refused_note(k, why);
	}
	if (k->state == LINK_ADMITTED)
		k->ls->admitted--;
	k->state = LINK_ENDED;
	event_del(k->timer);
	event_del(k->turn);
	tell_opsd(k, why);
	link_let_go(k);
	if (k->target != NULL)
		target_ended(k->target,
		    stood                                ? TARGET_STOOD :
			code == WS_REFUSED || k->refused ? TARGET_REFUSED :
							   TARGET_FAILED,
		    why);
	k->target = NULL;
	ws_pause(k->ws, 0);
	links_ended(k->ls);
	ws_close(k->ws, code, why); /* may free k */
}

void
link_free(struct peerlink *k)
{
	DL_DELETE(k->ls->all, k);
	if (k->state == LINK_ADMITTED)
		k->ls->admitted--;
	link_let_go(k);
	ws_free(k->ws);
	event_free(k->timer);
	event_free(k->turn);
	peercert_free(&k->cert);
	linkspec_hello_free(&k->hello);
	free(k->address);
	free(k->bye);
	free(k);
}

void
link_part(struct peerlink *k, const char *why)
{
	struct ws *w = k->ws;

	if (k->state == LINK_ADMITTED)
		send_bye(k, why);
	k->ws = NULL;
	link_free(k);
	ws_part(w, WS_GOING_AWAY, why);
}

void
link_broken(struct peerlink *k, const char *what)
{
	char *why = xasprintf("%s is not understood", what);

	link_end(k, WS_NOT_UNDERSTOOD, why);
	free(why);
}

/* What comes */

static void
on_hello(struct peerlink *k, const uint8_t *p, size_t n)
{
	char *err = NULL;

	if (linkspec_hello_read(&k->hello, p, n, &err) == -1) {
		link_end(k, WS_NOT_UNDERSTOOD, err);
		free(err);
		return;
	}
	ws_pause(k->ws, 1);
	k->state = LINK_ASKING;
	link_wait(k, LINK_ADMIT_MS);
	links_hello(k);
}

static void
on_ready(struct peerlink *k)
{
	if (k->other_ready) {
		link_broken(k, "a second READY");
		return;
	}
	k->other_ready = 1;
	k->since_ms = wall_ms();
	log_info("link: %s (%s): up", k->hello.hostname, k->address);
	send_early(k, 1);
	ws_ping(k->ws);
	link_wait(k, LINK_PING_MS);
	links_changed(k->ls);
}

static int
on_link_bye(struct peerlink *k, struct rd *r)
{
	free(k->bye);
	k->bye = rd_str(r);
	if (!rd_done(r))
		return (-1);
	ws_shake_plain(k->bye);
	return (0);
}

/* -1: it is not understood. */
static int
on_admitted(struct peerlink *k, uint8_t type, struct rd *r, struct buf *m)
{
	/* Who sends has let us in before. */
	if (!k->other_ready && type != LINK_READY)
		return (-1);
	switch (type) {
	case LINK_READY:
		on_ready(k);
		return (0);
	case LINK_ASK:
	case LINK_PULL:
		return (link_ask_take(k, type, r));
	case LINK_ANSWER:
	case LINK_PULLED:
		return (link_ask_answered(k, type, r));
	case LINK_WANT:
		return (link_out_want(k, r));
	case LINK_GOT:
		return (link_out_got(k, r));
	case LINK_SHARE:
		return (link_out_share(k, r));
	case LINK_BEGIN:
		return (link_in_begin(k, r));
	case LINK_FRAME:
		return (link_in_frame(k, m));
	}
	return (-1);
}

static void
link_message_cb(struct ws *w, struct buf *m, void *arg)
{
	struct peerlink *k = arg;
	struct rd r = rd_init(m->data + LINK_HEADROOM, m->len - LINK_HEADROOM);
	uint8_t type = rd_u8(&r);
	char what[40];

	if (k->state == LINK_ENDED)
		return;
	if (type == LINK_BYE && on_link_bye(k, &r) == 0)
		return;
	if (k->state == LINK_OPENING && type == LINK_HELLO) {
		on_hello(k, r.p, rd_left(&r));
		return;
	}
	if (k->state == LINK_ADMITTED && on_admitted(k, type, &r, m) == 0)
		return;
	snprintf(what, sizeof(what), "a message of kind %u", type);
	link_broken(k, what);
}

static void
link_open_cb(struct ws *w, void *arg)
{
	struct peerlink *k = arg;

	if (k->ssl != NULL && peercert_read(&k->cert, k->ssl) == -1)
		link_end(k, WS_REFUSED, "it showed no certificate");
	else if (links_revoked(k->ls, &k->cert))
		link_end_revoked(k);
	else
		send_hello(k);
}

static void
link_pong_cb(struct ws *w, uint64_t us, void *arg)
{
	struct peerlink *k = arg;

	k->rtt_us = us;
	links_changed(k->ls);
}

static void
link_drained_cb(struct ws *w, void *arg)
{
	struct peerlink *k = arg;

	link_ask_more(k);
	link_out_more(k);
}

static void
link_closed_cb(struct ws *w, unsigned code, const char *why, void *arg)
{
	struct peerlink *k = arg;

	k->refused = code == WS_REFUSED;
	k->by_other = k->bye != NULL || k->refused;
	if (k->state != LINK_ENDED)
		link_end(k, WS_ABNORMAL, k->bye != NULL ? k->bye : why);
	link_free(k);
}

static const struct ws_ops link_ws_ops = {
	.open = link_open_cb,
	.message = link_message_cb,
	.pong = link_pong_cb,
	.drained = link_drained_cb,
	.closed = link_closed_cb,
};

/* Time */

static void
link_tick(struct peerlink *k)
{
	uint64_t silent = mono_us() - ws_heard_us(k->ws);

	if (silent >= LINK_SILENCE_US) {
		link_end(k, WS_GOING_AWAY, "nothing arrived for 15 s");
		return;
	}
	if (silent >= LINK_PING_MS * 1000 / 2 || k->rtt_us == 0)
		ws_ping(k->ws);
	k->out.idle = 0;
	link_out_more(k);
	link_wait(k, LINK_PING_MS);
}

static void
link_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct peerlink *k = arg;

	if (k->state == LINK_OPENING)
		link_end(k, WS_REFUSED, "it did not say in time who it is");
	else if (!k->other_ready)
		link_end(k, WS_GOING_AWAY,
		    k->state == LINK_ASKING ?
			"opsd does not answer" :
			"it did not say in time whether it links with this node");
	else
		link_tick(k);
}

static void
link_turn_cb(evutil_socket_t fd, short what, void *arg)
{
	link_in_turn(arg);
}

void
link_turn(struct peerlink *k)
{
	event_active(k->turn, EV_TIMEOUT, 0);
}

/* The beginning */

void
link_admit(struct peerlink *k)
{
	struct peerlink *other;
	struct buf head = { 0 };

	k->state = LINK_ADMITTED;
	k->ls->admitted++;
	refused_forget(k);
	/* Each of the others has less now. */
	DL_FOREACH(k->ls->all, other)
		link_out_more(other);
	if (!k->dialled)
		listen_judge(k->ls, k->address, 1);
	buf_u8(&head, LINK_READY);
	link_send(k, &head, NULL, 0);
	buf_free(&head);
	ws_set_max(k->ws, k->ls->spec->max_payload);
	ws_pause(k->ws, 0);
}

static struct bufferevent *
make_connection(struct peerlink *k, int fd, int secure)
{
	struct linkspec_dial const *d = k->target != NULL ? target_spec(k->target) : NULL;
	struct bufferevent *bev;
	int on = 1;

	evutil_make_socket_nonblocking(fd);
	/* Not of a socket pair. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (!secure)
		return (bufferevent_socket_new(k->ls->base, fd, BEV_OPT_CLOSE_ON_FREE));
	k->ssl = d != NULL ? tlslink_connect(k->ls->tls, d->name) : tlslink_accept(k->ls->tls);
	if (k->ssl == NULL)
		return (NULL);
	bev = bufferevent_openssl_socket_new(k->ls->base, fd, k->ssl,
	    d != NULL ? BUFFEREVENT_SSL_CONNECTING : BUFFEREVENT_SSL_ACCEPTING,
	    BEV_OPT_CLOSE_ON_FREE);
	if (bev != NULL)
		bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	return (bev);
}

static struct ws *
make_ws(struct peerlink *k, struct bufferevent *bev)
{
	const struct linkspec_dial *d = k->target != NULL ? target_spec(k->target) : NULL;
	char *host = d != NULL ? address_join(d->name, d->port) : NULL;
	struct ws_opts o = {
		.path = d != NULL ? d->path : REPADDRESS_PATH,
		.protocol = LINK_PROTOCOL,
		.host = host,
		.headroom = LINK_HEADROOM,
		.max = LINK_HELLO_MAX,
		.max_head = LINK_HELLO_MAX / 2,
	};
	struct ws *w = d != NULL ? ws_client(bev, &o, &link_ws_ops, k) :
				   ws_server(bev, &o, &link_ws_ops, k);

	free(host);
	return (w);
}

struct peerlink *
link_new(struct links *ls, int fd, const char *address, int secure, struct target *target)
{
	struct peerlink *k = xcalloc(1, sizeof(*k));
	struct bufferevent *bev;

	k->ls = ls;
	k->target = target;
	k->dialled = target != NULL;
	k->address = xstrdup(address);
	k->out.share = k->in.share = LINK_CREDIT;
	k->timer = evtimer_new(ls->base, link_timer_cb, k);
	k->turn = evtimer_new(ls->base, link_turn_cb, k);
	if (k->timer == NULL || k->turn == NULL || (bev = make_connection(k, fd, secure)) == NULL)
		fatalx("link: no memory");
	DL_APPEND(ls->all, k);
	link_wait(k, LINK_HELLO_MS);
	k->ws = make_ws(k, bev);
	return (k);
}
