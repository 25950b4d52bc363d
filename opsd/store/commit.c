#include "config.h"

#include "opsd/store/commit.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "opsd/store/data.h"
#include "opsd/store/group_priv.h"

/* A group holds at most this much of each kind, so that neither waits long. */
#define GROUP_LOCAL_BYTES  (16u << 20)
#define GROUP_REMOTE_BYTES (8u << 20)
#define GROUP_JOBS         4096
#define DISK_CHECK_US      1000000

struct queue {
	struct commit_job *head, **tail;
	unsigned n;
};

struct commit {
	struct data *data;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct queue local, remote;
	struct hlc clock;
	_Atomic uint64_t clock_ms;      /* that, for others to read */
	_Atomic uint64_t busy_since_us; /* 0: no group is being written */
	uint64_t disk_checked_us;
	int disk_full;
	int stop;
};

static void
queue_push(struct queue *q, struct commit_job *j)
{
	j->next = NULL;
	*q->tail = j;
	q->tail = &j->next;
	q->n++;
}

/* Move up to `bytes` of jobs to the end of *list; how many. */
static size_t
queue_take(struct queue *q, size_t bytes, struct commit_job ***tail)
{
	size_t n = 0, cost = 0;
	struct commit_job *j;

	while ((j = q->head) != NULL && n < GROUP_JOBS && (n == 0 || cost + j->cost <= bytes)) {
		q->head = j->next;
		cost += j->cost;
		j->next = NULL;
		**tail = j;
		*tail = &j->next;
		n++;
	}
	if (q->head == NULL)
		q->tail = &q->head;
	q->n -= (unsigned)n;
	return (n);
}

void
commit_fail(struct commit_job *j, int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	free(j->error);
	if (vasprintf(&j->error, fmt, ap) == -1)
		j->error = NULL;
	va_end(ap);
	j->status = status;
}

int
commit_disk_full(struct commit *c)
{
	uint64_t now = mono_us();

	if (store_read_only(c->data->store))
		return (1);
	/* A full one is looked at anew each time: writes are taken when health says so. */
	if (c->disk_full || now - c->disk_checked_us > DISK_CHECK_US) {
		int full = store_free_bytes(c->data->store) < c->data->live.reserve;

		if (full != c->disk_full)
			log_line(full ? LOG_ERROR : LOG_NOTICE, "store: %s",
			    full ? "free disk is below storage.reserve: writes are refused" :
				   "free disk is above storage.reserve again");
		c->disk_full = full;
		c->disk_checked_us = now;
	}
	return (c->disk_full);
}

uint64_t
commit_busy_ms(struct commit *c)
{
	uint64_t since = c->busy_since_us, now = mono_us();

	return (since != 0 && now > since ? (now - since) / 1000 : 0);
}

uint64_t
commit_waited_ms(struct commit *c)
{
	uint64_t now = mono_us(), ms = 0;

	pthread_mutex_lock(&c->lock);
	if (c->local.head != NULL && now > c->local.head->queued_us)
		ms = (now - c->local.head->queued_us) / 1000;
	pthread_mutex_unlock(&c->lock);
	return (ms);
}

uint64_t
commit_ahead_ms(struct commit *c)
{
	uint64_t clock = c->clock_ms, now = wall_ms();

	return (clock > now ? clock - now : 0);
}

void
commit_waiting(struct commit *c, unsigned *local, unsigned *remote)
{
	pthread_mutex_lock(&c->lock);
	*local = c->local.n;
	*remote = c->remote.n;
	pthread_mutex_unlock(&c->lock);
}

static void
run_job(struct commit *c, struct group *g, struct commit_job *j, uint64_t now)
{
	if (store_read_only(c->data->store)) {
		commit_fail(j, 507,
		    "Not enough disk space: the store could only be opened for reading");
		return;
	}
	if (!j->remote && now - j->queued_us > c->data->live.queue_ms * 1000) {
		commit_fail(j, 503,
		    "Outstanding write transactions have too long of queue, "
		    "please try again later");
		return;
	}
	j->status = 200;
	j->run(g, j);
}

