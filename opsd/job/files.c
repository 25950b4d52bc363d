#include "config.h"

#include "opsd/job/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "opsd/store/data.h"

/* What was opened is below rootPath, whatever links led there. */
static int
is_below_root(struct data *data, int fd)
{
	struct conf *conf = data_conf(data);
	char link[64], path[PATH_MAX], *root = realpath(conf_str(conf, ROOT_PATH), NULL);
	ssize_t n;
	size_t len;
	int yes = 1;

	conf_free(conf);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n > 0 && root != NULL) {
		path[n] = '\0';
		len = strlen(root);
		yes = strncmp(path, root, len) == 0 && (path[len] == '/' || path[len] == '\0');
	}
	free(root);
	return (yes);
}

/* Do not block: a FIFO may have no other end. */
static int
open_theirs(struct data *data, const char *path, int flags, char **why)
{
	int fd = open(path, flags | O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd == -1)
		*why = errno == ENOENT ? xasprintf("No such file or directory %s", path) :
					 xasprintf("%s %s", strerror(errno), path);
	else if (is_below_root(data, fd)) {
		*why = xasprintf("%s is the node's own: below rootPath", path);
		close(fd);
		fd = -1;
	}
	return (fd);
}

int
files_open(struct data *data, const char *path, uint64_t max, char **why)
{
	struct stat st;
	int fd = open_theirs(data, path, 0, why);

	if (fd == -1)
		return (-1);
	if (fstat(fd, &st) == -1)
		*why = xasprintf("%s %s", strerror(errno), path);
	else if (!S_ISREG(st.st_mode))
		*why = xasprintf("%s is not a regular file", path);
	else if ((uint64_t)st.st_size > max)
		*why = xasprintf("%s has %llu bytes, more than jobs.maxFileSize (%llu)", path,
		    (unsigned long long)st.st_size, (unsigned long long)max);
	else
		return (fd);
	close(fd);
	return (-1);
}

int
files_folder(struct data *data, const char *path, char **why)
{
	return (open_theirs(data, path, O_DIRECTORY, why));
}

int
files_spool(struct data *data, const char *text, size_t n, int *status, char **why)
{
	struct conf *conf = data_conf(data);
	char *path = conf_path(conf, ".load.XXXXXX");
	int fd = -1;

	conf_free(conf);
	if (store_free_bytes(data->store) < data->live.reserve + n)
		errno = ENOSPC;
	else if ((fd = mkostemp(path, O_CLOEXEC)) != -1)
		unlink(path);
	free(path);
	if (fd != -1 && file_write(fd, text, n) == 0 && lseek(fd, 0, SEEK_SET) == 0)
		return (fd);
	*status = errno == ENOSPC ? 507 : 500;
	*why = xasprintf("the data cannot be kept: %s", strerror(errno));
	if (fd != -1)
		close(fd);
	return (-1);
}
