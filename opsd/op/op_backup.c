#include "config.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/worker.h"
#include "opsd/auth/user.h"
#include "opsd/job/backup.h"
#include "opsd/job/job.h"
#include "opsd/op/node.h"
#include "opsd/op/op.h"

/*
 * get_backup.  Files are read and the job's row is written on workers, a piece is sent
 * on the request's own thread: one after the other, so nothing is locked, and no faster
 * than the client reads.
 */
struct sending {
	struct request *r;
	struct ops *ops;
	struct backup *backup;
	struct job *job;
	struct buf piece;
	uint64_t sent;
	const char *why; /* it ended early; NULL: not so */
	int last;        /* the piece is the last one */
};

static void op_backup_send_cb(struct request *r, void *arg);

/* Its copy on disk goes, and another may be taken. */
static void
copy_done(struct sending *s)
{
	if (s->backup == NULL)
		return;
	backup_free(s->backup);
	s->backup = NULL;
	s->ops->backing_up = 0;
}

/* On a worker, after the request. */
static void
sending_end(void *arg)
{
	struct sending *s = arg;

	copy_done(s);
	if (s->why != NULL)
		job_fail(s->job, "%s: %llu bytes had been sent", s->why,
		    (unsigned long long)s->sent);
	else {
		backup_sent(&s->ops->data);
		job_message(s->job, "Successfully sent a backup of %llu bytes",
		    (unsigned long long)s->sent);
	}
	job_finish(s->job);
	buf_free(&s->piece);
	free(s);
}

/* Nobody can go on with it: the HTTP thread has ended. */
static void
backup_orphaned(struct sending *s)
{
	s->why = "The node was stopped";
	sending_end(s);
}

static void
read_piece(void *arg)
{
	struct sending *s = arg;
	struct job_counts c = { 0 };
	int rc = backup_read(s->backup, &s->piece);

	c.bytes = s->piece.len;
	s->sent += s->piece.len;
	s->last = s->sent == backup_size(s->backup);
	if (rc == -1)
		s->why = "A file of the copy cannot be read";
	else
		job_progress(s->job, &c);
	/* Who has got the last byte may ask for the next backup. */
	if (s->last)
		copy_done(s);
	if (request_resume(s->r, op_backup_send_cb, s) == -1)
		backup_orphaned(s);
}

/* What ends it early; on the request's thread, which asks anew before and after each piece. */
static int
must_end(struct sending *s)
{
	if (s->why != NULL)
		;
	else if (s->ops->data.stopping)
		s->why = "The node was stopped";
	else if (request_gone(s->r))
		s->why = "The client went away";
	else if (store_free_bytes(s->ops->data.store) < s->ops->data.live.reserve)
		/* The copy holds disk that writes need. */
		s->why = "The disk is full";
	return (s->why != NULL);
}

static void
cut_backup(struct sending *s)
{
	log_warnx("backup: %s", s->why);
	reply_abort(s->r);
	workers_run(s->ops->data.workers, sending_end, s);
}

/* The client has read most of what it was sent. */
static void
op_backup_next_cb(struct request *r, void *arg)
{
	struct sending *s = arg;

	if (must_end(s))
		cut_backup(s);
	else
		workers_run(s->ops->data.workers, read_piece, s);
}

static void
op_backup_send_cb(struct request *r, void *arg)
{
	struct sending *s = arg;

	if (must_end(s)) {
		cut_backup(s);
		return;
	}
	reply_more(r, &s->piece);
	if (s->last) {
		reply_end(r);
		workers_run(s->ops->data.workers, sending_end, s);
	} else
		request_again(r, op_backup_next_cb, s);
}

static void
op_backup_begin_cb(struct request *r, void *arg)
{
	struct sending *s = arg;
	char *file;

	if (must_end(s)) {
		reply_error(r, 503, "There can be no backup: %s", s->why);
		workers_run(s->ops->data.workers, sending_end, s);
		return;
	}
	file = xasprintf("attachment; filename=\"%s\"", backup_name(s->backup));
	reply_header(r, "Content-Disposition", file);
	reply_header(r, "Job-Id", job_id(s->job));
	reply_begin_sized(r, 200, "application/x-tar", backup_size(s->backup));
	free(file);
	op_backup_next_cb(r, s);
}

/* All is there but for the request; else answered. */
static struct sending *
sending_new(struct request *r, int with_keys)
{
	struct job_spec spec = { .type = r->op->name };
	struct job_counts c = { 0 };
	struct sending *s = xcalloc(1, sizeof(*s));
	char *err = NULL;
	int status = 507;

	s->r = r;
	s->ops = r->ops;
	if (store_free_bytes(r->ops->data.store) < r->ops->data.live.reserve)
		err = xstrdup("free disk is below storage.reserve");
	else if ((s->backup = backup_new(&r->ops->data, with_keys, &status, &err)) != NULL)
		s->job = job_begin(r->ops->jobs, r->user->name, r->body, &spec, &status, &err);
	if (s->job == NULL) {
		backup_free(s->backup);
		free(s);
		r->ops->backing_up = 0;
		reply_error(r, status, "There can be no backup: %s", err);
		free(err);
		return (NULL);
	}
	c.total_bytes = backup_size(s->backup);
	job_progress(s->job, &c);
	return (s);
}

/* With one store for all, what is not whole would not be consistent, either. */
static void
fault_parts(struct faults *f, const json_t *body)
{
	static const char *const names[] = { "database", "schema", "table", "tables" };
	const json_t *v;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		v = json_object_get(body, names[i]);
		if (f->n == 0 && v != NULL && !json_is_null(v))
			fault(f,
			    "'%s' is not allowed: a backup is of the whole node. For rows "
			    "of a table use export_local",
			    names[i]);
	}
}

static void
get_backup(struct request *r)
{
	struct faults f = { 0 };
	int keys = field_bool(&f, r->body, "keys", 0);
	struct sending *s;

	fault_parts(&f, r->body);
	if (faults_answer(r, &f))
		return;
	if (atomic_exchange(&r->ops->backing_up, 1)) {
		reply_error(r, 409, "Another backup is being taken, only one may be");
		return;
	}
	s = sending_new(r, keys != 0);
	if (s != NULL && request_resume(r, op_backup_begin_cb, s) == -1)
		backup_orphaned(s);
}

const struct op ops_backup[] = {
	{ "get_backup", "getBackup", RIGHT_ADMIN, ON_WORKER, get_backup },
	{ NULL },
};
