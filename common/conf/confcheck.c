#include "config.h"

#include "common/conf/conf_priv.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/words.h"
#include "common/base/nodename.h"

/* Whether a value is what its key takes. */

#define CONF_STR_MAX      4096
#define CONF_DURATION_MAX 9000000000LL /* as nanoseconds still an int64 */

/* ---- faults: lines in a buf ---- */

void
conf_fault(struct buf *errs, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) == -1)
		fatal("vasprintf");
	va_end(ap);
	buf_addf(errs, "%s%s", errs->len > 0 ? "\n" : "", text);
	free(text);
}

void
conf_fault_unknown(struct buf *errs, const char *name, const char *field, const char *const *known)
{
	const char *near = words_near(field, known);

	if (near != NULL)
		conf_fault(errs, "'%s' is not allowed, did you mean '%s'?", name, near);
	else
		conf_fault(errs, "'%s' is not allowed", name);
}

void
conf_fault_place(struct buf *errs, size_t from, const char *path, long long line)
{
	struct buf new = { 0 };
	const char *s = (const char *)errs->data + from,
		   *end = (const char *)errs->data + errs->len;
	const char *stop;

	if (errs->len == from)
		return;
	/* Lines, before all of which but the very first there is an end. */
	s += *s == '\n';
	for (; s < end; s = stop + 1) {
		stop = memchr(s, '\n', (size_t)(end - s));
		stop = stop != NULL ? stop : end;
		conf_fault(&new, "%s:%lld: %.*s", path, line, (int)(stop - s), s);
	}
	errs->len = from;
	conf_fault(errs, "%.*s", (int)new.len, (const char *)new.data);
	buf_free(&new);
}

int
conf_faults(struct buf *errs, char **err)
{
	int any = errs->len > 0;

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
	const char *s = json_string_value(v);
	size_t i, n = json_string_length(v);

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
	if (node_name_ok(s, strlen(s)))
		return (1);
	conf_fault(errs,
	    "'%s' must be 1 to 250 characters without '.', ',', '*', '>' "
	    "and white space",
	    name);
	return (0);
}

/* Goes into nats-server's configuration and URLs: nothing that means something there. */
int
conf_is_host(const char *s)
{
	size_t n = strlen(s);

	if (n > 2 && s[0] == '[' && s[n - 1] == ']')
		return (memchr(s, ':', n) != NULL && node_host_ok(s + 1, n - 2));
	/* A dot at the end says that the name is a whole one. */
	return (n == 0 || node_host_ok(s, s[n - 1] == '.' ? n - 1 : n));
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
		conf_fault(errs, "'%s' must be between %lld and %lld", name, (long long)min,
		    (long long)max);
	else
		conf_fault(errs, "'%s' must be greater than or equal to %lld", name,
		    (long long)min);
	return (0);
}

/* A whole number, also written as 3.0. */
static int
conf_whole(const json_t *v, int64_t *i)
{
	double d;

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
	if (k == &conf_infos[CL_NODENAME] &&
	    !conf_node_name_ok(k->name, json_string_value(v), errs))
		return (NULL);
	return (json_copy((json_t *)v));
}

static json_t *
conf_check_int(const struct conf_info *k, const json_t *v, struct buf *errs)
{
	int64_t i;

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
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = {
		{ '\0', 1 },
		{ 's', 1 },
		{ 'm', 60 },
		{ 'h', 3600 },
		{ 'd', 86400 },
	};
	const char *s = json_string_value(v);
	size_t i, digits;
	int64_t n;

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
	const char *s = json_string_value(v);
	size_t digits = s != NULL ? strspn(s, "0123456789") : 0;
	int64_t n;

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
	int64_t i = conf_ms(v);

	if (i == -1)
		conf_fault(errs,
		    "'%s' must be a number of milliseconds, or such as 30s, 10m, 12h, "
		    "3d",
		    k->name);
	else if (conf_range_ok(k->name, i, k->min, k->max, errs))
		return (json_integer(i));
	return (NULL);
}