static void
run_group(struct commit *c, struct commit_job *list, size_t n)
{
	struct group *g = group_open(c->data, &c->clock);
	uint64_t logged = c->data->log.last, now = mono_us();
	struct commit_job *j;
	int rc;

	for (j = list; j != NULL; j = j->next)
		run_job(c, g, j, now);
	rc = group_write(g);
	/* First who carries it to other nodes: those have the longer way. */
	if (rc == 0 && c->data->log.last != logged)
		c->data->hooks.logged(c->data->hooks.arg);
	c->data->measured(c->data->measured_arg, n, group_bytes(g), mono_us() - now);
	c->clock_ms = c->clock.time >> 16;
	group_close(g);
	while ((j = list) != NULL) {
		list = j->next;
		if (rc == -1 && j->status == 200)
			commit_fail(j, 500, "the store cannot be written");
		j->done(j);
	}
	if (rc == -1) {
		/*
		 * RocksDB latches write errors and its C API cannot resume: only a
		 * new process has a trustworthy store.  The supervisor starts one.
		 */
		struct timespec flush = { 0, 200000000 };

		nanosleep(&flush, NULL);
		fatalx("store: not writable, starting anew");
	}
}

static void *
commit_main(void *arg)
{
	struct commit *c = arg;
	struct commit_job *list, **tail;
	size_t n;

	pthread_setname_np(pthread_self(), "commit");
	pthread_mutex_lock(&c->lock);
	for (;;) {
		while (c->local.head == NULL && c->remote.head == NULL && !c->stop)
			pthread_cond_wait(&c->more, &c->lock);
		if (c->local.head == NULL && c->remote.head == NULL)
			break;
		list = NULL;
		tail = &list;
		n = queue_take(&c->local, GROUP_LOCAL_BYTES, &tail);
		n += queue_take(&c->remote, GROUP_REMOTE_BYTES, &tail);
		pthread_mutex_unlock(&c->lock);
		c->busy_since_us = mono_us();
		run_group(c, list, n);
		c->busy_since_us = 0;
		pthread_mutex_lock(&c->lock);
	}
	pthread_mutex_unlock(&c->lock);
	return (NULL);
}

struct commit *
commit_start(struct data *data, char **err)
{
	struct commit *c = xcalloc(1, sizeof(*c));

	c->data = data;
	c->local.tail = &c->local.head;
	c->remote.tail = &c->remote.head;
	c->clock.time = data->log.clock;
	c->clock_ms = c->clock.time >> 16;
	c->clock.node = stamp_node(data->node_id);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->more, NULL);
	if (pthread_create(&c->thread, NULL, commit_main, c) != 0) {
		*err = xasprintf("cannot start the commit thread");
		free(c);
		return (NULL);
	}
	return (c);
}

void
commit_stop(struct commit *c)
{
	if (c == NULL)
		return;
	pthread_mutex_lock(&c->lock);
	c->stop = 1;
	pthread_cond_signal(&c->more);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->more);
	free(c);
}

void
commit_submit(struct commit *c, struct commit_job *j)
{
	int stopped;

	j->queued_us = mono_us();
	pthread_mutex_lock(&c->lock);
	stopped = c->stop;
	if (!stopped)
		queue_push(j->remote ? &c->remote : &c->local, j);
	pthread_mutex_unlock(&c->lock);
	/* Not under the lock, which is the first that who wakes up wants. */
	if (!stopped) {
		pthread_cond_signal(&c->more);
	} else {
		commit_fail(j, 503, "the node is stopping");
		j->done(j);
	}
}

struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	int done;
};

static void
wait_done(struct commit_job *j)
{
	struct waiter *w = j->arg;

	pthread_mutex_lock(&w->lock);
	w->done = 1;
	pthread_cond_signal(&w->cond);
	pthread_mutex_unlock(&w->lock);
}

int
commit_wait(struct commit *c, struct commit_job *j)
{
	struct waiter w = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 };

	j->done = wait_done;
	j->arg = &w;
	commit_submit(c, j);
	pthread_mutex_lock(&w.lock);
	while (!w.done)
		pthread_cond_wait(&w.cond, &w.lock);
	pthread_mutex_unlock(&w.lock);
	return (j->status);
}
