#include "config.h"

#include "opsd/cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "opsd/cli/cli_progress.h"

struct saving {
	int fd;
	uint64_t done, total;
	struct cli_progress progress;
};

static int
cli_backup_take(void *arg, const void *p, size_t n, uint64_t total)
{
	struct saving *s = arg;

	s->total = total;
	if (file_write(s->fd, p, n) == -1)
		return (-1);
	s->done += n;
	progress_show(&s->progress, "backup", s->done, total, UNIT_BYTES);
	return (0);
}

/* 0 when all of it is written. */
static int
receive_backup(struct saving *s, const struct cli_target *t, const char *body)
{
	const struct cli_taker taker = { cli_backup_take, s };
	struct answer a;
	json_t *v;
	char *err;

	s->progress = progress_begin();
	if (cli_download(t, body, &taker, &a, &err) == -1) {
		progress_end(&s->progress);
		fprintf(stderr, "hubleaf: backup: %s\n", err);
		free(err);
		return (-1);
	}
	progress_end(&s->progress);
	if (a.body == NULL)
		return (0);
	v = json_loadb(a.body, a.len, JSON_ALLOW_NUL, NULL);
	cli_print_error(&a, v);
	json_decref(v);
	free(a.body);
	return (-1);
}

static int
say_fault(const char *path)
{
	fprintf(stderr, "hubleaf: %s: %s\n", path, strerror(errno));
	return (-1);
}

static int
save_as(struct saving *s, const struct cli_target *t, const char *body, const char *part,
    const char *file)
{
	int rc;

	/* Keys and the hashes of passwords are in it. */
	unlink(part);
	s->fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (s->fd == -1)
		return (say_fault(part));
	rc = receive_backup(s, t, body);
	if (rc == 0 && fsync(s->fd) == -1)
		rc = say_fault(part);
	if (close(s->fd) == -1 && rc == 0)
		rc = say_fault(part);
	if (rc == 0 && (rename(part, file) == -1 || file_sync_folder(file) == -1))
		rc = say_fault(file);
	if (rc == -1)
		unlink(part);
	return (rc);
}

int
cli_backup(const struct cli_target *t, const char *body, const char *file)
{
	struct saving s = { .fd = STDOUT_FILENO };
	char *part;
	int rc;

	if (file == NULL)
		return (receive_backup(&s, t, body) == 0 ? 0 : 1);
	part = xasprintf("%s.part", file);
	rc = save_as(&s, t, body, part, file);
	free(part);
	if (rc == 0)
		fprintf(stderr, "%s: %llu bytes\n", file, (unsigned long long)s.done);
	return (rc == 0 ? 0 : 1);
}
