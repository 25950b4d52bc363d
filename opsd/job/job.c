#include "config.h"

#include "opsd/job/job.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/worker.h"
#include "common/tls/crypto.h"
#include "opsd/auth/user.h"
#include "opsd/cluster/replication.h"
#include "opsd/job/fetch.h"
#include "opsd/store/group.h"
#include "opsd/store/key.h"
#include "opsd/store/sysrow.h"

#define WAITING_MAX	100		/* jobs that wait for a thread */
#define SAVE_US		1000000
#define REQUEST_MAX	16384		/* bytes of a request that is kept in the row */
#define ROWS_MAX	10000		/* of ended jobs */
#define FORGET_US	60000000

struct jobs {
	struct replication	*rep;
	pthread_mutex_t		 lock;
	LIST_HEAD(, job)	 all;		/* under lock */
	struct workers		*threads;
	_Atomic int		 stopping;
	_Atomic unsigned	 waiting, running;
	_Atomic uint64_t	 forgot_us;	/* when old rows were looked for last */
};

struct job {
	struct jobs		*jobs;
	LIST_ENTRY(job)	 link;
	struct job_spec		 spec;
	char			 id[37];
	pthread_mutex_t		 lock;		/* row and counts: the commit thread adds, too */
	json_t			*row;
	struct job_counts	 counts;
	int			 counted, failed;
	uint64_t		 saved_us;
};

/* ---- rows ---- */

static void
set_time(json_t *row, const char *name)
{
	json_object_set_new(row, name, json_integer((json_int_t)wall_ms()));
}

static void
set_text(json_t *row, const char *name, const char *text)
{
	json_object_set_new(row, name, json_string(text));
}

/* What was asked for, without what is secret or long. */
static json_t *
kept_request(const json_t *body)
{
	static const char *const left_out[] = { "data", "passthrough_headers", "s3" };
	json_t	*copy = json_copy((json_t *)(uintptr_t)body);

	for (size_t i = 0; i < sizeof(left_out) / sizeof(left_out[0]); i++)
		json_object_del(copy, left_out[i]);
	if (json_dumpb(copy, NULL, 0, JSON_COMPACT) > REQUEST_MAX)
		json_object_clear(copy);
	return (copy);
}

/* It waits, or runs: then it has a start_datetime. */
static json_t *
new_row(const char *id, const char *user, const json_t *body, const char *type)
{
	json_t	*row = json_pack("{s:s, s:s, s:s, s:s, s:o}", "id", id, "user", user,
	    "type", type, "status", "IN_PROGRESS", "request", kept_request(body));

	set_time(row, "created_datetime");
	return (row);
}

/* What a row says under "progress", under the lock; NULL: nothing was counted. */
static json_t *
progress_json(const struct job *t)
{
	const struct job_counts	*c = &t->counts;
	json_t				*p;

	if (!t->counted)
		return (NULL);
	p = json_object();
	if (t->spec.did != NULL)
		json_object_update_new(p, json_pack("{s:I, s:I, s:I}", "records",
		    (json_int_t)c->records, t->spec.did, (json_int_t)c->did, "skipped",
		    (json_int_t)c->skipped));
	if (c->bytes > 0)
		json_object_set_new(p, "bytes", json_integer((json_int_t)c->bytes));
	if (c->total_bytes > 0)
		json_object_set_new(p, "total_bytes", json_integer((json_int_t)c->total_bytes));
	return (p);
}

/* The row as it is now, under the lock. */
static void
refresh_row(struct job *t)
{
	json_t	*p = progress_json(t);

	if (p != NULL)
		json_object_set_new(t->row, "progress", p);
}

static void
save_row(struct job *t)
{
	char	*err = NULL;
	json_t	*row;

	pthread_mutex_lock(&t->lock);
	refresh_row(t);
	row = json_copy(t->row);
	pthread_mutex_unlock(&t->lock);
	if (sysrow_put(t->jobs->rep->data, SYS_JOB, row, &err) != 200)
		log_errorx("job %s: its row cannot be written: %s", t->id, err);
	t->saved_us = mono_us();
	free(err);
	json_decref(row);
}

/* ---- for those who do the work ---- */

struct replication *
job_rep(struct job *t)
{
	return (t->jobs->rep);
}

const char *
job_id(const struct job *t)
{
	return (t->id);
}

static void
set_message(struct job *t, json_t *message, int failed)
{
	pthread_mutex_lock(&t->lock);
	json_object_set_new(t->row, "message", message != NULL ? message :
	    json_string("what happened cannot be said in UTF-8"));
	t->failed = failed;
	pthread_mutex_unlock(&t->lock);
}

void
job_message(struct job *t, const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	set_message(t, json_vsprintf(fmt, ap), 0);
	va_end(ap);
}

void
job_fail(struct job *t, const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	set_message(t, json_vsprintf(fmt, ap), 1);
	va_end(ap);
}

void
job_fail_json(struct job *t, json_t *why)
{
	set_message(t, why, 1);
}

int
job_failed(const struct job *t)
{
	return (t->failed);
}

