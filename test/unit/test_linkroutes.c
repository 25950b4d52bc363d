#include "config.h"

#include "opsd/op/linkroutes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "test/unit/folderconf.h"

/* Routes of links as calls give them, and as the list has them. */

static json_t *
json_of(const char *text)
{
	json_t *o = json_loads(text, JSON_DECODE_ANY, NULL);

	if (o == NULL)
		fail_msg("%s", text);
	return (o);
}

/* Takes it. */
static void
assert_is(json_t *is, const char *text)
{
	json_t *want = json_of(text);

	if (!json_equal(is, want))
		fail_msg("%s, not %s", json_dumps(is, JSON_ENCODE_ANY), text);
	json_decref(want);
	json_decref(is);
}

static void
test_form(void **state)
{
	static const struct {
		const char *text;
		int is;
	} cases[] = {
		{ "\"a\"", 1 },
		{ "{\"hostname\": \"a\"}", 1 },
		{ "{\"url\": \"wss://a\"}", 1 },
		{ "{\"host\": \"a\", \"port\": 1}", 0 },
		{ "{}", 0 },
		{ "7", 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *o = json_of(cases[i].text);

		if (linkroutes_is(o) != cases[i].is)
			fail_msg("%s", cases[i].text);
		json_decref(o);
	}
}

/* ---- reading ---- */

static void
assert_read(const char *text, const char *kept, const char *faults, int n)
{
	json_t *given = json_of(text);
	struct faults f = { 0 };

	assert_is(linkroutes_read(&f, 3, given), kept);
	buf_u8(&f.text, '\0');
	assert_string_equal((char *)f.text.data, faults);
	assert_int_equal(f.n, n);
	buf_free(&f.text);
	assert_is(given, text);
}

static void
test_read(void **state)
{
	assert_read("\"a\"", "\"a\"", "", 0);
	assert_read("{\"hostname\": \"a\", \"port\": \"9930\"}",
	    "{\"hostname\": \"a\", \"port\": 9930}", "", 0);
	assert_read("{\"hostname\": \"a\", \"port\": 9930}",
	    "{\"hostname\": \"a\", \"port\": 9930}", "", 0);
}

#define PORT_FAULT "'routes[3].port' must be an integer between 1 and 65535"

static void
test_read_faults(void **state)
{
	static const char *const ports[] = { "\"99999\"", "\"099930\"", "\"\"", "\"1x\"", "\"-1\"",
		"0" };
	char text[100];

	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		const char *kept = i == 0 ? "99999" : ports[i];
		char has[100];

		snprintf(text, sizeof(text), "{\"hostname\": \"a\", \"port\": %s}", ports[i]);
		snprintf(has, sizeof(has), "{\"hostname\": \"a\", \"port\": %s}", kept);
		assert_read(text, has, PORT_FAULT, 1);
	}
	assert_read("{\"hostname\": \"a b\", \"x\": 1}", "{\"hostname\": \"a b\", \"x\": 1}",
	    "'routes[3].hostname' must be a host name or an address. 'routes[3].x' is not allowed",
	    2);
	assert_read("{\"hostname\": \"a\", \"starttime\": 1, \"replicates\": {\"recieves\": true}}",
	    "{\"hostname\": \"a\", \"starttime\": 1, \"replicates\": {\"recieves\": true}}",
	    "'routes[3].starttime' is not allowed, did you mean 'startTime'?. "
	    "'routes[3].replicates.recieves' is not allowed, did you mean 'receives'?",
	    2);
}

/* ---- which is which ---- */

#define LIST                                                                  \
	"[\"one\", \"wss://two\", {\"hostname\": \"three\", \"port\": 9930}," \
	" \"ws://four:7\", {\"host\": \"five\", \"port\": 9933}]"

static void
assert_found(const char *text, size_t at)
{
	json_t *list = json_of(LIST), *route = json_of(text);

	if (linkroutes_find(c, list, route) != at)
		fail_msg("%s", text);
	json_decref(list);
	json_decref(route);
}

static void
test_find(void **state)
{
	assert_found("\"one\"", 0);
	assert_found("\"wss://ONE:9933/other\"", 0);
	assert_found("{\"hostname\": \"one\", \"port\": 9933}", 0);
	assert_found("\"wss://one\"", 5);
	assert_found("\"two:443\"", 1);
	assert_found("\"two\"", 5);
	assert_found("{\"url\": \"wss://three:9930\", \"startTime\": \"2026-01-01T00:00:00Z\"}", 2);
	assert_found("\"ws://four:7\"", 3);
	assert_found("\"wss://four:7\"", 5);
	assert_found("\"five\"", 5); /* that one is the other mesh's */
	assert_found("{}", 5);
}

/* ---- putting one in ---- */

static void
assert_put(const char *before, const char *text, int changed, const char *after)
{
	json_t *list = json_of(before), *route = json_of(text);

	if (linkroutes_put(c, list, route) != changed)
		fail_msg("%s", text);
	assert_is(list, after);
	assert_is(route, text);
}

#define REVOKED "\"revokedCertificates\": [\"ab\"]"
#define START   "\"startTime\": \"2026-01-01T00:00:00Z\""

static void
test_put(void **state)
{
	assert_put("[\"one\"]", "\"two\"", 1, "[\"one\", \"two\"]");
	assert_put("[\"one\"]", "\"wss://one:9933\"", 0, "[\"one\"]");
	assert_put("[\"one\", \"two\"]", "\"wss://one:9933/x\"", 1,
	    "[\"wss://one:9933/x\", \"two\"]");
	assert_put("[\"one\"]", "{\"hostname\": \"one\", " REVOKED "}", 1,
	    "[{\"hostname\": \"one\", " REVOKED "}]");
	assert_put("[{\"hostname\": \"one\", " REVOKED "}]", "{\"hostname\": \"one\", " REVOKED "}",
	    0, "[{\"hostname\": \"one\", " REVOKED "}]");
}

/* What was special about it stays, where nothing else is said. */
static void
test_put_keeps(void **state)
{
	static const char had[] = "[{\"hostname\": \"one\", " REVOKED ", " START "}]";

	assert_put(had, "\"one\"", 0, had);
	assert_put(had, "{\"url\": \"wss://one:9933\", \"revokedCertificates\": [\"cd\"]}", 1,
	    "[{\"url\": \"wss://one:9933\", \"revokedCertificates\": [\"cd\"], " START "}]");
	assert_put(had, "\"wss://one:9933/x\"", 1,
	    "[{\"url\": \"wss://one:9933/x\", " REVOKED ", " START "}]");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_conf_new, folder_conf_free)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_read_faults),
		TEST(test_find),
		TEST(test_put),
		TEST(test_put_keeps),
	};

	return (cmocka_run_group_tests(tests, make_folder, remove_folder));
}
