#include "config.h"

#include "common/conf/conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/conf/conf_priv.h"
#include "common/conf/yaml.h"


extern char **environ;

/* ---- effective values ---- */

static char *
conf_join(const char *dir, const char *name)
{
	size_t	n = strlen(dir);

	while (strncmp(name, "./", 2) == 0)
		name += 2;
	while (n > 0 && dir[n - 1] == '/')
		n--;
	return (xasprintf("%.*s/%s", (int)n, dir, name));
}

static json_t *
conf_default(const struct conf_info *k)
{
	struct buf	 errs = { 0 };
	json_t		*text, *v;
	char		*word;

	if (k->def == NULL)
		return (NULL);
	word = xstrndup(k->def, k->type == CONF_ENUM ? strcspn(k->def, "|") : strlen(k->def));
	text = conf_cast(k->type, word);
	v = conf_check_value(k, text, &errs);
	json_decref(text);
	free(word);
	buf_free(&errs);
	return (v);
}

/* The value that counts, NULL when none is given; null means the default, whatever lies below. */
static const json_t *
conf_given(const struct conf *c, enum conf_key key)
{
	int	layer;

	for (layer = LAYERS - 1; layer >= 0; layer--)
		if (c->given[layer][key] != NULL)
			return (json_is_null(c->given[layer][key]) ? NULL : c->given[layer][key]);
	return (NULL);
}

static int
conf_is_path(const struct conf_info *k)
{
	static const enum conf_key files[] = { CL_TLS_CERT, CL_TLS_CA, CL_TLS_KEY, TLS_CERT,
	    TLS_CA, TLS_KEY };

	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
		if (k == &conf_infos[files[i]])
			return (1);
	return (k->def != NULL && strncmp(k->def, "./", 2) == 0);
}

/* rootPath is made absolute by the working directory, the rest by rootPath. */
static json_t *
conf_absolute(const struct conf *c, const struct conf_info *k, json_t *v)
{
	const char	*s = json_string_value(v);
	char		*cwd, *path;
	json_t		*abs;

	if (s == NULL || s[0] == '/' || (k != &conf_infos[ROOT_PATH] && !conf_is_path(k)))
		return (v);
	if (k == &conf_infos[ROOT_PATH]) {
		cwd = getcwd(NULL, 0);
		path = conf_join(cwd != NULL ? cwd : "/", s);
		free(cwd);
	} else {
		path = conf_join(json_string_value(c->value[ROOT_PATH]), s);
	}
	abs = json_string(path);
	free(path);
	json_decref(v);
	return (abs);
}

/* All given values were checked when they came. */
static void
conf_resolve_key(struct conf *c, enum conf_key key)
{
	const struct conf_info	*k = &conf_infos[key];
	const json_t		*given = conf_given(c, key);
	struct buf		 errs = { 0 };
	json_t			*v;

	v = given != NULL ? conf_check_value(k, given, &errs) : conf_default(k);
	buf_free(&errs);
	json_decref(c->value[key]);
	c->value[key] = conf_absolute(c, k, v);
}

static void
conf_resolve(struct conf *c)
{
	int	key;

	for (key = 0; key < CONF_KEYS; key++)	/* rootPath is the first */
		conf_resolve_key(c, (enum conf_key)key);
}

/* ---- reading ---- */

static void
conf_give(struct conf *c, enum conf_layer layer, enum conf_key key, const json_t *v,
    struct buf *errs)
{
	json_t	*checked;

	if (json_is_null(v)) {
		/* Null in the file is as good as absent; in the settings it hides the file's. */
		checked = layer == LAYER_FILE ? NULL : json_null();
	} else if ((checked = conf_check_value(&conf_infos[key], v, errs)) == NULL) {
		return;
	} else {
		json_decref(checked);
		checked = json_deep_copy(v);
	}
	json_decref(c->given[layer][key]);
	c->given[layer][key] = checked;
}

/* Where a tree comes from. */
struct conf_source {
	enum conf_layer	 layer;
	int		 known_only;	/* keys of another version are passed over */
	const char	*path;		/* the file, or NULL */
	const json_t	*lines;		/* of its keys */
};

