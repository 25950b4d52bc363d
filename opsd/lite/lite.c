#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/iso.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/tls/crypto.h"
#include "opsd/lite/lite_priv.h"
#include "opsd/lite/litedb.h"
#include "opsd/store/queue.h"

/*
 * The files of the node.  In the store each has a record: CF_QUEUE, be32 0, be32 number -> JSON.
 * No table has the id 0.
 */
#define STOP_SECONDS 10

struct lite {
	struct data *data;
	pthread_mutex_t lock; /* of the list */
	struct litefile *files;
	unsigned last_number;
	int stopping;
};

/* ---- what is kept ---- */

static void
record_key(struct buf *k, unsigned number)
{
	buf_be32(k, 0);
	buf_be32(k, number);
}

void
lite_save(struct group *g, struct litefile *f, const char *token)
{
	struct buf k = { 0 };
	json_t *o =
	    json_pack("{s:s, s:s, s:s, s:s, s:b, s:O*, s:O, s:I, s:s*, s:I, s:s*, s:I, s:I}",
		"database", f->database, "asked", f->asked, "path", f->path, "id", f->id, "all",
		f->all, "names", f->names, "tables", f->known, "last_number",
		(json_int_t)f->last_number, "token", token, "generation", (json_int_t)f->generation,
		"held", f->held, "verified", (json_int_t)f->figures.verified_ms, "differing",
		(json_int_t)f->figures.differing);
	char *text = json_dumps(o, JSON_COMPACT);

	record_key(&k, f->number);
	store_batch_put(group_batch(g), CF_QUEUE, k.data, k.len, text, strlen(text));
	free(text);
	json_decref(o);
	buf_free(&k);
}

void
lite_forget(struct group *g, struct litefile *f)
{
	struct buf k = { 0 };

	record_key(&k, f->number);
	store_batch_delete(group_batch(g), CF_QUEUE, k.data, k.len);
	buf_free(&k);
}

struct lite_saving {
	struct commit_job job; /* first */
	struct litefile *f;
	const char *token;
};

static void
save_run(struct group *g, struct commit_job *j)
{
	struct lite_saving *s = (struct lite_saving *)j;

	lite_save(g, s->f, s->token);
}

int
lite_save_wait(struct litefile *f, const char *token)
{
	struct lite_saving s = { .f = f, .token = token };
	int status;

	if (lite_stopping(f))
		return (-1);
	s.job.run = save_run;
	status = commit_wait(f->data->commit, &s.job);
	free(s.job.error);
	return (status == 200 ? 0 : -1);
}

int
lite_stopping(const struct litefile *f)
{
	return (f->abandoned);
}

void
lite_held_off(struct litefile *f, int busy)
{
	f->busy += busy != 0;
	if (!busy)
		f->held_off_us = 0;
	else if (f->held_off_us == 0)
		f->held_off_us = mono_us();
}

void
lite_say(struct litefile *f, char *state)
{
	int new;

	litedb_utf8(state);
	pthread_mutex_lock(&f->lock_shared);
	new = f->state == NULL || strcmp(f->state, state) != 0;
	if (new) {
		free(f->state);
		f->state = xstrdup(state);
	}
	pthread_mutex_unlock(&f->lock_shared);
	if (new &&strcmp(state, "ok") == 0)
		log_info("sqlite %s: ok", f->path);
	else if (new)
		log_warnx("sqlite %s: %s", f->path, state);
	free(state);
}

/* ---- files ---- */

static struct litefile *
file_new(struct lite *l, const char *database, const char *path)
{
	struct litefile *f = xcalloc(1, sizeof(*f));

	f->lite = l;
	f->data = l->data;
	f->figures.verified_ms = wall_ms();
	f->database = xstrdup(database);
	f->asked = xstrdup(path);
	f->path = xstrdup(path);
	f->known = json_array();
	f->lock = -1;
	pthread_mutex_init(&f->lock_shared, NULL);
	litewait_open(&f->wait);
	return (f);
}

