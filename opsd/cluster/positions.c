#include "config.h"

#include "opsd/cluster/positions.h"

#include <pthread.h>
#include <stdlib.h>
#include <uthash.h>

#include "common/base/mem.h"

struct told {
	uint32_t table;
	struct position at;
	UT_hash_handle hh;
};

struct positions {
	_Atomic unsigned refs;
	pthread_mutex_t lock;
	struct told *tables;
};

struct positions *
positions_new(void)
{
	struct positions *p = xcalloc(1, sizeof(*p));

	p->refs = 1;
	pthread_mutex_init(&p->lock, NULL);
	return (p);
}

struct positions *
positions_ref(struct positions *p)
{
	if (p != NULL)
		p->refs++;
	return (p);
}

void
positions_free(struct positions *p)
{
	struct told *t, *tmp;

	if (p == NULL || --p->refs > 0)
		return;
	HASH_ITER(hh, p->tables, t, tmp) {
		HASH_DEL(p->tables, t);
		free(t);
	}
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void
positions_set(struct positions *p, uint32_t table, struct position at)
{
	struct told *t;

	pthread_mutex_lock(&p->lock);
	HASH_FIND(hh, p->tables, &table, sizeof(table), t);
	if (t == NULL && HASH_COUNT(p->tables) < POSITIONS_MAX) {
		t = xcalloc(1, sizeof(*t));
		t->table = table;
		HASH_ADD(hh, p->tables, table, sizeof(t->table), t);
	}
	if (t != NULL)
		t->at = at;
	pthread_mutex_unlock(&p->lock);
}

int
positions_get(struct positions *p, uint32_t table, struct position *at)
{
	struct told *t;

	if (p == NULL)
		return (-1);
	pthread_mutex_lock(&p->lock);
	HASH_FIND(hh, p->tables, &table, sizeof(table), t);
	if (t != NULL)
		*at = t->at;
	pthread_mutex_unlock(&p->lock);
	return (t != NULL ? 0 : -1);
}

uint32_t *
positions_tables(struct positions *p, size_t *n)
{
	uint32_t *list;
	struct told *t;

	*n = 0;
	pthread_mutex_lock(&p->lock);
	list = xcalloc(HASH_COUNT(p->tables) + 1, sizeof(*list));
	for (t = p->tables; t != NULL; t = t->hh.next)
		list[(*n)++] = t->table;
	pthread_mutex_unlock(&p->lock);
	return (list);
}
