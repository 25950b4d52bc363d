#include "config.h"

#include "opsd/store/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct table *
table_with(const char *const *names)
{
	struct table *t = table_new("data", "t", "id");

	for (; *names != NULL; names++)
		table_edit_attr(t, *names, strlen(*names));
	return (t);
}

static void
test_versions_share_attributes(void **state)
{
	static const char *const names[] = { "b", "a", "c", NULL };
	struct table *old = table_with(names), *new = table_copy(old);
	const struct attribute *b = table_attr(old, "b", 1);

	assert_ptr_equal(table_attr(new, "b", 1), b);
	table_edit_attr(new, "d", 1);
	assert_null(table_attr(old, "d", 1));
	assert_int_equal(new->nattrs, old->nattrs + 1);
	assert_ptr_equal(table_attr(new, "a", 1), table_attr(old, "a", 1));
	table_unref(old);
	assert_string_equal(table_attr(new, "b", 1)->name, "b");
	table_unref(new);
}

static void
test_a_name_that_cannot_be(void **state)
{
	char longest[TABLE_NAME_MAX + 2];

	memset(longest, 'n', sizeof(longest));
	longest[TABLE_NAME_MAX + 1] = '\0';
	assert_non_null(table_name_fault(longest));
	longest[TABLE_NAME_MAX] = '\0';
	assert_null(table_name_fault(longest));
	assert_null(table_name_fault("a b.c*>~"));
	assert_non_null(table_name_fault(""));
	assert_non_null(table_name_fault("a/b"));
	assert_non_null(table_name_fault("a`b"));
	assert_non_null(table_name_fault("a\tb"));
	assert_non_null(table_name_fault("a\x7f"));
	assert_non_null(table_name_fault("\xc3\xa9"));
}

static void
test_a_change_is_the_version_s_own(void **state)
{
	static const char *const names[] = { "a", NULL };
	struct table *old = table_with(names), *new = table_copy(old);
	struct attribute *a = table_edit_attr(new, "a", 1);

	a->hidden = 1;
	assert_false(table_attr(old, "a", 1)->hidden);
	assert_true(table_attr(new, "a", 1)->hidden);
	assert_int_equal(a->id, table_attr(old, "a", 1)->id);
	/* Once it is its own it stays the same. */
	assert_ptr_equal(table_edit_attr(new, "a", 1), a);
	table_unref(new);
	table_unref(old);
}

/* What is to be stored is what is new, however much there is. */
static void
test_only_what_is_new_is_stored(void **state)
{
	struct table *t = table_new("data", "t", "id"), *new;
	char name[16];

	for (int i = 0; i < 1000; i++)
		table_edit_attr(t, name, (size_t)snprintf(name, sizeof(name), "a%d", i));
	assert_int_equal(t->nedited, t->nattrs);
	assert_true(t->changed);
	table_stored(t);
	new = table_copy(t);
	assert_int_equal(new->nedited, 0);
	table_edit_attr(new, "b", 1);
	table_edit_attr(new, "a7", 2)->hidden = 1;
	table_edit_attr(new, "a7", 2)->hidden = 0;
	assert_int_equal(new->nedited, 2);
	assert_false(new->changed);
	table_unref(new);
	table_unref(t);
}

static void
test_comes_back_as_it_was_stored(void **state)
{
	static const char *const names[] = { "b", "a", NULL };
	struct table *t = table_with(names), *back;
	struct attribute *a = table_edit_attr(t, "a", 1);
	struct buf b = { 0 };

	a->type = strdup("Int");
	a->indexed = a->hidden = 1;
	a->dropped = (struct stamp){ 5, 6 };
	t->horizon = (struct stamp){ 7, 8 };
	t->expiration = 9;
	table_encode(t, &b);
	back = table_decode(70, b.data, b.len);
	assert_non_null(back);
	for (size_t i = 0; i < t->nattrs; i++) {
		buf_clear(&b);
		attribute_encode(t->attrs[i], &b);
		assert_int_equal(table_decode_attr(back, t->attrs[i]->id, b.data, b.len), 0);
	}
	assert_int_equal(back->nattrs, t->nattrs);
	assert_int_equal(back->next_attr, t->next_attr);
	assert_int_equal(back->expiration, 9);
	assert_int_equal(stamp_cmp(back->horizon, t->horizon), 0);
	assert_int_equal(table_attr(back, "b", 1)->id, table_attr(t, "b", 1)->id);
	a = table_edit_attr(back, "a", 1);
	assert_string_equal(a->type, "Int");
	assert_true(a->indexed && a->hidden && !a->whole);
	assert_int_equal(stamp_cmp(a->dropped, (struct stamp){ 5, 6 }), 0);
	assert_null(table_decode(70, b.data, b.len - 1));
	assert_int_equal(table_decode_attr(back, 90, b.data, b.len - 1), -1);
	buf_free(&b);
	table_unref(back);
	table_unref(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions_share_attributes),
		cmocka_unit_test(test_a_name_that_cannot_be),
		cmocka_unit_test(test_a_change_is_the_version_s_own),
		cmocka_unit_test(test_only_what_is_new_is_stored),
		cmocka_unit_test(test_comes_back_as_it_was_stored),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
