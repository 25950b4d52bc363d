#include "config.h"

#include "opsd/op/op.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/op/op_cast.h"
#include "opsd/op/op_unknown.h"
#include "opsd/op/opdoc.h"

#define NAME_SHOWN 100 /* of an unknown operation */

static const struct op *const families[] = {
	ops_record, ops_search, ops_sql, ops_schema, ops_describe, ops_cluster, ops_info,
	ops_conf_ops, ops_readlog, ops_restart, ops_user, ops_role, ops_log, ops_job, ops_before,
	ops_load, ops_export, ops_token, ops_cert, ops_backup, ops_status, ops_join, ops_sqlite,
	ops_pages /* the last: found by path */
};

#define FAMILIES (sizeof(families) / sizeof(families[0]))

static const struct op *
find_in(size_t from, size_t to, const char *name)
{
	for (size_t i = from; i < to; i++)
		for (const struct op *op = families[i]; op->name != NULL; op++)
			if (strcmp(op->name, name) == 0)
				return (op);
	return (NULL);
}

const struct op *
op_find(const char *name)
{
	return (find_in(0, FAMILIES - 1, name));
}

/* What GET of the path is, when it has a right. */
static const struct op *
op_page(const char *path)
{
	return (find_in(FAMILIES - 1, FAMILIES, path));
}

/* The number of `op`, or the operation with that number; one of them stops the walk. */
static unsigned
walk_ops(const struct op *op, unsigned number, const struct op **at)
{
	unsigned n = 0;

	for (size_t i = 0; i < FAMILIES; i++)
		for (const struct op *o = families[i]; o->name != NULL; o++, n++)
			if (o == op || n == number) {
				*at = o;
				return (n);
			}
	*at = NULL;
	return (n);
}

unsigned
op_count(void)
{
	const struct op *none;

	return (walk_ops(NULL, UINT_MAX, &none));
}

const struct op *
op_at(unsigned number)
{
	const struct op *op;

	walk_ops(NULL, number, &op);
	return (op);
}

static unsigned
op_number(const struct op *op)
{
	const struct op *same;

	return (walk_ops(op, UINT_MAX, &same));
}

const char *const *
op_two_values(const json_t *object)
{
	static const char *const names[][2] = {
		{ "database", "schema" },
		{ "ids", "hash_values" },
		{ "attribute", "search_attribute" },
		{ "value", "search_value" },
		{ "comparator", "search_type" },
		{ "primary_key", "hash_attribute" },
		{ "reverse", "desc" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const json_t *new = json_object_get(object, names[i][0]);
		const json_t *old = json_object_get(object, names[i][1]);

		if (new != NULL && old != NULL && !json_equal(new, old))
			return (names[i]);
	}
	return (NULL);
}

/* The text for a 400; the caller frees. */
static char *
not_found(const char *name)
{
	const char *near = opdoc_near_operation(name);

	if (near == NULL)
		return (xasprintf("Operation '%.*s' not found", NAME_SHOWN, name));
	return (xasprintf("Operation '%.*s' not found, did you mean '%s'?", NAME_SHOWN, name,
	    near));
}

/* The operation that is named, or NULL with the text for a 400 in *err. */
static const struct op *
op_named(const json_t *body, char **err)
{
	const json_t *v = json_object_get(body, "operation");
	const char *name = json_string_value(v);
	const struct op *op;

	/* With a NUL in it, it is another text than the one that would be found. */
	if (name == NULL || name[0] == '\0' || strlen(name) != json_string_length(v)) {
		*err = xstrdup("Request body must include an 'operation' property.");
		return (NULL);
	}
	if ((op = op_find(name)) == NULL)
		*err = not_found(name);
	return (op);
}

void
op_asked(enum format f, char *text, size_t n, const struct scan_limits *most, struct inquiry *a)
{
	struct scan s;

	*a = (struct inquiry){ 0 };
	scan_begin(&s, most);
	a->status = format_scan(f, &s, text, n, &a->err);
	a->bytes = scan_bytes(&s);
	if (a->status == 0 && (a->op = op_named(s.top, &a->err)) == NULL)
		a->status = 400;
	a->top = json_incref(s.top);
	scan_end(&s);
}

void
inquiry_free(struct inquiry *a)
{
	json_decref(a->top);
	free(a->err);
}

json_t *
op_body(enum format f, const char *text, size_t n, int max_depth, const struct op *op, char **err)
{
	json_t *body = format_read(f, text, n, max_depth, err);
	const char *const *two;
	const struct op *same;

	if (body == NULL)
		return (NULL);
	if ((same = op_named(body, err)) != NULL && same != op)
		*err = xstrdup("'operation' is there twice");
	else if (same != NULL && (two = op_two_values(body)) != NULL)
		*err = xasprintf("'%s' and '%s' are the same field, and have different values",
		    two[0], two[1]);
	else if (same != NULL)
		*err = op_unknown(op, body);
	if (*err == NULL) {
		op_cast_numbers(op, body);
		return (body);
	}
	json_decref(body);
	return (NULL);
}

const struct http_api op_api = {
	op_asked,
	inquiry_free,
	op_body,
	op_page,
	op_number,
	op_allowed,
	op_lacks_right,
	op_refuse,
};
