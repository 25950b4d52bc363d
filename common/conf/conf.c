#include "config.h"

#include "common/conf/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/conf/conf_priv.h"

/* ---- effective values ---- */

static char *
conf_join(const char *dir, const char *name)
{
	size_t n = strlen(dir);

	while (strncmp(name, "./", 2) == 0)
		name += 2;
	while (n > 0 && dir[n - 1] == '/')
		n--;
	return (xasprintf("%.*s/%s", (int)n, dir, name));
}

static json_t *
conf_default(const struct conf_info *k)
{
	struct buf errs = { 0 };
	json_t *text, *v;
	char *word;

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
	int layer;

	for (layer = LAYERS - 1; layer >= 0; layer--)
		if (c->given[layer][key] != NULL)
			return (json_is_null(c->given[layer][key]) ? NULL : c->given[layer][key]);
	return (NULL);
}

static int
conf_is_path(const struct conf_info *k)
{
	static const enum conf_key files[] = { CL_TLS_CERT, CL_TLS_CA, CL_TLS_KEY, TLS_CERT, TLS_CA,
		TLS_KEY, REP_TLS_CERT, REP_TLS_CA, REP_TLS_KEY, NATS_CREDS, NATS_SEED, NATS_CA,
		NATS_CERT, NATS_KEY, NATS_SERVER_CONFIG };

	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
		if (k == &conf_infos[files[i]])
			return (1);
	return (k->def != NULL && strncmp(k->def, "./", 2) == 0);
}

/* rootPath is made absolute by the working directory, the rest by rootPath. */
static json_t *
conf_absolute(const struct conf *c, const struct conf_info *k, json_t *v)
{
	const char *s = json_string_value(v);
	char *cwd, *path;
	json_t *abs;

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

void
conf_resolve_key(struct conf *c, enum conf_key key)
{
	const struct conf_info *k = &conf_infos[key];
	const json_t *given = conf_given(c, key);
	struct buf errs = { 0 };
	json_t *v;

	v = given != NULL ? conf_check_value(k, given, &errs) : conf_default(k);
	buf_free(&errs);
	json_decref(c->value[key]);
	c->value[key] = conf_absolute(c, k, v);
}

void
conf_resolve(struct conf *c)
{
	int key;

	for (key = 0; key < CONF_KEYS; key++) /* rootPath is the first */
		conf_resolve_key(c, (enum conf_key)key);
}

void
conf_give(struct conf *c, enum conf_layer layer, enum conf_key key, const json_t *v,
    struct buf *errs)
{
	json_t *checked;

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

void
conf_free(struct conf *c)
{
	int layer, key;

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
	struct conf *d = xcalloc(1, sizeof *d);
	int layer, key;

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

void
conf_tree_put(json_t *tree, const char *name, json_t *v)
{
	const char *dot;
	char *part;
	json_t *below;

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
	json_t *tree = json_object();
	int key;

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
	const char *s = json_string_value(value);

	if (s == NULL)
		return (json_incref((json_t *)(uintptr_t)value));
	return (strcmp(s, "undefined") == 0 ? json_null() : conf_cast(type, s));
}

int
conf_set(struct conf *c, enum conf_key key, const json_t *value, char **err)
{
	struct buf errs = { 0 };
	json_t *meant = conf_meant(conf_infos[key].type, value);

	if (key == ROOT_PATH)
		conf_fault(&errs, "'rootPath' cannot be set here: the settings lie below it");
	else if (c->given[LAYER_ENV][key] != NULL || c->given[LAYER_FLAG][key] != NULL)
		conf_fault(&errs, "'%s' cannot be set here: %s, which counts more",
		    conf_infos[key].name,
		    c->given[LAYER_FLAG][key] != NULL ?
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

/* A size, a time or names as somebody wrote them; NULL: it is what the value is. */
static const json_t *
conf_written(const struct conf *c, enum conf_key key)
{
	enum conf_type type = conf_infos[key].type;
	const json_t *given = conf_given(c, key);

	return (type == CONF_SIZE || type == CONF_DURATION || type == CONF_MS ||
		    type == CONF_DATABASES ?
		given :
		NULL);
}

json_t *
conf_value(const struct conf *c, enum conf_key key)
{
	const json_t *written = conf_written(c, key);

	if (written != NULL)
		return (json_deep_copy(written));
	return (c->value[key] != NULL ? json_deep_copy(c->value[key]) : json_null());
}

void
conf_take(struct conf *c, const struct conf *from, enum conf_key key)
{
	int layer;

	for (layer = 0; layer < LAYERS; layer++) {
		json_decref(c->given[layer][key]);
		c->given[layer][key] = json_deep_copy(from->given[layer][key]);
	}
	json_decref(c->value[key]);
	c->value[key] = json_deep_copy(from->value[key]);
}
