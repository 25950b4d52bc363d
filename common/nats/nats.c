#include "config.h"

#include "common/nats/nats.h"

#include <errno.h>
#include <event2/event.h>
#include <nats/nats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <uthash.h>
#include <utlist.h>

#include "common/base/buf.h"
#include "common/base/log.h"
#include "common/base/logbrake.h"
#include "common/base/mem.h"
#include "common/nats/natslink.h"
#include "common/nats/natsopts.h"
#include "common/nats/subject.h"
#include "common/tls/crypto.h"

#define AGAIN_MS  100 /* from a loss to the next attempt */
#define REFUSED_S 10  /* after that the server may permit what it did not */
#define REPLY_MAX 1024
#define TOKEN_LEN 16 /* bytes of randomness in an inbox */

struct nats_sub {
	struct nats *n;
	char *subject;
	void (*cb)(const struct nats_msg *m, void *arg);
	void *arg;
	natsSubscription *lib; /* NULL while down */
	int64_t sid;
	struct nats_sub *prev, *next;
	UT_hash_handle hh; /* by sid, while lib is there */
};

struct nats_request {
	uint64_t id;
	struct nats *n;
	struct event *timer;
	void (*cb)(const struct nats_msg *m, void *arg);
	void *arg;
	UT_hash_handle hh;
};

struct nats {
	struct event_base *base;
	char *name;
	struct conf *conf; /* has the texts of names */
	struct natsconf_names names;
	void (*state)(int up, void *arg);
	void *arg;
	int efd;
	struct event *wake, *resub;
	struct natslink_dialer *dialer;
	struct natslink *link; /* the present one */
	int up;
	int broken; /* a write failed: up no longer counts */
	struct nats_sub *subs, *by_sid;
	char *inbox; /* of the answers to requests */
	struct nats_request *requests;
	uint64_t last_id;
	int *gone; /* set when closed by a callback */
};

/* The present link goes, with the library's side of our subscriptions. */
static void
drop_link(struct nats *n)
{
	struct nats_sub *s;

	n->up = n->broken = 0;
	HASH_CLEAR(hh, n->by_sid);
	DL_FOREACH(n->subs, s) {
		if (s->lib != NULL)
			natslink_keep(n->link, s->lib);
		s->lib = NULL;
	}
	natslink_dialer_drop(n->dialer, n->link);
	n->link = NULL;
}

static void
sub_start(struct nats_sub *s)
{
	struct nats *n = s->n;
	natsStatus st;

	s->lib = natslink_subscribe(n->link, s->subject, &st);
	if (s->lib == NULL) {
		if (st != NATS_CONNECTION_CLOSED)
			log_warnx("nats %s: cannot subscribe to %s: %s", n->name, s->subject,
			    natsStatus_GetText(st));
		return;
	}
	s->sid = natsSubscription_GetID(s->lib);
	HASH_ADD(hh, n->by_sid, sid, sizeof(s->sid), s);
}

static void
request_free(struct nats_request *r)
{
	HASH_DEL(r->n->requests, r);
	event_free(r->timer);
	free(r);
}

/* Answers to requests in flight would come to an inbox that is gone. */
static void
requests_fail(struct nats *n)
{
	const struct timeval now = { 0, 0 };
	struct nats_request *r, *tmp;

	HASH_ITER(hh, n->requests, r, tmp)
		evtimer_add(r->timer, &now);
}

static void
connection_lost(struct nats *n)
{
	int was_up = n->up;

	drop_link(n);
	requests_fail(n);
	n->link = natslink_dialer_connect(n->dialer, AGAIN_MS);
	if (was_up)
		n->state(0, n->arg);
}

static void
deliver_item(struct nats *n, const struct natslink_item *it)
{
	struct nats_msg m = { 0 };
	struct nats_sub *s;

	HASH_FIND(hh, n->by_sid, &it->sid, sizeof(it->sid), s);
	if (s == NULL)
		return;
	m.subject = natsMsg_GetSubject(it->msg);
	m.reply = natsMsg_GetReply(it->msg);
	m.data = (const uint8_t *)natsMsg_GetData(it->msg);
	m.len = (size_t)natsMsg_GetDataLength(it->msg);
	if (m.len == 0) {
		(void)natsMsgHeader_Get(it->msg, "Status", &m.status);
		(void)natsMsgHeader_Get(it->msg, "Description", &m.description);
	}
	s->cb(&m, s->arg);
}

static void
came_up(struct nats *n)
{
	struct nats_sub *s;

	n->up = 1;
	DL_FOREACH(n->subs, s)
		sub_start(s);
	n->state(1, n->arg);
}

/* The server does not take back a subscription that it refused: each of that name is made anew. */
static void
sub_again(struct nats *n, const char *refused)
{
	struct nats_sub *s;
	char *quoted;

	DL_FOREACH(n->subs, s) {
		quoted = xasprintf("Subscription to \"%s\"", s->subject);
		if (s->lib != NULL && strcasestr(refused, quoted) != NULL) {
			HASH_DEL(n->by_sid, s);
			natsSubscription_Destroy(s->lib);
			sub_start(s);
		}
		free(quoted);
	}
}

