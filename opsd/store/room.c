#include "config.h"

#include "opsd/store/room.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/base/mem.h"

#define SMALL_FILES (4u << 20) /* manifest, options, RocksDB's own log */

uint64_t
room_free(const char *path)
{
	struct statvfs v;

	if (statvfs(path, &v) == -1)
		return (UINT64_MAX);
	return ((uint64_t)v.f_bavail * v.f_frsize);
}

uint64_t
room_to_open(const char *path)
{
	uint64_t bytes = SMALL_FILES;
	DIR *dir = opendir(path);
	const struct dirent *e;
	struct stat st;
	size_t n;

	while (dir != NULL && (e = readdir(dir)) != NULL) {
		n = strlen(e->d_name);
		if (n > 4 && strcmp(e->d_name + n - 4, ".log") == 0 &&
		    fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			bytes += (uint64_t)st.st_size;
	}
	if (dir != NULL)
		closedir(dir);
	return (bytes);
}

int
room_store_is_there(const char *path)
{
	char *current = xasprintf("%s/CURRENT", path);
	int there = access(current, F_OK) == 0;

	free(current);
	return (there);
}
