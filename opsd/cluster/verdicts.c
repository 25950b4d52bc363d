#include "config.h"

#include "opsd/cluster/verdicts.h"

#include <stdlib.h>
#include <uthash.h>

#include "common/base/mem.h"
#include "opsd/store/txn.h"

/* A table of the log, by its id, and whether it is wanted. */
struct verdict {
	uint32_t table;
	int wanted;
	char *database, *name; /* NULL: it cannot be read */
	UT_hash_handle hh;
};

struct verdicts {
	int (*judge)(void *arg, const char *database, const char *table);
	void *arg;
	int unread;
	struct verdict *all;
};

struct verdicts *
verdicts_new(int (*judge)(void *arg, const char *database, const char *table), void *arg,
    int unread)
{
	struct verdicts *v = xcalloc(1, sizeof(*v));

	*v = (struct verdicts){ judge, arg, unread, NULL };
	return (v);
}

static void
verdict_free(struct verdicts *v, struct verdict *one)
{
	HASH_DEL(v->all, one);
	free(one->database);
	free(one->name);
	free(one);
}

void
verdicts_free(struct verdicts *v)
{
	struct verdict *one, *tmp;

	if (v == NULL)
		return;
	HASH_ITER(hh, v->all, one, tmp)
		verdict_free(v, one);
	free(v);
}

static struct verdict *
judge_table(struct verdicts *v, const struct log_entry *e)
{
	struct verdict *one = xcalloc(1, sizeof(*one));
	struct txn t;

	one->table = e->table;
	one->wanted = v->unread;
	if (txn_read(&t, e->payload, e->len) == 0) {
		one->database = xstrndup(t.database, t.database_len);
		one->name = xstrndup(t.table, t.table_len);
		one->wanted = v->judge(v->arg, one->database, one->name);
	}
	HASH_ADD(hh, v->all, table, sizeof(one->table), one);
	return (one);
}

int
verdicts_wants(const struct log_entry *e, void *verdicts)
{
	struct verdicts *v = verdicts;
	struct verdict *one;

	HASH_FIND(hh, v->all, &e->table, sizeof(e->table), one);
	if (one == NULL)
		one = judge_table(v, e);
	return (one->wanted);
}

void
verdicts_review(struct verdicts *v,
    void (*gone)(const char *database, const char *table, void *arg), void *arg)
{
	struct verdict *one, *tmp;

	HASH_ITER(hh, v->all, one, tmp) {
		if (one->wanted && one->name != NULL) {
			if (v->judge(v->arg, one->database, one->name))
				continue;
			if (gone != NULL)
				gone(one->database, one->name, arg);
		}
		verdict_free(v, one);
	}
}
