#include "config.h"

#include "opsd/cluster/invited.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/frame.h"
#include "common/base/mem.h"

struct invitation {
	uint8_t id[NODE_ID_LEN];
	uint64_t until_ms;
};

struct invited {
	pthread_mutex_t lock;
	struct invitation *list;
	size_t n;
};

struct invited *
invited_new(void)
{
	struct invited *l = xcalloc(1, sizeof(*l));

	pthread_mutex_init(&l->lock, NULL);
	return (l);
}

void
invited_free(struct invited *l)
{
	if (l == NULL)
		return;
	pthread_mutex_destroy(&l->lock);
	free(l->list);
	free(l);
}

/* Those that are over, and that of the node: it gets another. */
static void
drop_over(struct invited *l, const uint8_t *id, uint64_t now_ms)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		if (l->list[i].until_ms > now_ms && memcmp(l->list[i].id, id, NODE_ID_LEN) != 0)
			l->list[n++] = l->list[i];
	l->n = n;
}

void
invited_add(struct invited *l, const uint8_t *id, uint64_t now_ms)
{
	pthread_mutex_lock(&l->lock);
	drop_over(l, id, now_ms);
	l->list = xrealloc(l->list, (l->n + 1) * sizeof(*l->list));
	memcpy(l->list[l->n].id, id, NODE_ID_LEN);
	l->list[l->n++].until_ms = now_ms + INVITED_MS;
	pthread_mutex_unlock(&l->lock);
}

int
invited_has(struct invited *l, const uint8_t *id, uint64_t now_ms)
{
	int found = 0;

	if (l == NULL)
		return (0);
	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; i < l->n && !found; i++)
		found = memcmp(l->list[i].id, id, NODE_ID_LEN) == 0 && l->list[i].until_ms > now_ms;
	pthread_mutex_unlock(&l->lock);
	return (found);
}
