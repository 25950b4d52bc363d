#include "config.h"

#include "op_search.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "log.h"
#include "mem.h"
#include "op_table.h"
#include "ops.h"
#include "right.h"
#include "search.h"
#include "user.h"

#define SLICE_US	2000
#define WHOLE_MAX	65536	/* bytes of a result in one piece */
#define DEPTH_MAX	16	/* of nested conditions */
#define LEAVES_MAX	1000
#define SORTS_MAX	8

/* A search whose rows are sent: whole, when they are few, else in pieces as they are found. */
struct answering {
	struct request	*r;
	struct search	*search;
	enum format	 format;
	int		 begun;
	int		 passes;	/* MessagePack: 1 while rows are counted, 2 after that */
};

/* A search while its request is read. */
struct asking {
	struct request	*r;
	struct table	*table;
	struct search	*search;
	struct faults	 f;		/* what is wrong with the fields */
	json_t		*unknown;	/* attributes that the table has not */
	json_t		*asked;		/* attributes that the user must be allowed to read */
	size_t		 leaves;
};

/* A piece of the result is there.  MessagePack has to know first how many rows follow. */
static void
answer_piece(struct answering *a)
{
	if (a->format == FORMAT_MSGPACK && a->passes == 0) {
		search_count(a->search);
		a->passes = 1;
		return;
	}
	if (a->passes == 1)
		return;
	if (!a->begun)
		reply_begin(a->r, 200, format_type(a->format));
	a->begun = 1;
	reply_more(a->r, search_out(a->search));
}

/* 1 when that was all. */
static int
answer_last(struct answering *a)
{
	if (a->passes == 1) {
		a->passes = 2;
		if (search_again(a->search) == 0)
			return (0);
		reply_error(a->r, 400, "there are more rows than MessagePack can count, use limit "
		    "and offset");
	} else if (a->begun) {
		reply_more(a->r, search_out(a->search));
		reply_end(a->r);
	} else
		reply_body(a->r, 200, format_type(a->format), search_out(a->search));
	return (1);
}

static void
answer_failure(struct answering *a)
{
	if (a->begun) {
		log_warnx("search: %s", search_error(a->search));
		reply_abort(a->r);
	} else
		reply_error(a->r, search_status(a->search), "%s", search_error(a->search));
}

/* One slice; 1 when the request has its answer, or nobody who wants it. */
static int
answer_step(struct answering *a)
{
	if (request_gone(a->r)) {
		reply_abort(a->r);
		return (1);
	}
	switch (search_step(a->search, SLICE_US)) {
	case SEARCH_MORE:
		if (search_out(a->search)->len > WHOLE_MAX || a->begun)
			answer_piece(a);
		return (0);
	case SEARCH_DONE:
		return (answer_last(a));
	default:
		answer_failure(a);
		return (1);
	}
}

static void
op_search_again_cb(struct request *r, void *arg)
{
	struct answering *a = arg;

	if (!answer_step(a)) {
		request_again(r, op_search_again_cb, a);
		return;
	}
	search_free(a->search);
	free(a);
}

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
	a->search = search_new(r->ops->store, a->table);
	a->unknown = json_array();
	a->asked = json_object();
	return (0);
}

/* The attribute by name; -1 when the table has none (noted). */
static int
ask_field(struct asking *a, struct field *f, const char *name)
{
	json_object_set_new(a->asked, name, json_null());
	if (field_find(f, a->table, name) == 0 && !user_hidden_attribute(a->table->id, name))
		return (0);
	json_array_append_new(a->unknown, json_string(name));
	return (-1);
}

/* unknown attribute 'a, b and c' */
static void
reply_unknown(struct asking *a)
{
	struct buf	b = { 0 };
	size_t		i, n = json_array_size(a->unknown);

	for (i = 0; i < n; i++)
		buf_addf(&b, "%s%s", i == 0 ? "" : i == n - 1 ? " and " : ", ",
		    json_string_value(json_array_get(a->unknown, i)));
	reply_error(a->r, 404, "unknown attribute '%.*s'", (int)b.len, (const char *)b.data);
	buf_free(&b);
}

/* Everything is read: what is wrong is answered, and there is no search. */
static struct search *
asking_done(struct asking *a, int faults_status)
{
	struct search	*s = NULL;

	if (op_faults_status(a->r, &a->f, faults_status) ||
	    !right_check(a->r, a->table, MAY_READ, a->asked))
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
	struct asking	*a = arg;

	return (!user_hidden_attribute(t->id, name) &&
	    right_attribute(a->r->user, t, name, MAY_READ));
}

static void
fault_attributes(struct faults *f, const json_t *body)
{
	const json_t	*list = json_object_get(body, "get_attributes"), *e;
	size_t		 i;

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
	const json_t	*list = json_object_get(a->r->body, "get_attributes"), *e;
	struct field	 f;
	size_t		 i;

	json_array_foreach(list, i, e) {
		const char *name = json_string_value(e);

		if (strcmp(name, "*") == 0)
			search_all_columns(a->search, op_search_shown, a);
		else if (ask_field(a, &f, name) == 0)
			search_column(a->search, &f);
	}
}

static void
fault_count(struct faults *f, const json_t *body, const char *name, int least)
{
	const json_t	*v = json_object_get(body, name);

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
	const json_t	*attribute = json_object_get(sort, "attribute");
	const json_t	*descending = json_object_get(sort, "descending");

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
	const json_t	*body = a->r->body, *sort;
	struct field	 f;

	read_attributes(a);
	search_page(a->search, (uint64_t)json_integer_value(json_object_get(body, "offset")),
	    (uint64_t)json_integer_value(json_object_get(body, "limit")));
	for (sort = json_object_get(body, "sort"); json_is_object(sort);
	    sort = json_object_get(sort, "next"))
		if (ask_field(a, &f, json_string_value(json_object_get(sort, "attribute"))) == 0)
			search_sort(a->search, &f,
			    json_is_true(json_object_get(sort, "descending")));
	if (json_is_true(field_either(body, "reverse", "desc")))
		search_reverse(a->search);
}

