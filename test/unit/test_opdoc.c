#include "config.h"

#include "opsd/op/opdoc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/mem.h"
#include "opsd/format/format.h"
#include "opsd/op/op_unknown.h"
#include "test/fuzz/node.h"

/*
 * Each operation is sent to a node with an example of each of its fields, and what its
 * handler asks the body for is noted: every such field is described, and every field that is
 * described is asked for.
 */

/* In a body and in what lies in it: from where it is, "" or "routes[].". */
#define AT "__at__"

static json_t *noted; /* {"routes[].host": how often} */

json_t *__real_json_object_get(const json_t *object, const char *name);
json_t *__wrap_json_object_get(const json_t *object, const char *name);

json_t *
__wrap_json_object_get(const json_t *object, const char *name)
{
	const char *at = json_string_value(__real_json_object_get(object, AT));
	json_t *v;
	char *full;

	if (at != NULL && noted != NULL && name != NULL) {
		full = xasprintf("%s%s", at, name);
		v = __real_json_object_get(noted, full);
		json_object_set_new(noted, full, json_integer(json_integer_value(v) + 1));
		free(full);
	}
	return (__real_json_object_get(object, name));
}

static void
unmark(json_t *v)
{
	const char *name;
	json_t *one;
	size_t i;

	json_object_del(v, AT);
	json_object_foreach(v, name, one)
		unmark(one);
	json_array_foreach(v, i, one)
		unmark(one);
}

char *__real_op_unknown(const struct op *op, const json_t *body);
char *__wrap_op_unknown(const struct op *op, const json_t *body);

/* The places are no fields. */
char *
__wrap_op_unknown(const struct op *op, const json_t *body)
{
	json_t *plain = json_deep_copy(body);
	char *why;

	unmark(plain);
	why = __real_op_unknown(op, plain);
	json_decref(plain);
	return (why);
}

/* ---- what is documented ---- */

static void
test_every_operation_is_described(void **state)
{
	const struct op *op;
	const struct op_doc *doc;

	for (unsigned i = 0; i < op_count(); i++) {
		op = op_at(i);
		if (op->name[0] == '/')
			continue;
		if ((doc = opdoc_find(op->name)) == NULL)
			fail_msg("%s: describe it in opsd/op/opdoc_*.c", op->name);
		assert_int_equal(doc->right, op->right);
	}
	for (unsigned i = 0; (doc = opdoc_at(i)) != NULL; i++) {
		assert_non_null(op_find(doc->name));
		assert_true(doc->old == NULL || op_find(doc->old) != NULL);
		assert_ptr_equal(opdoc_find(doc->name), doc);
	}
}

/* For the command, and for the manual. */
static void
test_the_texts(void **state)
{
	const struct op_doc *doc;
	char absent[100];

	for (unsigned i = 0; (doc = opdoc_at(i)) != NULL; i++) {
		assert_int_equal(doc->line[strlen(doc->line) - 1], '.');
		for (const struct op_field *f = doc->fields; f->name != NULL; f++) {
			assert_int_equal(f->line[strlen(f->line) - 1], '.');
			assert_ptr_equal(opdoc_field(doc, f->name), f);
			assert_true(strlen(f->example) > 0 && strlen(opdoc_kind(f->kind)) > 0);
			opdoc_absent(f, absent, sizeof(absent));
			assert_true(strlen(absent) < sizeof(absent) - 1);
		}
	}
}

static void
test_what_is_near(void **state)
{
	assert_string_equal(opdoc_near_operation("serch_by_id"), "search_by_id");
	assert_string_equal(opdoc_near_operation("add_nod"), "add_node");
	assert_string_equal(opdoc_near_operation("set_node_replikation"), "set_node_replication");
	assert_null(opdoc_near_operation("fly"));
	assert_string_equal(opdoc_near_field(opdoc_find("add_node"), "nodename"), "node_name");
	assert_string_equal(opdoc_near_field(opdoc_find("search_by_hash"), "hash_value"),
	    "hash_values");
	assert_null(opdoc_near_field(opdoc_find("add_node"), "colour"));
	assert_string_equal(opdoc_near_field(opdoc_find("configure_cluster"),
				"connections[].subscriptions[].start_tme"),
	    "start_time");
	assert_null(opdoc_near_field(opdoc_find("configure_cluster"), "connections[].connection"));
}

/* ---- what handlers ask for ---- */

static json_t *
example(const struct op_field *f)
{
	json_t *v = NULL;

	if (f->kind >= KIND_NUMBER)
		v = json_loads(f->example, JSON_DECODE_ANY, NULL);
	if (v == NULL && f->kind >= KIND_NUMBER && f->kind != KIND_ANY)
		fail_msg("the example of '%s' is no JSON: %s", f->name, f->example);
	return (v != NULL ? v : json_string(f->example));
}

static json_t *put(json_t *o, const char *at, json_t *v);

/* The object or list that is there already, with one object in it if it is a list. */
static json_t *
inside(json_t *o, const char *name, size_t n, int list)
{
	char *key = xstrndup(name, n);
	json_t *v = __real_json_object_get(o, key);

	if (v == NULL || (list && json_array_size(v) == 0))
		json_object_set_new(o, key, v = list ? json_pack("[{}]") : json_object());
	free(key);
	return (list ? json_array_get(v, 0) : v);
}

/* "routes[].host": in the first of the list. */
static json_t *
put(json_t *o, const char *at, json_t *v)
{
	const char *dot = strchr(at, '.');
	int list = dot != NULL && dot > at + 1 && dot[-1] == ']';

	if (dot == NULL) {
		json_object_set_new(o, at, v);
		return (o);
	}
	return (put(inside(o, at, (size_t)(dot - at) - (list ? 2 : 0), list), dot + 1, v));
}

