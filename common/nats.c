#include "config.h"

#include "nats.h"

#include <errno.h>
#include <event2/event.h>
#include <nats/nats.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <uthash.h>
#include <utlist.h>

#include "buf.h"
#include "crypto.h"
#include "log.h"
#include "mem.h"

/*
 * Three kinds of threads meet here.  The loop's owns struct nats, its
 * subscriptions and requests.  One worker per struct nats makes connections
 * and takes them apart, since both may wait.  The library's threads queue what
 * arrives in the link, one of which stands for one connection: a lost one is
 * not repaired but replaced, so nothing said to the old one comes out of the
 * new one, and the library never gives up for good after refused passwords.
 */

#define CONNECT_MS	2000	/* for one attempt */
#define WRITE_MS	2000	/* a server that does not read for so long is left */
#define PING_MS		5000
#define RETRY_MIN_MS	50
#define RETRY_MAX_MS	1000
#define TOKEN_LEN	16	/* bytes of randomness in an inbox */

struct item {
	struct item	*next;
	natsMsg		*msg;
	int64_t		 sid;
};

struct lib_sub {
	struct lib_sub		*next;
	natsSubscription	*sub;
};

/* One reference is the loop's or the worker's, the others the library's callbacks'. */
struct link {
	pthread_mutex_t	 mu;
	int		 refs;
	int		 dead;		/* nobody looks any more: drop what arrives */
	int		 up, lost;	/* what happened to it */
	int		 woken;		/* the loop has been told and has not looked yet */
	int		 efd;		/* borrowed from struct nats until dead */
	struct item	*head, *tail;
	natsConnection	*conn;		/* the worker's until up, then the loop's, then the worker's */
	struct lib_sub	*subs;		/* to destroy with it */
	unsigned	 delay_ms;	/* before the first attempt */
	struct link	*next;
};

struct nats_sub {
	struct nats		*n;
	char			*subject;
	void			(*cb)(const struct nats_msg *m, void *arg);
	void			*arg;
	natsSubscription	*lib;	/* NULL while down */
	int64_t			 sid;
	struct nats_sub		*prev, *next;
	UT_hash_handle		 hh;	/* by sid, while lib is there */
};

struct request {
	uint64_t	 id;
	struct nats	*n;
	struct event	*timer;
	void		(*cb)(const struct nats_msg *m, void *arg);
	void		*arg;
	UT_hash_handle	 hh;
};

struct nats {
	struct event_base	*base;
	char			*name;
	natsOptions		*opts;		/* the worker's after the start */
	void			(*state)(int up, void *arg);
	void			*arg;
	int			 efd;
	struct event		*wake;
	struct link		*link;		/* the present one */
	int			 up;
	int			 broken;	/* a write failed: up no longer counts */
	struct nats_sub		*subs, *by_sid;
	char			*inbox;		/* of the answers to requests */
	struct request		*requests;
	uint64_t		 last_id;
	int			*gone;		/* set when closed by a callback */

	pthread_t		 worker;
	pthread_mutex_t		 mu;		/* the rest is shared with the worker */
	pthread_cond_t		 cond;
	struct link		*to_connect;
	struct link		*doomed;
	int			 quit;
};

/* Links */

static struct link *
link_new(int efd, unsigned delay_ms)
{
	struct link *l = xcalloc(1, sizeof(*l));

	pthread_mutex_init(&l->mu, NULL);
	l->refs = 1;
	l->efd = efd;
	l->delay_ms = delay_ms;
	return (l);
}

static void
link_ref(struct link *l)
{
	pthread_mutex_lock(&l->mu);
	l->refs++;
	pthread_mutex_unlock(&l->mu);
}

static void
link_unref(struct link *l)
{
	int left;

	pthread_mutex_lock(&l->mu);
	left = --l->refs;
	pthread_mutex_unlock(&l->mu);
	if (left > 0)
		return;
	pthread_mutex_destroy(&l->mu);
	free(l);
}

static void
items_free(struct item *it)
{
	struct item *next;

	for (; it != NULL; it = next) {
		next = it->next;
		natsMsg_Destroy(it->msg);
		free(it);
	}
}

/* From now on what arrives is dropped and the loop is not woken. */
static void
link_kill(struct link *l)
{
	struct item *it;

	pthread_mutex_lock(&l->mu);
	l->dead = 1;
	it = l->head;
	l->head = l->tail = NULL;
	pthread_mutex_unlock(&l->mu);
	items_free(it);
}