/* Its thread has ended. */
static void
file_free(struct litefile *f)
{
	litefill_clear(f);
	buf_free(&f->fill_last);
	buf_free(&f->compare.last);
	json_decref(f->names);
	json_decref(f->known);
	json_decref(f->shown);
	pthread_mutex_destroy(&f->lock_shared);
	litewait_close(&f->wait);
	free(f->database);
	free(f->path);
	free(f->asked);
	free(f->state);
	free(f->token);
	free(f->held);
	free(f->fault);
	free(f);
}

/* The tables of one that was attached before are so from the start: nothing that comes is missed. */
static void
follow_known(struct litefile *f)
{
	json_t *o;
	size_t i;

	json_array_foreach(f->known, i, o) {
		uint32_t id = (uint32_t)json_integer_value(json_object_get(o, "id"));
		struct table *t = catalog_by_id(f->data->catalog, id);

		if (t == NULL)
			continue;
		t->stat->file = f->number;
		t->stat->file_pending = queue_count(f->data->store, id);
		table_unref(t);
	}
}

static void
load_lite_file(struct lite *l, unsigned number, const uint8_t *p, size_t n)
{
	json_t *o = json_loadb((const char *)p, n, 0, NULL), *names, *known;
	const char *database, *asked, *path, *id, *token = NULL, *held = NULL;
	json_int_t last = 0, generation = 0, verified = 0, differing = 0;
	struct litefile *f;
	int all = 0;

	if (json_unpack(o, "{s:s, s:s, s:s, s:s, s:b, s:o, s:I, s?s, s:I, s?s, s?I, s?I}",
		"database", &database, "asked", &asked, "path", &path, "id", &id, "all", &all,
		"tables", &known, "last_number", &last, "token", &token, "generation", &generation,
		"held", &held, "verified", &verified, "differing", &differing) == -1) {
		log_errorx("sqlite: the record of file %u is broken", number);
		json_decref(o);
		return;
	}
	f = file_new(l, database, asked);
	free(f->path);
	f->path = xstrdup(path);
	f->number = number;
	f->all = all;
	f->last_number = (unsigned)last;
	f->token = xstrdup(token);
	f->held = xstrdup(held);
	f->generation = (uint64_t)generation;
	f->figures.verified_ms = (uint64_t)verified;
	f->figures.differing = (uint64_t)differing;
	memcpy(f->id, id, strnlen(id, sizeof(f->id) - 1));
	json_decref(f->known);
	f->known = json_deep_copy(known);
	names = json_object_get(o, "names");
	f->names = names != NULL ? json_deep_copy(names) : NULL;
	follow_known(f);
	f->next = l->files;
	l->files = f;
	json_decref(o);
}

static void
load_lite_files(struct lite *l)
{
	struct buf from = { 0 }, to = { 0 };
	struct store_iter *it;

	buf_be32(&from, 0);
	buf_be32(&to, 1);
	it = store_iter_new(l->data->store, NULL, CF_QUEUE, from.data, from.len, to.data, to.len);
	for (store_iter_first(it); store_iter_valid(it); store_iter_next(it)) {
		size_t klen, n;
		const uint8_t *key = store_iter_key(it, &klen), *value = store_iter_value(it, &n);
		struct rd r = rd_init(key + 4, klen - 4);
		unsigned number = rd_be32(&r);

		l->last_number = number;
		load_lite_file(l, number, value, n);
	}
	store_iter_free(it);
	buf_free(&from);
	buf_free(&to);
}

static void
on_queued(void *arg)
{
	struct lite *l = arg;
	struct litefile *f;

	pthread_mutex_lock(&l->lock);
	for (f = l->files; f != NULL; f = f->next) {
		pthread_mutex_lock(&f->lock_shared);
		f->woken = 1;
		litewait_wake(&f->wait);
		pthread_mutex_unlock(&f->lock_shared);
	}
	pthread_mutex_unlock(&l->lock);
}

static int
run_thread(struct litefile *f)
{
	if (pthread_create(&f->thread, NULL, litethread_main, f) == 0)
		return (0);
	log_errorx("sqlite %s: there is no thread for it", f->path);
	f->ended = 1;
	return (-1);
}

