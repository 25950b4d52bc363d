#include "config.h"

#include "opsd/op/op_search_priv.h"

#include <stdlib.h>
#include <strings.h>

#include "common/base/mem.h"

#define DEPTH_MAX  16 /* of nested conditions */
#define LEAVES_MAX 1000

static struct condition *read_group(struct asking *a, const json_t *body, const char *at,
    int depth);

/* "conditions[0].search_value", or the new name where the new ones are used. */
static const char *
field_called(const json_t *c, const char *name, const char *old)
{
	return (json_object_get(c, name) != NULL ? name : old);
}

/* Short for several equals in an or. */
static int
is_in(const json_t *c)
{
	const char *word = json_string_value(field_either(c, "comparator", "search_type"));

	return (word != NULL && strcasecmp(word, "in") == 0);
}

static int
read_compare(struct asking *a, const json_t *c, const char *at)
{
	const json_t *word = field_either(c, "comparator", "search_type");
	const char *name = field_called(c, "comparator", "search_type");
	int compare;

	if (word == NULL || is_in(c))
		return (CMP_EQUALS);
	if (!json_is_string(word)) {
		fault(&a->f, "'%s.%s' must be a string", at, name);
		return (-1);
	}
	compare = compare_find(json_string_value(word));
	if (compare == -1)
		fault(&a->f,
		    "'%s.%s' must be one of [equals, contains, starts_with, ends_with, "
		    "greater_than, greater_than_equal, less_than, less_than_equal, between, "
		    "not_equal, in]",
		    at, name);
	return (compare);
}

/* Any of these: as many conditions as there are values. */
static struct condition *
any_of(struct asking *a, const struct field *f, const json_t *values)
{
	struct condition *any = condition_group(COND_OR);
	json_t *v;
	size_t i;

	a->leaves += json_array_size(values);
	if (a->leaves > LEAVES_MAX)
		fault(&a->f, "'conditions' are more than %d", LEAVES_MAX);
	else
		json_array_foreach(values, i, v)
			condition_add(any, condition_leaf(f, CMP_EQUALS, v));
	return (any);
}

static struct condition *
read_leaf(struct asking *a, const json_t *c, const char *at)
{
	const json_t *name = field_either(c, "attribute", "search_attribute");
	json_t *value = field_either(c, "value", "search_value");
	int compare, n = a->f.n;
	const char *const *two = op_two_values(c);
	struct field f;

	compare = read_compare(a, c, at);
	if (two != NULL)
		fault(&a->f, "'%s.%s' and '%s.%s' are the same field, and have different values",
		    at, two[0], at, two[1]);
	if (name == NULL)
		fault(&a->f, "'%s.%s' is required", at, "search_attribute");
	else if (!json_is_string(name))
		fault(&a->f, "'%s.%s' must be a string", at,
		    field_called(c, "attribute", "search_attribute"));
	if (value == NULL)
		fault(&a->f, "'%s.%s' is required", at, "search_value");
	else if ((compare == CMP_BETWEEN || is_in(c)) && !json_is_array(value))
		fault(&a->f, "'%s.%s' must be an array", at,
		    field_called(c, "value", "search_value"));
	else if (compare == CMP_BETWEEN && json_array_size(value) != 2)
		fault(&a->f, "'%s.%s' must contain 2 items", at,
		    field_called(c, "value", "search_value"));
	if (++a->leaves == LEAVES_MAX + 1)
		fault(&a->f, "'conditions' are more than %d", LEAVES_MAX);
	if (a->f.n > n || compare == -1 || a->leaves > LEAVES_MAX ||
	    ask_field(a, &f, json_string_value(name)) == -1)
		return (NULL);
	return (is_in(c) ? any_of(a, &f, value) : condition_leaf(&f, (enum compare)compare, value));
}

static struct condition *
read_condition(struct asking *a, const json_t *c, const char *at, int depth)
{
	if (!json_is_object(c)) {
		fault(&a->f, "'%s' must be of type object", at);
		return (NULL);
	}
	if (json_object_get(c, "conditions") == NULL)
		return (read_leaf(a, c, at));
	return (read_group(a, c, at, depth + 1));
}

static int
read_operator(struct asking *a, const json_t *body, const char *at)
{
	const json_t *op = json_object_get(body, "operator");
	const char *word = json_string_value(op);

	if (op == NULL || (word != NULL && strcasecmp(word, "and") == 0))
		return (COND_AND);
	if (word != NULL && strcasecmp(word, "or") == 0)
		return (COND_OR);
	fault(&a->f, "'%s%soperator' must be one of [and, or]", at, at[0] != '\0' ? "." : "");
	return (COND_AND);
}

/* Conditions and operator of the body or of a nested group; NULL or incomplete with faults. */
static struct condition *
read_group(struct asking *a, const json_t *body, const char *at, int depth)
{
	const json_t *list = json_object_get(body, "conditions"), *e;
	const char *dot = at[0] != '\0' ? "." : "";
	struct condition *group, *kid;
	size_t i;

	if (list == NULL)
		fault(&a->f, "'%s%sconditions' is required", at, dot);
	else if (!json_is_array(list))
		fault(&a->f, "'%s%sconditions' must be an array", at, dot);
	else if (json_array_size(list) == 0)
		fault(&a->f, "'%s%sconditions' must contain at least 1 items", at, dot);
	else if (depth > DEPTH_MAX)
		fault(&a->f, "'conditions' are nested more than %d levels deep", DEPTH_MAX);
	if (!json_is_array(list) || depth > DEPTH_MAX)
		return (NULL);
	group = condition_group((enum condition_kind)read_operator(a, body, at));
	json_array_foreach(list, i, e) {
		char *where = xasprintf("%s%sconditions[%zu]", at, dot, i);

		kid = a->leaves <= LEAVES_MAX ? read_condition(a, e, where, depth) : NULL;
		if (kid != NULL)
			condition_add(group, kid);
		free(where);
	}
	return (group);
}

struct condition *
ask_conditions(struct asking *a)
{
	return (read_group(a, a->r->body, "", 0));
}
