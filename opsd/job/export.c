#include "config.h"

#include "opsd/job/export.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "opsd/job/job.h"

#define SLICE_US 20000
#define MODE     0640

struct writing {
	struct job *job;
	struct export *ex;
	uint64_t shown; /* rows that were counted */
	int fd;
};

void
export_free(void *arg)
{
	struct export *ex = arg;

	search_free(ex->search);
	sql_free(ex->sql);
	close(ex->folder);
	free(ex->name);
	free(ex);
}

int
export_over(void *arg)
{
	struct export *ex = arg;

	return (ex->job != NULL && job_stopped(ex->job));
}

/* ---- what finds the rows ---- */

static void
start_rows(struct export *ex)
{
	enum format f = ex->csv ? FORMAT_CSV : FORMAT_JSON;

	if (ex->sql != NULL) {
		sql_format(ex->sql, f);
		return;
	}
	search_format(ex->search, f);
	search_start(ex->search);
}

/* 1: there is more, 0: that was all, -1: failed */
static int
more_rows(struct export *ex)
{
	static const int
	    of_search[] = { [SEARCH_MORE] = 1, [SEARCH_DONE] = 0, [SEARCH_FAILED] = -1 };
	static const int of_sql[] = { [SQL_MORE] = 1, [SQL_DONE] = 0, [SQL_FAILED] = -1 };

	return (ex->sql != NULL ? of_sql[sql_step(ex->sql)] :
				  of_search[search_step(ex->search, SLICE_US)]);
}

static struct buf *
rows_out(struct export *ex)
{
	return (ex->sql != NULL ? sql_out(ex->sql) : search_out(ex->search));
}

static uint64_t
rows_shown(const struct export *ex)
{
	return (ex->sql != NULL ? sql_shown(ex->sql) : search_shown(ex->search));
}

static const char *
rows_error(const struct export *ex)
{
	return (ex->sql != NULL ? sql_error(ex->sql) : search_error(ex->search));
}

/* ---- the file ---- */

static int
write_failed(struct writing *w)
{
	job_fail(w->job, "%s cannot be written: %s", w->ex->name, strerror(errno));
	return (-1);
}

/* What the search has found since the last time. */
static int
write_piece(struct writing *w)
{
	struct buf *out = rows_out(w->ex);
	uint64_t shown = rows_shown(w->ex);
	struct job_counts c = { .records = shown - w->shown, .did = shown - w->shown };

	if (file_write(w->fd, out->data, out->len) == -1)
		return (write_failed(w));
	c.bytes = out->len;
	w->shown = shown;
	buf_clear(out);
	job_progress(w->job, &c);
	return (0);
}

static int
write_all(struct writing *w)
{
	int more;

	start_rows(w->ex);
	do {
		more = more_rows(w->ex);
		if (job_stopped(w->job))
			return (-1);
		if (more == -1) {
			job_fail(w->job, "%s", rows_error(w->ex));
			return (-1);
		}
		if (write_piece(w) == -1)
			return (-1);
	} while (more);
	return (fsync(w->fd) == -1 ? write_failed(w) : 0);
}

/* The whole file gets its name. */
static int
give_name(struct writing *w, const char *temp)
{
	int dir = w->ex->folder;

	if (renameat2(dir, temp, dir, w->ex->name, w->ex->overwrite ? 0 : RENAME_NOREPLACE) == -1)
		return (write_failed(w));
	if (fsync(dir) == -1 && errno != EINVAL)
		return (write_failed(w));
	return (0);
}

void
export_run(struct job *t, void *arg)
{
	struct export *ex = arg;
	struct writing w = { .job = t, .ex = ex };
	char *temp = xasprintf(".%s.%s", ex->name, job_id(t));
	int rc = -1;

	ex->job = t;
	w.fd = openat(ex->folder, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, MODE);
	/* The mode does not depend on the umask. */
	if (w.fd == -1 || fchmod(w.fd, MODE) == -1)
		write_failed(&w);
	else {
		if ((rc = write_all(&w)) == 0)
			rc = give_name(&w, temp);
		close(w.fd);
	}
	if (rc == 0)
		job_message(t, "Successfully exported %s locally.", ex->csv ? "CSV" : "JSON");
	else if (w.fd != -1)
		unlinkat(ex->folder, temp, 0);
	free(temp);
}