/* With the lock held. */
static void
link_wake(struct link *l)
{
	uint64_t one = 1;

	if (l->dead || l->woken)
		return;
	l->woken = 1;
	if (write(l->efd, &one, sizeof(one)) == -1)
		log_warn("nats: eventfd");
}

/* Called by the library */

static void
nats_msg_cb(natsConnection *conn, natsSubscription *sub, natsMsg *msg, void *arg)
{
	struct link	*l = arg;
	struct item	*it;

	if (msg == NULL)
		return;
	it = xcalloc(1, sizeof(*it));
	it->msg = msg;
	it->sid = natsSubscription_GetID(sub);
	pthread_mutex_lock(&l->mu);
	if (l->dead) {
		pthread_mutex_unlock(&l->mu);
		items_free(it);
		return;
	}
	if (l->tail != NULL)
		l->tail->next = it;
	else
		l->head = it;
	l->tail = it;
	link_wake(l);
	pthread_mutex_unlock(&l->mu);
}

/* The subscription's last call. */
static void
nats_complete_cb(void *arg)
{
	link_unref(arg);
}

/* The connection's last call. */
static void
nats_closed_cb(natsConnection *conn, void *arg)
{
	struct link *l = arg;

	pthread_mutex_lock(&l->mu);
	l->lost = 1;
	link_wake(l);
	pthread_mutex_unlock(&l->mu);
	link_unref(l);
}

/* Without it the library would write to stderr itself. */
static void
nats_error_cb(natsConnection *conn, natsSubscription *sub, natsStatus s, void *arg)
{
	const char *text = NULL;

	(void)natsConnection_GetLastError(conn, &text);
	log_warnx("nats: %s", text != NULL && *text != '\0' ? text : natsStatus_GetText(s));
}

/* The worker */

static void
deadline_after(struct timespec *ts, unsigned ms)
{
	clock_gettime(CLOCK_MONOTONIC, ts);
	ts->tv_sec += ms / 1000;
	ts->tv_nsec += (long)(ms % 1000) * 1000000;
	if (ts->tv_nsec >= 1000000000) {
		ts->tv_sec++;
		ts->tv_nsec -= 1000000000;
	}
}

/* Wait, with n->mu held, unless the link is no longer wanted; 1 when it still is. */
static int
worker_pause(struct nats *n, const struct link *l, unsigned ms)
{
	struct timespec until;

	deadline_after(&until, ms);
	while (!n->quit && n->to_connect == l &&
	    pthread_cond_timedwait(&n->cond, &n->mu, &until) != ETIMEDOUT)
		;
	return (!n->quit && n->to_connect == l);
}

static void
worker_connected(struct link *l, natsConnection *conn)
{
	pthread_mutex_lock(&l->mu);
	l->conn = conn;
	l->up = 1;
	link_wake(l);
	pthread_mutex_unlock(&l->mu);
}

static natsStatus
worker_try(struct nats *n, struct link *l, natsConnection **conn)
{
	natsStatus s;

	link_ref(l);	/* for nats_closed_cb */
	s = natsOptions_SetClosedCB(n->opts, nats_closed_cb, l);
	if (s == NATS_OK)
		s = natsConnection_Connect(conn, n->opts);
	if (s != NATS_OK)
		link_unref(l);
	return (s);
}

/* With n->mu held, which is let go for each attempt. */
static void
worker_connect(struct nats *n, struct link *l)
{
	natsConnection	*conn = NULL;
	natsStatus	 s, said = NATS_OK;
	unsigned	 wait = RETRY_MIN_MS;

	if (l->delay_ms > 0 && !worker_pause(n, l, l->delay_ms))
		return;
	for (;;) {
		pthread_mutex_unlock(&n->mu);
		s = worker_try(n, l, &conn);
		/* Nobody listening yet is everyday life. */
		if (s != NATS_OK && s != NATS_NO_SERVER && s != said)
			log_warnx("nats %s: cannot connect: %s", n->name, natsStatus_GetText(s));
		said = s;
		pthread_mutex_lock(&n->mu);
		if (s == NATS_OK)
			break;
		if (!worker_pause(n, l, wait))
			return;
		wait = wait * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : wait * 2;
	}
	worker_connected(l, conn);
	if (n->to_connect == l)
		n->to_connect = NULL;
}

