#include "config.h"

#include "common/base/postlater.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/post.h"

struct later_item {
	struct later_item *next;
	void (*fn)(void *arg);
	void *arg;
};

struct postlater {
	struct post *post;
	struct event *timer;
	struct timeval wait;
	size_t most;
	unsigned expected;    /* the loop's thread's */
	pthread_mutex_t lock; /* what follows */
	struct later_item *head, **tail;
	size_t weight;
	int posted;
};

static struct later_item *
take_waiting(struct postlater *p)
{
	struct later_item *list;

	pthread_mutex_lock(&p->lock);
	list = p->head;
	p->head = NULL;
	p->tail = &p->head;
	p->weight = 0;
	pthread_mutex_unlock(&p->lock);
	return (list);
}

static void
run_waiting(struct postlater *p)
{
	struct later_item *i, *next;

	for (i = take_waiting(p); i != NULL; i = next) {
		next = i->next;
		p->expected--;
		i->fn(i->arg);
		free(i);
	}
}

static void
later_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct postlater *p = arg;

	run_waiting(p);
	if (p->expected > 0)
		evtimer_add(p->timer, &p->wait);
}

static void
later_posted(void *arg)
{
	struct postlater *p = arg;

	pthread_mutex_lock(&p->lock);
	p->posted = 0;
	pthread_mutex_unlock(&p->lock);
	run_waiting(p);
}

struct postlater *
postlater_new(struct event_base *base, struct post *post, unsigned ms, size_t most)
{
	struct postlater *p = xcalloc(1, sizeof(*p));

	p->post = post;
	p->wait = (struct timeval){ ms / 1000, (ms % 1000) * 1000 };
	p->most = most;
	p->tail = &p->head;
	pthread_mutex_init(&p->lock, NULL);
	if ((p->timer = evtimer_new(base, later_timer_cb, p)) == NULL)
		fatalx("no timer");
	return (p);
}

void
postlater_free(struct postlater *p)
{
	if (p == NULL)
		return;
	run_waiting(p);
	event_free(p->timer);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void
postlater_expect(struct postlater *p)
{
	if (p->expected++ == 0)
		evtimer_add(p->timer, &p->wait);
}

void
postlater(struct postlater *p, void (*fn)(void *arg), void *arg, size_t weight)
{
	struct later_item *i = xmalloc(sizeof(*i));
	int now;

	*i = (struct later_item){ .fn = fn, .arg = arg };
	pthread_mutex_lock(&p->lock);
	*p->tail = i;
	p->tail = &i->next;
	p->weight += weight;
	now = p->weight >= p->most && !p->posted;
	if (now)
		p->posted = 1;
	pthread_mutex_unlock(&p->lock);
	if (now)
		post(p->post, later_posted, p);
}
