#include "config.h"

#include "common/nats/natslink.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/nats/natsopts.h"

#define RETRY_MIN_MS 50
#define RETRY_MAX_MS 1000
#define REFUSED_US   15000000 /* what was refused is tried again within that */

struct lib_sub {
	struct lib_sub *next;
	natsSubscription *sub;
};

/* One reference is the loop's or the worker's, the others the library's callbacks'. */
struct natslink {
	pthread_mutex_t mu;
	int refs;
	int dead;     /* nobody looks any more: drop what arrives */
	int up, lost; /* what happened to it */
	int woken;    /* the loop has been told and has not looked yet */
	int efd;      /* borrowed until dead */
	struct natslink_item *head, *tail;
	natsConnection *conn; /* the worker's until up, then the loop's, then the worker's */
	char *server;         /* with it */
	char *refused;        /* what the server did not permit last */
	uint64_t refused_us;
	struct lib_sub *subs; /* to destroy with it */
	unsigned delay_ms;    /* before the first attempt */
	struct natslink *next;
	int stays; /* for good, among those that do */
	struct natslink *next_stays;
};

static struct natslink *stay; /* of the loop */

struct natslink_dialer {
	struct natsopts *opts; /* this and the next three are the worker's */
	unsigned server;       /* to try next */
	unsigned rounds; /* all servers in vain, before there ever was a connection; 0: there was */
	char *said;      /* of the last attempt, in the log */
	int efd;
	pthread_t worker;
	pthread_mutex_t mu; /* of the rest */
	pthread_cond_t cond;
	struct natslink *to_connect;
	struct natslink *doomed;
	char *fault; /* of the last attempt */
	int quit;
};

static struct natslink *
natslink_new(int efd, unsigned delay_ms)
{
	struct natslink *l = xcalloc(1, sizeof(*l));

	pthread_mutex_init(&l->mu, NULL);
	l->refs = 1;
	l->efd = efd;
	l->delay_ms = delay_ms;
	return (l);
}

void
natslink_ref(struct natslink *l)
{
	pthread_mutex_lock(&l->mu);
	l->refs++;
	pthread_mutex_unlock(&l->mu);
}

void
natslink_unref(struct natslink *l)
{
	int left;

	pthread_mutex_lock(&l->mu);
	left = --l->refs;
	pthread_mutex_unlock(&l->mu);
	if (left > 0)
		return;
	pthread_mutex_destroy(&l->mu);
	free(l->server);
	free(l->refused);
	free(l);
}

void
natslink_items_free(struct natslink_item *it)
{
	struct natslink_item *next;

	for (; it != NULL; it = next) {
		next = it->next;
		natsMsg_Destroy(it->msg);
		free(it);
	}
}

/* From now on what arrives is dropped and the loop is not woken. */
static void
natslink_kill(struct natslink *l)
{
	struct natslink_item *it;

	pthread_mutex_lock(&l->mu);
	l->dead = 1;
	it = l->head;
	l->head = l->tail = NULL;
	pthread_mutex_unlock(&l->mu);
	natslink_items_free(it);
}

/* With the lock held. */
static void
natslink_wake(struct natslink *l)
{
	uint64_t one = 1;

	if (l->dead || l->woken)
		return;
	l->woken = 1;
	if (write(l->efd, &one, sizeof(one)) == -1)
		log_warn("nats: eventfd");
}

/* ---- called by the library ---- */

static void
nats_msg_cb(natsConnection *conn, natsSubscription *sub, natsMsg *msg, void *arg)
{
	struct natslink *l = arg;
	struct natslink_item *it;

	if (msg == NULL)
		return;
	it = xcalloc(1, sizeof(*it));
	it->msg = msg;
	it->sid = natsSubscription_GetID(sub);
	pthread_mutex_lock(&l->mu);
	if (l->dead) {
		pthread_mutex_unlock(&l->mu);
		natslink_items_free(it);
		return;
	}
	if (l->tail != NULL)
		l->tail->next = it;
	else
		l->head = it;
	l->tail = it;
	natslink_wake(l);
	pthread_mutex_unlock(&l->mu);
}

/* The subscription's last call. */
static void
nats_complete_cb(void *arg)
{
	natslink_unref(arg);
}

/* Nobody waits for what it says here: whoever published or subscribed just hears nothing. */
static void
nats_error_cb(natsConnection *conn, natsSubscription *sub, natsStatus why, void *arg)
{
	struct natslink *l = arg;

	if (why != NATS_NOT_PERMITTED)
		return;
	pthread_mutex_lock(&l->mu);
	free(l->refused);
	l->refused = xstrdup(natsopts_said(why));
	l->refused_us = mono_us();
	pthread_mutex_unlock(&l->mu);
}