static json_t *
conf_check_duration(const struct conf_info *k, const json_t *v, struct buf *errs)
{
	int64_t i = conf_seconds(v);

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
	static const char units[] = "KMG";
	const char *s = json_string_value(v), *unit;
	size_t digits = s != NULL ? strspn(s, "0123456789") : 0;
	int64_t i = -1;

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
	const char *s = json_string_value(v), *word, *end;
	const char *words = strchr(k->def, '|') + 1;
	struct buf list = { 0 };

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
	static const char *const known[] = { "tls", "separate", "host", "port", NULL };
	int64_t i;

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
		if (!json_is_boolean(v) &&
		    (!json_is_string(v) || strcmp(json_string_value(v), "wss") != 0))
			conf_fault(errs, "'%s' must be true, false or \"wss\"", name);
	} else if (k == &conf_infos[LEAF_ROUTES] && strcmp(field, "separate") == 0) {
		if (!json_is_boolean(v))
			conf_fault(errs, "'%s' must be a boolean", name);
	} else {
		conf_fault_unknown(errs, name, field,
		    k == &conf_infos[LEAF_ROUTES] ? known : known + 2);
	}
}

static void
conf_check_route(const struct conf_info *k, size_t nr, const json_t *route, struct buf *errs)
{
	static const char *const needed[] = { "host", "port" };
	const char *field;
	json_t *v;
	char *name;
	size_t i;

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
	size_t i, before = errs->len;
	json_t *route;

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
	size_t i, before = errs->len;
	json_t *word;

	if (!json_is_array(v))
		conf_fault(errs, "'%s' must be an array", k->name);
	json_array_foreach(v, i, word)
		if (!json_is_string(word) || json_string_length(word) == 0)
			conf_fault(errs, "'%s[%zu]' must be a string", k->name, i);
	return (errs->len == before ? json_deep_copy(v) : NULL);
}

json_t *
conf_check_value(const struct conf_info *k, const json_t *v, struct buf *errs)
{
	static json_t *(*const checks[])(const struct conf_info *, const json_t *, struct buf *) = {
		[CONF_STR] = conf_check_str,
		[CONF_INT] = conf_check_int,
		[CONF_BOOL] = conf_check_bool,
		[CONF_LIST] = conf_check_list,
		[CONF_WORDS] = conf_check_words,
		[CONF_DURATION] = conf_check_duration,
		[CONF_MS] = conf_check_ms,
		[CONF_SIZE] = conf_check_size,
		[CONF_ENUM] = conf_check_enum,
		[CONF_DATE] = conf_check_date,
		[CONF_LISTEN] = conf_check_listen,
		[CONF_NODES] = conf_check_nodes,
		[CONF_DATABASES] = conf_check_databases,
		[CONF_MTLS] = conf_check_mtls,
		[CONF_VERIFICATION] = conf_check_verification,
	};

	return (checks[k->type](k, v, errs));
}

/* ---- values from text: environment, flags, defaults ---- */

static json_t *
conf_cast_number(const char *text)
{
	json_t *v = json_loads(text, JSON_DECODE_ANY, NULL);

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

json_t *
conf_cast(enum conf_type type, const char *text)
{
	json_t *v = NULL;

	if (strcmp(text, "null") == 0)
		return (json_null());
	if (type == CONF_INT || type == CONF_DURATION || type == CONF_MS || type == CONF_SIZE)
		v = conf_cast_number(text);
	else if (type == CONF_BOOL || type == CONF_VERIFICATION ||
	    (type == CONF_MTLS && *text != '{'))
		v = conf_cast_bool(text);
	else if (type == CONF_LIST || type == CONF_WORDS || type == CONF_NODES ||
	    type == CONF_DATABASES || type == CONF_MTLS)
		v = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	if (v == NULL)
		v = json_string(text);
	return (v != NULL ? v : json_string("?")); /* not UTF-8 */
}
