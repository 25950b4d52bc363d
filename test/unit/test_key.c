#include "config.h"

#include "opsd/store/key.h"

#include <float.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static uint64_t
next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (*seed);
}

static int
rank(const json_t *v)
{
	static const int ranks[] = {
		[JSON_NULL] = 0,
		[JSON_FALSE] = 1,
		[JSON_TRUE] = 2,
		[JSON_INTEGER] = 3,
		[JSON_REAL] = 3,
		[JSON_STRING] = 4,
	};

	return (ranks[json_typeof(v)]);
}

/* Order of values told without keys. */
static int
value_cmp(const json_t *a, const json_t *b)
{
	long double x, y;
	size_t n, m;
	int d;

	if (rank(a) != rank(b))
		return (rank(a) < rank(b) ? -1 : 1);
	if (json_is_number(a)) {
		x = json_is_integer(a) ? (long double)json_integer_value(a) : json_real_value(a);
		y = json_is_integer(b) ? (long double)json_integer_value(b) : json_real_value(b);
		return (x < y ? -1 : x > y);
	}
	if (!json_is_string(a))
		return (0);
	n = json_string_length(a);
	m = json_string_length(b);
	d = memcmp(json_string_value(a), json_string_value(b), n < m ? n : m);
	return (d != 0 ? d : n < m ? -1 : n > m);
}

static int
sign(int d)
{
	return (d < 0 ? -1 : d > 0);
}

static json_t *
random_text(uint64_t *seed)
{
	static const char letters[] = { 0, 1, 'a', 'b', 0x7f };
	char s[6];
	size_t n = next(seed) % sizeof(s);

	for (size_t i = 0; i < n; i++)
		s[i] = letters[next(seed) % sizeof(letters)];
	return (json_stringn(s, n));
}

static json_t *
random_value(uint64_t *seed)
{
	static const int64_t near[] = { 0, 1, INT64_C(1) << 53, INT64_MAX - 9, INT64_MIN + 9 };
	int64_t base = near[next(seed) % 5];

	switch (next(seed) % 6) {
	case 0:
		return (next(seed) % 2 ? json_null() : json_boolean((int)(next(seed) % 2)));
	case 1:
		return (json_integer(base + (int64_t)(next(seed) % 7) - 3));
	case 2:
		return (json_real((double)base + (double)(next(seed) % 9) / 4 - 1));
	case 3:
		return (json_integer((json_int_t)next(seed)));
	case 4:
		return (json_real((double)(int64_t)next(seed) / 1e7));
	default:
		return (random_text(seed));
	}
}

static int
key_cmp(const struct buf *a, const struct buf *b)
{
	int d = memcmp(a->data, b->data, a->len < b->len ? a->len : b->len);

	return (d != 0 ? d : a->len < b->len ? -1 : a->len > b->len);
}

static void
test_order(void **state)
{
	struct buf ka = { 0 }, kb = { 0 };
	struct scalar sa, sb;
	uint64_t seed = 88172645463325252;

	for (int i = 0; i < 200000; i++) {
		json_t *a = random_value(&seed), *b = random_value(&seed);

		buf_clear(&ka);
		buf_clear(&kb);
		assert_int_equal(key_from_json(&ka, a), 0);
		assert_int_equal(key_from_json(&kb, b), 0);
		assert_int_equal(scalar_from_json(&sa, a), 0);
		assert_int_equal(scalar_from_json(&sb, b), 0);
		assert_int_equal(sign(key_cmp(&ka, &kb)), sign(value_cmp(a, b)));
		assert_int_equal(sign(scalar_cmp(&sa, &sb)), sign(value_cmp(a, b)));
		json_decref(a);
		json_decref(b);
	}
	buf_free(&ka);
	buf_free(&kb);
}

/* Through bytes and back, another key behind it. */
static void
round_trip(json_t *v)
{
	struct buf b = { 0 };
	struct rd r;
	json_t *back;
	size_t len;

	assert_int_equal(key_from_json(&b, v), 0);
	len = b.len;
	buf_u8(&b, 5);
	assert_int_equal(key_len(b.data, b.len), len);
	assert_int_equal(key_span(b.data, b.len), len);
	/* A NUL inside looks like the end when what follows is cut off. */
	for (size_t i = 0; i < len; i++)
		if (!json_is_string(v) || b.data[i - (i > 0)] != 0)
			assert_int_equal(key_len(b.data, i), 0);
	r = rd_init(b.data, b.len);
	back = key_to_json(&r);
	assert_non_null(back);
	assert_int_equal(rd_left(&r), 1);
	assert_int_equal(value_cmp(v, back), 0);
	json_decref(back);
	json_decref(v);
	buf_free(&b);
}

