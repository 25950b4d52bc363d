#include "config.h"

#include "opsd/op/opdoc.h"

#include <stdio.h>
#include <string.h>

#include "common/base/words.h"

static const struct op_doc *const families[] = { opdoc_rows, opdoc_node };

#define FAMILIES (sizeof(families) / sizeof(families[0]))

static int
is_name_of(const char *name, const char *a, const char *b)
{
	return (strcmp(name, a) == 0 || (b != NULL && strcmp(name, b) == 0));
}

const struct op_doc *
opdoc_at(unsigned number)
{
	for (size_t i = 0; i < FAMILIES; i++)
		for (const struct op_doc *op = families[i]; op->name != NULL; op++)
			if (number-- == 0)
				return (op);
	return (NULL);
}

const struct op_doc *
opdoc_find(const char *name)
{
	const struct op_doc *op;

	for (unsigned i = 0; (op = opdoc_at(i)) != NULL; i++)
		if (is_name_of(name, op->name, op->old))
			return (op);
	return (NULL);
}

const struct op_field *
opdoc_field(const struct op_doc *op, const char *name)
{
	for (const struct op_field *f = op->fields; f->name != NULL; f++)
		if (is_name_of(name, f->name, f->old) ||
		    (f->kind == KIND_KEYS && strcmp(name, "operation") != 0))
			return (f);
	return (NULL);
}

int
opdoc_in_example(const struct op_field *f)
{
	return (opdoc_is_top(f) && (f->absent == OP_REQUIRED || strcmp(f->absent, OP_SHOWN) == 0));
}

int
opdoc_is_top(const struct op_field *f)
{
	return (strpbrk(f->name, ".[") == NULL);
}

const char *
opdoc_kind(enum op_kind kind)
{
	static const char *const words[] = {
		[KIND_TEXT] = "text",
		[KIND_PASSWORD] = "text",
		[KIND_NEW_PASSWORD] = "text",
		[KIND_NUMBER] = "number",
		[KIND_BOOLEAN] = "true or false",
		[KIND_LIST] = "list",
		[KIND_OBJECT] = "object",
		[KIND_ANY] = "any value",
		[KIND_KEYS] = "any value",
	};

	return (words[kind]);
}

void
opdoc_absent(const struct op_field *f, char *out, size_t n)
{
	if (f->absent == OP_REQUIRED)
		snprintf(out, n, "required");
	else if (strcmp(f->absent, OP_NONE) == 0 || strcmp(f->absent, OP_SHOWN) == 0)
		snprintf(out, n, "optional");
	else
		snprintf(out, n, "default %s", f->absent);
}

const char *
opdoc_right(enum op_right right)
{
	static const char *const words[] = {
		[RIGHT_ANYONE] = "For every user.",
		[RIGHT_OPEN] = "For everybody, without credentials, too.",
		[RIGHT_TABLE] = "For users whose role has the right in the table, and super users.",
		[RIGHT_SELF] = "For every user.",
		[RIGHT_SUPER] = "For super users, and users whose role lists it in operations.",
		[RIGHT_NODES] =
		    ("For super users, and users whose role lists it in operations, but "
		     "not while replication.databases has system."),
		[RIGHT_ADMIN] = "For super users.",
		[RIGHT_JOIN] = "For super users, and for a node with a join token.",
	};

	return (words[right]);
}

/* The nearer of the two names, when it is nearer than what is known. */
static void
take_nearer(const char *name, const char *candidate, unsigned *least, const char **nearest)
{
	unsigned d = candidate != NULL ? words_distance(name, candidate) : *least;

	if (d < *least) {
		*least = d;
		*nearest = candidate;
	}
}

const char *
opdoc_near_operation(const char *name)
{
	const char *nearest = NULL;
	unsigned least = words_too_far(name);
	const struct op_doc *op;

	for (unsigned i = 0; (op = opdoc_at(i)) != NULL; i++) {
		take_nearer(name, op->name, &least, &nearest);
		take_nearer(name, op->old, &least, &nearest);
	}
	return (nearest);
}

/* The rest of it, when that is in the same place; NULL: it is not. */
static const char *
name_within(const char *name, const char *place, size_t n)
{
	return (name != NULL && strncmp(name, place, n) == 0 && strpbrk(name + n, ".[") == NULL ?
		name + n :
		NULL);
}

const char *
opdoc_near_field(const struct op_doc *op, const char *name)
{
	const char *nearest = NULL, *dot = strrchr(name, '.');
	size_t n = dot != NULL ? (size_t)(dot + 1 - name) : 0;
	unsigned least = words_too_far(name + n);

	for (const struct op_field *f = op->fields; f->name != NULL; f++) {
		take_nearer(name + n, name_within(f->name, name, n), &least, &nearest);
		take_nearer(name + n, name_within(f->old, name, n), &least, &nearest);
	}
	return (nearest);
}
