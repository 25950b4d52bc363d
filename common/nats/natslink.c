#include "config.h"

#include "common/nats/natslink.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "common/base/log.h"
#include "common/base/mem.h"

#define RETRY_MIN_MS 50
#define RETRY_MAX_MS 1000

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
	struct lib_sub *subs; /* to destroy with it */
	unsigned delay_ms;    /* before the first attempt */
	struct natslink *next;
};

struct natslink_dialer {
	char *name;
	natsOptions *opts; /* the worker's */
	int efd;
	pthread_t worker;
	pthread_mutex_t mu; /* of the rest */
	pthread_cond_t cond;
	struct natslink *to_connect;
	struct natslink *doomed;
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
	/* It fails on a connection that was just lost; the link then stays for good. */
	(void)natsSubscription_SetOnCompleteCB(sub, nats_complete_cb, l);
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

static void
worker_connected(struct natslink *l, natsConnection *conn)
{
	pthread_mutex_lock(&l->mu);
	l->conn = conn;
	l->up = 1;
	natslink_wake(l);
	pthread_mutex_unlock(&l->mu);
}

static natsStatus
worker_try(struct natslink_dialer *d, struct natslink *l, natsConnection **conn)
{
	natsStatus s;

	natslink_ref(l); /* for nats_closed_cb */
	s = natsOptions_SetClosedCB(d->opts, nats_closed_cb, l);
	if (s == NATS_OK)
		s = natsConnection_Connect(conn, d->opts);
	if (s != NATS_OK)
		natslink_unref(l);
	return (s);
}

/* With its lock held, which is let go for each attempt. */
static void
worker_connect(struct natslink_dialer *d, struct natslink *l)
{
	natsConnection *conn = NULL;
	natsStatus s, said = NATS_OK;
	unsigned wait = RETRY_MIN_MS;

	if (l->delay_ms > 0 && !worker_pause(d, l, l->delay_ms))
		return;
	for (;;) {
		pthread_mutex_unlock(&d->mu);
		s = worker_try(d, l, &conn);
		/* Nobody listening yet is everyday life. */
		if (s != NATS_OK && s != NATS_NO_SERVER && s != said)
			log_warnx("nats %s: cannot connect: %s", d->name, natsStatus_GetText(s));
		said = s;
		pthread_mutex_lock(&d->mu);
		if (s == NATS_OK)
			break;
		if (!worker_pause(d, l, wait))
			return;
		wait = wait * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : wait * 2;
	}
	worker_connected(l, conn);
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
natslink_dialer_new(const char *name, natsOptions *opts, int efd)
{
	struct natslink_dialer *d = xcalloc(1, sizeof(*d));
	pthread_condattr_t attr;

	d->name = xstrdup(name);
	d->opts = opts;
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
	natsOptions_Destroy(d->opts);
	free(d->name);
	free(d);
}