static void
conf_walk(struct conf *c, const struct conf_source *source, const json_t *tree,
    const char *prefix, struct buf *errs)
{
	enum conf_layer	 layer = source->layer;
	const char	*name;
	char		*path;
	json_t		*v;
	size_t		 was;
	int		 key, section;

	json_object_foreach((json_t *)tree, name, v) {
		path = xasprintf("%s%s%.200s", prefix, *prefix != '\0' ? "." : "", name);
		section = conf_is_section(path);
		was = errs->len;
		key = conf_find(path);
		if (strlen(path) > 1000)
			conf_fault(errs, "'%.100s...' is nested too deep", path);
		else if (key == ROOT_PATH && layer == LAYER_SETTINGS)
			conf_fault(errs, "'rootPath' cannot be set here: the settings lie below it");
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
	struct conf_source	 source = { .layer = layer, .path = path };
	char			*err;
	json_t			*lines, *tree = yaml_load_lines(path, &lines, &err);

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
	const char	*eq;
	char		**e, *name;
	json_t		*v;
	int		 key;

	for (e = environ; e != NULL && *e != NULL; e++) {
		/* An empty variable is what scripts make of one that is not set. */
		if ((eq = strchr(*e, '=')) == NULL || eq[1] == '\0' || memchr(*e, '.', (size_t)(eq - *e)))
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
	char	*nearest;
	json_t	*v;
	int	 key = conf_find(name);

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
	const char	*eq, *flag, *text;
	char		*name;
	int		 i;

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
	char	*path;

	conf_resolve_key(c, ROOT_PATH);
	path = conf_path(c, SETTINGS_FILE);
	if (access(path, R_OK) == 0 || (errno != ENOENT && (own || errno != EACCES)))
		conf_read_yaml(c, LAYER_SETTINGS, path, errs);
	free(path);
}

/* Each of a node's servers listens on a port of its own. */
static void
conf_check_ports(const struct conf *c, struct buf *errs)
{
	static const enum conf_key	ports[] = { API_PORT, API_SECURE_PORT, HUB_PORT,
	    HUB_LEAF_PORT, HUB_CLUSTER_PORT, LEAF_PORT };
	size_t				i, k, n = sizeof ports / sizeof ports[0];

	/* Without clustering only the API's two listen. */
	if (!conf_bool(c, CL_ENABLED))
		n = 2;
	for (i = 0; i < n; i++)
		for (k = i + 1; k < n; k++)
			if (conf_int(c, ports[i]) == conf_int(c, ports[k]))
				conf_fault(errs, "%s and %s cannot be the same value",
				    conf_name(ports[i]), conf_name(ports[k]));
}

static void
conf_check_rotation(const struct conf *c, struct buf *errs)
{
	if (conf_bool(c, LOG_ROTATE) && conf_int(c, LOG_ROTATE_SIZE) == 0 &&
	    conf_int(c, LOG_ROTATE_INTERVAL) == 0)
		conf_fault(errs, "'%s' or '%s' is required when '%s' is true",
		    conf_name(LOG_ROTATE_INTERVAL), conf_name(LOG_ROTATE_SIZE),
		    conf_name(LOG_ROTATE));
	if (conf_bool(c, LOG_ROTATE_COMPRESS))
		conf_fault(errs, "'%s' must be false: read_log reads the files as they are",
		    conf_name(LOG_ROTATE_COMPRESS));
}

static void
conf_check_together(const struct conf *c, struct buf *errs)
{
	if (conf_bool(c, CL_ENABLED) && conf_str(c, CL_NODENAME) == NULL)
		conf_fault(errs, "'%s' is required when clustering is enabled",
		    conf_name(CL_NODENAME));
	if (conf_bool(c, CL_ENABLED) && conf_str(c, CL_USER) == NULL)
		conf_fault(errs, "'%s' is required when clustering is enabled", conf_name(CL_USER));
	if ((conf_str(c, TLS_CERT) == NULL) != (conf_str(c, TLS_KEY) == NULL))
		conf_fault(errs, "'%s' and '%s' go together", conf_name(TLS_CERT),
		    conf_name(TLS_KEY));
	conf_check_ports(c, errs);
	conf_check_rotation(c, errs);
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
	struct conf	*c = xcalloc(1, sizeof *c);
	struct buf	 errs = { 0 };

	if (path != NULL)
		conf_read_yaml(c, LAYER_FILE, path, &errs);
	conf_read_flags(c, argc, argv, &errs);
	return (conf_loaded(c, 1, &errs, err));
}

static struct conf *
conf_read(const char *path, int argc, char **argv, int own, char **err)
{
	struct conf	*c = xcalloc(1, sizeof *c);
	struct buf	 errs = { 0 };

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
	const struct conf_source	 source = { .layer = LAYER_FILE, .known_only = 1 };
	struct conf			*c = xcalloc(1, sizeof *c);
	struct buf			 errs = { 0 };

	if (json_is_object(tree))
		conf_walk(c, &source, tree, "", &errs);
	else
		conf_fault(&errs, "the configuration must be an object");
	return (conf_loaded(c, 0, &errs, err));
}

void
conf_free(struct conf *c)
{
	int	layer, key;

	if (c == NULL)
		return;
	for (key = 0; key < CONF_KEYS; key++) {
		for (layer = 0; layer < LAYERS; layer++)
			json_decref(c->given[layer][key]);
		json_decref(c->value[key]);
	}
	free(c);
}

struct conf *
conf_dup(const struct conf *c)
{
	struct conf	*d = xcalloc(1, sizeof *d);
	int		 layer, key;

	for (key = 0; key < CONF_KEYS; key++) {
		for (layer = 0; layer < LAYERS; layer++)
			d->given[layer][key] = json_deep_copy(c->given[layer][key]);
		d->value[key] = json_deep_copy(c->value[key]);
	}
	return (d);
}

/* ---- asking ---- */

const char *
conf_str(const struct conf *c, enum conf_key key)
{
	return (json_string_value(c->value[key]));
}

int64_t
conf_int(const struct conf *c, enum conf_key key)
{
	return (json_integer_value(c->value[key]));
}

int
conf_bool(const struct conf *c, enum conf_key key)
{
	return (json_is_true(c->value[key]));
}

const json_t *
conf_list(const struct conf *c, enum conf_key key)
{
	return (c->value[key]);
}

int
conf_is_set(const struct conf *c, enum conf_key key)
{
	return (conf_given(c, key) != NULL);
}

/* Put `v`, which it takes, at a dotted name. */
void
conf_tree_put(json_t *tree, const char *name, json_t *v)
{
	const char	*dot;
	char		*part;
	json_t		*below;

	while ((dot = strchr(name, '.')) != NULL) {
		part = xstrndup(name, (size_t)(dot - name));
		if ((below = json_object_get(tree, part)) == NULL) {
			json_object_set_new(tree, part, json_object());
			below = json_object_get(tree, part);
		}
		free(part);
		tree = below;
		name = dot + 1;
	}
	json_object_set_new(tree, name, v);
}

json_t *
conf_tree(const struct conf *c)
{
	json_t	*tree = json_object();
	int	 key;

	for (key = 0; key < CONF_KEYS; key++)
		conf_tree_put(tree, conf_infos[key].name, conf_value(c, (enum conf_key)key));
	return (tree);
}

char *
conf_path(const struct conf *c, const char *below_root)
{
	return (conf_join(conf_str(c, ROOT_PATH), below_root));
}

char *
conf_file(const struct conf *c, enum conf_key key, const char *own)
{
	return (conf_str(c, key) != NULL ? xstrdup(conf_str(c, key)) : conf_path(c, own));
}

char *
conf_run_path(const struct conf *c, const char *name)
{
	return (conf_join(conf_str(c, RUN_PATH), name));
}

/* ---- changing ---- */

/* What the command line and forms send as text is meant as the key's type has it. */
static json_t *
conf_meant(enum conf_type type, const json_t *value)
{
	const char	*s = json_string_value(value);

	if (s == NULL)
		return (json_incref((json_t *)(uintptr_t)value));
	return (strcmp(s, "undefined") == 0 ? json_null() : conf_cast(type, s));
}

int
conf_set(struct conf *c, enum conf_key key, const json_t *value, char **err)
{
	struct buf	 errs = { 0 };
	json_t		*meant = conf_meant(conf_infos[key].type, value);

	if (key == ROOT_PATH)
		conf_fault(&errs, "'rootPath' cannot be set here: the settings lie below it");
	else if (c->given[LAYER_ENV][key] != NULL || c->given[LAYER_FLAG][key] != NULL)
		conf_fault(&errs, "'%s' cannot be set here: %s, which counts more",
		    conf_infos[key].name, c->given[LAYER_FLAG][key] != NULL ?
		    "the node was started with a flag for it" :
		    "the node's environment has a variable for it");
	else
		conf_give(c, LAYER_SETTINGS, key, meant, &errs);
	json_decref(meant);
	conf_resolve_key(c, key);
	return (conf_faults(&errs, err));
}

int
conf_equal(const struct conf *a, const struct conf *b, enum conf_key key)
{
	return (a->value[key] == b->value[key] || json_equal(a->value[key], b->value[key]));
}

/* A size or a time as somebody wrote it; NULL: it is what the value is. */
static const json_t *
conf_written(const struct conf *c, enum conf_key key)
{
	enum conf_type	 type = conf_infos[key].type;
	const json_t	*given = conf_given(c, key);

	return (type == CONF_SIZE || type == CONF_DURATION || type == CONF_MS ? given : NULL);
}

json_t *
conf_value(const struct conf *c, enum conf_key key)
{
	const json_t	*written = conf_written(c, key);

	if (written != NULL)
		return (json_deep_copy(written));
	return (c->value[key] != NULL ? json_deep_copy(c->value[key]) : json_null());
}

void
conf_take(struct conf *c, const struct conf *from, enum conf_key key)
{
	int	layer;

	for (layer = 0; layer < LAYERS; layer++) {
		json_decref(c->given[layer][key]);
		c->given[layer][key] = json_deep_copy(from->given[layer][key]);
	}
	json_decref(c->value[key]);
	c->value[key] = json_deep_copy(from->value[key]);
}

int
conf_check(const struct conf *c, char **err)
{
	struct buf	errs = { 0 };

	conf_check_together(c, &errs);
	return (conf_faults(&errs, err));
}
