#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/iso.h"
#include "common/base/mem.h"
#include "opsd/auth/user.h"
#include "opsd/job/forget.h"
#include "opsd/op/node.h"
#include "opsd/op/op_cluster.h"
#include "opsd/op/op_job.h"
#include "opsd/op/op_table.h"
#include "opsd/store/group.h"

/* What is older than a time goes: audit entries, transactions, rows.  Jobs, all of them. */

struct before {
	struct table *table;
	char *user;
	uint64_t ms;
	int force;
};

static void
before_free(void *arg)
{
	struct before *b = arg;

	table_unref(b->table);
	free(b->user);
	free(b);
}

/* "timestamp" in milliseconds.  What comes after now is not old: it would be written meanwhile. */
static uint64_t
read_timestamp(struct faults *f, const json_t *body)
{
	const json_t *v = json_object_get(body, "timestamp");
	uint64_t now = wall_ms();
	double ms = json_number_value(v);

	if (v == NULL)
		fault(f, "'timestamp' is required");
	else if (!json_is_number(v))
		fault(f, "'timestamp' must be a number");
	else if (ms < 0)
		fault(f, "'timestamp' must be greater than or equal to 0");
	return (ms < (double)now ? (uint64_t)(ms > 0 ? ms : 0) : now);
}

/* Takes the table. */
static void
start_before(struct request *r, struct table *t, uint64_t ms, int force,
    void (*run)(struct job *t, void *arg))
{
	struct before *b = xcalloc(1, sizeof(*b));
	struct job_spec spec = {
		.type = r->op->name,
		.did = "deleted",
		.run = run,
		.free = before_free,
		.arg = b,
	};

	*b =
	    (struct before){ .table = t, .user = xstrdup(r->user->name), .ms = ms, .force = force };
	op_job_start(r, &spec);
}

/* ---- the audit log ---- */

struct trim {
	struct commit_job job; /* first */
	struct buf from, to;
};

static void
trim_run(struct group *g, struct commit_job *j)
{
	struct trim *tr = (struct trim *)j;

	store_batch_delete_range(group_batch(g), CF_AUDIT, tr->from.data, tr->from.len, tr->to.data,
	    tr->to.len);
}

static uint64_t
count_keys(struct data *data, enum store_cf cf, const struct buf *from, const struct buf *to)
{
	struct store_iter *it = store_iter_new(data->store, NULL, cf, from->data, from->len,
	    to->data, to->len);
	uint64_t n = 0;

	for (store_iter_first(it); store_iter_valid(it); store_iter_next(it))
		n++;
	store_iter_free(it);
	return (n);
}

static void
trim_audit_run(struct job *t, void *arg)
{
	struct before *b = arg;
	struct data *data = job_rep(t)->data;
	struct trim tr = { .job.run = trim_run };
	struct job_counts c = { 0 };

	buf_be32(&tr.from, b->table->id);
	buf_be32(&tr.to, b->table->id);
	buf_be64(&tr.to, b->ms << 16);
	c.records = c.did = count_keys(data, CF_AUDIT, &tr.from, &tr.to);
	if (c.did == 0 || commit_wait(data->commit, &tr.job) == 200) {
		job_progress(t, &c);
		job_message(t,
		    "Successfully completed: %llu audit log entries of '%s.%s' were "
		    "deleted",
		    (unsigned long long)c.did, b->table->database, b->table->name);
	} else
		job_fail(t, "%s", tr.job.error);
	free(tr.job.error);
	buf_free(&tr.from);
	buf_free(&tr.to);
}

static void
delete_audit_logs_before(struct request *r)
{
	struct faults f = { 0 };
	uint64_t ms = read_timestamp(&f, r->body);
	struct table *t = op_table(r, &f, 400, 404);

	if (t != NULL)
		start_before(r, t, ms, 0, trim_audit_run);
}

/* ---- the transaction log ---- */

static void
trim_log(struct job *t, void *arg)
{
	struct before *b = arg;
	struct job_counts c = { 0 };
	char *err = NULL;
	int64_t n = op_purge_before(job_rep(t), b->table, b->user, b->ms, b->force, &err);

	if (n == -1)
		job_fail(t, "%s", err);
	else {
		c.records = c.did = (uint64_t)n;
		job_progress(t, &c);
		job_message(t, "Successfully completed: %lld transactions of '%s.%s' were deleted",
		    (long long)n, b->table->database, b->table->name);
	}
	free(err);
}

static void
delete_transaction_logs_before(struct request *r)
{
	struct faults f = { 0 };
	uint64_t ms = read_timestamp(&f, r->body);
	int force = field_bool(&f, r->body, "force", 0) == 1;
	struct table *t = op_table(r, &f, 400, 404);

	if (t != NULL)
		start_before(r, t, ms, force, trim_log);
}

/* ---- rows ---- */

static void
forget_task(struct job *t, void *arg)
{
	struct before *b = arg;

	forget_rows(t, b->table, b->user, b->ms);
}

static void
delete_records_before(struct request *r)
{
	struct faults f = { 0 };
	const char *date = field_string(&f, r->body, "date", 1);
	int64_t ms = date != NULL ? iso_ms(date, NULL) : 0, now = (int64_t)wall_ms();
	struct table *t;

	if (ms == -1)
		fault(&f, "Invalid date, must be in ISO-8601 format (YYYY-MM-DD).");
	t = op_table(r, &f, 400, 404);
	if (t != NULL && op_is_system(r, t->database))
		table_unref(t);
	else if (t != NULL)
		/* What is made from now on stays, whatever the date. */
		start_before(r, t, (uint64_t)(ms < now ? ms : now), 0, forget_task);
}

const struct op ops_before[] = {
	{ "delete_audit_logs_before", "deleteAuditLogsBefore", RIGHT_SUPER, ON_WORKER,
	    delete_audit_logs_before },
	{ "delete_transaction_logs_before", "deleteTransactionLogsBefore", RIGHT_SUPER, ON_WORKER,
	    delete_transaction_logs_before },
	{ "delete_records_before", "deleteFilesBefore", RIGHT_SUPER, ON_WORKER,
	    delete_records_before },
	{ "delete_files_before", "deleteFilesBefore", RIGHT_SUPER, ON_WORKER,
	    delete_records_before },
	{ NULL },
};
