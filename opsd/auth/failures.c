#include "config.h"

#include "opsd/auth/failures.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "common/base/address.h"
#include "common/base/mem.h"

/* A bucket that leaks: what it holds is time until it is empty. */
struct failing {
	uint8_t id[8];     /* the address, or what it shares with its neighbours */
	uint64_t until_us; /* all is forgotten */
	UT_hash_handle hh;
};

struct failures {
	struct failing *all; /* who failed longest ago is first */
	unsigned most;
};

struct failures *
failures_new(unsigned addresses)
{
	struct failures *f = xcalloc(1, sizeof(*f));

	f->most = addresses;
	return (f);
}

static void
drop_failing(struct failures *f, struct failing *e)
{
	HASH_DEL(f->all, e);
	free(e);
}

void
failures_free(struct failures *f)
{
	struct failing *e, *tmp;

	if (f == NULL)
		return;
	HASH_ITER(hh, f->all, e, tmp)
		drop_failing(f, e);
	free(f);
}

static struct failing *
find_failing(struct failures *f, const char *address, uint8_t id[8])
{
	struct failing *e = NULL;

	if (address_net(address, id) == 0)
		HASH_FIND(hh, f->all, id, 8, e);
	return (e);
}

unsigned
failures_wait(struct failures *f, const char *address, uint64_t now_us)
{
	uint8_t id[8];
	const struct failing *e = find_failing(f, address, id);
	uint64_t full = now_us + (FAILURES_MOST - 1) * (uint64_t)FAILURES_FORGET_US;

	if (e == NULL || e->until_us <= full)
		return (0);
	return ((unsigned)((e->until_us - full + 999999) / 1000000));
}

void
failures_add(struct failures *f, const char *address, uint64_t now_us)
{
	uint64_t until = now_us;
	uint8_t id[8];
	struct failing *e;

	if (address_net(address, id) == -1)
		return;
	if ((e = find_failing(f, address, id)) != NULL) {
		until = e->until_us > now_us ? e->until_us : now_us;
		drop_failing(f, e);
	}
	if (f->all != NULL && HASH_COUNT(f->all) >= f->most)
		drop_failing(f, f->all);
	e = xcalloc(1, sizeof(*e));
	memcpy(e->id, id, sizeof(e->id));
	e->until_us = until + FAILURES_FORGET_US;
	HASH_ADD(hh, f->all, id, sizeof(e->id), e);
}

void
failures_clear(struct failures *f, const char *address)
{
	uint8_t id[8];
	struct failing *e = find_failing(f, address, id);

	if (e != NULL)
		drop_failing(f, e);
}
