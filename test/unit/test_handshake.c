#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/nats/handshake.h"

#define ROUTE   " - TLS route handshake error: "
#define UNKNOWN "tls: failed to verify certificate: x509: certificate signed by unknown authority"

/* What fails, one "LINK ADDRESS REASON" each, parted by ";". */
static void
fails(struct handshakes *h, uint64_t since, const char *want)
{
	json_t *list = handshakes_failing(h, since), *f;
	char text[4096] = "";
	size_t i;

	json_array_foreach(list, i, f)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s %s %s",
		    i > 0 ? ";" : "", json_string_value(json_object_get(f, "link")),
		    json_string_value(json_object_get(f, "address")),
		    json_string_value(json_object_get(f, "reason")));
	json_decref(list);
	assert_string_equal(text, want);
}

static void
test_lines(void **state)
{
	static const char *const lines[][2] = {
		{ "10.0.0.2:9932 - rid:8" ROUTE UNKNOWN, "route 10.0.0.2 " UNKNOWN },
		{ "[::1]:9932 - rid:8" ROUTE "remote error: tls: bad certificate",
		    "route [::1] remote error: tls: bad certificate" },
		{ "10.0.0.2:5 - lid:12 - TLS leafnode handshake error: tls: client didn't provide a "
		  "certificate",
		    "leaf 10.0.0.2 tls: client didn't provide a certificate" },
		{ "websocket: TLS handshake error from 10.0.0.2:5: tls: client didn't provide a "
		  "certificate",
		    "leaf 10.0.0.2 tls: client didn't provide a certificate" },
		{ "h2:443 - lid_ws:9 - Error soliciting websocket connection: remote error: tls: "
		  "certificate required",
		    "leaf h2 remote error: tls: certificate required" },
		/* By the name in the certificate, and what the other end is told. */
		{ "10.0.0.2:5 - lid:12 - authentication error - User \"node-0a.hubleaf\"",
		    "leaf 10.0.0.2 authentication error - User \"node-0a.hubleaf\"" },
		{ "h2:443 - lid_ws:9 - Leafnode Error 'Authorization Violation'",
		    "leaf h2 Leafnode Error 'Authorization Violation'" },
		{ "10.0.0.2:5 - cid:12 - authentication error - User \"node-0a.hubleaf\"", "" },
		{ "10.0.0.2:5 - lid:12 - authentication error - User \"u\"", "" },
		{ "10.0.0.2:1 - rid:8" ROUTE "tls: \x01\xff", "route 10.0.0.2 tls: ??" },
		/* Who looks whether the port is open, and what is no such line. */
		{ "10.0.0.2:5 - rid:8" ROUTE "EOF", "" },
		{ "10.0.0.2:5 - lid:8 - TLS leafnode handshake error: read tcp: i/o timeout", "" },
		{ "h2:443 - lid_ws:9 - Error soliciting websocket connection: EOF", "" },
		{ "10.0.0.2" ROUTE UNKNOWN, "" },
		{ ":5" ROUTE UNKNOWN, "" },
		{ "1:" ROUTE UNKNOWN, "" },
		{ "websocket: TLS handshake error from tls: ", "" },
		{ " - ", "" },
		{ "", "" },
	};
	size_t i;

	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct handshakes *h = handshakes_new();

		handshakes_line(h, 1, lines[i][0]);
		fails(h, 1, lines[i][1]);
		handshakes_free(h);
	}
}

