#include "config.h"

#include "opsd/store/attrtype.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/iso.h"
#include "common/base/mem.h"

#define LONG_MAX_EXACT 9007199254740992.0 /* of floating-point numbers */

static int
is_whole_number(const json_t *v)
{
	return (json_is_integer(v) ||
	    (json_is_real(v) && json_real_value(v) == trunc(json_real_value(v))));
}

static int
is_int(const json_t *v)
{
	double d = json_number_value(v);

	return (is_whole_number(v) && d >= INT32_MIN && d <= INT32_MAX);
}

static int
is_long(const json_t *v)
{
	return (is_whole_number(v) && fabs(json_number_value(v)) <= LONG_MAX_EXACT);
}

static int
is_number(const json_t *v)
{
	return (json_is_number(v));
}

static int
is_string(const json_t *v)
{
	return (json_is_string(v));
}

static int
is_id(const json_t *v)
{
	return (json_is_string(v) || json_is_number(v));
}

static int
is_boolean(const json_t *v)
{
	return (json_is_boolean(v));
}

static int
is_date(const json_t *v)
{
	return (json_is_number(v) ||
	    (json_is_string(v) && iso_ms(json_string_value(v), NULL) != -1));
}

static int
is_array(const json_t *v)
{
	return (json_is_array(v));
}

static int
is_object(const json_t *v)
{
	return (json_is_object(v));
}

static const struct type {
	const char *name;
	int (*is)(const json_t *v);
	const char *must;
} types[] = {
	{ "Int", is_int, "must be a whole number from -2147483648 to 2147483647" },
	{ "Long", is_long, "must be a whole number from -9007199254740992 to 9007199254740992" },
	{ "BigInt", is_whole_number, "must be a whole number" },
	{ "Float", is_number, "must be a number" },
	{ "String", is_string, "must be text" },
	{ "Bytes", is_string, "must be text" },
	{ "ID", is_id, "must be text or a number" },
	{ "Boolean", is_boolean, "must be true or false" },
	{ "Date", is_date, "must be a date of ISO-8601, or a number of milliseconds" },
	{ "Array", is_array, "must be a list" },
	{ "Object", is_object, "must be an object" },
};

static const struct type *
find_type(const char *name, size_t n)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strlen(types[i].name) == n && strncasecmp(types[i].name, name, n) == 0)
			return (&types[i]);
	return (NULL);
}

/* [Type] */
static int
is_list_type(const char *type, size_t n)
{
	return (n > 2 && type[0] == '[' && type[n - 1] == ']');
}

static char *
list_fault(const struct type *t, const json_t *v)
{
	const json_t *e;
	size_t i;

	if (!json_is_array(v))
		return (xstrdup("must be a list"));
	json_array_foreach((json_t *)(uintptr_t)v, i, e)
		if (t != NULL && !json_is_null(e) && !t->is(e))
			return (xasprintf("is a list of which item %zu %s", i, t->must));
	return (NULL);
}

char *
attrtype_fault(const char *type, const json_t *v)
{
	const struct type *t;
	size_t n;

	if (type == NULL || json_is_null(v))
		return (NULL);
	n = strlen(type);
	if (is_list_type(type, n))
		return (list_fault(find_type(type + 1, n - 2), v));
	t = find_type(type, n);
	return (t == NULL || t->is(v) ? NULL : xstrdup(t->must));
}

static int
is_one_of(const char *type, int (*a)(const json_t *), int (*b)(const json_t *),
    int (*c)(const json_t *))
{
	const struct type *t = type != NULL ? find_type(type, strlen(type)) : NULL;

	return (t != NULL && (t->is == a || t->is == b || t->is == c));
}

int
attrtype_is_number(const char *type)
{
	return (is_one_of(type, is_int, is_long, is_whole_number));
}

int
attrtype_is_text(const char *type)
{
	return (is_one_of(type, is_string, is_string, is_string));
}

int
attrtype_is_boolean(const char *type)
{
	return (is_one_of(type, is_boolean, is_boolean, is_boolean));
}

int
attrtype_is_deep(const char *type)
{
	return ((type != NULL && is_list_type(type, strlen(type))) ||
	    is_one_of(type, is_array, is_object, is_object));
}