static void
nats_resub_cb(evutil_socket_t fd, short what, void *arg)
{
	struct nats *n = arg;
	char *refused = nats_why_refused(n);

	if (refused != NULL)
		sub_again(n, refused);
	free(refused);
}

/* All that arrived since the last time. */
static void
nats_wake_cb(evutil_socket_t fd, short what, void *arg)
{
	struct nats *n = arg;
	struct natslink *l = n->link;
	struct natslink_item *it, *next;
	uint64_t count;
	int up, is_lost, gone = 0;

	if (read(fd, &count, sizeof(count)) == -1 && errno != EAGAIN)
		log_warn("nats: eventfd");
	natslink_ref(l); /* a callback may close us */
	it = natslink_take(l, &up, &is_lost);

	n->gone = &gone;
	if (up && !n->up)
		came_up(n);
	for (; it != NULL; it = next) {
		next = it->next;
		it->next = NULL;
		if (!gone && n->link == l)
			deliver_item(n, it);
		natslink_items_free(it);
	}
	if (!gone && n->link == l && is_lost)
		connection_lost(n);
	if (!gone)
		n->gone = NULL;
	natslink_unref(l);
}

/* Requests */

static void
nats_timeout_cb(evutil_socket_t fd, short what, void *arg)
{
	struct nats_request *r = arg;
	void (*cb)(const struct nats_msg *, void *) = r->cb;
	void *cb_arg = r->arg;

	request_free(r);
	cb(NULL, cb_arg);
}

static void
nats_reply_cb(const struct nats_msg *m, void *arg)
{
	struct nats *n = arg;
	struct nats_request *r;
	const char *token = strrchr(m->subject, '.');
	uint64_t id = token != NULL ? strtoull(token + 1, NULL, 16) : 0;
	void (*cb)(const struct nats_msg *, void *);
	void *cb_arg;

	HASH_FIND(hh, n->requests, &id, sizeof(id), r);
	if (r == NULL)
		return;
	cb = r->cb;
	cb_arg = r->arg;
	request_free(r);
	cb(m->status != NULL && strcmp(m->status, "503") == 0 ? NULL : m, cb_arg);
}

void
nats_request(struct nats *n, const char *subject, const void *data, size_t len, unsigned timeout_ms,
    void (*cb)(const struct nats_msg *m, void *arg), void *arg)
{
	nats_request_h(n, subject, NULL, NULL, data, len, timeout_ms, cb, arg);
}

void
nats_request_h(struct nats *n, const char *subject, const char *header, const char *value,
    const void *data, size_t len, unsigned timeout_ms,
    void (*cb)(const struct nats_msg *m, void *arg), void *arg)
{
	struct nats_request *r = xcalloc(1, sizeof(*r));
	struct timeval wait = { timeout_ms / 1000, (timeout_ms % 1000) * 1000 };
	char *reply;
	int sent;

	r->id = ++n->last_id;
	r->n = n;
	r->cb = cb;
	r->arg = arg;
	r->timer = evtimer_new(n->base, nats_timeout_cb, r);
	if (r->timer == NULL)
		fatalx("nats: out of memory");
	HASH_ADD(hh, n->requests, id, sizeof(r->id), r);
	reply = xasprintf("%s.%llx", n->inbox, (unsigned long long)r->id);
	sent = header != NULL ? nats_publish_h(n, subject, reply, header, value, data, len) :
				nats_publish(n, subject, reply, data, len);
	if (sent == -1)
		wait.tv_sec = wait.tv_usec = 0;
	free(reply);
	evtimer_add(r->timer, &wait);
}

/* The rest of the interface */

struct nats *
nats_open(struct event_base *base, const struct nats_opts *o, void (*state)(int up, void *arg),
    void *arg)
{
	const struct timeval again = { REFUSED_S, 0 };
	struct nats *n = xcalloc(1, sizeof(*n));
	char *all;

	n->base = base;
	n->name = xstrdup(o->name != NULL ? o->name : o->url);
	n->conf = conf_dup(o->conf);
	n->names = natsconf_names(n->conf);
	n->state = state;
	n->arg = arg;
	n->efd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (n->efd == -1)
		fatal("nats: eventfd");
	n->wake = event_new(base, n->efd, EV_READ | EV_PERSIST, nats_wake_cb, n);
	if (n->wake == NULL || event_add(n->wake, NULL) == -1)
		fatalx("nats: cannot watch an eventfd");
	n->resub = event_new(base, -1, EV_PERSIST, nats_resub_cb, n);
	if (n->resub == NULL || event_add(n->resub, &again) == -1)
		fatalx("nats: no timer");
	n->inbox = nats_inbox(n);
	all = xasprintf("%s.*", n->inbox);
	nats_subscribe(n, all, nats_reply_cb, n);
	free(all);
	n->dialer = natslink_dialer_new(natsopts_new(o), n->efd);
	n->link = natslink_dialer_connect(n->dialer, 0);
	return (n);
}

