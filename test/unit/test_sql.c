#include "config.h"

#include "opsd/sql/sql.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "opsd/auth/user.h"
#include "opsd/store/catalog.h"
#include "test/unit/rowtable.h"

#define ROWS       300
#define STATEMENTS 4000

/*
 * A column with a plus before it is no column to SQLite, so no index helps: each statement must
 * find the same with and without.
 */
struct fixture {
	struct rowtable rt;
	struct data data;
	struct user user;
	uint64_t seed;
};

static uint64_t
next(struct fixture *f, uint64_t below)
{
	f->seed ^= f->seed << 13;
	f->seed ^= f->seed >> 7;
	f->seed ^= f->seed << 17;
	return (f->seed % below);
}

static json_t *
random_value(struct fixture *f)
{
	char text[KEY_TEXT_MAX + 3];

	switch (next(f, 10)) {
	case 0:
		return (json_null());
	case 1:
		return (json_boolean((int)next(f, 2)));
	case 2:
		return (json_real((double)next(f, 12) / 4));
	case 3:
		return (json_pack("[i]", (int)next(f, 3)));
	case 4: /* an index has the beginning of it */
		memset(text, 'l', sizeof(text));
		text[sizeof(text) - 2] = (char)('a' + next(f, 3));
		text[sizeof(text) - 1] = '\0';
		return (json_string(text));
	case 5:
	case 6:
		text[0] = (char)('a' + next(f, 3));
		text[1] = next(f, 2) ? 'b' : '\0';
		text[2] = '\0';
		return (json_string(text));
	default:
		return (json_integer((json_int_t)next(f, 5) - 1));
	}
}

/* Of `c` there is only what an index has in SQLite's order: numbers and text. */
static json_t *
plain_value(struct fixture *f)
{
	json_t *v = random_value(f);

	while (json_is_boolean(v) || json_is_array(v)) {
		json_decref(v);
		v = random_value(f);
	}
	return (v);
}

static int
setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	char *err = NULL;
	json_t *row;

	f->seed = 88172645463325252u;
	rowtable_open(&f->rt);
	for (int i = 0; i < ROWS; i++) {
		row = json_pack("{s:o, s:o}", "id",
		    i % 5 == 4 ? json_sprintf("k%d", i) : json_integer(i), "c", plain_value(f));
		for (size_t k = 0; k < 4; k++)
			if (strcmp(rowtable_names[k], "c") != 0 && next(f, 5) > 0)
				json_object_set_new(row, rowtable_names[k], random_value(f));
		rowtable_put(&f->rt, row, i % 11 == 10);
		json_decref(row);
	}
	rowtable_write(&f->rt);
	f->user.super_user = 1;
	f->data.store = f->rt.store;
	f->data.catalog = catalog_load(f->rt.store, &err);
	catalog_put(f->data.catalog, table_ref(f->rt.table));
	*state = f;
	return (0);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	int rc;

	catalog_free(f->data.catalog);
	rc = rowtable_close(&f->rt);
	free(f);
	return (rc);
}

/* Its answer as text; the caller frees. */
static char *
answer(struct fixture *f, const char *text)
{
	struct sql_limits limits = { .write = 1 << 20 };
	enum sql_state state;
	char *err = NULL;
	struct sql *s = sql_new(&f->data, &f->user, text, &err);
	size_t n;

	assert_non_null(s);
	if (sql_prepare(s, &limits) != SQL_READY)
		fail_msg("%s: %s", text, sql_error(s));
	while ((state = sql_step(s)) == SQL_MORE)
		;
	assert_int_equal(state, SQL_DONE);
	buf_u8(sql_out(s), '\0');
	err = (char *)buf_take(sql_out(s), &n);
	sql_free(s);
	return (err);
}

/* "%" in the text stands for the plus, or for nothing. */
static void
assert_same(struct fixture *f, const char *text)
{
	char *with = xstrdup(text), *without = xstrdup(text), *a, *b;

	for (size_t i = 0; text[i] != '\0'; i++)
		if (text[i] == '%') {
			with[i] = '+';
			without[i] = ' ';
		}
	a = answer(f, with);
	b = answer(f, without);
	if (strcmp(a, b) != 0)
		fail_msg("%s\n%s\n%s", text, a, b);
	free(a);
	free(b);
	free(with);
	free(without);
}

static const char *const columns[] = { "id", "a", "b", "c", "o" };
static const char *const literals[] = { "0", "1", "2", "-1", "0.5", "2.75", "'a'", "'ab'", "'b'",
	"'['", "'k104'", "NULL", "TRUE", "x'00'", "replace(hex(zeroblob(512)), '0', 'l')",
	"replace(hex(zeroblob(512)), '0', 'l') || 'lb'" };

static const char *
any_literal(struct fixture *f)
{
	return (literals[next(f, sizeof(literals) / sizeof(literals[0]))]);
}

static char *
condition(struct fixture *f)
{
	static const char *const ops[] = { "=", "<", ">", "<=", ">=" };
	const char *c = columns[next(f, 5)];

	switch (next(f, 3)) {
	case 0:
		return (xasprintf("%%%s %s (%s)", c, ops[next(f, 5)], any_literal(f)));
	case 1:
		return (xasprintf("%%%s >= %s AND %%%s < %s", c, any_literal(f), c,
		    any_literal(f)));
	default:
		return (xasprintf("%%%s IN (%s, %s)", c, any_literal(f), any_literal(f)));
	}
}

static void
test_conditions(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < STATEMENTS; i++) {
		char *one = condition(f), *other = condition(f);
		char *text = xasprintf("SELECT id FROM t WHERE (%s) %s (%s) ORDER BY +id", one,
		    next(f, 3) == 0 ? "OR" : "AND", other);

		assert_same(f, text);
		free(text);
		free(one);
		free(other);
	}
}

static void
test_orders(void **state)
{
	static const char *const ways[] = { "", " DESC" };
	struct fixture *f = *state;

	for (int i = 0; i < STATEMENTS / 8; i++) {
		const char *c = columns[next(f, 5)];
		char *where = condition(f);
		char *text = xasprintf("SELECT %s FROM t WHERE %s ORDER BY %%%s%s LIMIT %u", c,
		    where, c, ways[next(f, 2)], 1 + (unsigned)next(f, 400));

		assert_same(f, text);
		free(text);
		free(where);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_orders),
	};

	return (cmocka_run_group_tests(tests, setup, teardown));
}
