#include "config.h"

#include "common/conf/conf_priv.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/conf/yaml.h"

/* A configuration from its file, the environment, flags and settings. */

extern char **environ;

/* Where a tree comes from. */
struct conf_source {
	enum conf_layer layer;
	int known_only;      /* keys of another version are passed over */
	const char *path;    /* the file, or NULL */
	const json_t *lines; /* of its keys */
};

static void
conf_walk(struct conf *c, const struct conf_source *source, const json_t *tree, const char *prefix,
    struct buf *errs)
{
	enum conf_layer layer = source->layer;
	const char *name;
	char *path;
	json_t *v;
	size_t was;
	int key, section;

	json_object_foreach((json_t *)tree, name, v) {
		path = xasprintf("%s%s%.200s", prefix, *prefix != '\0' ? "." : "", name);
		section = conf_is_section(path);
		was = errs->len;
		key = conf_find(path);
		if (strlen(path) > 1000)
			conf_fault(errs, "'%.100s...' is nested too deep", path);
		else if (key == ROOT_PATH && layer == LAYER_SETTINGS)
			conf_fault(errs,
			    "'rootPath' cannot be set here: the settings lie below it");
		else if (key != -1)
			conf_give(c, layer, (enum conf_key)key, v, errs);
		else if (json_object_size(v) > 0)
			conf_walk(c, source, v, path, errs);
		else if (section && !json_is_null(v) && !json_is_object(v))
			conf_fault(errs, "'%s' must be an object", path);
		else if (!section && !source->known_only)
			conf_fault(errs, "unknown key '%s', did you mean '%s'?", path,
			    conf_nearest(path));
		/* What lies in it has its own lines. */
		if (source->path != NULL && (key != -1 || json_object_size(v) == 0))
			conf_fault_place(errs, was, source->path,
			    json_integer_value(json_object_get(source->lines, path)));
		free(path);
	}
}

static void
conf_read_yaml(struct conf *c, enum conf_layer layer, const char *path, struct buf *errs)
{
	struct conf_source source = { .layer = layer, .path = path };
	char *err;
	json_t *lines, *tree = yaml_load(path, &lines, &err);

	source.lines = lines;
	if (tree == NULL)
		conf_fault(errs, "%s", err);
	else if (!json_is_object(tree))
		conf_fault(errs, "%s: must hold keys and values", path);
	else
		conf_walk(c, &source, tree, "", errs);
	free(err);
	json_decref(lines);
	json_decref(tree);
}

static void
conf_read_env(struct conf *c, struct buf *errs)
{
	const char *eq;
	char **e, *name;
	json_t *v;
	int key;

	for (e = environ; e != NULL && *e != NULL; e++) {
		/* An empty variable is what scripts make of one that is not set. */
		if ((eq = strchr(*e, '=')) == NULL || eq[1] == '\0' ||
		    memchr(*e, '.', (size_t)(eq - *e)))
			continue;
		name = xstrndup(*e, (size_t)(eq - *e));
		if ((key = conf_find(name)) != -1) {
			v = conf_cast(conf_infos[key].type, eq + 1);
			conf_give(c, LAYER_ENV, (enum conf_key)key, v, errs);
			json_decref(v);
		}
		free(name);
	}
}

static void
conf_read_flag(struct conf *c, const char *name, const char *text, struct buf *errs)
{
	char *nearest;
	json_t *v;
	int key = conf_find(name);

	if (key == -1) {
		nearest = conf_upper(conf_nearest(name));
		conf_fault(errs, "unknown flag '--%.200s', did you mean '--%s'?", name, nearest);
		free(nearest);
	} else if (text == NULL) {
		conf_fault(errs, "'--%s' needs a value", name);
	} else {
		v = conf_cast(conf_infos[key].type, text);
		conf_give(c, LAYER_FLAG, (enum conf_key)key, v, errs);
		json_decref(v);
	}
}

static void
conf_read_flags(struct conf *c, int argc, char **argv, struct buf *errs)
{
	const char *eq, *flag, *text;
	char *name;
	int i;

	for (i = 0; i < argc; i++) {
		if (strncmp(argv[i], "--", 2) != 0 || argv[i][2] == '\0')
			continue;
		flag = argv[i] + 2;
		if ((eq = strchr(flag, '=')) != NULL) {
			name = xstrndup(flag, (size_t)(eq - flag));
			text = eq + 1;
		} else {
			name = xstrdup(flag);
			text = i + 1 < argc ? argv[++i] : NULL;
		}
		conf_read_flag(c, name, text, errs);
		free(name);
	}
}

/* `own`: by a daemon of the node; others may not read what lies below rootPath. */
static void
conf_read_settings(struct conf *c, int own, struct buf *errs)
{
	char *path;

	conf_resolve_key(c, ROOT_PATH);
	path = conf_path(c, SETTINGS_FILE);
	if (access(path, R_OK) == 0 || (errno != ENOENT && (own || errno != EACCES)))
		conf_read_yaml(c, LAYER_SETTINGS, path, errs);
	free(path);
}

/* Faults of single keys first: they may be the cause of the others. */
static struct conf *
conf_loaded(struct conf *c, int together, struct buf *errs, char **err)
{
	conf_resolve(c);
	if (together && errs->len == 0)
		conf_check_together(c, errs);
	if (conf_faults(errs, err) == 0)
		return (c);
	conf_free(c);
	return (NULL);
}

struct conf *
conf_load_file(const char *path, int argc, char **argv, char **err)
{
	struct conf *c = xcalloc(1, sizeof *c);
	struct buf errs = { 0 };

	if (path != NULL)
		conf_read_yaml(c, LAYER_FILE, path, &errs);
	conf_read_flags(c, argc, argv, &errs);
	return (conf_loaded(c, 1, &errs, err));
}

static struct conf *
conf_read(const char *path, int argc, char **argv, int own, char **err)
{
	struct conf *c = xcalloc(1, sizeof *c);
	struct buf errs = { 0 };

	if (path != NULL)
		conf_read_yaml(c, LAYER_FILE, path, &errs);
	conf_read_env(c, &errs);
	conf_read_flags(c, argc, argv, &errs);
	conf_read_settings(c, own, &errs);
	return (conf_loaded(c, own, &errs, err));
}

struct conf *
conf_load(const char *path, int argc, char **argv, char **err)
{
	return (conf_read(path, argc, argv, 1, err));
}

struct conf *
conf_load_client(const char *path, int argc, char **argv, char **err)
{
	return (conf_read(path, argc, argv, 0, err));
}

struct conf *
conf_from_tree(const json_t *tree, char **err)
{
	const struct conf_source source = { .layer = LAYER_FILE, .known_only = 1 };
	struct conf *c = xcalloc(1, sizeof *c);
	struct buf errs = { 0 };

	if (json_is_object(tree))
		conf_walk(c, &source, tree, "", &errs);
	else
		conf_fault(&errs, "the configuration must be an object");
	return (conf_loaded(c, 0, &errs, err));
}
