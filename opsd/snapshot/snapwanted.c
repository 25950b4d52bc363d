#include "config.h"

#include "opsd/snapshot/snapwanted.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "common/base/mem.h"

struct want {
	char *key; /* database, NUL, table */
	size_t len;
	int tried;
	uint64_t since_us, moved_us; /* since: wanted or tried */
	UT_hash_handle hh;
};

struct snapwanted {
	pthread_mutex_t lock;
	struct want *all;
};

struct snapwanted *
snapwanted_new(void)
{
	struct snapwanted *w = xcalloc(1, sizeof(*w));

	pthread_mutex_init(&w->lock, NULL);
	return (w);
}

void
snapwanted_free(struct snapwanted *w)
{
	struct want *one, *tmp;

	if (w == NULL)
		return;
	HASH_ITER(hh, w->all, one, tmp) {
		HASH_DEL(w->all, one);
		free(one->key);
		free(one);
	}
	pthread_mutex_destroy(&w->lock);
	free(w);
}

static char *
make_key(const char *database, const char *table, size_t *len)
{
	size_t n = strlen(database) + 1;
	char *key;

	*len = n + strlen(table);
	key = xmalloc(*len + 1);
	memcpy(key, database, n);
	memcpy(key + n, table, strlen(table) + 1);
	return (key);
}

/* With the lock held. */
static struct want *
find_want(struct snapwanted *w, const char *database, const char *table, int make)
{
	struct want *one;
	size_t len;
	char *key = make_key(database, table, &len);

	HASH_FIND(hh, w->all, key, len, one);
	if (one != NULL || !make) {
		free(key);
		return (one);
	}
	one = xcalloc(1, sizeof(*one));
	one->key = key;
	one->len = len;
	HASH_ADD_KEYPTR(hh, w->all, one->key, len, one);
	return (one);
}

static void
set_want(struct want *one, int tried, uint64_t now_us)
{
	one->tried = tried;
	one->since_us = one->moved_us = now_us;
}

int
snapwanted_holds(struct snapwanted *w, const char *database, const char *table, uint64_t now_us)
{
	struct want *one;
	int holds;

	pthread_mutex_lock(&w->lock);
	one = find_want(w, database, table, 0);
	if (one == NULL || (one->tried && now_us - one->since_us >= SNAPWANTED_TRIED_US))
		set_want(find_want(w, database, table, 1), 0, now_us);
	else if (!one->tried && now_us - one->moved_us >= SNAPWANTED_MOST_US)
		set_want(one, 1, now_us);
	one = find_want(w, database, table, 0);
	holds = !one->tried;
	pthread_mutex_unlock(&w->lock);
	return (holds);
}

size_t
snapwanted_count(struct snapwanted *w, uint64_t now_us, uint64_t least_us)
{
	size_t n = 0;

	pthread_mutex_lock(&w->lock);
	for (struct want *one = w->all; one != NULL; one = one->hh.next)
		n += !one->tried && now_us - one->since_us >= least_us;
	pthread_mutex_unlock(&w->lock);
	return (n);
}

int
snapwanted_has(struct snapwanted *w, const char *database, const char *table)
{
	struct want *one;
	int has;

	pthread_mutex_lock(&w->lock);
	one = find_want(w, database, table, 0);
	has = one != NULL && !one->tried;
	pthread_mutex_unlock(&w->lock);
	return (has);
}

void
snapwanted_moved(struct snapwanted *w, uint64_t now_us)
{
	pthread_mutex_lock(&w->lock);
	for (struct want *one = w->all; one != NULL; one = one->hh.next)
		one->moved_us = now_us;
	pthread_mutex_unlock(&w->lock);
}

void
snapwanted_tried(struct snapwanted *w, const char *database, const char *table, uint64_t now_us)
{
	pthread_mutex_lock(&w->lock);
	set_want(find_want(w, database, table, 1), 1, now_us);
	pthread_mutex_unlock(&w->lock);
}

int
snapwanted_any(struct snapwanted *w, char **database, char **table)
{
	struct want *one;

	pthread_mutex_lock(&w->lock);
	one = w->all;
	while (one != NULL && one->tried)
		one = one->hh.next;
	if (one != NULL) {
		*database = xstrdup(one->key);
		*table = xstrdup(one->key + strlen(one->key) + 1);
	}
	pthread_mutex_unlock(&w->lock);
	return (one != NULL);
}
