#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/conf/settings.h"
#include "opsd/snapshot/snapstore.h"

struct folder {
	struct snapstore store; /* first */
	char *path;
	char work[SNAPSTORE_NAME]; /* what is not whole yet: a name that no other node has */
};

static char *
path_in(const struct folder *f, const char *name)
{
	return (xasprintf("%s/%s", f->path, name));
}

static void
add_item(const struct folder *f, const char *name, struct snapstore_item **items, size_t *n)
{
	char *path = path_in(f, name);
	struct stat st;

	if (snapstore_taken_ms(name) != 0 && lstat(path, &st) == 0 && S_ISREG(st.st_mode)) {
		*items = xrealloc(*items, (*n + 1) * sizeof(**items));
		snprintf((*items)[*n].name, SNAPSTORE_NAME, "%s", name);
		(*items)[(*n)++].bytes = (uint64_t)st.st_size;
	}
	free(path);
}

static int
folder_list(struct snapstore *s, int own, struct snapstore_item **items, size_t *n, char **err)
{
	struct folder *f = (struct folder *)s;
	DIR *d = opendir(f->path);
	struct dirent *e;

	(void)own; /* whoever shares the folder keeps order in it */
	*items = NULL;
	*n = 0;
	if (d == NULL && errno == ENOENT)
		return (0);
	if (d == NULL) {
		*err = xasprintf("%s: %s", f->path, strerror(errno));
		return (-1);
	}
	while ((e = readdir(d)) != NULL)
		add_item(f, e->d_name, items, n);
	closedir(d);
	if (*n > 0)
		snapstore_sort(*items, *n);
	return (0);
}

static char *
folder_work(struct snapstore *s, char **err)
{
	struct folder *f = (struct folder *)s;

	if (file_make_folder(f->path) == 0)
		return (path_in(f, f->work));
	*err = xasprintf("%s: %s", f->path, strerror(errno));
	return (NULL);
}

static int
folder_keep(struct snapstore *s, const char *path, const char *name, char **err)
{
	char *to = path_in((struct folder *)s, name);
	int rc = file_rename(path, to);

	if (rc == -1)
		*err = xasprintf("%s: %s", to, strerror(errno));
	free(to);
	return (rc);
}

static char *
folder_fetch(struct snapstore *s, const char *name, char **err)
{
	(void)err;
	return (path_in((struct folder *)s, name));
}

static void
folder_done(struct snapstore *s, char *path)
{
	(void)s;
	free(path);
}

static int
folder_remove(struct snapstore *s, const char *name, char **err)
{
	char *path = path_in((struct folder *)s, name);
	int rc = file_remove(path);

	if (rc == -1)
		*err = xasprintf("%s: %s", path, strerror(errno));
	free(path);
	return (rc);
}

/* The disk does not wait for us. */
static void
folder_quiet(struct snapstore *s)
{
	(void)s;
}

static void
folder_free(struct snapstore *s)
{
	free(((struct folder *)s)->path);
	free(s);
}

struct snapstore *
snapstore_file_new(const char *path, const uint8_t *node)
{
	struct folder *f = xcalloc(1, sizeof(*f));
	char hex[2 * NODE_ID_LEN + 1], *work;

	f->store = (struct snapstore){
		.list = folder_list,
		.work = folder_work,
		.keep = folder_keep,
		.fetch = folder_fetch,
		.done = folder_done,
		.remove = folder_remove,
		.quiet = folder_quiet,
		.free = folder_free,
		.kind = "file",
	};
	f->path = xstrdup(path);
	node_id_hex(node, hex);
	snprintf(f->work, sizeof(f->work), ".%s.part", hex);
	/* What a life before this one had not ended. */
	work = path_in(f, f->work);
	(void)file_remove(work);
	free(work);
	return (&f->store);
}
