#include "config.h"

#include "opsd/job/job_priv.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "opsd/cluster/replication.h"
#include "opsd/store/group.h"
#include "opsd/store/key.h"
#include "opsd/store/sysrow.h"

/* The rows of jobs that ended. */

#define ROWS_MAX  10000
#define FORGET_US 60000000

struct forget {
	struct commit_job commit; /* first */
	json_t *ids;
};

static void
forget_rows_run(struct group *g, struct commit_job *j)
{
	struct forget *f = (struct forget *)j;
	struct table *t = group_table(g, SYS_JOB);
	json_t *id;
	size_t i;

	json_array_foreach(f->ids, i, id) {
		struct buf key = { 0 };
		struct group_row *gr;

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
	int64_t x = created_ms(*(json_t *const *)a), y = created_ms(*(json_t *const *)b);

	return (x > y ? -1 : x < y);
}

static int
has_ended(const json_t *row)
{
	const char *status = json_string_value(json_object_get(row, "status"));

	return (status == NULL || strcmp(status, "IN_PROGRESS") != 0);
}

/* Ids of rows that are too old or too many. */
static json_t *
old_rows(struct replication *rep)
{
	struct conf *conf = data_conf(rep->data);
	int64_t before = (int64_t)wall_ms() - conf_int(conf, JOBS_RETENTION) * 1000;
	json_t *all = sysrow_all(rep->data, SYS_JOB), *ids = json_array();
	size_t n = json_array_size(all);
	json_t **rows = xcalloc(n + 1, sizeof(*rows));

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

void
job_old_forget(struct jobs *js)
{
	struct forget f = { .commit.run = forget_rows_run };
	uint64_t now = mono_us();

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
	const json_t *progress = json_object_get(row, "progress"), *n;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if ((n = json_object_get(progress, words[i])) != NULL)
			return (xasprintf(": %lld records had been %s",
			    (long long)json_integer_value(n), words[i]));
	return (xstrdup(""));
}

void
job_old_end(struct jobs *js)
{
	json_t *all = sysrow_all(js->rep->data, SYS_JOB), *row;
	char *did, *err = NULL;
	size_t i;

	json_array_foreach(all, i, row) {
		if (has_ended(row))
			continue;
		did = what_it_did(row);
		job_row_text(row, "status", "ERROR");
		job_row_time(row, "end_datetime");
		json_object_set_new(row, "message",
		    json_sprintf("The node was restarted while "
				 "the job %s%s",
			json_object_get(row, "start_datetime") != NULL ? "ran" : "waited", did));
		free(did);
		if (sysrow_put(js->rep->data, SYS_JOB, row, &err) != 200)
			log_errorx("job: a row cannot be written: %s", err);
		free(err);
		err = NULL;
	}
	json_decref(all);
}
