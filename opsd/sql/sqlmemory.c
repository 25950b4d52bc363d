#include "config.h"

#include "opsd/sql/sqlmemory.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "common/base/log.h"

/* Before each piece: as many bytes as SQLite's alignment asks for. */
struct sqlpiece {
	uint32_t size;
	uint32_t counted;
};

static _Atomic uint64_t used, limit = UINT64_MAX;
static _Thread_local int counts;

static struct sqlpiece *
sqlpiece_of(void *p)
{
	return ((struct sqlpiece *)p - 1);
}

/* 0: that is too much. */
static int
take_bytes(uint64_t n)
{
	if (atomic_fetch_add(&used, n) + n <= limit)
		return (1);
	atomic_fetch_sub(&used, n);
	return (0);
}

static void *
memory_get(int n)
{
	struct sqlpiece *p;
	int counted = counts;

	if (counted && !take_bytes((uint64_t)n))
		return (NULL);
	p = malloc(sizeof(*p) + (size_t)n);
	if (p == NULL) {
		if (counted)
			atomic_fetch_sub(&used, (uint64_t)n);
		return (NULL);
	}
	*p = (struct sqlpiece){ (uint32_t)n, (uint32_t)counted };
	return (p + 1);
}

static void
memory_free(void *old)
{
	struct sqlpiece *p = sqlpiece_of(old);

	if (p->counted)
		atomic_fetch_sub(&used, p->size);
	free(p);
}

static void *
memory_resize(void *old, int n)
{
	struct sqlpiece *p = sqlpiece_of(old), *q;
	uint64_t more = (uint64_t)n > p->size ? (uint64_t)n - p->size : 0;

	if (p->counted && !take_bytes(more))
		return (NULL);
	q = realloc(p, sizeof(*p) + (size_t)n);
	if (q == NULL) {
		if (p->counted)
			atomic_fetch_sub(&used, more);
		return (NULL);
	}
	if (q->counted && (uint32_t)n < q->size)
		atomic_fetch_sub(&used, q->size - (uint32_t)n);
	q->size = (uint32_t)n;
	return (q + 1);
}

static int
memory_size(void *p)
{
	return ((int)sqlpiece_of(p)->size);
}

static int
memory_round_up(int n)
{
	return ((n + 7) & ~7);
}

static int
memory_begin(void *arg)
{
	(void)arg;
	return (SQLITE_OK);
}

static void
memory_end(void *arg)
{
	(void)arg;
}

void
sqlmemory_start(void)
{
	static const sqlite3_mem_methods methods = { memory_get, memory_free, memory_resize,
		memory_size, memory_round_up, memory_begin, memory_end, NULL };

	/* Counted here, SQLite need not, for which all threads would share a lock. */
	if (sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) != SQLITE_OK ||
	    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) != SQLITE_OK)
		fatalx("SQLite is in use already");
}

void
sqlmemory_limit(uint64_t bytes)
{
	limit = bytes;
}

void
sqlmemory_count(int on)
{
	counts = on;
}

uint64_t
sqlmemory_used(void)
{
	return (used);
}