/* Each object of the body with its place. */
static void
mark(const struct op_doc *doc, json_t *body)
{
	const char *dot;
	char *at;

	for (const struct op_field *f = doc->fields; f->name != NULL; f++) {
		if ((dot = strrchr(f->name, '.')) == NULL)
			continue;
		at = xasprintf("%.*s" AT, (int)(dot + 1 - f->name), f->name);
		put(body, at, json_stringn(f->name, (size_t)(dot + 1 - f->name)));
		free(at);
	}
	json_object_set_new(body, AT, json_string(""));
}

static json_t *
body_of(const struct op_doc *doc, int optional)
{
	json_t *body = json_pack("{s:s}", "operation", doc->name);

	for (const struct op_field *f = doc->fields; f->name != NULL; f++)
		if (f->kind != KIND_KEYS && (optional || f->absent == OP_REQUIRED))
			put(body, f->name, example(f));
	mark(doc, body);
	return (body);
}

static void
ask(json_t *body)
{
	char *text = json_dumps(body, JSON_COMPACT);
	struct answer a;

	node_ask(AS_SUPER, format_type(FORMAT_JSON), text, strlen(text), &a);
	answer_free(&a);
	free(text);
}

static void
make_table(const char *database)
{
	json_t *body = json_pack("{s:s, s:s, s:s, s:s}", "operation", "create_table", "database",
	    database, "table", "dog", "primary_key", "id");

	ask(body);
	json_decref(body);
}

/*
 * With all fields, with those that must be, and in the form of links: some are asked for in place
 * of others.
 */
static void
ask_all_ways(const struct op_doc *doc)
{
	json_t *body;

	for (int optional = 1; optional >= 0; optional--) {
		make_table(optional ? "dev" : "data");
		body = body_of(doc, optional);
		ask(body);
		json_decref(body);
	}
	body = body_of(doc, 1);
	json_object_del(body, "node_name");
	json_object_del(body, "server");
	json_object_del(json_array_get(__real_json_object_get(body, "connections"), 0),
	    "node_name");
	ask(body);
	json_decref(body);
}

/* What is asked of any body, before its operation is known. */
static json_t *
asked_of_all(void)
{
	json_t *body = json_pack("{s:s, s:s}", "operation", "registration_info", AT, ""), *all;

	noted = json_object();
	for (int i = 0; i < 3; i++)
		ask(body);
	all = noted;
	noted = NULL;
	json_decref(body);
	return (all);
}

/* Asked for so that they are refused with a reason. */
static const char *const refused[][2] = {
	{ "get_backup", "database" },
	{ "get_backup", "schema" },
	{ "get_backup", "table" },
	{ "get_backup", "tables" },
};

/* Found by going through what is there. */
static const char *const found[][2] = {
	{ "cluster_set_routes", "routes[].tls" },
	{ "cluster_set_routes", "routes[].separate" },
	{ "cluster_set_routes", "routes[].sends" },
	{ "cluster_set_routes", "routes[].receives" },
	{ "cluster_set_routes", "routes[].replicates" },
	{ "cluster_set_routes", "routes[].startTime" },
	{ "cluster_set_routes", "routes[].shard" },
	{ "cluster_set_routes", "routes[].revokedCertificates" },
	{ "cluster_set_routes", "routes[].url" },
	{ "cluster_delete_routes", "routes[].url" },
	{ "cluster_delete_routes", "routes[].host" },
};

#define LISTED(list, doc, name) is_listed(list, sizeof(list) / sizeof(list[0]), doc, name)

static int
is_listed(const char *const list[][2], size_t n, const struct op_doc *doc, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(doc->name, list[i][0]) == 0 && strcmp(name, list[i][1]) == 0)
			return (1);
	return (0);
}

static long long
times(const json_t *list, const char *name)
{
	return ((long long)json_integer_value(__real_json_object_get(list, name)));
}

/* Without where it lies: bodies and what lies in them are looked through for old names. */
static const char *
leaf(const char *name)
{
	const char *dot = strrchr(name, '.');

	return (dot != NULL ? dot + 1 : name);
}

static int
compare(const struct op_doc *doc, const json_t *asked, const json_t *all)
{
	const char *name;
	json_t *n;
	int faults = 0;

	json_object_foreach((json_t *)(uintptr_t)asked, name, n)
		if (times(asked, name) > times(all, leaf(name)) && opdoc_field(doc, name) == NULL &&
		    !LISTED(refused, doc, name) && ++faults)
			print_error("%s: '%s' is asked for: describe it in opsd/op/opdoc_*.c\n",
			    doc->name, name);
	for (const struct op_field *f = doc->fields; f->name != NULL; f++)
		if (f->kind != KIND_KEYS && times(asked, f->name) <= times(all, f->name) &&
		    !LISTED(found, doc, f->name) && ++faults)
			print_error("%s: '%s' is described, and not asked for\n", doc->name,
			    f->name);
	return (faults);
}

static void
test_fields_are_those_that_handlers_ask_for(void **state)
{
	const struct op_doc *doc;
	json_t *all;
	int faults = 0;

	node_start();
	all = asked_of_all();
	for (unsigned i = 0; (doc = opdoc_at(i)) != NULL; i++) {
		if (strcmp(doc->name, "restart") == 0 || strcmp(doc->name, "renew_node_id") == 0)
			continue;
		noted = json_object();
		ask_all_ways(doc);
		faults += compare(doc, noted, all);
		json_decref(noted);
		noted = NULL;
	}
	json_decref(all);
	assert_int_equal(faults, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_operation_is_described),
		cmocka_unit_test(test_the_texts),
		cmocka_unit_test(test_what_is_near),
		cmocka_unit_test(test_fields_are_those_that_handlers_ask_for),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
