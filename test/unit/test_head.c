#include "config.h"

#include "opsd/http/head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <event2/buffer.h>

#include "common/base/mem.h"
#include "opsd/http/chunks.h"

static int
read_text(struct head *h, const char *text)
{
	size_t n = strlen(text);
	char *copy = xmalloc(n + 1);
	const char *why = NULL;
	int status;

	memcpy(copy, text, n);
	status = head_read(h, copy, n, &why);
	assert_int_equal(status != 0, why != NULL);
	return (status);
}

static int
status_of(const char *text)
{
	struct head h;
	int status = read_text(&h, text);

	head_free(&h);
	return (status);
}

static void
test_fields(void **state)
{
	struct head h;

	assert_int_equal(read_text(&h,
			     "POST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n"
			     "X:  two words \t\r\nEmpty:\r\nExpect: 100-Continue\r\n\r\n"),
	    0);
	assert_string_equal(h.method, "POST");
	assert_string_equal(h.path, "/a");
	assert_int_equal(h.minor, 1);
	assert_int_equal(h.length, 12);
	assert_string_equal(head_find(&h, "x"), "two words");
	assert_string_equal(head_find(&h, "EMPTY"), "");
	assert_null(head_find(&h, "y"));
	assert_true(h.expects);
	assert_false(h.close);
	assert_false(h.chunked);
	head_free(&h);

	assert_int_equal(read_text(&h, "GET HTTP://a:1/health HTTP/1.0\r\n\r\n"), 0);
	assert_string_equal(h.path, "/health");
	assert_true(h.close);
	head_free(&h);
	assert_int_equal(read_text(&h,
			     "GET http://a HTTP/1.0\r\nConnection: x, Keep-Alive\r\n\r\n"),
	    0);
	assert_string_equal(h.path, "/");
	assert_false(h.close);
	head_free(&h);
	assert_int_equal(read_text(&h,
			     "GET / HTTP/1.1\r\nHost: a\r\nConnection: CLOSE\r\n"
			     "Transfer-Encoding: Chunked\r\n\r\n"),
	    0);
	assert_true(h.close);
	assert_true(h.chunked);
	head_free(&h);
}

#define ONE "POST / HTTP/1.1\r\nHost: a\r\n"

