#include "config.h"

#include "conf.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "conf_priv.h"
#include "log.h"
#include "mem.h"
#include "yaml.h"

#define CONF_STR_MAX		4096
#define CONF_NAME_MAX		128		/* of an unknown name, for the search */
#define CONF_DURATION_MAX	9000000000LL	/* as nanoseconds still an int64 */

struct conf_info {
	const char		*name;
	enum conf_type		 type;
	const char		*def;
	int64_t			 min, max;
	enum conf_change	 change;
	const char		*doc;
};

static const struct conf_info conf_infos[CONF_KEYS] = {
#define CONF(id, name, type, def, min, max, change, doc) \
	[id] = { name, type, def, min, max, change, doc },
#include "conf.def"
#undef CONF
};

extern char **environ;

/* ---- names ---- */

static char
conf_fold(char ch)
{
	return (ch == '.' ? '_' : (char)tolower((unsigned char)ch));
}

/* How much of `name` the key's name begins with; dots and underscores are one. */
static size_t
conf_match(const char *key, const char *name)
{
	size_t	i;

	for (i = 0; name[i] != '\0' && conf_fold(key[i]) == conf_fold(name[i]); i++)
		continue;
	return (i);
}

int
conf_find(const char *name)
{
	int	key;

	for (key = 0; key < CONF_KEYS; key++)
		if (strlen(name) == strlen(conf_infos[key].name) &&
		    name[conf_match(conf_infos[key].name, name)] == '\0')
			return (key);
	return (-1);
}

/* "clustering.hubServer": some key lies below it. */
static int
conf_is_section(const char *name)
{
	size_t	n = strlen(name);
	int	key;

	for (key = 0; key < CONF_KEYS; key++)
		if (conf_match(conf_infos[key].name, name) == n && conf_infos[key].name[n] == '.')
			return (1);
	return (0);
}

/* Levenshtein, one row at a time. */
static unsigned
conf_distance(const char *a, const char *b)
{
	unsigned	row[CONF_NAME_MAX + 1], diag, up, best;
	size_t		i, j, n = strnlen(a, CONF_NAME_MAX), m = strnlen(b, CONF_NAME_MAX);

	for (j = 0; j <= m; j++)
		row[j] = (unsigned)j;
	for (i = 1; i <= n; i++) {
		diag = row[0];
		row[0] = (unsigned)i;
		for (j = 1; j <= m; j++) {
			up = row[j];
			best = diag + (conf_fold(a[i - 1]) != conf_fold(b[j - 1]));
			if (up + 1 < best)
				best = up + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
			diag = up;
		}
	}
	return (row[m]);
}

/* What peers call what we have elsewhere: keys, and sections of some. */
static const struct {
	const char	*theirs, *ours;
} conf_elsewhere[] = {
	{ "http", "operationsApi.network" }, { "operationsApi.tls", "tls" },
	{ "operationsApi.authentication", "authentication" },
	{ "server.port", "operationsApi.network.port" }, { "hdb.root", "rootPath" },
	{ "log.level", "logging.level" },
	{ "cors.on", "operationsApi.network.cors" },
	{ "clustering.port", "clustering.hubServer.cluster.network.port" },
	{ "node.name", "clustering.nodeName" },
};

static int
conf_find_elsewhere(const char *name)
{
	size_t	i, n;
	char	*ours;
	int	key;

	for (i = 0; i < sizeof(conf_elsewhere) / sizeof(conf_elsewhere[0]); i++) {
		n = strlen(conf_elsewhere[i].theirs);
		if (conf_match(conf_elsewhere[i].theirs, name) < n ||
		    (name[n] != '\0' && conf_fold(name[n]) != '_'))
			continue;
		ours = xasprintf("%s%.*s", conf_elsewhere[i].ours, CONF_NAME_MAX, name + n);
		key = conf_find(ours);
		free(ours);
		if (key != -1)
			return (key);
	}
	return (-1);
}

const char *
conf_nearest(const char *name)
{
	unsigned	d, least = UINT32_MAX;
	int		key = conf_find_elsewhere(name), nearest = 0;

	if (key != -1)
		return (conf_infos[key].name);
	for (key = 0; key < CONF_KEYS; key++) {
		if ((d = conf_distance(name, conf_infos[key].name)) < least) {
			least = d;
			nearest = key;
		}
	}
	return (conf_infos[nearest].name);
}