/* The connection first: it need not tell the server of each subscription's end. */
static void
worker_destroy(struct link *l)
{
	struct lib_sub *ls;

	natsConnection_Close(l->conn);
	while ((ls = l->subs) != NULL) {
		l->subs = ls->next;
		natsSubscription_Destroy(ls->sub);
		free(ls);
	}
	natsConnection_Destroy(l->conn);
	l->conn = NULL;
	link_unref(l);
}

static void *
worker_run(void *arg)
{
	struct nats *n = arg;
	struct link *l;

	pthread_mutex_lock(&n->mu);
	for (;;) {
		if ((l = n->doomed) != NULL) {
			n->doomed = l->next;
			pthread_mutex_unlock(&n->mu);
			worker_destroy(l);
			pthread_mutex_lock(&n->mu);
		} else if (n->quit) {
			break;
		} else if (n->to_connect != NULL) {
			worker_connect(n, n->to_connect);
		} else {
			pthread_cond_wait(&n->cond, &n->mu);
		}
	}
	pthread_mutex_unlock(&n->mu);
	nats_ReleaseThreadMemory();
	return (NULL);
}

/* The loop's side */

static void
start_link(struct nats *n, unsigned delay_ms)
{
	n->link = link_new(n->efd, delay_ms);
	pthread_mutex_lock(&n->mu);
	n->to_connect = n->link;
	pthread_cond_signal(&n->cond);
	pthread_mutex_unlock(&n->mu);
}

/* The present link goes to the worker, with the library's side of our subscriptions. */
static void
drop_link(struct nats *n, int quit)
{
	struct link	*l = n->link;
	struct nats_sub	*s;
	struct lib_sub	*ls;

	n->up = n->broken = 0;
	n->link = NULL;
	HASH_CLEAR(hh, n->by_sid);
	link_kill(l);
	DL_FOREACH(n->subs, s) {
		if (s->lib == NULL)
			continue;
		ls = xcalloc(1, sizeof(*ls));
		ls->sub = s->lib;
		s->lib = NULL;
		LL_PREPEND(l->subs, ls);
	}
	pthread_mutex_lock(&n->mu);
	n->to_connect = NULL;
	n->quit = quit;
	LL_APPEND(n->doomed, l);
	pthread_cond_signal(&n->cond);
	pthread_mutex_unlock(&n->mu);
}

static void
sub_start(struct nats_sub *s)
{
	struct nats	*n = s->n;
	struct link	*l = n->link;
	natsStatus	 st;

	link_ref(l);	/* for nats_complete_cb */
	st = natsConnection_Subscribe(&s->lib, l->conn, s->subject, nats_msg_cb, l);
	if (st != NATS_OK) {
		link_unref(l);
		s->lib = NULL;
		if (st != NATS_CONNECTION_CLOSED)
			log_warnx("nats %s: cannot subscribe to %s: %s", n->name, s->subject,
			    natsStatus_GetText(st));
		return;
	}
	/* It fails on a connection that was just lost; the link then stays for good. */
	(void)natsSubscription_SetOnCompleteCB(s->lib, nats_complete_cb, l);
	(void)natsSubscription_SetPendingLimits(s->lib, -1, -1);
	s->sid = natsSubscription_GetID(s->lib);
	HASH_ADD(hh, n->by_sid, sid, sizeof(s->sid), s);
}

static void
request_free(struct request *r)
{
	HASH_DEL(r->n->requests, r);
	event_free(r->timer);
	free(r);
}

/* Answers to requests in flight would come to an inbox that is gone. */
static void
requests_fail(struct nats *n)
{
	const struct timeval	 now = { 0, 0 };
	struct request		*r, *tmp;

	HASH_ITER(hh, n->requests, r, tmp)
		evtimer_add(r->timer, &now);
}

static void
lost(struct nats *n)
{
	int was_up = n->up;

	drop_link(n, 0);
	requests_fail(n);
	start_link(n, 2 * RETRY_MIN_MS);
	if (was_up)
		n->state(0, n->arg);
}