void
nats_close(struct nats *n)
{
	struct nats_request *r, *tmp;

	if (n == NULL)
		return;
	if (n->gone != NULL)
		*n->gone = 1;
	drop_link(n);
	natslink_dialer_free(n->dialer);
	HASH_ITER(hh, n->requests, r, tmp)
		request_free(r);
	while (n->subs != NULL)
		nats_unsubscribe(n->subs);
	event_free(n->wake);
	event_free(n->resub);
	close(n->efd);
	free(n->inbox);
	free(n->name);
	conf_free(n->conf);
	free(n);
}

int
nats_is_up(const struct nats *n)
{
	return (n != NULL && n->up && !n->broken);
}

const struct natsconf_names *
nats_names(const struct nats *n)
{
	return (&n->names);
}

char *
nats_server(const struct nats *n)
{
	return (nats_is_up(n) ? natslink_server(n->link) : NULL);
}

char *
nats_why_down(const struct nats *n)
{
	return (n != NULL && !nats_is_up(n) ? natslink_dialer_fault(n->dialer) : NULL);
}

char *
nats_why_refused(const struct nats *n)
{
	return (nats_is_up(n) ? natslink_refused(n->link) : NULL);
}

int64_t
nats_max_payload(const struct nats *n)
{
	return (nats_is_up(n) ? natsConnection_GetMaxPayload(natslink_conn(n->link)) : 0);
}

struct nats_sub *
nats_subscribe(struct nats *n, const char *subject, void (*cb)(const struct nats_msg *m, void *arg),
    void *arg)
{
	struct nats_sub *s = xcalloc(1, sizeof(*s));

	s->n = n;
	s->subject = xstrdup(subject);
	s->cb = cb;
	s->arg = arg;
	DL_APPEND(n->subs, s);
	if (n->up)
		sub_start(s);
	return (s);
}

void
nats_unsubscribe(struct nats_sub *s)
{
	if (s == NULL)
		return;
	DL_DELETE(s->n->subs, s);
	if (s->lib != NULL) {
		HASH_DEL(s->n->by_sid, s);
		natsSubscription_Destroy(s->lib);
	}
	free(s->subject);
	free(s);
}

/*
 * After a failed write the stream of bytes is broken in the middle of a
 * message: the connection has to go.
 */
static int
write_result(struct nats *n, natsStatus s)
{
	if (s == NATS_OK)
		return (0);
	if (s == NATS_MAX_PAYLOAD || s == NATS_INVALID_SUBJECT || s == NATS_INVALID_ARG)
		return (-1);
	log_debug("nats %s: publish: %s", n->name, natsStatus_GetText(s));
	n->broken = 1;
	natslink_break(n->link);
	return (-1);
}

int
nats_is_inbox(const char *subject)
{
	return (subject != NULL && strncmp(subject, SUBJECT_INBOX, strlen(SUBJECT_INBOX)) == 0 &&
	    strlen(subject) <= REPLY_MAX && strpbrk(subject, "*> \t\r\n") == NULL);
}

int
nats_reply(struct nats *n, const char *reply, const void *data, size_t len)
{
	static struct log_brake brake = { .most = 5 };

	if (nats_is_inbox(reply))
		return (nats_publish(n, reply, NULL, data, len));
	log_braked(&brake, LOG_WARN,
	    "nats: a question wants its answer sent to %.100s, which is "
	    "no inbox: not answered",
	    reply != NULL ? reply : "nowhere");
	return (-1);
}

int
nats_publish(struct nats *n, const char *subject, const char *reply, const void *data, size_t len)
{
	natsStatus s;

	if (!nats_is_up(n) || len > INT32_MAX)
		return (-1);
	if (reply != NULL)
		s = natsConnection_PublishRequest(natslink_conn(n->link), subject, reply, data,
		    (int)len);
	else
		s = natsConnection_Publish(natslink_conn(n->link), subject, data, (int)len);
	return (write_result(n, s));
}

int
nats_publish_h(struct nats *n, const char *subject, const char *reply, const char *header,
    const char *value, const void *data, size_t len)
{
	natsMsg *msg = NULL;
	natsStatus s;

	if (!nats_is_up(n) || len > INT32_MAX)
		return (-1);
	s = natsMsg_Create(&msg, subject, reply, data, (int)len);
	if (s == NATS_OK)
		s = natsMsgHeader_Set(msg, header, value);
	if (s == NATS_OK)
		s = natsConnection_PublishMsg(natslink_conn(n->link), msg);
	natsMsg_Destroy(msg);
	return (write_result(n, s));
}

char *
nats_inbox(struct nats *n)
{
	char hex[2 * TOKEN_LEN + 1];

	crypto_random_hex(hex, TOKEN_LEN);
	return (xasprintf("%s%s.%s", SUBJECT_INBOX, n->names.subjects, hex));
}