static void
test_refused(void **state)
{
	static const struct {
		int status;
		const char *text;
	} cases[] = {
		{ 400, "\r\n" },
		{ 400, "GET\r\n\r\n" },
		{ 400, "GET /\r\n\r\n" },
		{ 400, " GET / HTTP/1.1\r\n\r\n" },
		{ 400, "G(T / HTTP/1.1\r\nHost: a\r\n\r\n" },
		{ 400, "GET / HTTP/1.1\r\n\r\n" },
		{ 505, "GET / HTTP/2.0\r\n\r\n" },
		{ 400, "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n" },
		{ 400, "GET / HTTX/1.1\r\n\r\n" },
		{ 400, "GET / HTTP/1.1\nHost: a\n\r\n\r\n" },
		{ 400, ONE "Host: b\r\n\r\n" },
		{ 400, ONE "A: b\r\n folded\r\n\r\n" },
		{ 400, ONE "A : b\r\n\r\n" },
		{ 400, ONE "A\r\n\r\n" },
		{ 400, ONE ": b\r\n\r\n" },
		{ 400, ONE "A: b\rc\r\n\r\n" },
		{ 400, ONE "A: b\nc: d\r\n\r\n" },
		{ 400, ONE "Content-Length: 1\r\nContent-Length: 1\r\n\r\n" },
		{ 400, ONE "Content-Length: -1\r\n\r\n" },
		{ 400, ONE "Content-Length: \r\n\r\n" },
		{ 400, ONE "Content-Length: 1,1\r\n\r\n" },
		{ 400, ONE "Content-Length: 0x1\r\n\r\n" },
		{ 400, ONE "Content-Length: 99999999999999999999\r\n\r\n" },
		{ 400, ONE "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n" },
		{ 400, ONE "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" },
		{ 501, ONE "Transfer-Encoding: gzip, chunked\r\n\r\n" },
		{ 501, ONE "Transfer-Encoding: \r\n\r\n" },
		{ 400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" },
		{ 417, ONE "Expect: more\r\n\r\n" },
		{ 0, ONE "Content-Length: 0\r\n\r\n" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (status_of(cases[i].text) != cases[i].status)
			fail_msg("%d for: %s", status_of(cases[i].text), cases[i].text);
}

static void
test_many(void **state)
{
	char *text = xcalloc(1, 10000), *at = text;
	int i;

	at += sprintf(at, "GET / HTTP/1.1\r\nHost: a\r\n");
	for (i = 1; i < HEAD_MAX_HEADERS; i++)
		at += sprintf(at, "A%d: b\r\n", i);
	strcpy(at, "\r\n");
	assert_int_equal(status_of(text), 0);
	strcpy(at, "One-more: b\r\n\r\n");
	assert_int_equal(status_of(text), 431);
	free(text);
}

static void
test_lists(void **state)
{
	assert_true(head_lists("a, b ,c", "B"));
	assert_true(head_lists("close", "close"));
	assert_false(head_lists("closed", "close"));
	assert_false(head_lists("not close", "close"));
	assert_false(head_lists("", "close"));
	assert_false(head_lists(NULL, "close"));
}

/* Byte by byte; what is left behind the body stays. */
static int
chunked(const char *text, char *body, size_t *left)
{
	struct evbuffer *in = evbuffer_new(), *out = evbuffer_new();
	struct chunks c = { 0 };
	int rc = 0, n;
	size_t i;

	for (i = 0; text[i] != '\0' && rc == 0; i++) {
		evbuffer_add(in, text + i, 1);
		rc = chunks_read(&c, in, out);
	}
	*left = strlen(text + i) + evbuffer_get_length(in);
	n = evbuffer_remove(out, body, 99);
	body[n > 0 ? n : 0] = '\0';
	evbuffer_free(in);
	evbuffer_free(out);
	return (rc);
}

static void
test_chunks(void **state)
{
	char body[100];
	size_t left;

	assert_int_equal(chunked("5\r\nhello\r\n00A;x=y\r\n, world!!!\r\n0\r\n\r\nGET", body,
			     &left),
	    1);
	assert_string_equal(body, "hello, world!!!");
	assert_int_equal(left, 3);
	assert_int_equal(chunked("0\r\nA: b\r\n\r\n", body, &left), 1);
	assert_string_equal(body, "");
	assert_int_equal(chunked("5\r\nhel", body, &left), 0);
	assert_int_equal(chunked("5\r\nhello!", body, &left), 0);
	assert_int_equal(chunked("5\r\nhello!\r\n", body, &left), -1);
	assert_int_equal(chunked("\r\n", body, &left), -1);
	assert_int_equal(chunked("-5\r\n", body, &left), -1);
	assert_int_equal(chunked("0x5\r\n", body, &left), -1);
	assert_int_equal(chunked("5 x\r\n", body, &left), -1);
	assert_int_equal(chunked("ffffffffffffffff\r\n", body, &left), -1);
}

/* A size line, or trailers, without end. */
static void
test_chunks_bounded(void **state)
{
	struct evbuffer *in = evbuffer_new(), *out = evbuffer_new();
	struct chunks c = { 0 };
	char line[5000];
	int i;

	memset(line, '0', sizeof(line));
	evbuffer_add(in, line, sizeof(line));
	assert_int_equal(chunks_read(&c, in, out), -1);
	evbuffer_drain(in, sizeof(line));
	c = (struct chunks){ 0 };
	evbuffer_add(in, "0\r\n", 3);
	for (i = 0; i < 1000; i++)
		evbuffer_add(in, "a: b\r\n", 6);
	assert_int_equal(chunks_read(&c, in, out), -1);
	evbuffer_free(in);
	evbuffer_free(out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_chunks_bounded),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