static void
test_who(void **state)
{
	struct handshakes *h = handshakes_new();

	/* Whom we dial has one port, who dials us has another each time. */
	handshakes_line(h, 10, "10.0.0.2:9932 - rid:8" ROUTE UNKNOWN);
	handshakes_line(h, 20, "10.0.0.2:9932 - rid:9" ROUTE UNKNOWN);
	handshakes_line(h, 20, "10.0.0.3:40001 - rid:10" ROUTE UNKNOWN);
	handshakes_line(h, 20, "10.0.0.3:40002 - rid:11" ROUTE UNKNOWN);
	handshakes_line(h, 30, "10.0.0.3:40002 - rid:12" ROUTE UNKNOWN);
	fails(h, 20, "route 10.0.0.2:9932 " UNKNOWN ";route 10.0.0.3 " UNKNOWN);
	fails(h, 21, "route 10.0.0.3 " UNKNOWN);
	fails(h, 31, "");
	/* A link of another address says nothing of these. */
	handshakes_line(h, 40, "10.0.0.2:9933 - rid:13 - Route connection created");
	handshakes_line(h, 40, "10.0.0.4:9932 - rid:13 - Route connection created");
	fails(h, 20, "route 10.0.0.2:9932 " UNKNOWN ";route 10.0.0.3 " UNKNOWN);
	handshakes_line(h, 40, "10.0.0.2:9932 - rid:14 - Route connection created");
	fails(h, 20, "route 10.0.0.3 " UNKNOWN);
	/* A leaf link of that host does not, either. */
	handshakes_line(h, 40,
	    "10.0.0.3:40004 - lid:15 - JetStream using domains: local \"\", remote \"n3\"");
	fails(h, 20, "route 10.0.0.3 " UNKNOWN);
	handshakes_line(h, 40, "10.0.0.3:40005 - rid:16 - Route connection created");
	fails(h, 20, "");
	handshakes_free(h);
}

/* It is refused by its name, again and again, until it is not. */
static void
test_dials_us(void **state)
{
	struct handshakes *h = handshakes_new();

	for (int i = 1; i <= 3; i++) {
		char line[200];

		snprintf(line, sizeof(line),
		    "10.0.0.2:%d - lid:%d - authentication error - User \"node-0a.hubleaf\"",
		    40000 + i, i);
		handshakes_line(h, 1, "10.0.0.2:40009 - lid:9 - Leafnode connection created ");
		handshakes_line(h, 1, line);
	}
	fails(h, 1, "leaf 10.0.0.2 authentication error - User \"node-0a.hubleaf\"");
	handshakes_line(h, 1, "10.0.0.2:40010 - rid:10 - Route connection created");
	fails(h, 1, "leaf 10.0.0.2 authentication error - User \"node-0a.hubleaf\"");
	handshakes_line(h, 1,
	    "10.0.0.2:40009 - lid_ws:9 - JetStream using domains: local \"\", remote \"n2\"");
	fails(h, 1, "");
	/* Once is not enough to know who dials. */
	handshakes_line(h, 2,
	    "10.0.0.2:40011 - lid:11 - authentication error - User \"node-0a.hubleaf\"");
	handshakes_line(h, 2,
	    "10.0.0.2:40012 - lid:12 - JetStream using domains: local \"\", remote \"n2\"");
	fails(h, 1, "");
	handshakes_free(h);
}

/* Of a leaf link the server says very early that it was made. */
static void
test_leaf(void **state)
{
	struct handshakes *h = handshakes_new();

	for (int i = 0; i < 2; i++) {
		handshakes_line(h, 1,
		    "h2:443 - lid_ws:9 - Leafnode connection created for account: DATA ");
		handshakes_line(h, 1,
		    "h2:443 - lid_ws:9 - Error soliciting websocket connection: x509: no");
	}
	handshakes_line(h, 1, "h2:443 - lid_ws:9 - Leafnode connection created for account: DATA ");
	fails(h, 1, "leaf h2:443 x509: no");
	handshakes_line(h, 1,
	    "h2:443 - lid_ws:9 - JetStream using domains: local \"n1\", remote \"\"");
	fails(h, 1, "");
	handshakes_free(h);
}

/* However many fail, and whatever reasons they make up. */
static void
test_bounds(void **state)
{
	struct handshakes *h = handshakes_new();
	char line[5000];
	json_t *list;
	unsigned i;

	for (i = 0; i < 1000; i++) {
		snprintf(line, sizeof(line), "10.0.0.2:5 - rid:%u" ROUTE "tls: %u%4000d", i, i, 1);
		handshakes_line(h, i + 1, line);
	}
	list = handshakes_failing(h, 0);
	assert_int_equal(json_array_size(list), 32);
	assert_int_equal(json_string_length(json_object_get(json_array_get(list, 0), "reason")),
	    300);
	json_decref(list);
	list = handshakes_failing(h, 1000 - 31);
	assert_int_equal(json_array_size(list), 32);
	json_decref(list);
	handshakes_free(h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_who),
		cmocka_unit_test(test_dials_us),
		cmocka_unit_test(test_leaf),
		cmocka_unit_test(test_bounds),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
