#include "config.h"

#include "opsd/op/op_sql.h"

#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/worker.h"
#include "opsd/auth/permission.h"
#include "opsd/auth/user.h"
#include "opsd/op/node.h"
#include "opsd/op/op_permission.h"
#include "opsd/op/op_record.h"
#include "opsd/op/op_table.h"
#include "opsd/sql/sql.h"
#include "opsd/sql/sqlmemory.h"

/*
 * sql.  A statement runs on a thread of its own pool, as SQLite cannot leave it in the middle of a
 * sort or a sum; each piece of its answer is sent on the request's HTTP thread, and the next one is
 * made when the client has read most of it.
 */
struct running {
	struct request *r;
	struct ops *ops;
	struct sql *sql;
	enum format format;
	enum sql_state state;
	int begun;
};

void
op_sql_start(struct ops *o, char **err)
{
	sqlmemory_start();
	o->statements = workers_start((unsigned)data_conf_int(&o->data, SQL_THREADS), err);
}

static void
running_free(struct running *run)
{
	sql_free(run->sql);
	free(run);
}

static int
nobody_waits(void *arg)
{
	struct running *run = arg;

	return (run->ops->data.stopping || request_gone(run->r));
}

/* ---- before it runs ---- */

/* What it reads, attribute by attribute: 0 with the request answered. */
static int
may_read_all(struct request *r, struct sql *s)
{
	const struct table *t;
	const json_t *names;
	json_t *key;
	int may = 1;

	for (size_t i = 0; may && (t = sql_reads(s, i, &names)) != NULL; i++) {
		/* Who may read nothing is not told how many rows there are. */
		if (json_object_size(names) > 0 || permission_reads(r->user, t)) {
			may = op_permission_check(r, t, MAY_READ, names);
			continue;
		}
		key = json_pack("{s:n}", t->primary_key);
		may = op_permission_check(r, t, MAY_READ, key);
		json_decref(key);
	}
	return (may);
}

/* As where an operation names it. */
static void
answer_no_table(struct request *r, struct sql *s)
{
	const char *db, *name;

	sql_missing(s, &db, &name);
	table_unref(op_table_named(r, db, name, 404));
}

static int
may_run_sql(struct request *r, struct sql *s)
{
	struct table *to;
	enum txn_op op;

	if (!may_read_all(r, s))
		return (0);
	to = sql_writes(s, &op);
	return (to == NULL || !op_is_system(r, to->database));
}

/* Prepares it for who asks; 0 with the request answered. */
static int
prepare_sql(struct request *r, struct sql *s, const struct sql_limits *limits)
{
	sqlmemory_limit((uint64_t)data_conf_int(&r->ops->data, SQL_MAX_MEMORY));
	switch (sql_prepare(s, limits)) {
	case SQL_READY:
		return (may_run_sql(r, s));
	case SQL_NO_TABLE:
		answer_no_table(r, s);
		return (0);
	default:
		reply_error(r, sql_status(s), "%s", sql_error(s));
		return (0);
	}
}

/* The statement of the body; NULL with the request answered. */
static struct sql *
read_sql(struct request *r)
{
	struct faults f = { 0 };
	const char *text = field_string(&f, r->body, "sql", 1);
	struct sql *s;
	char *err;

	if (faults_answer(r, &f))
		return (NULL);
	s = sql_new(&r->ops->data, r->user, text, &err);
	if (s == NULL)
		reply_failed(r, 400, err);
	return (s);
}

struct sql *
op_sql_read(struct request *r, int (*over)(void *arg), void *arg)
{
	struct sql_limits limits = { .over = over, .arg = arg };
	struct sql *s = read_sql(r);
	enum txn_op op;

	if (s == NULL)
		return (NULL);
	if (prepare_sql(r, s, &limits)) {
		if (sql_writes(s, &op) == NULL)
			return (s);
		reply_error(r, 400, "'search_operation.sql' must be a SELECT");
	}
	sql_free(s);
	return (NULL);
}