int
job_stopping(const struct job *t)
{
	return (t->jobs->stopping);
}

int
job_stopped(struct job *t)
{
	if (!t->jobs->stopping)
		return (0);
	job_fail(t, "The node was stopped while the job ran: %llu records had been %s",
	    (unsigned long long)t->counts.did, t->spec.did != NULL ? t->spec.did : "done");
	return (1);
}

static void
add_counts(struct job *t, const struct job_counts *more)
{
	t->counts.records += more->records;
	t->counts.did += more->did;
	t->counts.skipped += more->skipped;
	t->counts.bytes += more->bytes;
	t->counts.total_bytes += more->total_bytes;
	t->counted = 1;
}

void
job_progress(struct job *t, const struct job_counts *more)
{
	pthread_mutex_lock(&t->lock);
	add_counts(t, more);
	pthread_mutex_unlock(&t->lock);
	if (mono_us() - t->saved_us >= SAVE_US)
		save_row(t);
}

void
job_progress_in(struct job *t, struct group *g, const struct job_counts *more)
{
	pthread_mutex_lock(&t->lock);
	add_counts(t, more);
	refresh_row(t);
	group_system_put(g, SYS_JOB, t->row);
	pthread_mutex_unlock(&t->lock);
}

struct job_counts
job_counts(struct job *t)
{
	struct job_counts	c;

	pthread_mutex_lock(&t->lock);
	c = t->counts;
	pthread_mutex_unlock(&t->lock);
	return (c);
}

/* ---- rows of old ---- */

struct forget {
	struct commit_job	 commit;	/* first */
	json_t		*ids;
};

static void
forget_rows_run(struct group *g, struct commit_job *j)
{
	struct forget	*f = (struct forget *)j;
	struct table	*t = group_table(g, SYS_JOB);
	json_t		*id;
	size_t		 i;

	json_array_foreach(f->ids, i, id) {
		struct buf		 key = { 0 };
		struct group_row	*gr;

		key_from_json(&key, id);
		gr = group_row(g, t, key.data, key.len);
		if (gr != NULL)
			group_row_forget(gr);
		buf_free(&key);
	}
}

static int64_t
created_ms(const json_t *row)
{
	return (json_integer_value(json_object_get(row, "created_datetime")));
}

static int
newest_first(const void *a, const void *b)
{
	int64_t	x = created_ms(*(json_t *const *)a), y = created_ms(*(json_t *const *)b);

	return (x > y ? -1 : x < y);
}

static int
has_ended(const json_t *row)
{
	const char	*status = json_string_value(json_object_get(row, "status"));

	return (status == NULL || strcmp(status, "IN_PROGRESS") != 0);
}

/* Ids of rows that are too old or too many. */
static json_t *
old_rows(struct replication *rep)
{
	struct conf	 *conf = data_conf(rep->data);
	int64_t		  before = (int64_t)wall_ms() - conf_int(conf, JOBS_RETENTION) * 1000;
	json_t		 *all = sysrow_all(rep->data, SYS_JOB), *ids = json_array();
	size_t		  n = json_array_size(all);
	json_t		**rows = xcalloc(n + 1, sizeof(*rows));

	for (size_t i = 0; i < n; i++)
		rows[i] = json_array_get(all, i);
	qsort(rows, n, sizeof(*rows), newest_first);
	for (size_t i = 0; i < n; i++)
		if ((i >= ROWS_MAX || created_ms(rows[i]) < before) && has_ended(rows[i]))
			json_array_append(ids, json_object_get(rows[i], "id"));
	conf_free(conf);
	free(rows);
	json_decref(all);
	return (ids);
}

static void
forget_old(struct jobs *js)
{
	struct forget	 f = { .commit.run = forget_rows_run };
	uint64_t	 now = mono_us();

	if (js->forgot_us != 0 && now - js->forgot_us < FORGET_US)
		return;
	js->forgot_us = now;
	f.ids = old_rows(js->rep);
	if (json_array_size(f.ids) > 0)
		commit_wait(js->rep->data->commit, &f.commit);
	free(f.commit.error);
	json_decref(f.ids);
}

/* How many records a job of an earlier life did, and what: "5 records had been loaded". */
static char *
what_it_did(const json_t *row)
{
	static const char *const words[] = { "loaded", "exported", "deleted", "copied", "done" };
	const json_t	*progress = json_object_get(row, "progress"), *n;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if ((n = json_object_get(progress, words[i])) != NULL)
			return (xasprintf(": %lld records had been %s",
			    (long long)json_integer_value(n), words[i]));
	return (xstrdup(""));
}

static void
end_earlier(struct jobs *js)
{
	json_t	*all = sysrow_all(js->rep->data, SYS_JOB), *row;
	char	*did, *err = NULL;
	size_t	 i;

	json_array_foreach(all, i, row) {
		if (has_ended(row))
			continue;
		did = what_it_did(row);
		set_text(row, "status", "ERROR");
		set_time(row, "end_datetime");
		json_object_set_new(row, "message", json_sprintf("The node was restarted while "
		    "the job %s%s", json_object_get(row, "start_datetime") != NULL ? "ran" :
		    "waited", did));
		free(did);
		if (sysrow_put(js->rep->data, SYS_JOB, row, &err) != 200)
			log_errorx("job: a row cannot be written: %s", err);
		free(err);
		err = NULL;
	}
	json_decref(all);
}