const char *
conf_name(enum conf_key key)
{
	return (conf_infos[key].name);
}

enum conf_change
conf_change(enum conf_key key)
{
	return (conf_infos[key].change);
}

/* The name as an environment variable or flag has it; caller frees. */
static char *
conf_upper(const char *name)
{
	char	*upper = xstrdup(name), *p;

	for (p = upper; *p != '\0'; p++)
		*p = *p == '.' ? '_' : (char)toupper((unsigned char)*p);
	return (upper);
}

/* ---- faults: lines in a buf ---- */

static void __attribute__((format(printf, 2, 3)))
conf_fault(struct buf *errs, const char *fmt, ...)
{
	va_list	 ap;
	char	*text;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) == -1)
		fatal("vasprintf");
	va_end(ap);
	buf_addf(errs, "%s%s", errs->len > 0 ? "\n" : "", text);
	free(text);
}

/* What was collected as the caller's text; 0 when nothing. */
static int
conf_faults(struct buf *errs, char **err)
{
	int	any = errs->len > 0;

	*err = NULL;
	if (any) {
		buf_u8(errs, '\0');
		*err = (char *)buf_take(errs, NULL);
	}
	buf_free(errs);
	return (any ? -1 : 0);
}

/* ---- checks by type: the value in its final form, or NULL and a fault ---- */

static int
conf_text_ok(const char *name, const json_t *v, struct buf *errs)
{
	const char	*s = json_string_value(v);
	size_t		 i, n = json_string_length(v);

	if (s == NULL)
		conf_fault(errs, "'%s' must be a string", name);
	else if (n == 0)
		conf_fault(errs, "'%s' is not allowed to be empty", name);
	else if (n > CONF_STR_MAX)
		conf_fault(errs, "'%s' must be at most %d characters long", name, CONF_STR_MAX);
	else {
		for (i = 0; i < n && (unsigned char)s[i] >= ' ' && s[i] != 0x7f; i++)
			continue;
		if (i == n)
			return (1);
		conf_fault(errs, "'%s' must not contain control characters", name);
	}
	return (0);
}

static int
conf_node_name_ok(const char *name, const char *s, struct buf *errs)
{
	if (strlen(s) <= 250 && strpbrk(s, ".,*> ") == NULL)
		return (1);
	conf_fault(errs, "'%s' must be 1 to 250 characters without '.', ',', '*', '>' "
	    "and white space", name);
	return (0);
}

/* Goes into nats-server's configuration and URLs: nothing that means something there. */
int
conf_is_host(const char *s)
{
	for (; *s != '\0'; s++)
		if (!isalnum((unsigned char)*s) && strchr(".-_:[]%", *s) == NULL)
			return (0);
	return (1);
}

static int
conf_host_ok(const char *name, const json_t *v, struct buf *errs)
{
	if (!conf_text_ok(name, v, errs))
		return (0);
	if (conf_is_host(json_string_value(v)))
		return (1);
	conf_fault(errs, "'%s' must be a host name or an address", name);
	return (0);
}

static int
conf_range_ok(const char *name, int64_t i, int64_t min, int64_t max, struct buf *errs)
{
	if (i >= min && (max == 0 || i <= max))
		return (1);
	if (max != 0)
		conf_fault(errs, "'%s' must be between %lld and %lld", name,
		    (long long)min, (long long)max);
	else
		conf_fault(errs, "'%s' must be greater than or equal to %lld", name, (long long)min);
	return (0);
}

/* A whole number, also written as 3.0. */
static int
conf_whole(const json_t *v, int64_t *i)
{
	double	d;

	if (json_is_integer(v)) {
		*i = json_integer_value(v);
		return (1);
	}
	if (!json_is_real(v))
		return (0);
	d = json_real_value(v);
	if (!(fabs(d) <= 9007199254740992.0) || floor(d) != d)
		return (0);
	*i = (int64_t)d;
	return (1);
}

static json_t *
conf_check_str(const struct conf_info *k, const json_t *v, struct buf *errs)
{
	if (!conf_text_ok(k->name, v, errs))
		return (NULL);
	if (k == &conf_infos[CL_NODENAME] && !conf_node_name_ok(k->name, json_string_value(v), errs))
		return (NULL);
	return (json_copy((json_t *)v));
}

