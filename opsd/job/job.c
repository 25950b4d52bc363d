#include "config.h"

#include "opsd/job/job_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/worker.h"
#include "common/tls/crypto.h"
#include "opsd/cluster/replication.h"
#include "opsd/job/fetch.h"
#include "opsd/store/group.h"
#include "opsd/store/sysrow.h"

#define WAITING_MAX 100 /* jobs that wait for a thread */
#define SAVE_US     1000000

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
	json_object_set_new(t->row, "message",
	    message != NULL ? message : json_string("what happened cannot be said in UTF-8"));
	t->failed = failed;
	pthread_mutex_unlock(&t->lock);
}

void
job_message(struct job *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set_message(t, json_vsprintf(fmt, ap), 0);
	va_end(ap);
}

void
job_fail(struct job *t, const char *fmt, ...)
{
	va_list ap;

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
		job_row_save(t);
}

void
job_progress_in(struct job *t, struct group *g, const struct job_counts *more)
{
	pthread_mutex_lock(&t->lock);
	add_counts(t, more);
	job_row_refresh(t);
	group_system_put(g, SYS_JOB, t->row);
	pthread_mutex_unlock(&t->lock);
}

struct job_counts
job_counts(struct job *t)
{
	struct job_counts c;

	pthread_mutex_lock(&t->lock);
	c = t->counts;
	pthread_mutex_unlock(&t->lock);
	return (c);
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
	job_row_text(t->row, "status", t->failed ? "ERROR" : "COMPLETE");
	job_row_time(t->row, "end_datetime");
	job_row_save(t);
	job_old_forget(t->jobs);
}

static void
set_started(struct job *t)
{
	job_row_time(t->row, "start_datetime");
}

static void
job_main(void *arg)
{
	struct job *t = arg;

	t->jobs->waiting--;
	t->jobs->running++;
	if (!t->jobs->stopping) {
		set_started(t);
		job_row_save(t);
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
	const char *id = json_string_value(json_object_get(row, "id"));
	struct job *t;
	json_t *p = NULL;

	pthread_mutex_lock(&js->lock);
	LIST_FOREACH(t, &js->all, link)
		if (id != NULL && strcmp(t->id, id) == 0) {
			pthread_mutex_lock(&t->lock);
			p = job_row_progress(t);
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
	struct job *t = xcalloc(1, sizeof(*t));

	t->jobs = js;
	t->spec = *spec;
	crypto_uuid(t->id);
	pthread_mutex_init(&t->lock, NULL);
	t->row = job_row_new(t->id, user, body, spec->type);
	pthread_mutex_lock(&js->lock);
	LIST_INSERT_HEAD(&js->all, t, link);
	pthread_mutex_unlock(&js->lock);
	return (t);
}

int
job_start(struct jobs *js, const char *user, const json_t *body, const struct job_spec *spec,
    char id[JOB_ID_SIZE], char **err)
{
	struct job *t = job_new(js, user, body, spec);
	int status = 503;

	if (js->waiting++ >= WAITING_MAX)
		*err = xasprintf("%d jobs are waiting already, please try again later",
		    WAITING_MAX);
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
	struct job *t = job_new(js, user, body, spec);

	set_started(t);
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
	struct jobs *js;
	struct conf *conf;

	if (fetch_start(err) == -1)
		return (NULL);
	js = xcalloc(1, sizeof(*js));
	js->rep = rep;
	pthread_mutex_init(&js->lock, NULL);
	conf = data_conf(rep->data);
	job_old_end(js);
	job_old_forget(js);
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