static void
deliver(struct nats *n, const struct item *it)
{
	struct nats_msg	 m = { 0 };
	struct nats_sub	*s;

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

/* All that arrived since the last time. */
static void
nats_wake_cb(evutil_socket_t fd, short what, void *arg)
{
	struct nats	*n = arg;
	struct link	*l = n->link;
	struct item	*it, *next;
	uint64_t	 count;
	int		 up, is_lost, gone = 0;

	if (read(fd, &count, sizeof(count)) == -1 && errno != EAGAIN)
		log_warn("nats: eventfd");
	link_ref(l);	/* a callback may close us */
	pthread_mutex_lock(&l->mu);
	it = l->head;
	l->head = l->tail = NULL;
	l->woken = 0;
	up = l->up;
	is_lost = l->lost;
	pthread_mutex_unlock(&l->mu);

	n->gone = &gone;
	if (up && !n->up)
		came_up(n);
	for (; it != NULL; it = next) {
		next = it->next;
		it->next = NULL;
		if (!gone && n->link == l)
			deliver(n, it);
		items_free(it);
	}
	if (!gone && n->link == l && is_lost)
		lost(n);
	if (!gone)
		n->gone = NULL;
	link_unref(l);
}

/* Requests */

static void
nats_timeout_cb(evutil_socket_t fd, short what, void *arg)
{
	struct request *r = arg;
	void (*cb)(const struct nats_msg *, void *) = r->cb;
	void *cb_arg = r->arg;

	request_free(r);
	cb(NULL, cb_arg);
}

static void
nats_reply_cb(const struct nats_msg *m, void *arg)
{
	struct nats	*n = arg;
	struct request	*r;
	const char	*token = strrchr(m->subject, '.');
	uint64_t	 id = token != NULL ? strtoull(token + 1, NULL, 16) : 0;
	void		(*cb)(const struct nats_msg *, void *);
	void		*cb_arg;

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
	struct request	*r = xcalloc(1, sizeof(*r));
	struct timeval	 wait = { timeout_ms / 1000, (timeout_ms % 1000) * 1000 };
	char		*reply;

	r->id = ++n->last_id;
	r->n = n;
	r->cb = cb;
	r->arg = arg;
	r->timer = evtimer_new(n->base, nats_timeout_cb, r);
	if (r->timer == NULL)
		fatalx("nats: out of memory");
	HASH_ADD(hh, n->requests, id, sizeof(r->id), r);
	reply = xasprintf("%s.%llx", n->inbox, (unsigned long long)r->id);
	if (nats_publish(n, subject, reply, data, len) == -1)
		wait.tv_sec = wait.tv_usec = 0;
	free(reply);
	evtimer_add(r->timer, &wait);
}

/* The rest of the interface */

/* The library puts these texts into JSON as they are, up to 3.14 at least. */
static char *
json_escape(const char *s)
{
	struct buf b = { 0 };

	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			buf_addf(&b, "\\%c", *s);
		else if ((unsigned char)*s < 0x20)
			buf_addf(&b, "\\u%04x", (unsigned char)*s);
		else
			buf_u8(&b, (uint8_t)*s);
	}
	buf_u8(&b, 0);
	return ((char *)buf_take(&b, NULL));
}

static natsStatus
set_user(natsOptions *opts, const struct nats_opts *o)
{
	char		*user = json_escape(o->user);
	char		*password = json_escape(o->password != NULL ? o->password : "");
	natsStatus	 s = natsOptions_SetUserInfo(opts, user, password);

	free(user);
	free(password);
	return (s);
}

static natsOptions *
make_options(const struct nats_opts *o)
{
	natsOptions	*opts = NULL;
	natsStatus	 s = natsOptions_Create(&opts);

	if (s == NATS_OK)
		s = natsOptions_SetURL(opts, o->url);
	if (s == NATS_OK && o->user != NULL)
		s = set_user(opts, o);
	if (s == NATS_OK && o->name != NULL)
		s = natsOptions_SetName(opts, o->name);
	if (s == NATS_OK)
		s = natsOptions_SetAllowReconnect(opts, false);
	if (s == NATS_OK)
		s = natsOptions_SetIgnoreDiscoveredServers(opts, true);
	if (s == NATS_OK)
		s = natsOptions_SetTimeout(opts, CONNECT_MS);
	if (s == NATS_OK)
		s = natsOptions_SetWriteDeadline(opts, WRITE_MS);
	if (s == NATS_OK)
		s = natsOptions_SetPingInterval(opts, PING_MS);
	/* Else its flusher thread adds a millisecond to each message. */
	if (s == NATS_OK)
		s = natsOptions_SetSendAsap(opts, true);
	/* One thread for all subscriptions. */
	if (s == NATS_OK)
		s = natsOptions_UseGlobalMessageDelivery(opts, true);
	if (s == NATS_OK)
		s = natsOptions_SetErrorHandler(opts, nats_error_cb, NULL);
	if (s != NATS_OK)
		fatalx("nats %s: %s", o->url, natsStatus_GetText(s));
	return (opts);
}