static json_t *
conf_check_int(const struct conf_info *k, const json_t *v, struct buf *errs)
{
	int64_t	i;

	if (!json_is_number(v))
		conf_fault(errs, "'%s' must be a number", k->name);
	else if (!conf_whole(v, &i))
		conf_fault(errs, "'%s' must be an integer", k->name);
	else if (conf_range_ok(k->name, i, k->min, k->max, errs))
		return (json_integer(i));
	return (NULL);
}

static json_t *
conf_check_bool(const struct conf_info *k, const json_t *v, struct buf *errs)
{
	if (json_is_boolean(v))
		return (json_copy((json_t *)v));
	conf_fault(errs, "'%s' must be a boolean", k->name);
	return (NULL);
}

/* -1: not a duration. */
static int64_t
conf_seconds(const json_t *v)
{
	static const struct { char unit; int64_t seconds; } units[] = {
		{ '\0', 1 }, { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 },
	};
	const char	*s = json_string_value(v);
	size_t		 i, digits;
	int64_t		 n;

	if (s == NULL) {
		if (!conf_whole(v, &n) || n < 0 || n > CONF_DURATION_MAX)
			return (-1);
		return (n);
	}
	digits = strspn(s, "0123456789");
	if (digits == 0 || digits > 10 || strlen(s + digits) > 1)
		return (-1);
	for (i = 0; i < sizeof units / sizeof units[0]; i++) {
		if (tolower((unsigned char)s[digits]) != units[i].unit)
			continue;
		n = strtoll(s, NULL, 10);
		return (n <= CONF_DURATION_MAX / units[i].seconds ? n * units[i].seconds : -1);
	}
	return (-1);
}

int64_t
conf_ms(const json_t *v)
{
	const char	*s = json_string_value(v);
	size_t		 digits = s != NULL ? strspn(s, "0123456789") : 0;
	int64_t		 n;

	/* Without a unit, and with this one, they are milliseconds. */
	if (s == NULL || (digits > 0 && (s[digits] == '\0' || strcmp(s + digits, "ms") == 0))) {
		if (s == NULL ? !conf_whole(v, &n) : digits > 15 || (n = strtoll(s, NULL, 10)) < 0)
			return (-1);
		return (n >= 0 && n <= CONF_DURATION_MAX * 1000 ? n : -1);
	}
	n = conf_seconds(v);
	return (n == -1 ? -1 : n * 1000);
}

static json_t *
conf_check_ms(const struct conf_info *k, const json_t *v, struct buf *errs)
{
	int64_t	i = conf_ms(v);

	if (i == -1)
		conf_fault(errs, "'%s' must be a number of milliseconds, or such as 30s, 10m, 12h, "
		    "3d", k->name);
	else if (conf_range_ok(k->name, i, k->min, k->max, errs))
		return (json_integer(i));
	return (NULL);
}

static json_t *
conf_check_duration(const struct conf_info *k, const json_t *v, struct buf *errs)
{
	int64_t	i = conf_seconds(v);

	if (i == -1)
		conf_fault(errs, "'%s' must be a number of seconds, or such as 30s, 10m, 12h, 3d",
		    k->name);
	else if (conf_range_ok(k->name, i, k->min, k->max, errs))
		return (json_integer(i));
	return (NULL);
}

/* Bytes: a number, or text such as 64M. */
static json_t *
conf_check_size(const struct conf_info *k, const json_t *v, struct buf *errs)
{
	static const char	 units[] = "KMG";
	const char		*s = json_string_value(v), *unit;
	size_t			 digits = s != NULL ? strspn(s, "0123456789") : 0;
	int64_t			 i = -1;

	if (digits > 0 && digits <= 10 && strlen(s + digits) == 1 &&
	    (unit = strchr(units, toupper((unsigned char)s[digits]))) != NULL)
		i = (int64_t)(strtoull(s, NULL, 10) << (10 * (unit - units + 1)));
	else if (s != NULL || !conf_whole(v, &i))
		i = -1;
	if (i < 0)
		conf_fault(errs, "'%s' must be a number of bytes, or such as 512K, 64M, 1G",
		    k->name);
	else if (conf_range_ok(k->name, i, k->min, k->max, errs))
		return (json_integer(i));
	return (NULL);
}

