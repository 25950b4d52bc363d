#include "config.h"

#include "test/bench/arrive.h"

#include <err.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mem.h"

#define EACH_MAX    10000000 /* rows whose times are kept */
#define ASK_AT_ONCE 64       /* keys in a question */
#define STALL_US    60000000

struct arrive {
	struct arrive_opts o;
	pthread_t thread;
	int fd;
	_Atomic uint64_t sent;     /* ids below it are written */
	_Atomic uint64_t *sent_us; /* with `each` */
	_Atomic int ended;
	sem_t more; /* with `each`: one was sent, or no more are */
	uint64_t came, last_us;
	uint64_t *took_us;
	uint64_t quickest_us;
	uint64_t oldest; /* ids below it have come */
	uint8_t *seen;
};

/* Those of the next ids that can be read there. */
static void
look_for_rows(struct arrive *a, struct buf *body, struct buf *out)
{
	static const char field[] = "\"id\":";
	uint64_t sent = a->sent, now;
	const char *p;

	if (a->oldest == sent)
		return;
	buf_clear(body);
	buf_addf(body,
	    "{\"operation\":\"search_by_id\",\"database\":\"%s\",\"table\":\"%s\","
	    "\"get_attributes\":[\"id\"],\"ids\":[",
	    a->o.table.database, a->o.table.table);
	for (uint64_t id = a->oldest; id < sent && id < a->oldest + ASK_AT_ONCE; id++)
		buf_addf(body, "%s%" PRIu64, id > a->oldest ? "," : "", id);
	buf_addf(body, "]}");
	if (http_ask(a->fd, a->o.auth, body, out) != 200)
		errx(1, "rows cannot be read: %s", (const char *)out->data);
	now = mono_us();
	for (p = (const char *)out->data; (p = strstr(p, field)) != NULL; p++) {
		uint64_t id = strtoull(p + sizeof(field) - 1, NULL, 10);

		if (id >= sent || a->seen[id])
			continue;
		a->seen[id] = 1;
		a->took_us[id] = now - a->sent_us[id];
		if (a->took_us[id] < a->quickest_us)
			a->quickest_us = a->took_us[id];
		a->came++;
		a->last_us = now;
	}
	while (a->oldest < sent && a->seen[a->oldest])
		a->oldest++;
}

static void
look_at_count(struct arrive *a)
{
	int64_t n = http_count(a->fd, a->o.auth, &a->o.table);

	if (n == -1)
		errx(1, "rows cannot be counted");
	if ((uint64_t)n == a->came)
		return;
	a->came = (uint64_t)n;
	a->last_us = mono_us();
}

static void
sleep_until(uint64_t us)
{
	const struct timespec at = { (time_t)(us / 1000000), (long)(us % 1000000) * 1000 };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

/*
 * A question takes time from what it asks about: none is asked before the oldest row
 * could be there as soon as the quickest was, less a pause.
 */
static void
wait_for_rows(struct arrive *a)
{
	uint64_t at = mono_us() + a->o.pause_us, first;

	while (a->o.each && a->oldest == a->sent && !a->ended)
		sem_wait(&a->more);
	if (a->o.each && a->oldest < a->sent && a->quickest_us != UINT64_MAX) {
		first = a->sent_us[a->oldest] + a->quickest_us - a->o.pause_us;
		at = first > at ? first : at;
	}
	sleep_until(at);
}

static void *
arrive_main(void *arg)
{
	struct arrive *a = arg;
	struct buf body = { 0 }, out = { 0 };

	a->last_us = mono_us();
	prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	while (!a->ended || a->came < a->sent) {
		if (a->o.each)
			look_for_rows(a, &body, &out);
		else
			look_at_count(a);
		if (a->ended && mono_us() - a->last_us > STALL_US)
			errx(1, "%" PRIu64 " of %" PRIu64 " rows came", a->came, (uint64_t)a->sent);
		wait_for_rows(a);
	}
	buf_free(&body);
	buf_free(&out);
	return (NULL);
}

struct arrive *
arrive_start(const struct arrive_opts *o)
{
	struct arrive *a = xcalloc(1, sizeof(*a));

	a->o = *o;
	a->quickest_us = UINT64_MAX;
	if (sem_init(&a->more, 0, 0) == -1)
		err(1, "semaphore");
	if ((a->fd = http_dial(o->port)) == -1)
		err(1, "port %u", (unsigned)o->port);
	if (o->each) {
		a->sent_us = xcalloc(EACH_MAX, sizeof(*a->sent_us));
		a->took_us = xcalloc(EACH_MAX, sizeof(*a->took_us));
		a->seen = xcalloc(EACH_MAX, 1);
	}
	if (pthread_create(&a->thread, NULL, arrive_main, a) != 0)
		errx(1, "no thread");
	return (a);
}

void
arrive_sent(struct arrive *a, uint64_t id)
{
	if (a->o.each) {
		if (id >= EACH_MAX)
			errx(1, "too many rows to time each");
		a->sent_us[id] = mono_us();
	}
	a->sent = id + 1;
	if (a->o.each)
		sem_post(&a->more);
}

uint64_t
arrive_end(struct arrive *a, uint64_t *last_us, uint64_t **took_us)
{
	uint64_t came;

	a->ended = 1;
	sem_post(&a->more);
	pthread_join(a->thread, NULL);
	sem_destroy(&a->more);
	came = a->came;
	*last_us = a->last_us;
	*took_us = a->took_us;
	close(a->fd);
	free(a->sent_us);
	free(a->seen);
	free(a);
	return (came);
}