struct nats *
nats_open(struct event_base *base, struct post *post, const struct nats_opts *o,
    void (*state)(int up, void *arg), void *arg)
{
	struct nats		*n = xcalloc(1, sizeof(*n));
	pthread_condattr_t	 attr;
	char			*all;

	n->base = base;
	n->name = xstrdup(o->name != NULL ? o->name : o->url);
	n->state = state;
	n->arg = arg;
	n->opts = make_options(o);
	n->efd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (n->efd == -1)
		fatal("nats: eventfd");
	n->wake = event_new(base, n->efd, EV_READ | EV_PERSIST, nats_wake_cb, n);
	if (n->wake == NULL || event_add(n->wake, NULL) == -1)
		fatalx("nats: cannot watch an eventfd");
	pthread_mutex_init(&n->mu, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&n->cond, &attr);
	pthread_condattr_destroy(&attr);
	n->inbox = nats_inbox(n);
	all = xasprintf("%s.*", n->inbox);
	nats_subscribe(n, all, nats_reply_cb, n);
	free(all);
	start_link(n, 0);
	if ((errno = pthread_create(&n->worker, NULL, worker_run, n)) != 0)
		fatal("nats: thread");
	return (n);
}

void
nats_close(struct nats *n)
{
	struct request *r, *tmp;

	if (n == NULL)
		return;
	if (n->gone != NULL)
		*n->gone = 1;
	drop_link(n, 1);
	pthread_join(n->worker, NULL);
	HASH_ITER(hh, n->requests, r, tmp)
		request_free(r);
	while (n->subs != NULL)
		nats_unsubscribe(n->subs);
	event_free(n->wake);
	close(n->efd);
	pthread_cond_destroy(&n->cond);
	pthread_mutex_destroy(&n->mu);
	natsOptions_Destroy(n->opts);
	free(n->inbox);
	free(n->name);
	free(n);
}

int
nats_is_up(const struct nats *n)
{
	return (n != NULL && n->up && !n->broken);
}

struct nats_sub *
nats_subscribe(struct nats *n, const char *subject,
    void (*cb)(const struct nats_msg *m, void *arg), void *arg)
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
published(struct nats *n, natsStatus s)
{
	struct link *l = n->link;

	if (s == NATS_OK)
		return (0);
	if (s == NATS_MAX_PAYLOAD || s == NATS_INVALID_SUBJECT || s == NATS_INVALID_ARG)
		return (-1);
	log_debug("nats %s: publish: %s", n->name, natsStatus_GetText(s));
	n->broken = 1;
	pthread_mutex_lock(&l->mu);
	l->lost = 1;
	link_wake(l);
	pthread_mutex_unlock(&l->mu);
	return (-1);
}

int
nats_publish(struct nats *n, const char *subject, const char *reply, const void *data, size_t len)
{
	natsStatus s;

	if (!nats_is_up(n) || len > INT32_MAX)
		return (-1);
	if (reply != NULL)
		s = natsConnection_PublishRequest(n->link->conn, subject, reply, data, (int)len);
	else
		s = natsConnection_Publish(n->link->conn, subject, data, (int)len);
	return (published(n, s));
}

int
nats_publish_h(struct nats *n, const char *subject, const char *reply, const char *header,
    const char *value, const void *data, size_t len)
{
	natsMsg		*msg = NULL;
	natsStatus	 s;

	if (!nats_is_up(n) || len > INT32_MAX)
		return (-1);
	s = natsMsg_Create(&msg, subject, reply, data, (int)len);
	if (s == NATS_OK)
		s = natsMsgHeader_Set(msg, header, value);
	if (s == NATS_OK)
		s = natsConnection_PublishMsg(n->link->conn, msg);
	natsMsg_Destroy(msg);
	return (published(n, s));
}

char *
nats_inbox(struct nats *n)
{
	char hex[2 * TOKEN_LEN + 1];

	crypto_random_hex(hex, TOKEN_LEN);
	return (xasprintf("_INBOX.%s", hex));
}
