#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/iso.h"
#include "common/base/mem.h"
#include "opsd/auth/user.h"
#include "opsd/job/job.h"
#include "opsd/op/node.h"
#include "opsd/op/op_job.h"
#include "opsd/store/sysrow.h"

#define DAY_MS 86400000

/* Others' jobs are nobody's business but a super_user's. */
static int
may_see(const struct request *r, const json_t *row)
{
	const char *owner = json_string_value(json_object_get(row, "user"));

	return (r->user->super_user || (owner != NULL && strcmp(owner, r->user->name) == 0));
}

static void
get_job(struct request *r)
{
	struct faults f = { 0 };
	const char *id = field_string(&f, r->body, "id", 1);
	json_t *list, *row;

	if (faults_answer(r, &f))
		return;
	list = json_array();
	row = sysrow_get(&r->ops->data, SYS_JOB, id);
	if (row != NULL && may_see(r, row)) {
		json_object_del(row, "request");
		jobs_refresh(r->ops->jobs, row);
		json_array_append(list, row);
	}
	json_decref(row);
	reply_json(r, 200, list);
}

/* A day given as the end is meant whole. */
static int64_t
read_date(struct faults *f, const json_t *body, const char *name, const char *word, int end)
{
	const char *s = field_string(f, body, name, 1);
	int64_t ms;
	int day;

	if (s == NULL)
		return (0);
	ms = iso_ms(s, &day);
	if (ms == -1)
		fault(f, "Invalid '%s' date, must be in ISO-8601 format (YYYY-MM-DD).", word);
	else if (day && end)
		ms += DAY_MS - 1;
	return (ms);
}

/* A job that still waits has no start: when it was asked for, then. */
static int64_t
started_ms(const json_t *row)
{
	const json_t *v = json_object_get(row, "start_datetime");

	if (v == NULL)
		v = json_object_get(row, "created_datetime");
	return (json_integer_value(v));
}

static int
by_start(const void *a, const void *b)
{
	int64_t x = started_ms(*(json_t *const *)a), y = started_ms(*(json_t *const *)b);

	return (x < y ? -1 : x > y);
}

static void
search_jobs(struct request *r)
{
	struct faults f = { 0 };
	int64_t from = read_date(&f, r->body, "from_date", "from", 0);
	int64_t to = read_date(&f, r->body, "to_date", "to", 1);
	json_t *all, *row, *list, **found;
	size_t i, n = 0;

	if (faults_answer(r, &f))
		return;
	all = sysrow_all(&r->ops->data, SYS_JOB);
	found = xcalloc(json_array_size(all) + 1, sizeof(*found));
	json_array_foreach(all, i, row)
		if (started_ms(row) >= from && started_ms(row) <= to)
			found[n++] = row;
	qsort(found, n, sizeof(*found), by_start);
	list = json_array();
	for (i = 0; i < n; i++) {
		json_object_del(found[i], "request");
		jobs_refresh(r->ops->jobs, found[i]);
		json_array_append(list, found[i]);
	}
	free(found);
	json_decref(all);
	reply_json(r, 200, list);
}

void
op_job_start(struct request *r, const struct job_spec *spec)
{
	char id[JOB_ID_SIZE], *err = NULL;
	int status = job_start(r->ops->jobs, r->user->name, r->body, spec, id, &err);

	if (status != 200)
		reply_error(r, status, "%s", err);
	else
		reply_json(r, 200,
		    json_pack("{s:o, s:s}", "message",
			spec->message != NULL ? json_string(spec->message) :
						json_sprintf("Starting job with id %s", id),
			"job_id", id));
	free(err);
}

const struct op ops_job[] = {
	{ "get_job", "handleGetJob", RIGHT_ANYONE, ON_HTTP, get_job },
	{ "search_jobs_by_start_date", "handleGetJobsByStartDate", RIGHT_SUPER, ON_WORKER,
	    search_jobs },
	{ NULL },
};
