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
	close(ex->folder);
	free(ex->name);
	free(ex);
}

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
	struct buf *out = search_out(w->ex->search);
	uint64_t shown = search_shown(w->ex->search);
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
	struct search *s = w->ex->search;
	enum search_state state;

	search_format(s, w->ex->csv ? FORMAT_CSV : FORMAT_JSON);
	search_start(s);
	do {
		state = search_step(s, SLICE_US);
		if (state == SEARCH_FAILED) {
			job_fail(w->job, "%s", search_error(s));
			return (-1);
		}
		if (job_stopped(w->job) || write_piece(w) == -1)
			return (-1);
	} while (state == SEARCH_MORE);
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