/* The default stands before the first '|', then all words. */
static json_t *
conf_check_enum(const struct conf_info *k, const json_t *v, struct buf *errs)
{
	const char	*s = json_string_value(v), *word, *end;
	const char	*words = strchr(k->def, '|') + 1;
	struct buf	 list = { 0 };

	for (word = words; *word != '\0'; word = *end == '|' ? end + 1 : end) {
		end = word + strcspn(word, "|");
		if (s != NULL && strlen(s) == (size_t)(end - word) &&
		    strncasecmp(s, word, (size_t)(end - word)) == 0) {
			buf_free(&list);
			return (json_stringn(word, (size_t)(end - word)));
		}
		buf_addf(&list, "%s%.*s", list.len > 0 ? ", " : "", (int)(end - word), word);
	}
	conf_fault(errs, "'%s' must be one of [%.*s]", k->name, (int)list.len, list.data);
	buf_free(&list);
	return (NULL);
}

static void
conf_check_route_field(const struct conf_info *k, const char *name, const char *field,
    const json_t *v, struct buf *errs)
{
	int64_t	i;

	if (strcmp(field, "host") == 0) {
		conf_host_ok(name, v, errs);
	} else if (strcmp(field, "port") == 0) {
		if (!json_is_number(v))
			conf_fault(errs, "'%s' must be a number", name);
		else if (!conf_whole(v, &i))
			conf_fault(errs, "'%s' must be an integer", name);
		else
			conf_range_ok(name, i, 1, 65535, errs);
	} else if (k == &conf_infos[LEAF_ROUTES] && strcmp(field, "tls") == 0) {
		if (!json_is_boolean(v) && (!json_is_string(v) ||
		    strcmp(json_string_value(v), "wss") != 0))
			conf_fault(errs, "'%s' must be true, false or \"wss\"", name);
	} else if (k == &conf_infos[LEAF_ROUTES] && strcmp(field, "separate") == 0) {
		if (!json_is_boolean(v))
			conf_fault(errs, "'%s' must be a boolean", name);
	} else {
		conf_fault(errs, "'%s' is not allowed", name);
	}
}

static void
conf_check_route(const struct conf_info *k, size_t nr, const json_t *route, struct buf *errs)
{
	static const char *const needed[] = { "host", "port" };
	const char	*field;
	json_t		*v;
	char		*name;
	size_t		 i;

	if (!json_is_object(route)) {
		conf_fault(errs, "'%s[%zu]' must be an object", k->name, nr);
		return;
	}
	for (i = 0; i < 2; i++)
		if (json_object_get(route, needed[i]) == NULL)
			conf_fault(errs, "'%s[%zu].%s' is required", k->name, nr, needed[i]);
	json_object_foreach((json_t *)route, field, v) {
		name = xasprintf("%s[%zu].%.100s", k->name, nr, field);
		conf_check_route_field(k, name, field, v, errs);
		free(name);
	}
}

static json_t *
conf_check_list(const struct conf_info *k, const json_t *v, struct buf *errs)
{
	size_t	i, before = errs->len;
	json_t	*route;

	if (!json_is_array(v)) {
		conf_fault(errs, "'%s' must be an array", k->name);
		return (NULL);
	}
	json_array_foreach(v, i, route)
		conf_check_route(k, i, route, errs);
	return (errs->len == before ? json_deep_copy(v) : NULL);
}

static json_t *
conf_check_words(const struct conf_info *k, const json_t *v, struct buf *errs)
{
	size_t	i, before = errs->len;
	json_t	*word;

	if (!json_is_array(v))
		conf_fault(errs, "'%s' must be an array", k->name);
	json_array_foreach(v, i, word)
		if (!json_is_string(word) || json_string_length(word) == 0)
			conf_fault(errs, "'%s[%zu]' must be a string", k->name, i);
	return (errs->len == before ? json_deep_copy(v) : NULL);
}

static json_t *
conf_check_value(const struct conf_info *k, const json_t *v, struct buf *errs)
{
	static json_t *(*const checks[])(const struct conf_info *, const json_t *, struct buf *) = {
		[CONF_STR] = conf_check_str, [CONF_INT] = conf_check_int,
		[CONF_BOOL] = conf_check_bool, [CONF_LIST] = conf_check_list,
		[CONF_WORDS] = conf_check_words,
		[CONF_DURATION] = conf_check_duration, [CONF_MS] = conf_check_ms,
		[CONF_SIZE] = conf_check_size,
		[CONF_ENUM] = conf_check_enum,
	};

	return (checks[k->type](k, v, errs));
}

/* ---- values from text: environment, flags, defaults ---- */

