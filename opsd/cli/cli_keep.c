#include "config.h"

#include "opsd/cli/cli.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/mem.h"

/* "amsterdam-20260102T030405Z.tar": names of one node sort by time. */
#define TIME_FORMAT "%Y%m%dT%H%M%SZ"
#define TIME_SHAPE  "dddddddd\1dddddd\2.tar"
#define PART        ".part"

static int
say_errno(const char *path)
{
	fprintf(stderr, "hubleaf: backup: %s: %s\n", path, strerror(errno));
	return (-1);
}

/* What follows the name of this node in the name of one of its backups; NULL: it is none. */
static const char *
after_time(const char *name, const char *node)
{
	size_t n = strlen(node);

	if (strncmp(name, node, n) != 0 || name[n] != '-')
		return (NULL);
	name += n + 1;
	for (const char *shape = TIME_SHAPE; *shape != '\0'; shape++, name++) {
		char want = *shape == '\1' ? 'T' : *shape == '\2' ? 'Z' : *shape;

		if (*shape == 'd' ? *name < '0' || *name > '9' : *name != want)
			return (NULL);
	}
	return (name);
}

static int
take_away(const char *folder, const char *name)
{
	char *path = xasprintf("%s/%s", folder, name);
	int rc = unlink(path) == -1 ? say_errno(path) : 0;

	if (rc == 0)
		fprintf(stderr, "%s: removed\n", path);
	free(path);
	return (rc);
}

/* All but the newest `keep`, and what runs that were killed have left. */
static int
thin_out(const char *folder, const char *node, unsigned keep)
{
	struct dirent **list;
	int n = scandir(folder, &list, NULL, alphasort), rc = 0;
	unsigned seen = 0;

	if (n == -1)
		return (say_errno(folder));
	for (int i = n - 1; i >= 0; i--) {
		const char *rest = after_time(list[i]->d_name, node);
		int whole = rest != NULL && rest[0] == '\0';

		seen += whole;
		if ((whole && keep > 0 && seen > keep) || (rest != NULL && strcmp(rest, PART) == 0))
			rc |= take_away(folder, list[i]->d_name);
		free(list[i]);
	}
	free(list);
	return (rc);
}

static int
make_backup(const struct cli_target *t, const char *folder, const char *node)
{
	char when[32], *file;
	time_t now = time(NULL);
	struct tm tm;
	int rc;

	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), TIME_FORMAT, &tm);
	file = xasprintf("%s/%s-%s.tar", folder, node, when);
	rc = cli_backup(t, "{\"operation\":\"get_backup\"}", file);
	free(file);
	return (rc == 0 ? 0 : -1);
}

/* One at a time; -1: said why. */
static int
lock_folder(const char *folder)
{
	int fd;

	if (mkdir(folder, 0700) == -1 && errno != EEXIST)
		return (say_errno(folder));
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return (say_errno(folder));
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return (fd);
	fprintf(stderr, "hubleaf: backup: %s: another backup is being made there\n", folder);
	close(fd);
	return (-1);
}

int
cli_keep(const struct cli_target *t, const char *folder, const char *node, unsigned keep)
{
	int fd = lock_folder(folder), rc;

	if (fd == -1)
		return (1);
	rc = make_backup(t, folder, node);
	if (rc == 0)
		rc = thin_out(folder, node, keep);
	close(fd);
	return (rc == 0 ? 0 : 1);
}
