#include "config.h"

#include "leafd/publishers.h"

#include <stdlib.h>

#include "common/base/mem.h"
#include "leafd/publish.h"

/* All that there may be are made: one that is not in use may still get an answer. */
struct publishers {
	struct publisher {
		struct publishers *all;
		unsigned k;
		struct publish *p;
	} of[SHARDS_MAX];
	unsigned n;
	struct jsapi *a; /* NULL: stopped */
	publishers_unanswered *cb;
	void *arg;
};

static void
stream_unanswered_cb(uint64_t us, void *arg)
{
	struct publisher *one = arg;
	struct publishers *p = one->all;

	p->cb((struct shard){ one->k, p->n }, us, publish_failing_us(one->p), p->arg);
}

struct publishers *
publishers_new(struct event_base *base, struct chan *opsd, publishers_unanswered *cb, void *arg)
{
	struct publishers *p = xcalloc(1, sizeof(*p));

	p->n = 1;
	p->cb = cb;
	p->arg = arg;
	for (unsigned k = 0; k < SHARDS_MAX; k++) {
		p->of[k] = (struct publisher){ .all = p, .k = k };
		p->of[k].p = publish_new(base, opsd, stream_unanswered_cb, &p->of[k]);
	}
	return (p);
}

void
publishers_free(struct publishers *p)
{
	if (p == NULL)
		return;
	for (unsigned k = 0; k < SHARDS_MAX; k++)
		publish_free(p->of[k].p);
	free(p);
}

void
publishers_set(struct publishers *p, const struct stream_opts *o, unsigned n)
{
	struct stream_opts one = *o;
	unsigned k;

	for (k = n; k < SHARDS_MAX; k++)
		publish_stop(p->of[k].p);
	p->n = n;
	for (k = 0; k < n; k++) {
		one.shard = (struct shard){ k, n };
		one.alone = k == 0;
		publish_set(p->of[k].p, &one);
	}
	if (p->a != NULL)
		publishers_start(p, p->a);
}

void
publishers_start(struct publishers *p, struct jsapi *a)
{
	p->a = a;
	for (unsigned k = 0; k < p->n; k++)
		publish_start(p->of[k].p, a);
}

void
publishers_stop(struct publishers *p)
{
	p->a = NULL;
	for (unsigned k = 0; k < p->n; k++)
		publish_stop(p->of[k].p);
}

const char *
publishers_fault(const struct publishers *p)
{
	const char *why = NULL;

	for (unsigned k = 0; k < p->n && why == NULL; k++)
		why = publish_fault(p->of[k].p);
	return (why);
}

int64_t
publishers_copies(const struct publishers *p)
{
	int64_t least = 0, n;

	for (unsigned k = 0; k < p->n; k++)
		if ((n = publish_copies(p->of[k].p)) != 0 && (least == 0 || n < least))
			least = n;
	return (least);
}

int
publishers_unlike(const struct publishers *p)
{
	for (unsigned k = 0; k < p->n; k++)
		if (publish_is_unlike(p->of[k].p))
			return (1);
	return (0);
}

void
publishers_look_again(struct publishers *p)
{
	for (unsigned k = 0; k < p->n; k++)
		if (publish_is_unlike(p->of[k].p))
			publish_look_again(p->of[k].p);
}

void
publishers_count_anew(struct publishers *p)
{
	for (unsigned k = 0; k < p->n; k++)
		publish_count_anew(p->of[k].p);
}