static json_t *
conf_cast_number(const char *text)
{
	json_t	*v = json_loads(text, JSON_DECODE_ANY, NULL);

	if (json_is_number(v) || json_is_null(v))
		return (v);
	json_decref(v);
	return (NULL);
}

static json_t *
conf_cast_bool(const char *text)
{
	if (strcasecmp(text, "true") == 0)
		return (json_true());
	if (strcasecmp(text, "false") == 0)
		return (json_false());
	return (NULL);
}

/* By the key's type: a node may be called 123.  What does not fit stays text, for the fault. */
static json_t *
conf_cast(enum conf_type type, const char *text)
{
	json_t	*v = NULL;

	if (type == CONF_INT || type == CONF_DURATION || type == CONF_MS || type == CONF_SIZE)
		v = conf_cast_number(text);
	else if (type == CONF_BOOL)
		v = conf_cast_bool(text);
	else if (type == CONF_LIST || type == CONF_WORDS)
		v = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	if (v == NULL)
		v = json_string(text);
	return (v != NULL ? v : json_string("?"));	/* not UTF-8 */
}

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

/* rootPath is made absolute by the working directory, the rest by rootPath. */
static json_t *
conf_absolute(const struct conf *c, const struct conf_info *k, json_t *v)
{
	const char	*s = json_string_value(v);
	char		*cwd, *path;
	json_t		*abs;

	if (s == NULL || s[0] == '/' || k->def == NULL ||
	    (k != &conf_infos[ROOT_PATH] && strncmp(k->def, "./", 2) != 0))
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

/* `known_only`: keys of another version are passed over. */
static void
conf_walk(struct conf *c, enum conf_layer layer, const json_t *tree, const char *prefix,
    int known_only, struct buf *errs)
{
	const char	*name;
	char		*path;
	json_t		*v;
	int		 key, section;

	json_object_foreach((json_t *)tree, name, v) {
		path = xasprintf("%s%s%.200s", prefix, *prefix != '\0' ? "." : "", name);
		section = conf_is_section(path);
		if (strlen(path) > 1000)
			conf_fault(errs, "'%.100s...' is nested too deep", path);
		else if ((key = conf_find(path)) == ROOT_PATH && layer == LAYER_SETTINGS)
			conf_fault(errs, "'rootPath' cannot be set here: the settings lie below it");
		else if (key != -1)
			conf_give(c, layer, (enum conf_key)key, v, errs);
		else if (json_object_size(v) > 0)
			conf_walk(c, layer, v, path, known_only, errs);
		else if (section && !json_is_null(v) && !json_is_object(v))
			conf_fault(errs, "'%s' must be an object", path);
		else if (!section && !known_only)
			conf_fault(errs, "unknown key '%s', did you mean '%s'?", path,
			    conf_nearest(path));
		free(path);
	}
}

static void
conf_read_yaml(struct conf *c, enum conf_layer layer, const char *path, struct buf *errs)
{
	char	*err;
	json_t	*tree = yaml_load(path, &err);

	if (tree == NULL)
		conf_fault(errs, "%s", err);
	else if (!json_is_object(tree))
		conf_fault(errs, "%s: must hold keys and values", path);
	else
		conf_walk(c, layer, tree, "", 0, errs);
	free(err);
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

static void
conf_read_settings(struct conf *c, struct buf *errs)
{
	char	*path;

	conf_resolve_key(c, ROOT_PATH);
	path = conf_path(c, SETTINGS_FILE);
	if (access(path, F_OK) == 0 || errno != ENOENT)
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
conf_load(const char *path, int argc, char **argv, char **err)
{
	struct conf	*c = xcalloc(1, sizeof *c);
	struct buf	 errs = { 0 };

	if (path != NULL)
		conf_read_yaml(c, LAYER_FILE, path, &errs);
	conf_read_env(c, &errs);
	conf_read_flags(c, argc, argv, &errs);
	conf_read_settings(c, &errs);
	return (conf_loaded(c, 1, &errs, err));
}

struct conf *
conf_from_tree(const json_t *tree, char **err)
{
	struct conf	*c = xcalloc(1, sizeof *c);
	struct buf	 errs = { 0 };

	if (json_is_object(tree))
		conf_walk(c, LAYER_FILE, tree, "", 1, &errs);
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

json_t *
conf_value(const struct conf *c, enum conf_key key)
{
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
