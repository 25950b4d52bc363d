#include "config.h"

#include "opsd/op/op_search_priv.h"

#include <string.h>

#include "opsd/auth/permission.h"
#include "opsd/auth/user.h"
#include "opsd/op/node.h"
#include "opsd/op/op_permission.h"

#define SORTS_MAX 8

static void
asking_end(struct asking *a)
{
	search_free(a->search);
	table_unref(a->table);
	json_decref(a->unknown);
	json_decref(a->asked);
	buf_free(&a->f.text);
}

static int
asking_begin(struct asking *a, struct request *r, int faults_status)
{
	a->r = r;
	a->table = op_table(r, &a->f, faults_status, 404);
	if (a->table == NULL)
		return (-1);
	a->f = (struct faults){ 0 };
	a->search = search_new(r->ops->data.store, a->table);
	a->unknown = json_array();
	a->asked = json_object();
	return (0);
}

int
ask_field(struct asking *a, struct field *f, const char *name)
{
	json_object_set_new(a->asked, name, json_null());
	if (field_find(f, a->table, name) == 0 &&
	    !user_hidden_attribute(a->table->id, name, strlen(name)))
		return (0);
	json_array_append_new(a->unknown, json_string(name));
	return (-1);
}

/* unknown attribute 'a, b and c' */
static void
reply_unknown(struct asking *a)
{
	struct buf b = { 0 };
	size_t i, n = json_array_size(a->unknown);

	for (i = 0; i < n; i++)
		buf_addf(&b, "%s%s",
		    i == 0         ? "" :
			i == n - 1 ? " and " :
				     ", ",
		    json_string_value(json_array_get(a->unknown, i)));
	reply_error(a->r, 404, "unknown attribute '%.*s'", (int)b.len, (const char *)b.data);
	buf_free(&b);
}

/* Everything is read: what is wrong is answered, and there is no search. */
static struct search *
asking_done(struct asking *a, int faults_status)
{
	struct search *s = NULL;

	if (op_faults_status(a->r, &a->f, faults_status) ||
	    !op_permission_check(a->r, a->table, MAY_READ, a->asked))
		;
	else if (json_array_size(a->unknown) > 0)
		reply_unknown(a);
	else {
		s = a->search;
		a->search = NULL;
	}
	asking_end(a);
	return (s);
}

static int
op_search_shown(const struct table *t, const char *name, void *arg)
{
	struct asking *a = arg;
	int shown = !user_hidden_attribute(t->id, name, strlen(name)) &&
	    permission_attribute(a->r->user, t, name, MAY_READ);

	a->shows |= shown;
	return (shown);
}

/* All that the user may read; who may read nothing is not told which rows there are. */
static void
ask_readable(struct asking *a)
{
	search_all_columns(a->search, op_search_shown, a);
	if (!a->shows)
		json_object_set_new(a->asked, a->table->primary_key, json_null());
}

/* HarperDB's users ask for hdb_nodes and hdb_certificate without saying what of them. */
static int
may_ask_all(const json_t *body)
{
	const char *db = json_string_value(field_either(body, "database", "schema"));

	return (db != NULL && strcmp(db, "system") == 0);
}

static void
fault_attributes(struct faults *f, const json_t *body)
{
	const json_t *list = json_object_get(body, "get_attributes"), *e;
	size_t i;

	if (list == NULL && may_ask_all(body))
		return;
	if (list == NULL)
		fault(f, "'get_attributes' is required");
	else if (!json_is_array(list))
		fault(f, "'get_attributes' must be an array");
	else if (json_array_size(list) == 0)
		fault(f, "'get_attributes' must contain at least 1 item");
	json_array_foreach(list, i, e)
		if (!json_is_string(e))
			fault(f, "'get_attributes[%zu]' must be a string", i);
}

static void
read_attributes(struct asking *a)
{
	const json_t *list = json_object_get(a->r->body, "get_attributes"), *e;
	struct field f;
	size_t i;

	if (list == NULL)
		ask_readable(a);
	json_array_foreach(list, i, e) {
		const char *name = json_string_value(e);

		if (strcmp(name, "*") == 0)
			ask_readable(a);
		else if (ask_field(a, &f, name) == 0)
			search_column(a->search, &f);
	}
}

