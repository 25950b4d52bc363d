#include "config.h"

#include "opsd/op/op_unknown.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/op/fields.h"
#include "opsd/op/opdoc.h"

#define NAME_SHOWN 100 /* of one that is unknown */

/* What clients add to any operation, for servers of another kind. */
static const char *const everywhere[] = { "operation", "hdb_user", "hdbAuthHeader",
	"hdb_auth_header", "bypass_auth", "access", "replicated" };

/* Where the object is: in the manual ("connections[].") and in the body ("connections[0]."). */
struct fields_at {
	const char *doc, *shown;
};

static void look_in(struct faults *f, const struct op_doc *op, const json_t *object,
    const struct fields_at *at);

static int
is_everywhere(const char *name)
{
	for (size_t i = 0; i < sizeof(everywhere) / sizeof(everywhere[0]); i++)
		if (strcmp(name, everywhere[i]) == 0)
			return (1);
	return (0);
}

/* Whether the manual has fields within that one. */
static int
has_fields(const struct op_doc *op, const char *prefix)
{
	for (const struct op_field *f = op->fields; f->name != NULL; f++)
		if (strncmp(f->name, prefix, strlen(prefix)) == 0)
			return (1);
	return (0);
}

static void
look_in_list(struct faults *f, const struct op_doc *op, const json_t *list, const char *doc,
    const char *shown)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one) {
		char *at = xasprintf("%s[%zu].", shown, i);

		look_in(f, op, one, &(struct fields_at){ doc, at });
		free(at);
	}
}

static void
look_within(struct faults *f, const struct op_doc *op, const json_t *v, const char *doc,
    const char *shown)
{
	char *of_list = xasprintf("%s[].", doc), *of_object = xasprintf("%s.", doc);
	char *at = xasprintf("%s.", shown);

	if (json_is_array(v) && has_fields(op, of_list))
		look_in_list(f, op, v, of_list, shown);
	else if (has_fields(op, of_object))
		look_in(f, op, v, &(struct fields_at){ of_object, at });
	free(of_list);
	free(of_object);
	free(at);
}

static void
refuse_field(struct faults *f, const struct op_doc *op, const char *doc, const struct fields_at *at,
    const char *name)
{
	const char *near = opdoc_near_field(op, doc);

	if (near != NULL)
		fault(f, "'%s%.*s' is not allowed, did you mean '%s'?", at->shown, NAME_SHOWN, name,
		    near);
	else
		fault(f, "'%s%.*s' is not allowed", at->shown, NAME_SHOWN, name);
}

static void
look_in(struct faults *f, const struct op_doc *op, const json_t *object, const struct fields_at *at)
{
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)object, name, v) {
		char *doc = xasprintf("%s%s", at->doc, name);
		char *shown = xasprintf("%s%s", at->shown, name);

		if (opdoc_field(op, doc) != NULL)
			look_within(f, op, v, doc, shown);
		else if (at->doc[0] != '\0' || !is_everywhere(name))
			refuse_field(f, op, doc, at, name);
		free(doc);
		free(shown);
	}
}

char *
op_unknown(const struct op *op, const json_t *body)
{
	static const char *const strict[] = { "add_node", "update_node", "remove_node",
		"configure_cluster", "resync" };
	const struct op_doc *doc = opdoc_find(op->name);
	struct faults f = { 0 };

	for (size_t i = 0; doc != NULL && i < sizeof(strict) / sizeof(strict[0]); i++)
		if (strcmp(doc->name, strict[i]) == 0)
			look_in(&f, doc, body, &(struct fields_at){ "", "" });
	if (f.n == 0)
		return (NULL);
	buf_u8(&f.text, 0);
	return ((char *)f.text.data);
}
