#include "config.h"

#include "common/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"

#define TREE_FDS 8 /* open at a time while a tree is removed */

int
file_write(int fd, const void *p, size_t n)
{
	const char *at = p;
	ssize_t done;

	while (n > 0) {
		done = write(fd, at, n);
		if (done == -1 && errno == EINTR)
			continue;
		if (done == -1)
			return (-1);
		at += done;
		n -= (size_t)done;
	}
	return (0);
}

static void
close_keep_errno(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
}

int
file_sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash == NULL ? xstrdup(".") :
				       xstrndup(path, slash == path ? 1 : (size_t)(slash - path));
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	free(folder);
	if (fd == -1)
		return (-1);
	/* Some file systems have no such thing for folders, and say EINVAL. */
	rc = fsync(fd) == 0 || errno == EINVAL ? 0 : -1;
	close_keep_errno(fd);
	return (rc);
}

/* A new file, on disk; -1 with errno. */
static int
put_new(const char *path, mode_t mode, const void *p, size_t n)
{
	int fd, rc;

	(void)unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd == -1)
		return (-1);
	/* Whatever the umask is. */
	rc = fchmod(fd, mode) == 0 && file_write(fd, p, n) == 0 && fsync(fd) == 0 ? 0 : -1;
	close_keep_errno(fd);
	return (rc);
}

int
file_put(const char *path, mode_t mode, const void *p, size_t n)
{
	char *new = xasprintf("%s.new", path);
	int rc = -1, saved;

	if (put_new(new, mode, p, n) == 0 && rename(new, path) == 0)
		rc = file_sync_folder(path);
	saved = errno;
	if (rc == -1)
		(void)unlink(new);
	free(new);
	errno = saved;
	return (rc);
}

int
file_put_text(const char *path, mode_t mode, const char *text, char **err)
{
	if (file_put(path, mode, text, strlen(text)) == 0)
		return (0);
	*err = xasprintf("%s: %s", path, strerror(errno));
	return (-1);
}

int
file_rename(const char *from, const char *to)
{
	return (rename(from, to) == 0 ? file_sync_folder(to) : -1);
}

int
file_remove(const char *path)
{
	if (unlink(path) == -1)
		return (errno == ENOENT ? 0 : -1);
	return (file_sync_folder(path));
}

static int
remove_one(const char *path, const struct stat *st, int what, struct FTW *at)
{
	return (remove(path) == -1 && errno != ENOENT ? -1 : 0);
}

int
file_remove_tree(const char *path)
{
	struct stat st;

	if (lstat(path, &st) == -1)
		return (errno == ENOENT ? 0 : -1);
	if (nftw(path, remove_one, TREE_FDS, FTW_DEPTH | FTW_PHYS) == -1)
		return (-1);
	return (file_sync_folder(path));
}

/* How many bytes were there, up to max; -1 with errno. */
static ssize_t
read_up_to(int fd, char *text, size_t max)
{
	size_t got = 0;
	ssize_t n;

	while (got < max) {
		n = read(fd, text + got, max - got);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return (-1);
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return ((ssize_t)got);
}

char *
file_read(const char *path, size_t max, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text;
	ssize_t n;

	if (fd == -1)
		return (NULL);
	text = xmalloc(max + 1);
	n = read_up_to(fd, text, max);
	close_keep_errno(fd);
	if (n == -1) {
		free(text);
		return (NULL);
	}
	text[n] = '\0';
	if (len != NULL)
		*len = (size_t)n;
	return (text);
}

/* One of them; 0 also when it is there. */
static int
make_one(const char *path)
{
	struct stat st;

	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return (0);
	/* Above may be what may not be written, such as a read-only system. */
	return (stat(path, &st));
}

int
file_make_folder(const char *path)
{
	char *part = xstrdup(path), *slash;
	struct stat st;
	int rc = 0, saved;

	for (slash = part + 1; rc == 0 && (slash = strchr(slash, '/')) != NULL; slash++) {
		*slash = '\0';
		rc = make_one(part);
		*slash = '/';
	}
	if (rc == 0)
		rc = make_one(part);
	if (rc == 0 && (rc = stat(part, &st)) == 0 && !S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		rc = -1;
	}
	saved = errno;
	free(part);
	errno = saved;
	return (rc);
}

/* 0 as well when it is gone, or is no file or folder. */
static int
own_at(int dir, const char *name)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return (errno == ENOENT ? 0 : -1);
	if ((!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) || (st.st_mode & 077) == 0)
		return (0);
	return (fchmodat(dir, name, st.st_mode & 0700, 0) == -1 && errno != ENOENT ? -1 : 0);
}

int
file_own_folder(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *e;
	int rc, saved;

	if (dir == NULL)
		return (-1);
	rc = own_at(dirfd(dir), ".");
	while (rc == 0 && (e = readdir(dir)) != NULL)
		if (strcmp(e->d_name, "..") != 0)
			rc = own_at(dirfd(dir), e->d_name);
	saved = errno;
	closedir(dir);
	errno = saved;
	return (rc);
}
