#include "config.h"

#include "opsd/http/coding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const enum coding both[] = { CODING_GZIP, CODING_ZSTD };

static void
test_which(void **state)
{
	static const struct {
		const char *header;
		enum coding of, wanted;
	} cases[] = {
		{ NULL, CODING_NONE, CODING_NONE },
		{ "identity", CODING_NONE, CODING_NONE },
		{ "gzip", CODING_GZIP, CODING_GZIP },
		{ "X-GZip ", CODING_GZIP, CODING_GZIP },
		{ "zstd", CODING_ZSTD, CODING_ZSTD },
		{ "br", CODING_UNKNOWN, CODING_NONE },
		{ "deflate, gzip, br, zstd", CODING_UNKNOWN, CODING_ZSTD },
		{ "gzip;q=1.0, zstd;q=0", CODING_UNKNOWN, CODING_GZIP },
		{ "gzip;q=0.000,*", CODING_UNKNOWN, CODING_NONE },
		{ "gzip;q=0.5", CODING_UNKNOWN, CODING_GZIP },
		{ "gzip, gzip", CODING_UNKNOWN, CODING_GZIP },
		{ "", CODING_UNKNOWN, CODING_NONE },
		{ ",,;q", CODING_UNKNOWN, CODING_NONE },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(coding_of(cases[i].header), cases[i].of);
		assert_int_equal(coding_wanted(cases[i].header), cases[i].wanted);
	}
}

/* In pieces of that many bytes. */
static struct buf
coded(enum coding c, const struct buf *text, size_t piece)
{
	struct coder *w = coder_new(c);
	struct buf out = { 0 };

	for (size_t at = 0; at < text->len; at += piece)
		assert_int_equal(coder_add(w, text->data + at,
				     text->len - at < piece ? text->len - at : piece, 0, &out),
		    0);
	assert_int_equal(coder_add(w, NULL, 0, 1, &out), 0);
	coder_free(w);
	return (out);
}

static struct buf
text_of(size_t n)
{
	struct buf b = { 0 };

	for (size_t i = 0; b.len < n; i++)
		buf_addf(&b, "{\"id\":%zu,\"v\":%zu},", i, i * i % 977);
	return (b);
}

static void
test_back(void **state)
{
	static const size_t lengths[] = { 0, 1, 1000, 300000 }, pieces[] = { 1000, 65536, 400000 };

	for (size_t i = 0; i < 2 * 4 * 3; i++) {
		enum coding c = both[i % 2];
		struct buf text = text_of(lengths[i / 2 % 4]), back = { 0 };
		struct buf out = coded(c, &text, pieces[i / 8]);

		assert_int_equal(coding_read(c, out.data, out.len, text.len, &back), 0);
		assert_int_equal(back.len, text.len);
		assert_int_equal(back.len > 0 ? memcmp(back.data, text.data, text.len) : 0, 0);
		/* What is cut, has more behind it, or is another coding, is broken. */
		buf_clear(&back);
		assert_int_equal(coding_read(c, out.data, out.len - 1, text.len, &back), -1);
		buf_u8(&out, 'x');
		buf_clear(&back);
		assert_int_equal(coding_read(c, out.data, out.len, text.len, &back), -1);
		buf_clear(&back);
		assert_int_equal(coding_read(both[1 - i % 2], out.data, out.len, 100, &back), -1);
		buf_free(&text);
		buf_free(&out);
		buf_free(&back);
	}
}

/* What is read fills the room that is made for it. */
static void
test_even_lengths(void **state)
{
	for (size_t n = 4096; n <= 1 << 20; n *= 2)
		for (size_t i = 0; i < 2; i++) {
			struct buf text = text_of(n), out, back = { 0 };

			text.len = n;
			out = coded(both[i], &text, n);
			assert_int_equal(coding_read(both[i], out.data, out.len, 2 << 20, &back),
			    0);
			assert_int_equal(back.len, n);
			buf_free(&text);
			buf_free(&out);
			buf_free(&back);
		}
}

/* A little that says to be a lot takes no more than may be. */
static void
test_bombs(void **state)
{
	for (size_t i = 0; i < 2; i++) {
		struct buf text = { 0 }, out, back = { 0 };

		buf_reserve(&text, 20000000);
		memset(text.data, ' ', text.len = 20000000);
		out = coded(both[i], &text, text.len);
		assert_true(out.len < 100000);
		assert_int_equal(coding_read(both[i], out.data, out.len, 100000, &back), 1);
		assert_true(back.cap < 400000);
		buf_clear(&back);
		assert_int_equal(coding_read(both[i], out.data, out.len, text.len - 1, &back), 1);
		buf_free(&text);
		buf_free(&out);
		buf_free(&back);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_which),
		cmocka_unit_test(test_back),
		cmocka_unit_test(test_even_lengths),
		cmocka_unit_test(test_bombs),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
