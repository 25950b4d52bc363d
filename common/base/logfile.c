#include "config.h"

#include "common/base/logfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RETRY_S 60 /* after a rotation that failed */

/*
 * The descriptor's number never changes once it is there, only what is behind it: so
 * writers need no lock.
 */
static struct {
	pthread_mutex_t lock; /* of what is not atomic */
	_Atomic int fd;
	_Atomic uint64_t bytes;
	_Atomic int64_t due; /* when it is too old, or may be tried again */
	_Atomic uint64_t max_bytes;
	uint64_t interval_s, retention_s;
	unsigned keep;
	int open; /* and not /dev/null */
	char dir[PATH_MAX], old_dir[PATH_MAX], name[32];
} logfile = { .lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1 };

static void
put_behind(int fd)
{
	if (logfile.fd == -1)
		logfile.fd = fd;
	else {
		dup3(fd, logfile.fd, O_CLOEXEC);
		close(fd);
	}
}

/* With the lock held. */
static int
open_log(void)
{
	char path[2 * PATH_MAX];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/%s.log", logfile.dir, logfile.name);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1)
		return (-1);
	logfile.bytes = fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
	logfile.due = logfile.interval_s > 0 ? time(NULL) + (int64_t)logfile.interval_s : INT64_MAX;
	put_behind(fd);
	return (0);
}

static int
is_old_log(const struct dirent *e)
{
	size_t n = strlen(logfile.name), len = strlen(e->d_name);

	return (len > n + 5 && strncmp(e->d_name, logfile.name, n) == 0 && e->d_name[n] == '-' &&
	    strcmp(e->d_name + len - 4, ".log") == 0);
}

/* Their names sort by time. */
static void
drop_old(void)
{
	char path[2 * PATH_MAX];
	struct dirent **names;
	struct stat st;
	int n = scandir(logfile.old_dir, &names, is_old_log, alphasort);

	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", logfile.old_dir, names[i]->d_name);
		if (i < n - (int)logfile.keep ||
		    (stat(path, &st) == 0 &&
			time(NULL) - st.st_mtime > (int64_t)logfile.retention_s))
			unlink(path);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

/* With the lock held. */
static void
rotate_file(void)
{
	char from[2 * PATH_MAX], to[2 * PATH_MAX], when[32];
	struct timespec ts;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y%m%dT%H%M%S", &tm);
	snprintf(from, sizeof(from), "%s/%s.log", logfile.dir, logfile.name);
	snprintf(to, sizeof(to), "%s/%s-%s.%03ld.log", logfile.old_dir, logfile.name, when,
	    ts.tv_nsec / 1000000);
	if (rename(from, to) == -1 || open_log() == -1) {
		/* It goes on in the same file, which is better than no log. */
		logfile.bytes = 0;
		logfile.due = ts.tv_sec + RETRY_S;
	}
	drop_old();
}

int
logfile_set(const struct logfile_opts *o)
{
	int r = 0, null;

	pthread_mutex_lock(&logfile.lock);
	if (o != NULL) {
		snprintf(logfile.dir, sizeof(logfile.dir), "%s", o->dir);
		snprintf(logfile.old_dir, sizeof(logfile.old_dir), "%s", o->old_dir);
		snprintf(logfile.name, sizeof(logfile.name), "%s", o->name);
		logfile.max_bytes = o->max_bytes;
		logfile.interval_s = o->interval_s;
		logfile.retention_s = o->retention_s;
		logfile.keep = o->keep;
		r = open_log();
	}
	logfile.open = o != NULL && r == 0;
	if ((o == NULL || r == -1) && logfile.fd != -1) {
		int saved = errno;

		if ((null = open("/dev/null", O_WRONLY | O_CLOEXEC)) != -1)
			put_behind(null);
		logfile.max_bytes = 0;
		logfile.due = INT64_MAX;
		errno = saved;
	}
	pthread_mutex_unlock(&logfile.lock);
	return (r);
}

int
logfile_reopen(void)
{
	int r = 0;

	pthread_mutex_lock(&logfile.lock);
	if (logfile.open)
		r = open_log();
	pthread_mutex_unlock(&logfile.lock);
	return (r);
}

void
logfile_write(const char *line, size_t n)
{
	uint64_t bytes;

	if (logfile.fd == -1 || write(logfile.fd, line, n) == -1)
		return;
	bytes = atomic_fetch_add(&logfile.bytes, n) + n;
	if ((logfile.max_bytes == 0 || bytes < logfile.max_bytes) && time(NULL) < logfile.due)
		return;
	/* Another thread does it, or the options change. */
	if (pthread_mutex_trylock(&logfile.lock) != 0)
		return;
	if ((logfile.max_bytes != 0 && logfile.bytes >= logfile.max_bytes) ||
	    time(NULL) >= logfile.due)
		rotate_file();
	pthread_mutex_unlock(&logfile.lock);
}
