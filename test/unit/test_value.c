#include "config.h"

#include "opsd/store/value.h"

#include <math.h>
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

static json_t *
random_text(uint64_t *seed)
{
	static const char *const parts[] = { "", "a", "\"", "\\", "\n", "\x01", "\xc3\xa9" };
	char s[64] = "";
	size_t n = next(seed) % 20;

	while (n-- > 0)
		strcat(s, parts[next(seed) % 7]);
	return (json_string(s));
}

static json_t *
random_tree(uint64_t *seed, int depth)
{
	uint64_t n = next(seed) % 5;
	json_t *v;
	char name[8];

	switch (next(seed) % (depth > 0 ? 8 : 6)) {
	case 0:
		return (json_null());
	case 1:
		return (json_boolean((int)(n & 1)));
	case 2:
		return (json_integer((json_int_t)next(seed) >> (next(seed) % 64)));
	case 3:
		return (json_real((double)(int64_t)next(seed) / (double)(1 + next(seed) % 1000)));
	case 4:
	case 5:
		return (random_text(seed));
	case 6:
		for (v = json_array(); n > 0; n--)
			json_array_append_new(v, random_tree(seed, depth - 1));
		return (v);
	default:
		v = json_object();
		for (; n > 0; n--) {
			name[0] = (char)('a' + n);
			name[1] = '\0';
			json_object_set_new(v, name, random_tree(seed, depth - 1));
		}
		return (v);
	}
}

static char *
text_of(const struct buf *b)
{
	struct buf out = { 0 };

	value_text(&out, b->data, b->len);
	buf_u8(&out, 0);
	return ((char *)buf_take(&out, NULL));
}

static void
test_round_trip(void **state)
{
	struct buf b = { 0 }, direct = { 0 };
	uint64_t seed = 88172645463325252;

	for (int i = 0; i < 20000; i++) {
		json_t *v = random_tree(&seed, 5), *back, *parsed;
		char *text;

		buf_clear(&b);
		buf_clear(&direct);
		value_pack(&b, v);
		assert_true(value_valid(b.data, b.len));
		back = value_to_json(b.data, b.len);
		assert_true(json_equal(v, back));
		text = text_of(&b);
		value_text_json(&direct, v);
		assert_int_equal(direct.len, strlen(text));
		assert_memory_equal(direct.data, text, direct.len);
		parsed = json_loads(text, JSON_DECODE_ANY, NULL);
		assert_non_null(parsed);
		for (size_t cut = 0; cut < b.len; cut++)
			assert_false(value_valid(b.data, cut));
		free(text);
		json_decref(v);
		json_decref(back);
		json_decref(parsed);
	}
	buf_free(&b);
	buf_free(&direct);
}

static void
test_numbers_as_text(void **state)
{
	static const struct {
		double d;
		const char *text;
	} reals[] = {
		{ 1, "1" },
		{ -0.0, "-0.0" },
		{ 0.1, "0.1" },
		{ 1690742615459.453, "1690742615459.453" },
		{ 1e300, "1e+300" },
		{ -2.5, "-2.5" },
		{ 5e-324, "5e-324" },
		{ 0.1 + 0.2, "0.30000000000000004" },
		{ 1e15, "1e+15" },
		{ INFINITY, "null" },
	};
	struct buf b = { 0 };

	for (size_t i = 0; i < sizeof(reals) / sizeof(reals[0]); i++) {
		buf_clear(&b);
		value_text_real(&b, reals[i].d);
		buf_u8(&b, 0);
		assert_string_equal((char *)b.data, reals[i].text);
	}
	for (uint64_t i = 0, seed = 77; i < 100000; i++) {
		uint64_t bits = next(&seed);
		double d;

		memcpy(&d, &bits, sizeof(d));
		if (!isfinite(d))
			continue;
		buf_clear(&b);
		value_text_real(&b, d);
		buf_u8(&b, 0);
		assert_true(strtod((char *)b.data, NULL) == d);
	}
	buf_free(&b);
}

static json_t *
nested(int depth)
{
	json_t *v = json_integer(1), *outer;

	while (depth-- > 0) {
		outer = depth % 2 ? json_array() : json_object();
		if (depth % 2)
			json_array_append_new(outer, v);
		else
			json_object_set_new(outer, "a", v);
		v = outer;
	}
	return (v);
}

static void
test_depth(void **state)
{
	json_t *most = nested(VALUE_MAX_DEPTH), *more = nested(VALUE_MAX_DEPTH + 1);
	struct buf b = { 0 };
	json_t *back;
	char *text;

	assert_true(value_depth_ok(most));
	assert_false(value_depth_ok(more));
	value_pack(&b, most);
	assert_true(value_valid(b.data, b.len));
	back = value_to_json(b.data, b.len);
	assert_true(json_equal(back, most));
	text = text_of(&b);
	assert_string_not_equal(text, "null");
	free(text);
	buf_clear(&b);
	value_pack(&b, more);
	assert_false(value_valid(b.data, b.len));
	assert_null(value_to_json(b.data, b.len));
	json_decref(most);
	json_decref(more);
	json_decref(back);
	buf_free(&b);
}

static void
test_what_is_not_valid(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
	} broken[] = {
		{ "", 0 },
		{ "\xc1", 1 },
		{ "\xc0\xc0", 2 }, /* nothing, no type, two values */
		{ "\xc4\1x", 3 },
		{ "\xd4\1x", 3 },                  /* binary, extension */
		{ "\xca\0\0\0\0", 5 },             /* single float */
		{ "\xcb\x7f\xf0\0\0\0\0\0\0", 9 }, /* infinity */
		{ "\xcf\x80\0\0\0\0\0\0\0", 9 },   /* beyond 63 bits */
		{ "\xa2\xc3", 2 },
		{ "\xa2\xc3\x28", 3 }, /* text cut, not UTF-8 */
		{ "\x81\1\1", 3 },
		{ "\x81\xa1\0\1", 4 }, /* names: a number, a NUL */
		{ "\xdd\xff\xff\xff\xff", 5 },
		{ "\xdf\xff\xff\xff\xff\1\1", 7 },
		{ "\xdb\xff\xff\xff\xff"
		  "abc",
		    8 },
	};

	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		const uint8_t *p = (const uint8_t *)broken[i].bytes;
		struct buf out = { 0 };
		struct scalar sc;

		assert_false(value_valid(p, broken[i].n));
		assert_null(value_to_json(p, broken[i].n));
		value_text(&out, p, broken[i].n);
		value_scalar(&sc, p, broken[i].n);
		buf_free(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_numbers_as_text),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_what_is_not_valid),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