/* ---- life ---- */

static void
job_free(struct job *t)
{
	pthread_mutex_lock(&t->jobs->lock);
	LIST_REMOVE(t, link);
	pthread_mutex_unlock(&t->jobs->lock);
	if (t->spec.free != NULL)
		t->spec.free(t->spec.arg);
	pthread_mutex_destroy(&t->lock);
	json_decref(t->row);
	free(t);
}

static void
job_end(struct job *t)
{
	if (json_object_get(t->row, "message") == NULL)
		job_message(t, "Successfully completed job: %s", t->id);
	set_text(t->row, "status", t->failed ? "ERROR" : "COMPLETE");
	set_time(t->row, "end_datetime");
	save_row(t);
	forget_old(t->jobs);
}

static void
job_runs(struct job *t)
{
	set_time(t->row, "start_datetime");
}

static void
job_main(void *arg)
{
	struct job	*t = arg;

	t->jobs->waiting--;
	t->jobs->running++;
	if (!t->jobs->stopping) {
		job_runs(t);
		save_row(t);
		t->spec.run(t, t->spec.arg);
	} else
		job_fail(t, "The node was stopped while the job waited");
	job_end(t);
	t->jobs->running--;
	job_free(t);
}

void
jobs_refresh(struct jobs *js, json_t *row)
{
	const char	*id = json_string_value(json_object_get(row, "id"));
	struct job	*t;
	json_t		*p = NULL;

	pthread_mutex_lock(&js->lock);
	LIST_FOREACH(t, &js->all, link)
		if (id != NULL && strcmp(t->id, id) == 0) {
			pthread_mutex_lock(&t->lock);
			p = progress_json(t);
			pthread_mutex_unlock(&t->lock);
		}
	pthread_mutex_unlock(&js->lock);
	if (p != NULL)
		json_object_set_new(row, "progress", p);
}

void
jobs_count(struct jobs *js, unsigned *running, unsigned *waiting)
{
	*running = js->running;
	*waiting = js->waiting;
}

static struct job *
job_new(struct jobs *js, const char *user, const json_t *body, const struct job_spec *spec)
{
	struct job	*t = xcalloc(1, sizeof(*t));

	t->jobs = js;
	t->spec = *spec;
	crypto_uuid(t->id);
	pthread_mutex_init(&t->lock, NULL);
	t->row = new_row(t->id, user, body, spec->type);
	pthread_mutex_lock(&js->lock);
	LIST_INSERT_HEAD(&js->all, t, link);
	pthread_mutex_unlock(&js->lock);
	return (t);
}

int
job_start(struct jobs *js, const char *user, const json_t *body, const struct job_spec *spec,
    char id[JOB_ID_SIZE], char **err)
{
	struct job	*t = job_new(js, user, body, spec);
	int		 status = 503;

	if (js->waiting++ >= WAITING_MAX)
		*err = xasprintf("%d jobs are waiting already, please try again later", WAITING_MAX);
	else
		status = sysrow_put(js->rep->data, SYS_JOB, t->row, err);
	if (status != 200) {
		js->waiting--;
		job_free(t);
		return (status);
	}
	memcpy(id, t->id, JOB_ID_SIZE);
	workers_run(js->threads, job_main, t);
	return (200);
}

struct job *
job_begin(struct jobs *js, const char *user, const json_t *body, const struct job_spec *spec,
    int *status, char **err)
{
	struct job	*t = job_new(js, user, body, spec);

	job_runs(t);
	if ((*status = sysrow_put(js->rep->data, SYS_JOB, t->row, err)) == 200) {
		js->running++;
		return (t);
	}
	job_free(t);
	return (NULL);
}

void
job_finish(struct job *t)
{
	job_end(t);
	t->jobs->running--;
	job_free(t);
}

struct jobs *
jobs_start(struct replication *rep, char **err)
{
	struct jobs	*js;
	struct conf	*conf;

	if (fetch_start(err) == -1)
		return (NULL);
	js = xcalloc(1, sizeof(*js));
	js->rep = rep;
	pthread_mutex_init(&js->lock, NULL);
	conf = data_conf(rep->data);
	end_earlier(js);
	forget_old(js);
	js->threads = workers_start((unsigned)conf_int(conf, JOBS_THREADS), err);
	conf_free(conf);
	if (js->threads != NULL)
		return (js);
	pthread_mutex_destroy(&js->lock);
	free(js);
	return (NULL);
}

void
jobs_stop(struct jobs *js)
{
	if (js == NULL)
		return;
	js->stopping = 1;
	workers_stop(js->threads);
	pthread_mutex_destroy(&js->lock);
	free(js);
}
