#include "config.h"

#include "common/conf/conf.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/conf/conf_priv.h"
#include "common/conf/yaml.h"

#define BACKUP_DIR   "backup" /* below rootPath */
#define BACKUPS_KEPT 10

static char *
conf_settings_text(const struct conf *c)
{
	json_t *tree = json_object();
	char *text;
	int key;

	for (key = 0; key < CONF_KEYS; key++)
		if (c->given[LAYER_SETTINGS][key] != NULL)
			conf_tree_put(tree, conf_name((enum conf_key)key),
			    json_incref(c->given[LAYER_SETTINGS][key]));
	text = yaml_dump(tree);
	json_decref(tree);
	return (text);
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
	struct dirent **names;
	char *path;
	int i, n = scandir(dir, &names, conf_is_backup, alphasort);

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
	char *dir = conf_path(c, BACKUP_DIR), *name, when[32];
	struct timespec ts;
	struct tm tm;
	int r;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(when, sizeof when, "%Y%m%dT%H%M%S", &tm);
	name = xasprintf("%s/settings-%s.%09ld.yaml", dir, when, ts.tv_nsec);
	r = mkdir(dir, 0700) == -1 && errno != EEXIST ? -1 : link(path, name);
	if (r == -1 && errno == ENOENT && access(path, F_OK) == -1)
		r = 0; /* the first time */
	if (r == 0)
		conf_drop_backups(dir);
	free(name);
	free(dir);
	return (r);
}

int
conf_save(struct conf *c, char **err)
{
	char *path, *tmp, *text;
	int r;

	if (conf_check(c, err) == -1)
		return (-1);
	path = conf_path(c, SETTINGS_FILE);
	tmp = xasprintf("%s.new", path);
	text = conf_settings_text(c);
	r = file_put(tmp, 0600, text, strlen(text)) == 0 && conf_backup(c, path) == 0 &&
		file_rename(tmp, path) == 0 ?
	    0 :
	    -1;
	if (r == -1) {
		*err = xasprintf("%s: cannot write: %s", path, strerror(errno));
		unlink(tmp);
	}
	free(text);
	free(tmp);
	free(path);
	return (r);
}