/* The connection's last call. */
static void
nats_closed_cb(natsConnection *conn, void *arg)
{
	struct natslink *l = arg;

	pthread_mutex_lock(&l->mu);
	l->lost = 1;
	natslink_wake(l);
	pthread_mutex_unlock(&l->mu);
	natslink_unref(l);
}

/* ---- the loop's side of a link ---- */

struct natslink_item *
natslink_take(struct natslink *l, int *up, int *lost)
{
	struct natslink_item *it;

	pthread_mutex_lock(&l->mu);
	it = l->head;
	l->head = l->tail = NULL;
	l->woken = 0;
	*up = l->up;
	*lost = l->lost;
	pthread_mutex_unlock(&l->mu);
	return (it);
}

/* Of a connection that was just lost nobody says when a subscription had its last call. */
static void
natslink_stay(struct natslink *l)
{
	if (l->stays)
		return;
	l->stays = 1;
	l->next_stays = stay;
	stay = l;
}

natsSubscription *
natslink_subscribe(struct natslink *l, const char *subject, natsStatus *why)
{
	natsSubscription *sub = NULL;

	natslink_ref(l); /* for nats_complete_cb */
	*why = natsConnection_Subscribe(&sub, l->conn, subject, nats_msg_cb, l);
	if (*why != NATS_OK) {
		natslink_unref(l);
		return (NULL);
	}
	if (natsSubscription_SetOnCompleteCB(sub, nats_complete_cb, l) != NATS_OK)
		natslink_stay(l);
	(void)natsSubscription_SetPendingLimits(sub, -1, -1);
	return (sub);
}

void
natslink_keep(struct natslink *l, natsSubscription *sub)
{
	struct lib_sub *ls = xcalloc(1, sizeof(*ls));

	ls->sub = sub;
	LL_PREPEND(l->subs, ls);
}

natsConnection *
natslink_conn(struct natslink *l)
{
	return (l->conn);
}

char *
natslink_server(struct natslink *l)
{
	return (xstrdup(l->server));
}

char *
natslink_refused(struct natslink *l)
{
	char *refused = NULL;

	pthread_mutex_lock(&l->mu);
	if (l->refused != NULL && mono_us() - l->refused_us < REFUSED_US)
		refused = xstrdup(l->refused);
	pthread_mutex_unlock(&l->mu);
	return (refused);
}

char *
natslink_dialer_fault(struct natslink_dialer *d)
{
	char *fault;

	pthread_mutex_lock(&d->mu);
	fault = xstrdup(d->fault);
	pthread_mutex_unlock(&d->mu);
	return (fault);
}

void
natslink_break(struct natslink *l)
{
	pthread_mutex_lock(&l->mu);
	l->lost = 1;
	natslink_wake(l);
	pthread_mutex_unlock(&l->mu);
}

/* ---- the worker ---- */

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

/* Wait, with its lock held, unless the link is no longer wanted; 1 when it still is. */
static int
worker_pause(struct natslink_dialer *d, const struct natslink *l, unsigned ms)
{
	struct timespec until;

	deadline_after(&until, ms);
	while (!d->quit && d->to_connect == l &&
	    pthread_cond_timedwait(&d->cond, &d->mu, &until) != ETIMEDOUT)
		;
	return (!d->quit && d->to_connect == l);
}

/* Takes the URL. */
static void
worker_connected(struct natslink *l, natsConnection *conn, char *server)
{
	pthread_mutex_lock(&l->mu);
	l->conn = conn;
	l->server = server;
	l->up = 1;
	natslink_wake(l);
	pthread_mutex_unlock(&l->mu);
}

/* NULL with *err, which is NULL where nobody listens yet: everyday life with a server of our own. */
static natsConnection *
worker_try(struct natslink_dialer *d, struct natslink *l, char **err)
{
	natsOptions *opts = natsopts_make(d->opts, d->server, err);
	natsConnection *conn = NULL;
	natsStatus s;

	if (opts == NULL)
		return (NULL);
	natslink_ref(l); /* for nats_closed_cb */
	s = natsOptions_SetClosedCB(opts, nats_closed_cb, l);
	if (s == NATS_OK)
		s = natsOptions_SetErrorHandler(opts, nats_error_cb, l);
	if (s == NATS_OK)
		s = natsConnection_Connect(&conn, opts);
	natsOptions_Destroy(opts);
	if (s == NATS_OK)
		return (conn);
	natslink_unref(l);
	if (s != NATS_NO_SERVER || natsopts_is_external(d->opts))
		*err = natsopts_why(d->opts, s);
	return (NULL);
}