struct lite *
lite_start(struct data *data)
{
	struct lite *l = xcalloc(1, sizeof(*l));
	struct litefile *f;

	l->data = data;
	pthread_mutex_init(&l->lock, NULL);
	load_lite_files(l);
	data->queued_arg = l;
	data->queued = on_queued;
	for (f = l->files; f != NULL; f = f->next)
		run_thread(f);
	return (l);
}

/* Those whose threads have ended leave. */
static void
reap_files(struct lite *l)
{
	struct litefile **at = &l->files, *f;
	int ended;

	while ((f = *at) != NULL) {
		pthread_mutex_lock(&f->lock_shared);
		ended = f->ended;
		pthread_mutex_unlock(&f->lock_shared);
		if (!ended) {
			at = &f->next;
			continue;
		}
		*at = f->next;
		pthread_join(f->thread, NULL);
		file_free(f);
	}
}

void
lite_stop(struct lite *l)
{
	struct timespec until;
	struct litefile *f, *next;

	if (l == NULL)
		return;
	pthread_mutex_lock(&l->lock);
	l->stopping = 1;
	for (f = l->files; f != NULL; f = f->next) {
		pthread_mutex_lock(&f->lock_shared);
		f->stop = 1;
		litewait_wake(&f->wait);
		pthread_mutex_unlock(&f->lock_shared);
	}
	pthread_mutex_unlock(&l->lock);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += STOP_SECONDS;
	for (f = l->files; f != NULL; f = next) {
		next = f->next;
		if (pthread_timedjoin_np(f->thread, NULL, &until) == 0) {
			pthread_mutex_lock(&l->lock);
			l->files = next;
			pthread_mutex_unlock(&l->lock);
			file_free(f);
			continue;
		}
		/* It hangs on its file: it may not touch anything when it comes back. */
		f->abandoned = 1;
		log_warnx("sqlite %s: its disk does not answer: not waited for", f->asked);
		l->files = next;
	}
}

void
lite_free(struct lite *l)
{
	if (l == NULL || l->files != NULL)
		return;
	pthread_mutex_destroy(&l->lock);
	free(l);
}

/* ---- what is asked ---- */

char *
lite_not_attached(const char *database, const char *path)
{
	return (xasprintf("'path' %s is not attached to '%s'", path, database));
}

void
lite_leave(struct litefile *f)
{
	pthread_mutex_lock(&f->lock_shared);
	f->left = 1;
	pthread_mutex_unlock(&f->lock_shared);
}

static int
lite_has_left(struct litefile *f)
{
	int left;

	pthread_mutex_lock(&f->lock_shared);
	left = f->left;
	pthread_mutex_unlock(&f->lock_shared);
	return (left);
}

/* 0: it is attached no more. */
static int
add_command(struct litefile *f, struct litecommand *c)
{
	struct litecommand **at;
	int left;

	pthread_mutex_lock(&f->lock_shared);
	left = f->left;
	for (at = &f->commands; *at != NULL; at = &(*at)->next)
		;
	if (!left) {
		*at = c;
		litewait_wake(&f->wait);
	}
	pthread_mutex_unlock(&f->lock_shared);
	return (!left);
}

static struct litefile *
find_file(struct lite *l, const char *database, const char *path)
{
	struct litefile *f;

	for (f = l->files; f != NULL; f = f->next)
		if (strcmp(f->database, database) == 0 && strcmp(f->asked, path) == 0 &&
		    !lite_has_left(f))
			break;
	return (f);
}

