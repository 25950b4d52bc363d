#include "config.h"

#include "conf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "conf_priv.h"
#include "mem.h"
#include "yaml.h"

#define BACKUP_DIR	"backup"	/* below rootPath */
#define BACKUPS_KEPT	10

static char *
conf_settings_text(const struct conf *c)
{
	json_t	*tree = json_object();
	char	*text;
	int	 key;

	for (key = 0; key < CONF_KEYS; key++)
		if (c->given[LAYER_SETTINGS][key] != NULL)
			conf_tree_put(tree, conf_name((enum conf_key)key),
			    json_incref(c->given[LAYER_SETTINGS][key]));
	text = yaml_dump(tree);
	json_decref(tree);
	return (text);
}

static int
conf_write_all(int fd, const char *text)
{
	size_t	n = strlen(text);
	ssize_t	w;

	for (; n > 0; text += w, n -= (size_t)w)
		if ((w = write(fd, text, n)) == -1)
			return (-1);
	return (0);
}

static int
conf_write_file(const char *path, const char *text)
{
	int	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int	r, saved;

	if (fd == -1)
		return (-1);
	r = conf_write_all(fd, text) == 0 && fsync(fd) == 0 ? 0 : -1;
	saved = errno;
	close(fd);
	errno = saved;
	return (r);
}

/* The new name must be on disk as well. */
static int
conf_sync_dir(const char *dir)
{
	int	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	if (fd == -1)
		return (-1);
	r = fsync(fd);
	close(fd);
	return (r);
}

/* ---- what was there before ---- */

static int
conf_is_backup(const struct dirent *e)
{
	return (strncmp(e->d_name, "settings-", 9) == 0);
}

/* Their names sort by time. */
static void
conf_drop_backups(const char *dir)
{
	struct dirent	**names;
	char		 *path;
	int		  i, n = scandir(dir, &names, conf_is_backup, alphasort);

	for (i = 0; i < n; i++) {
		path = xasprintf("%s/%s", dir, names[i]->d_name);
		if (i < n - BACKUPS_KEPT)
			unlink(path);
		free(path);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

/* The file stays under its own name, too: it is replaced by the next rename. */
static int
conf_backup(const struct conf *c, const char *path)
{
	char		*dir = conf_path(c, BACKUP_DIR), *name, when[32];
	struct timespec	 ts;
	struct tm	 tm;
	int		 r;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(when, sizeof when, "%Y%m%dT%H%M%S", &tm);
	name = xasprintf("%s/settings-%s.%09ld.yaml", dir, when, ts.tv_nsec);
	r = mkdir(dir, 0700) == -1 && errno != EEXIST ? -1 : link(path, name);
	if (r == -1 && errno == ENOENT && access(path, F_OK) == -1)
		r = 0;		/* the first time */
	if (r == 0)
		conf_drop_backups(dir);
	free(name);
	free(dir);
	return (r);
}

int
conf_save(struct conf *c, char **err)
{
	char	*path, *tmp, *text;
	int	 r;

	if (conf_check(c, err) == -1)
		return (-1);
	path = conf_path(c, SETTINGS_FILE);
	tmp = xasprintf("%s.new", path);
	text = conf_settings_text(c);
	r = conf_write_file(tmp, text) == 0 && conf_backup(c, path) == 0 &&
	    rename(tmp, path) == 0 && conf_sync_dir(conf_str(c, ROOT_PATH)) == 0 ? 0 : -1;
	if (r == -1) {
		*err = xasprintf("%s: cannot write: %s", path, strerror(errno));
		unlink(tmp);
	}
	free(text);
	free(tmp);
	free(path);
	return (r);
}
