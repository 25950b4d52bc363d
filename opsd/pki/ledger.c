#include "config.h"

#include "opsd/pki/ledger.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/store/data.h"
#include "opsd/store/group.h"

#define PREFIX 'P'

static const char letters[LEDGER_KINDS] = { 'I', 'R', 'A' };

struct ledger {
	struct data *data;
	pthread_mutex_t lock;
	json_t *kinds[LEDGER_KINDS]; /* {key: record} */
	_Atomic uint64_t changes;
};

/* ---- loading ---- */

static int
load_record(struct ledger *l, const uint8_t *key, size_t klen, const void *value, size_t vlen)
{
	const char *kind = klen > 2 ? memchr(letters, key[1], sizeof(letters)) : NULL;
	json_t *record = kind != NULL ? json_loadb(value, vlen, 0, NULL) : NULL;

	if (!json_is_object(record)) {
		json_decref(record);
		return (-1);
	}
	return (json_object_setn_new(l->kinds[kind - letters], (const char *)key + 2, klen - 2,
	    record));
}

struct ledger *
ledger_load(struct data *data, char **err)
{
	static const char first[] = { PREFIX }, last[] = { PREFIX + 1 };
	struct ledger *l = xcalloc(1, sizeof(*l));
	struct store_iter *it = store_iter_new(data->store, NULL, CF_META, first, 1, last, 1);
	const uint8_t *key, *value;
	size_t klen, vlen;
	int bad = 0;

	l->data = data;
	pthread_mutex_init(&l->lock, NULL);
	for (int i = 0; i < LEDGER_KINDS; i++)
		l->kinds[i] = json_object();
	for (store_iter_first(it); store_iter_valid(it) && !bad; store_iter_next(it)) {
		key = store_iter_key(it, &klen);
		value = store_iter_value(it, &vlen);
		bad = load_record(l, key, klen, value, vlen) == -1;
	}
	bad |= store_iter_failed(it);
	store_iter_free(it);
	if (!bad)
		return (l);
	*err = xstrdup("the store's records of certificates cannot be read");
	ledger_free(l);
	return (NULL);
}

void
ledger_free(struct ledger *l)
{
	if (l == NULL)
		return;
	for (int i = 0; i < LEDGER_KINDS; i++)
		json_decref(l->kinds[i]);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

/* ---- reading ---- */

json_t *
ledger_get(struct ledger *l, enum ledger_kind kind, const char *key)
{
	json_t *record;

	pthread_mutex_lock(&l->lock);
	record = json_deep_copy(json_object_get(l->kinds[kind], key));
	pthread_mutex_unlock(&l->lock);
	return (record);
}

json_t *
ledger_all(struct ledger *l, enum ledger_kind kind)
{
	json_t *all;

	pthread_mutex_lock(&l->lock);
	all = json_deep_copy(l->kinds[kind]);
	pthread_mutex_unlock(&l->lock);
	return (all);
}

size_t
ledger_count(struct ledger *l, enum ledger_kind kind)
{
	size_t n;

	pthread_mutex_lock(&l->lock);
	n = json_object_size(l->kinds[kind]);
	pthread_mutex_unlock(&l->lock);
	return (n);
}

int
ledger_has(struct ledger *l, enum ledger_kind kind, const char *key)
{
	int has;

	pthread_mutex_lock(&l->lock);
	has = json_object_get(l->kinds[kind], key) != NULL;
	pthread_mutex_unlock(&l->lock);
	return (has);
}

/* ---- writing ---- */

struct ledger_job {
	struct commit_job job; /* first */
	const struct ledger_change *changes;
	size_t n;
};

static void
stage_change(struct group *g, const struct ledger_change *c)
{
	struct buf key = { 0 };
	char *text = c->record != NULL ? json_dumps(c->record, JSON_COMPACT) : NULL;

	buf_u8(&key, PREFIX);
	buf_u8(&key, (uint8_t)letters[c->kind]);
	buf_add(&key, c->key, strlen(c->key));
	if (text != NULL)
		store_batch_put(group_batch(g), CF_META, key.data, key.len, text, strlen(text));
	else
		store_batch_delete(group_batch(g), CF_META, key.data, key.len);
	buf_free(&key);
	free(text);
}

static void
ledger_run(struct group *g, struct commit_job *j)
{
	struct ledger_job *job = (struct ledger_job *)j;

	for (size_t i = 0; i < job->n; i++)
		stage_change(g, &job->changes[i]);
	j->status = 200;
}

static void
keep_change(struct ledger *l, const struct ledger_change *c)
{
	if (c->record != NULL)
		json_object_set_new(l->kinds[c->kind], c->key, json_deep_copy(c->record));
	else
		json_object_del(l->kinds[c->kind], c->key);
	l->changes += c->kind == LEDGER_AUTHORITY || c->kind == LEDGER_REVOKED;
}

int
ledger_write(struct ledger *l, const struct ledger_change *changes, size_t n, char **err)
{
	struct ledger_job job = { .job.run = ledger_run, .changes = changes, .n = n };
	int status = n > 0 ? commit_wait(l->data->commit, &job.job) : 200;

	if (status != 200) {
		*err = job.job.error != NULL ? job.job.error : xstrdup("not written");
		return (status);
	}
	free(job.job.error);
	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; i < n; i++)
		keep_change(l, &changes[i]);
	pthread_mutex_unlock(&l->lock);
	return (200);
}

uint64_t
ledger_changes(const struct ledger *l)
{
	return (l->changes);
}
