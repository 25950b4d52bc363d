#include "config.h"

#include "opsd/op/op.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/mem.h"

static json_t *
body(const char *text)
{
	json_t *v = json_loads(text, JSON_ALLOW_NUL, NULL);

	assert_non_null(v);
	return (v);
}

/* What the faults say; empties them. */
static void
expect(struct faults *f, const char *text)
{
	buf_u8(&f->text, 0);
	assert_string_equal((char *)f->text.data, text);
	buf_free(&f->text);
	f->n = 0;
}

static void
test_strings(void **state)
{
	struct faults f = { 0 };
	json_t *b = body("{\"a\":\"x\",\"empty\":\"\",\"n\":5,\"null\":null,"
			 "\"nul\":\"a\\u0000b\"}");

	assert_string_equal(field_string(&f, b, "a", 1), "x");
	assert_null(field_string(&f, b, "absent", 0));
	assert_int_equal(f.n, 0);
	assert_null(field_string(&f, b, "absent", 1));
	assert_null(field_string(&f, b, "empty", 0));
	assert_null(field_string(&f, b, "n", 0));
	assert_null(field_string(&f, b, "null", 0));
	assert_null(field_string(&f, b, "nul", 0));
	assert_int_equal(f.n, 5);
	expect(&f,
	    "'absent' is required. 'empty' is not allowed to be empty. 'n' must be a string. "
	    "'null' must be a string. 'nul' must not contain a NUL character");
	json_decref(b);
}

static void
test_arrays_and_booleans(void **state)
{
	struct faults f = { 0 };
	json_t *b = body("{\"l\":[1],\"t\":true,\"f\":false,\"s\":\"true\"}");

	assert_int_equal(json_array_size(field_array(&f, b, "l", 1)), 1);
	assert_null(field_array(&f, b, "absent", 0));
	assert_int_equal(field_bool(&f, b, "t", 1), 1);
	assert_int_equal(field_bool(&f, b, "f", 1), 0);
	assert_int_equal(field_bool(&f, b, "absent", 0), -1);
	assert_int_equal(f.n, 0);
	assert_null(field_array(&f, b, "t", 0));
	assert_null(field_array(&f, b, "absent", 1));
	assert_int_equal(field_bool(&f, b, "s", 0), -1);
	assert_int_equal(field_bool(&f, b, "absent", 1), -1);
	expect(&f,
	    "'t' must be an array. 'absent' is required. 's' must be a boolean. "
	    "'absent' is required");
	json_decref(b);
}

static void
test_database(void **state)
{
	static const char *const cases[][3] = {
		{ "{}", "data", "" },
		{ "{\"schema\":\"dev\"}", "dev", "" },
		{ "{\"database\":\"new\",\"schema\":\"old\"}", "new", "" },
		{ "{\"schema\":5}", NULL, "'schema' must be a string" },
		{ "{\"database\":\"\"}", NULL, "'database' is not allowed to be empty" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct faults f = { 0 };
		json_t *b = body(cases[i][0]);
		const char *db = field_database(&f, b);

		if (cases[i][1] != NULL)
			assert_string_equal(db, cases[i][1]);
		else
			assert_null(db);
		expect(&f, cases[i][2]);
		json_decref(b);
	}
}

static void
test_many_faults_are_bounded(void **state)
{
	struct faults f = { 0 };

	for (int i = 0; i < 100000; i++)
		fault(&f, "'records[%d]' must be an object", i);
	assert_int_equal(f.n, 100000);
	assert_true(f.text.len < 2000);
	buf_free(&f.text);
}

static const struct op *
read_body(const char *text, json_t **body, char **err)
{
	const struct scan_limits most = { 100, 1000 };
	struct inquiry a;
	const struct op *op;
	char *copy = strdup(text);
	size_t n = strlen(text);

	op_asked(FORMAT_JSON, copy, n, &most, &a);
	op = a.op;
	*err = a.err != NULL ? strdup(a.err) : NULL;
	*body = op != NULL ? op_body(FORMAT_JSON, copy, n, 100, op, err) : NULL;
	inquiry_free(&a);
	free(copy);
	return (*body != NULL ? op : NULL);
}

static void
test_reading_a_body(void **state)
{
	static const char *const refused[][2] = {
		{ "", "Invalid JSON." },
		{ "{\"operation\":\"insert\"",
		    "Invalid JSON at line 1, column 22: it ends too early" },
		{ "\"insert\"", "Invalid JSON at line 1, column 1: '{' is expected" },
		{ "{\"operation\":\n \"\303\274\",}",
		    "Invalid JSON at line 2, column 6: a name in quotes is expected" },
		{ "{\"operation\":\"insert\",\"a\":\"\377\"}",
		    "Invalid JSON at line 1, column 27: "
		    "unable to decode byte 0xff near '\"'" },
		{ "[]", "Request body must include an 'operation' property." },
		{ "{}", "Request body must include an 'operation' property." },
		{ "{\"operation\":5}", "Request body must include an 'operation' property." },
		{ "{\"operation\":\"insert\\u0000\"}",
		    "Request body must include an 'operation' property." },
		{ "{\"operation\":\"Insert\"}",
		    "Operation 'Insert' not found, did you mean 'insert'?" },
	};
	json_t *b;
	char *err = NULL;
	const struct op *op;

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		err = NULL;
		assert_null(read_body(refused[i][0], &b, &err));
		assert_string_equal(err, refused[i][1]);
		free(err);
	}
	op = read_body("{\"operation\":\"user_info\"}", &b, &err);
	assert_non_null(op);
	assert_string_equal(op->internal, "userInfo");
	assert_int_equal(op->right, RIGHT_SELF);
	json_decref(b);
}

static void
test_every_operation_has_its_own_name(void **state)
{
	const struct op *const families[] = { ops_schema, ops_record, ops_search, ops_cluster,
		ops_info, ops_conf_ops, ops_readlog, ops_user };

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		for (const struct op *op = families[i]; op->name != NULL; op++) {
			assert_ptr_equal(op_find(op->name), op);
			assert_non_null(op->internal);
			assert_non_null(op->run);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_arrays_and_booleans),
		cmocka_unit_test(test_database),
		cmocka_unit_test(test_many_faults_are_bounded),
		cmocka_unit_test(test_reading_a_body),
		cmocka_unit_test(test_every_operation_has_its_own_name),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