static void
fault_count(struct faults *f, const json_t *body, const char *name, int least)
{
	const json_t *v = json_object_get(body, name);

	if (v == NULL || json_is_null(v))
		return;
	if (!json_is_number(v))
		fault(f, "'%s' must be a number", name);
	else if (!json_is_integer(v))
		fault(f, "'%s' must be an integer", name);
	else if (json_integer_value(v) < least)
		fault(f, "'%s' must be greater than or equal to %d", name, least);
}

static void
fault_sort(struct faults *f, const json_t *sort, int depth)
{
	const json_t *attribute = json_object_get(sort, "attribute");
	const json_t *descending = json_object_get(sort, "descending");

	if (sort == NULL || json_is_null(sort))
		return;
	if (!json_is_object(sort))
		fault(f, "'sort' must be of type object");
	else if (attribute == NULL)
		fault(f, "'sort.attribute' is required");
	else if (!json_is_string(attribute))
		fault(f, "'sort.attribute' must be a string");
	if (descending != NULL && !json_is_boolean(descending))
		fault(f, "'sort.descending' must be a boolean");
	if (depth == SORTS_MAX)
		fault(f, "'sort' is nested more than %d levels deep", SORTS_MAX);
	else
		fault_sort(f, json_object_get(sort, "next"), depth + 1);
}

/* Faults of what all searches but those by key share. */
static void
fault_common(struct faults *f, const json_t *body)
{
	fault_attributes(f, body);
	fault_count(f, body, "limit", 1);
	fault_count(f, body, "offset", 0);
	fault_sort(f, json_object_get(body, "sort"), 0);
	field_bool(f, body, "reverse", 0);
	field_bool(f, body, "desc", 0);
}

static void
read_common(struct asking *a)
{
	const json_t *body = a->r->body, *sort;
	struct field f;

	read_attributes(a);
	search_page(a->search, (uint64_t)json_integer_value(json_object_get(body, "offset")),
	    (uint64_t)json_integer_value(json_object_get(body, "limit")));
	sort = json_object_get(body, "sort");
	while (json_is_object(sort)) {
		if (ask_field(a, &f, json_string_value(json_object_get(sort, "attribute"))) == 0)
			search_sort(a->search, &f,
			    json_is_true(json_object_get(sort, "descending")));
		sort = json_object_get(sort, "next");
	}
	if (json_is_true(field_either(body, "reverse", "desc")))
		search_reverse(a->search);
}

struct search *
ask_by_id(struct request *r, int faults_status)
{
	struct asking a = { 0 };
	const json_t *ids = field_ids(&a.f, r->body, SIZE_MAX);

	fault_attributes(&a.f, r->body);
	if (asking_begin(&a, r, faults_status) == -1)
		return (NULL);
	read_attributes(&a);
	search_keys(a.search, ids);
	return (asking_done(&a, faults_status));
}

struct search *
ask_by_value(struct request *r)
{
	struct asking a = { 0 };
	json_t *name = field_either(r->body, "attribute", "search_attribute");
	json_t *value = field_either(r->body, "value", "search_value");
	struct field f;

	if (name == NULL)
		fault(&a.f, "'search_attribute' is required");
	else if (!json_is_string(name))
		fault(&a.f, "'search_attribute' must be a string");
	if (value == NULL)
		fault(&a.f, "'search_value' is required");
	fault_common(&a.f, r->body);
	if (asking_begin(&a, r, 400) == -1)
		return (NULL);
	read_common(&a);
	if (ask_field(&a, &f, json_string_value(name)) == 0)
		search_where(a.search, condition_wildcard(&f, value));
	return (asking_done(&a, 400));
}

struct search *
ask_by_conditions(struct request *r)
{
	struct asking a = { 0 };
	struct condition *group;

	fault_common(&a.f, r->body);
	if (asking_begin(&a, r, 400) == -1)
		return (NULL);
	read_common(&a);
	group = ask_conditions(&a);
	if (group != NULL)
		search_where(a.search, group);
	return (asking_done(&a, 400));
}