/* What is wrong is said when it is something else, and once for all as an error. */
static void
worker_failed(struct natslink_dialer *d, char *err, const char *server)
{
	if (err != NULL && (d->said == NULL || strcmp(d->said, err) != 0))
		log_warnx("nats %s: cannot connect to %s: %s", natsopts_name(d->opts), server, err);
	if (err != NULL) {
		free(d->said);
		d->said = xasprintf("%s", err);
	}
	if (++d->server < natsopts_servers(d->opts))
		return;
	d->server = 0;
	if (d->rounds != 0 && natsopts_is_external(d->opts) &&
	    d->rounds++ == natsopts_retries(d->opts) + 1)
		log_errorx("nats %s: none of nats.urls can be reached; it is tried again for ever",
		    natsopts_name(d->opts));
}

/* With its lock held: how long to wait before the next attempt. */
static unsigned
worker_wait(const struct natslink_dialer *d, unsigned *wait)
{
	unsigned now = *wait;

	if (natsopts_is_external(d->opts))
		return (d->server == 0 ? natsopts_wait_ms(d->opts) : 0);
	*wait = now * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : now * 2;
	return (now);
}

/* With its lock held, which is let go for each attempt. */
static void
worker_connect(struct natslink_dialer *d, struct natslink *l)
{
	natsConnection *conn;
	unsigned wait = RETRY_MIN_MS;
	char *err, *server;

	if (l->delay_ms > 0 && !worker_pause(d, l, l->delay_ms))
		return;
	for (;;) {
		pthread_mutex_unlock(&d->mu);
		err = NULL;
		server = natsopts_url(d->opts, d->server);
		conn = worker_try(d, l, &err);
		if (conn == NULL)
			worker_failed(d, err, server);
		pthread_mutex_lock(&d->mu);
		free(d->fault);
		d->fault = err != NULL ? xasprintf("%s: %s", server, err) : NULL;
		free(err);
		if (conn != NULL)
			break;
		free(server);
		if (!worker_pause(d, l, worker_wait(d, &wait)))
			return;
	}
	d->rounds = 0;
	free(d->said);
	d->said = NULL;
	worker_connected(l, conn, server);
	if (d->to_connect == l)
		d->to_connect = NULL;
}

/* The connection first: it need not tell the server of each subscription's end. */
static void
worker_destroy(struct natslink *l)
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
	natslink_unref(l);
}

static void *
worker_run(void *arg)
{
	struct natslink_dialer *d = arg;
	struct natslink *l;

	pthread_mutex_lock(&d->mu);
	for (;;) {
		if ((l = d->doomed) != NULL) {
			d->doomed = l->next;
			pthread_mutex_unlock(&d->mu);
			worker_destroy(l);
			pthread_mutex_lock(&d->mu);
		} else if (d->quit) {
			break;
		} else if (d->to_connect != NULL) {
			worker_connect(d, d->to_connect);
		} else {
			pthread_cond_wait(&d->cond, &d->mu);
		}
	}
	pthread_mutex_unlock(&d->mu);
	nats_ReleaseThreadMemory();
	return (NULL);
}

/* ---- the loop's side of the worker ---- */

struct natslink_dialer *
natslink_dialer_new(struct natsopts *opts, int efd)
{
	struct natslink_dialer *d = xcalloc(1, sizeof(*d));
	pthread_condattr_t attr;

	d->opts = opts;
	d->rounds = 1;
	/* Not all nodes with the same list are to come to its first. */
	d->server = (unsigned)(nats_Now() % (int64_t)natsopts_servers(opts));
	d->efd = efd;
	pthread_mutex_init(&d->mu, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&d->cond, &attr);
	pthread_condattr_destroy(&attr);
	if ((errno = pthread_create(&d->worker, NULL, worker_run, d)) != 0)
		fatal("nats: thread");
	return (d);
}

struct natslink *
natslink_dialer_connect(struct natslink_dialer *d, unsigned delay_ms)
{
	struct natslink *l = natslink_new(d->efd, delay_ms);

	pthread_mutex_lock(&d->mu);
	d->to_connect = l;
	pthread_cond_signal(&d->cond);
	pthread_mutex_unlock(&d->mu);
	return (l);
}

void
natslink_dialer_drop(struct natslink_dialer *d, struct natslink *l)
{
	natslink_kill(l);
	pthread_mutex_lock(&d->mu);
	d->to_connect = NULL;
	LL_APPEND(d->doomed, l);
	pthread_cond_signal(&d->cond);
	pthread_mutex_unlock(&d->mu);
}

void
natslink_dialer_free(struct natslink_dialer *d)
{
	pthread_mutex_lock(&d->mu);
	d->quit = 1;
	pthread_cond_signal(&d->cond);
	pthread_mutex_unlock(&d->mu);
	pthread_join(d->worker, NULL);
	pthread_cond_destroy(&d->cond);
	pthread_mutex_destroy(&d->mu);
	natsopts_free(d->opts);
	free(d->said);
	free(d->fault);
	free(d);
}