static void
test_round_trip(void **state)
{
	uint64_t seed = 4101842887655102017;

	round_trip(json_integer((INT64_C(1) << 53) + 1));
	round_trip(json_integer(INT64_MAX));
	round_trip(json_integer(INT64_MIN));
	round_trip(json_integer(-1));
	round_trip(json_real(9223372036854775808.0));
	round_trip(json_real(-0.5));
	round_trip(json_real(DBL_MAX));
	round_trip(json_real(DBL_TRUE_MIN));
	round_trip(json_string(""));
	round_trip(json_stringn("\0", 1));
	round_trip(json_stringn("a\0\0b", 4));
	round_trip(json_string("\xc3\xa9\xf0\x9f\x98\x80"));
	for (int i = 0; i < 20000; i++)
		round_trip(random_value(&seed));
}

static void
test_one_number_has_one_key(void **state)
{
	json_t *same[][2] = {
		{ json_integer(1), json_real(1.0) },
		{ json_integer(0), json_real(-0.0) },
		{ json_integer(INT64_C(1) << 60), json_real(1152921504606846976.0) },
	};
	struct buf a = { 0 }, b = { 0 };

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		buf_clear(&a);
		buf_clear(&b);
		key_from_json(&a, same[i][0]);
		key_from_json(&b, same[i][1]);
		assert_int_equal(a.len, b.len);
		assert_memory_equal(a.data, b.data, a.len);
		assert_true(key_is_number(a.data));
		json_decref(same[i][0]);
		json_decref(same[i][1]);
	}
	buf_free(&a);
	buf_free(&b);
}

static void
test_what_has_no_key(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
	} broken[] = {
		{ "", 0 },
		{ "\0", 1 },
		{ "\4", 1 },
		{ "\x09", 1 },
		{ "\x08"
		  "a",
		    2 },
		{ "\x08"
		  "a\0\xff",
		    4 },
		{ "\x05"
		  "12345678",
		    9 },
		{ "\x08\xff\0", 3 },
		{ "\x08\xed\xa0\x80\0", 5 },
		/* minus zero; infinity; 1.5 and something */
		{ "\x05\x7f\xff\xff\xff\xff\xff\xff\xff\x80\0\0\0\0\0\0\0", 17 },
		{ "\x05\xff\xf0\0\0\0\0\0\0\x80\0\0\0\0\0\0\0", 17 },
		{ "\x05\xbf\xf8\0\0\0\0\0\0\x80\0\0\0\0\0\0\1", 17 },
	};
	struct buf b = { 0 };
	json_t *none[] = { json_array(), json_object(), NULL };
	char *text;
	struct rd r;

	text = malloc(KEY_TEXT_MAX + 1);
	assert_non_null(text);
	memset(text, 'x', KEY_TEXT_MAX + 1);
	none[2] = json_stringn(text, KEY_TEXT_MAX + 1);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(key_from_json(&b, none[i]), -1);
		assert_int_equal(b.len, 0);
		json_decref(none[i]);
	}
	assert_int_equal(key_from_string(&b, text, KEY_TEXT_MAX), 0);
	assert_int_equal(key_len(b.data, b.len), b.len);
	assert_true(b.len <= KEY_MAX);
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		assert_int_equal(key_len((const uint8_t *)broken[i].bytes, broken[i].n), 0);
		r = rd_init(broken[i].bytes, broken[i].n);
		assert_null(key_to_json(&r));
		assert_false(rd_ok(&r));
	}
	free(text);
	buf_free(&b);
}

static void
test_index_keys_sort_by_value_then_key(void **state)
{
	struct buf va = { 0 }, vb = { 0 }, k1 = { 0 }, k2 = { 0 }, a = { 0 }, b = { 0 };

	key_from_string(&va, "a", 1);
	key_from_string(&vb, "a\0", 2);
	key_from_string(&k1, "1", 1);
	key_from_string(&k2, "2", 1);
	key_index(&a, 70, 300, va.data, va.len, k2.data, k2.len);
	key_index(&b, 70, 300, vb.data, vb.len, k1.data, k1.len);
	assert_true(key_cmp(&a, &b) < 0);
	assert_int_equal(key_span(a.data + 6, a.len - 6), va.len);
	buf_clear(&b);
	key_index(&b, 70, 300, va.data, va.len, k1.data, k1.len);
	assert_true(key_cmp(&a, &b) > 0);
	buf_clear(&b);
	key_table_end(&b, 70);
	assert_true(key_cmp(&a, &b) < 0);
	buf_free(&va);
	buf_free(&vb);
	buf_free(&k1);
	buf_free(&k2);
	buf_free(&a);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_one_number_has_one_key),
		cmocka_unit_test(test_what_has_no_key),
		cmocka_unit_test(test_index_keys_sort_by_value_then_key),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