char *
lite_attach(struct lite *l, const struct lite_attach *a, int *status)
{
	struct litefile *f;
	char *why = NULL;

	pthread_mutex_lock(&l->lock);
	reap_files(l);
	if (l->stopping) {
		*status = 503;
		why = xstrdup("the node is stopping");
	} else if (find_file(l, a->database, a->path) != NULL) {
		*status = 409;
		why = xasprintf("'path' %s is attached to '%s' already", a->path, a->database);
	} else {
		f = file_new(l, a->database, a->path);
		f->number = ++l->last_number;
		f->all = a->tables == NULL;
		f->names = json_deep_copy(a->tables);
		crypto_random_hex(f->id, 16);
		f->attach = xmemdup(a, sizeof(*a));
		f->attach->database = xstrdup(a->database);
		f->attach->path = xstrdup(a->path);
		f->attach->tables = NULL;
		f->next = l->files;
		if (run_thread(f) == 0)
			l->files = f;
		else {
			*status = 503;
			why = xstrdup("there is no thread for it");
			file_free(f);
		}
	}
	pthread_mutex_unlock(&l->lock);
	return (why);
}

static char *
send_command(struct lite *l, const char *database, const char *path, struct litecommand *c,
    int *status)
{
	struct litefile *f;
	char *why = NULL;

	pthread_mutex_lock(&l->lock);
	reap_files(l);
	f = find_file(l, database, path);
	if (l->stopping) {
		*status = 503;
		why = xstrdup("the node is stopping");
		free(c);
	} else if (f == NULL || !add_command(f, c)) {
		*status = 404;
		why = lite_not_attached(database, path);
		free(c);
	}
	pthread_mutex_unlock(&l->lock);
	return (why);
}

static struct litecommand *
command_new(enum lite_command_kind kind, lite_done *done, void *arg)
{
	struct litecommand *c = xcalloc(1, sizeof(*c));

	c->kind = kind;
	c->done = done;
	c->arg = arg;
	return (c);
}

char *
lite_detach(struct lite *l, const char *database, const char *path, lite_done *done, void *arg,
    int *status)
{
	return (send_command(l, database, path, command_new(LITE_DETACH, done, arg), status));
}

char *
lite_verify(struct lite *l, const char *database, const char *path, enum lite_repair repair,
    lite_done *done, void *arg, int *status)
{
	struct litecommand *c = command_new(LITE_VERIFY, done, arg);

	c->repair = repair;
	return (send_command(l, database, path, c, status));
}

static json_t *
status_of(const struct litefile *f)
{
	const struct lite_figures *n = &f->shown_figures;
	char verified[ISO_TEXT];

	return (json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:I, "
			  "s:O*}",
	    "database", f->database, "path", f->asked, "state", f->state, "log_rows",
	    (json_int_t)n->log, "log_oldest_ms", (json_int_t)n->oldest_ms, "pending_rows",
	    (json_int_t)n->queued, "refused_rows", (json_int_t)n->refused, "captured_rows",
	    (json_int_t)n->captured, "applied_rows", (json_int_t)n->applied, "busy",
	    (json_int_t)n->busy, "wal_bytes", (json_int_t)n->wal_bytes, "file_bytes",
	    (json_int_t)n->file_bytes, "verified", iso_text((int64_t)n->verified_ms, verified),
	    "differing_rows", (json_int_t)n->differing, "tables", f->shown));
}

json_t *
lite_status(struct lite *l)
{
	json_t *list = json_array();
	struct litefile *f;

	pthread_mutex_lock(&l->lock);
	for (f = l->files; f != NULL; f = f->next) {
		pthread_mutex_lock(&f->lock_shared);
		if (!f->left && f->state != NULL)
			json_array_append_new(list, status_of(f));
		pthread_mutex_unlock(&f->lock_shared);
	}
	pthread_mutex_unlock(&l->lock);
	return (list);
}

void
lite_each(struct lite *l,
    void (*fn)(void *arg, const char *database, const char *path, int ok,
	const struct lite_figures *figures),
    void *arg)
{
	struct litefile *f;

	pthread_mutex_lock(&l->lock);
	for (f = l->files; f != NULL; f = f->next) {
		pthread_mutex_lock(&f->lock_shared);
		if (!f->left && f->state != NULL)
			fn(arg, f->database, f->asked, strcmp(f->state, "ok") == 0,
			    &f->shown_figures);
		pthread_mutex_unlock(&f->lock_shared);
	}
	pthread_mutex_unlock(&l->lock);
}