static struct search *
read_by_id(struct request *r, int faults_status)
{
	struct asking	 a = { 0 };
	const json_t	*ids = field_ids(&a.f, r->body, SIZE_MAX);

	fault_attributes(&a.f, r->body);
	if (asking_begin(&a, r, faults_status) == -1)
		return (NULL);
	read_attributes(&a);
	search_keys(a.search, ids);
	return (asking_done(&a, faults_status));
}

static struct search *
read_by_value(struct request *r)
{
	struct asking	 a = { 0 };
	json_t		*name = field_either(r->body, "attribute", "search_attribute");
	json_t		*value = field_either(r->body, "value", "search_value");
	struct field	 f;

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

static struct condition *read_group(struct asking *a, const json_t *body, const char *at,
    int depth);

/* "conditions[0].search_value", or the new name where the new ones are used. */
static const char *
called(const json_t *c, const char *name, const char *old)
{
	return (json_object_get(c, name) != NULL ? name : old);
}

/* Short for several equals in an or. */
static int
is_in(const json_t *c)
{
	const char	*word = json_string_value(field_either(c, "comparator", "search_type"));

	return (word != NULL && strcasecmp(word, "in") == 0);
}

static int
read_compare(struct asking *a, const json_t *c, const char *at)
{
	const json_t	*word = field_either(c, "comparator", "search_type");
	const char	*name = called(c, "comparator", "search_type");
	int		 compare;

	if (word == NULL || is_in(c))
		return (CMP_EQUALS);
	if (!json_is_string(word)) {
		fault(&a->f, "'%s.%s' must be a string", at, name);
		return (-1);
	}
	compare = compare_find(json_string_value(word));
	if (compare == -1)
		fault(&a->f, "'%s.%s' must be one of [equals, contains, starts_with, ends_with, "
		    "greater_than, greater_than_equal, less_than, less_than_equal, between, "
		    "not_equal, in]", at, name);
	return (compare);
}

/* Any of these: as many conditions as there are values. */
static struct condition *
any_of(struct asking *a, const struct field *f, const json_t *values)
{
	struct condition	*any = condition_group(COND_OR);
	json_t			*v;
	size_t			 i;

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
	const json_t	*name = field_either(c, "attribute", "search_attribute");
	json_t		*value = field_either(c, "value", "search_value");
	int		 compare, n = a->f.n;
	const char	*const *two = op_two_values(c);
	struct field	 f;

	compare = read_compare(a, c, at);
	if (two != NULL)
		fault(&a->f, "'%s.%s' and '%s.%s' are the same field, and have different values",
		    at, two[0], at, two[1]);
	if (name == NULL)
		fault(&a->f, "'%s.%s' is required", at, "search_attribute");
	else if (!json_is_string(name))
		fault(&a->f, "'%s.%s' must be a string", at,
		    called(c, "attribute", "search_attribute"));
	if (value == NULL)
		fault(&a->f, "'%s.%s' is required", at, "search_value");
	else if ((compare == CMP_BETWEEN || is_in(c)) && !json_is_array(value))
		fault(&a->f, "'%s.%s' must be an array", at, called(c, "value", "search_value"));
	else if (compare == CMP_BETWEEN && json_array_size(value) != 2)
		fault(&a->f, "'%s.%s' must contain 2 items", at,
		    called(c, "value", "search_value"));
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
	const json_t	*op = json_object_get(body, "operator");
	const char	*word = json_string_value(op);

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
	const json_t		*list = json_object_get(body, "conditions"), *e;
	const char		*dot = at[0] != '\0' ? "." : "";
	struct condition	*group, *kid;
	size_t			 i;

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

static struct search *
read_by_conditions(struct request *r)
{
	struct asking		 a = { 0 };
	struct condition	*group;

	fault_common(&a.f, r->body);
	if (asking_begin(&a, r, 400) == -1)
		return (NULL);
	read_common(&a);
	group = read_group(&a, r->body, "", 0);
	if (group != NULL)
		search_where(a.search, group);
	return (asking_done(&a, 400));
}

static void
start(struct request *r, struct search *s)
{
	struct answering	*a;

	if (s == NULL)
		return;
	a = xcalloc(1, sizeof(*a));
	*a = (struct answering){ .r = r, .search = s, .format = request_format(r, 1) };
	search_format(s, a->format);
	search_start(s);
	op_search_again_cb(r, a);
}

static void
search_by_id(struct request *r)
{
	/* Known clients look for 500. */
	start(r, read_by_id(r, 500));
}

static void
search_by_value(struct request *r)
{
	start(r, read_by_value(r));
}

static void
search_by_conditions(struct request *r)
{
	start(r, read_by_conditions(r));
}

struct search *
op_search_read(struct request *r)
{
	if (r->op->run == search_by_id)
		return (read_by_id(r, 400));
	if (r->op->run == search_by_value)
		return (read_by_value(r));
	return (read_by_conditions(r));
}

const struct op ops_search[] = {
	{ "search_by_id", "searchByHash", RIGHT_TABLE, ON_HTTP, search_by_id },
	{ "search_by_hash", "searchByHash", RIGHT_TABLE, ON_HTTP, search_by_id },
	{ "search_by_value", "searchByValue", RIGHT_TABLE, ON_HTTP, search_by_value },
	{ "search_by_conditions", "searchByConditions", RIGHT_TABLE, ON_HTTP,
	    search_by_conditions },
	{ NULL },
};
