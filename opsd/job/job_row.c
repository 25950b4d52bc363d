#include "config.h"

#include "opsd/job/job_priv.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "opsd/cluster/replication.h"
#include "opsd/store/sysrow.h"

#define REQUEST_MAX 16384 /* bytes of a request that is kept in the row */

void
job_row_time(json_t *row, const char *name)
{
	json_object_set_new(row, name, json_integer((json_int_t)wall_ms()));
}

void
job_row_text(json_t *row, const char *name, const char *text)
{
	json_object_set_new(row, name, json_string(text));
}

/* What was asked for, without what is secret or long. */
static json_t *
kept_request(const json_t *body)
{
	static const char *const left_out[] = { "data", "passthrough_headers", "s3" };
	json_t *copy = json_copy((json_t *)(uintptr_t)body);

	for (size_t i = 0; i < sizeof(left_out) / sizeof(left_out[0]); i++)
		json_object_del(copy, left_out[i]);
	if (json_dumpb(copy, NULL, 0, JSON_COMPACT) > REQUEST_MAX)
		json_object_clear(copy);
	return (copy);
}

/* It waits, or runs: then it has a start_datetime. */
json_t *
job_row_new(const char *id, const char *user, const json_t *body, const char *type)
{
	json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:o}", "id", id, "user", user, "type", type,
	    "status", "IN_PROGRESS", "request", kept_request(body));

	job_row_time(row, "created_datetime");
	return (row);
}

json_t *
job_row_progress(const struct job *t)
{
	const struct job_counts *c = &t->counts;
	json_t *p;

	if (!t->counted)
		return (NULL);
	p = json_object();
	if (t->spec.did != NULL)
		json_object_update_new(p,
		    json_pack("{s:I, s:I, s:I}", "records", (json_int_t)c->records, t->spec.did,
			(json_int_t)c->did, "skipped", (json_int_t)c->skipped));
	if (c->bytes > 0)
		json_object_set_new(p, "bytes", json_integer((json_int_t)c->bytes));
	if (c->total_bytes > 0)
		json_object_set_new(p, "total_bytes", json_integer((json_int_t)c->total_bytes));
	return (p);
}

void
job_row_refresh(struct job *t)
{
	json_t *p = job_row_progress(t);

	if (p != NULL)
		json_object_set_new(t->row, "progress", p);
}

void
job_row_save(struct job *t)
{
	char *err = NULL;
	json_t *row;

	pthread_mutex_lock(&t->lock);
	job_row_refresh(t);
	row = json_copy(t->row);
	pthread_mutex_unlock(&t->lock);
	if (sysrow_put(t->jobs->rep->data, SYS_JOB, row, &err) != 200)
		log_errorx("job %s: its row cannot be written: %s", t->id, err);
	t->saved_us = mono_us();
	free(err);
	json_decref(row);
}