/* ---- its answer ---- */

static void
answer_sql_failure(struct running *run)
{
	if (run->begun) {
		log_warnx("sql: %s", sql_error(run->sql));
		reply_abort(run->r);
	} else
		reply_error(run->r, sql_status(run->sql), "%s", sql_error(run->sql));
}

/* A piece of several, on the request's thread; 1 when it was the last. */
static int
answer_sql_piece(struct running *run)
{
	if (request_gone(run->r)) {
		reply_abort(run->r);
		return (1);
	}
	if (run->state == SQL_FAILED) {
		answer_sql_failure(run);
		return (1);
	}
	if (!run->begun)
		reply_begin(run->r, 200, format_type(run->format));
	run->begun = 1;
	reply_more(run->r, sql_out(run->sql));
	if (run->state == SQL_DONE)
		reply_end(run->r);
	return (run->state == SQL_DONE);
}

static void op_sql_step_cb(void *arg);

static void
op_sql_next_cb(struct request *r, void *arg)
{
	struct running *run = arg;

	workers_run(run->ops->statements, op_sql_step_cb, run);
}

static void
op_sql_piece_cb(struct request *r, void *arg)
{
	struct running *run = arg;

	if (answer_sql_piece(run))
		running_free(run);
	else
		request_again(r, op_sql_next_cb, run);
}

/* What it wrote is written now, as the record operations do it. */
static void
write_gathered(struct running *run)
{
	enum txn_op op;
	struct table *t = sql_writes(run->sql, &op);

	op_record_write(run->r, t, op, sql_records(run->sql), "sql");
}

/* MessagePack says first how many rows there are: its answer is made whole. */
static enum sql_state
make_piece(struct running *run)
{
	enum sql_state state;

	do
		state = sql_step(run->sql);
	while (state == SQL_MORE && run->format == FORMAT_MSGPACK);
	return (state);
}

static void
op_sql_step_cb(void *arg)
{
	struct running *run = arg;
	enum txn_op op;

	run->state = make_piece(run);
	if (run->begun || run->state == SQL_MORE) {
		if (request_resume(run->r, op_sql_piece_cb, run) == -1)
			running_free(run);
		return;
	}
	if (run->state == SQL_FAILED)
		answer_sql_failure(run);
	else if (sql_writes(run->sql, &op) != NULL)
		write_gathered(run);
	else
		reply_body(run->r, 200, format_type(run->format), sql_out(run->sql));
	running_free(run);
}

static void
op_sql_begin_cb(void *arg)
{
	struct running *run = arg;
	struct data *d = &run->ops->data;
	struct sql_limits limits = {
		.time_us = (uint64_t)data_conf_int(d, SQL_TIMEOUT) * 1000000,
		.rows = (uint64_t)data_conf_int(d, SQL_MAX_ROWS),
		.write = d->live.max_transaction,
		.over = nobody_waits,
		.arg = run,
	};

	if (!prepare_sql(run->r, run->sql, &limits)) {
		running_free(run);
		return;
	}
	run->format = request_format(run->r, 1);
	sql_format(run->sql, run->format);
	op_sql_step_cb(run);
}

static void
run_sql(struct request *r)
{
	unsigned most = (unsigned)data_conf_int(&r->ops->data, SQL_MAX_WAITING);
	struct sql *s = read_sql(r);
	struct running *run;

	if (s == NULL)
		return;
	run = xcalloc(1, sizeof(*run));
	*run = (struct running){ .r = r, .ops = r->ops, .sql = s };
	if (workers_try(r->ops->statements, most, op_sql_begin_cb, run) == 0)
		return;
	running_free(run);
	reply_error(r, 503, "%u statements wait already (sql.maxWaiting)", most);
}

const struct op ops_sql[] = {
	{ "sql", "sql", RIGHT_TABLE, ON_HTTP, run_sql },
	{ NULL },
};
