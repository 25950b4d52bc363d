#include "config.h"

#include "opsd/auth/verified.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "opsd/auth/user.h"
#include "opsd/store/data.h"

struct verified_user {
	uint8_t id[VERIFIED_ID];
	struct user *user; /* as it was in that generation */
	uint64_t generation;
	uint64_t ttl_us;   /* from when it was last used */
	uint64_t ends_us;  /* in any case */
	uint64_t until_us; /* the nearer of the two */
	UT_hash_handle hh;
};

struct verified {
	struct data *data;
	unsigned max;
	pthread_mutex_t lock; /* all below */
	struct verified_user *all;
	uint64_t generation;
};

static void
verified_drop(struct verified *v, struct verified_user *e)
{
	HASH_DEL(v->all, e);
	user_unref(e->user);
	free(e);
}

static void
verified_clear(struct verified *v)
{
	struct verified_user *e, *tmp;

	HASH_ITER(hh, v->all, e, tmp)
		verified_drop(v, e);
}

static void
verified_use(struct verified_user *e, uint64_t now_us)
{
	e->until_us = e->ends_us - now_us < e->ttl_us ? e->ends_us : now_us + e->ttl_us;
}

/*
 * What is there of that header, not too old; the lock is held.  Who goes on is remembered: when
 * logins from its address are refused, because of somebody else there, it has no other way.
 */
static struct verified_user *
verified_look(struct verified *v, const uint8_t id[VERIFIED_ID])
{
	struct verified_user *e;
	uint64_t now = mono_us();

	HASH_FIND(hh, v->all, id, VERIFIED_ID, e);
	if (e == NULL)
		return (NULL);
	if (e->until_us <= now) {
		verified_drop(v, e);
		return (NULL);
	}
	verified_use(e, now);
	return (e);
}

/*
 * Users or roles changed since: the password that was verified is the user's as long as its
 * mark is the same, and the rest is as it is now.  Takes the user; NULL: it is to be verified.
 */
static struct user *
verified_renew(struct verified *v, const uint8_t id[VERIFIED_ID], struct user *was,
    uint64_t generation)
{
	struct user *u = user_load(v->data, was->name);
	struct verified_user *e;

	if (u != NULL && memcmp(u->mark, was->mark, sizeof(u->mark)) != 0) {
		user_unref(u);
		u = NULL;
	}
	pthread_mutex_lock(&v->lock);
	e = verified_look(v, id);
	if (e != NULL && e->user == was && u == NULL)
		verified_drop(v, e);
	else if (e != NULL && e->user == was) {
		user_unref(e->user);
		e->user = user_ref(u);
		e->generation = generation;
	}
	pthread_mutex_unlock(&v->lock);
	user_unref(was);
	return (u);
}

struct user *
verified_find(struct verified *v, const uint8_t id[VERIFIED_ID])
{
	struct verified_user *e;
	struct user *u = NULL;
	uint64_t generation;
	int old = 0;

	pthread_mutex_lock(&v->lock);
	generation = v->generation;
	if ((e = verified_look(v, id)) != NULL) {
		u = user_ref(e->user);
		old = e->generation != generation;
	}
	pthread_mutex_unlock(&v->lock);
	return (old ? verified_renew(v, id, u, generation) : u);
}

void
verified_add(struct verified *v, const uint8_t id[VERIFIED_ID], struct user *u, uint64_t generation,
    uint64_t us)
{
	struct verified_user *e = xcalloc(1, sizeof(*e)), *old;
	uint64_t now = mono_us();

	memcpy(e->id, id, sizeof(e->id));
	e->user = user_ref(u);
	e->generation = generation;
	e->ttl_us = (uint64_t)data_conf_int(v->data, AUTH_CACHE_TTL) * 1000;
	e->ends_us = us < UINT64_MAX - now ? now + us : UINT64_MAX;
	verified_use(e, now);
	pthread_mutex_lock(&v->lock);
	if (HASH_COUNT(v->all) >= v->max)
		verified_clear(v);
	HASH_FIND(hh, v->all, id, VERIFIED_ID, old);
	if (old != NULL)
		verified_drop(v, old);
	HASH_ADD(hh, v->all, id, sizeof(e->id), e);
	pthread_mutex_unlock(&v->lock);
}

uint64_t
verified_generation(struct verified *v)
{
	uint64_t g;

	pthread_mutex_lock(&v->lock);
	g = v->generation;
	pthread_mutex_unlock(&v->lock);
	return (g);
}

void
verified_changed(struct verified *v)
{
	pthread_mutex_lock(&v->lock);
	v->generation++;
	pthread_mutex_unlock(&v->lock);
}

struct verified *
verified_new(struct data *data, unsigned max)
{
	struct verified *v = xcalloc(1, sizeof(*v));

	v->data = data;
	v->max = max;
	pthread_mutex_init(&v->lock, NULL);
	return (v);
}

void
verified_free(struct verified *v)
{
	if (v == NULL)
		return;
	verified_clear(v);
	pthread_mutex_destroy(&v->lock);
	free(v);
}
