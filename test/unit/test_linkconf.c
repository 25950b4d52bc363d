#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/conf/repconf.h"
#include "opsd/cluster/linkconf.h"
#include "test/unit/folderconf.h"

/* What replication.* comes to, and what leafd is told of it. */

/* ---- addresses ---- */

static void
assert_address(const char *text, enum repaddress_scheme scheme, const char *host, int port,
    const char *path)
{
	struct repaddress a;

	if (repaddress_read(&a, text) == -1)
		fail_msg("%s", text);
	assert_int_equal(a.scheme, scheme);
	assert_string_equal(a.host, host);
	assert_int_equal(a.port, port);
	assert_string_equal(a.path, path);
}

static void
test_addresses(void **state)
{
	static const char *const bad[] = { "", ":", ":1", "a:", "a:0", "a:65536", "a:x", "0",
		"99999", "a b", "a/b", "http://a", "wss://", "wss://a:b", "wss://a/x y", "[::1",
		"[::1]x", "[::1]x9", "[a b]", "a:1:", "wss://user@a" };
	struct repaddress a;

	assert_address("9933", REPADDRESS_BARE, "", 9933, "");
	assert_address("server-two", REPADDRESS_BARE, "server-two", 0, "");
	assert_address("127.0.1.2:99", REPADDRESS_BARE, "127.0.1.2", 99, "");
	assert_address("::1", REPADDRESS_BARE, "::1", 0, "");
	assert_address("[::1]:99", REPADDRESS_BARE, "::1", 99, "");
	assert_address("wss://server-two:9933", REPADDRESS_WSS, "server-two", 9933, "");
	assert_address("WS://[::1]/x?y", REPADDRESS_WS, "::1", 0, "/x?y");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (repaddress_read(&a, bad[i]) == 0 && strcmp(bad[i], "a:1:") != 0)
			fail_msg("'%s' is taken", bad[i]);
}

/* ---- configuration ---- */

/* Takes the value. */
static void
put(enum conf_key key, json_t *v)
{
	char *err = NULL;

	if (conf_set(c, key, v, &err) == -1)
		fail_msg("%s", err);
	json_decref(v);
}

static void
put_fails(enum conf_key key, const char *json, const char *words)
{
	json_t *v = json_loads(json, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	char *err = NULL;

	if (conf_set(c, key, v, &err) == 0 && conf_check(c, &err) == 0)
		fail_msg("%s is taken", json);
	if (strstr(err, words) == NULL)
		fail_msg("%s", err);
	free(err);
	json_decref(v);
	put(key, json_null());
}

static void
test_values(void **state)
{
	put_fails(REP_ROUTES, "\"server-two\"", "must be an array");
	put_fails(REP_ROUTES, "[1]", "'replication.routes[0]' must be a host name, or a URL");
	put_fails(REP_ROUTES, "[\"a\", \"a b\"]", "'replication.routes[1]' must be");
	put_fails(REP_ROUTES, "[\"a..b\"]", "'replication.routes[0]' must be");
	put_fails(REP_ROUTES, "[\"-x\"]", "'replication.routes[0]' must be");
	put_fails(REP_ROUTES, "[\"9933\"]", "'replication.routes[0]' must be");
	put_fails(REP_ROUTES, "[\"a\\u0000b\"]", "'replication.routes[0]' must be");
	put_fails(REP_ROUTES, "[{}]", "'replication.routes[0].hostname' or");
	put_fails(REP_ROUTES, "[{\"hostname\": \"a:1\"}]", "routes[0].hostname' must be a host");
	put_fails(REP_ROUTES, "[{\"hostname\": \"a\", \"port\": 0}]", "routes[0].port' must be");
	put_fails(REP_ROUTES, "[{\"hostname\": \"a\", \"prot\": 1}]", "routes[0].prot' is not");
	put_fails(REP_ROUTES, "[{\"hostname\": \"a\", \"startTime\": \"x\"}]",
	    "routes[0].startTime");
	put_fails(REP_ROUTES, "[{\"hostname\": \"a\", \"revokedCertificates\": [\"xy\"]}]",
	    "revokedCertificates[0]' must be a serial number");
	put_fails(REP_ROUTES, "[{\"hostname\": \"a\", \"sends\": 1}]",
	    "routes[0].sends' must be a boolean");
	put_fails(REP_ROUTES, "[{\"hostname\": \"a\", \"receives\": null}]",
	    "routes[0].receives' must be a boolean");
	put_fails(REP_ROUTES, "[{\"hostname\": \"a\", \"replicates\": []}]",
	    "routes[0].replicates' must be a boolean, or an object {sends, receives}");
	put_fails(REP_ROUTES, "[{\"hostname\": \"a\", \"replicates\": {\"sends\": \"x\"}}]",
	    "routes[0].replicates.sends' must be a boolean");
	put_fails(REP_ROUTES, "[{\"hostname\": \"a\", \"replicates\": {\"sendsTo\": true}}]",
	    "routes[0].replicates.sendsTo' is not allowed");
	put_fails(REP_DATABASES, "\"\"", "must be \"*\", a name, or an array");
	put_fails(REP_DATABASES, "[{}]", "databases[0].name' must be a string");
	put_fails(REP_DATABASES, "[{\"name\": \"a\", \"sharded\": 1}]",
	    "sharded' must be a boolean");
	put_fails(REP_SECURE_PORT, "0", "must be a port between 1 and 65535, or address:port");
	put_fails(REP_SECURE_PORT, "\"server-two\"", "must be a port");
	put_fails(REP_SECURE_PORT, "\"wss://server-two:1\"", "must be a port");
	put_fails(REP_START_TIME, "\"yesterday\"", "ISO-8601");
	put_fails(REP_HOSTNAME, "\"a:9933\"", "must be a host name or an address");
	put_fails(REP_HOSTNAME, "\"a b\"", "must be a host name or an address");
	put_fails(REP_URL, "\"server-one\"", "must be a URL");
	put_fails(REP_PROXY, "\"server-one\"", "must be host:port");
	put_fails(REP_MTLS_VERIFICATION, "true", "must be false: list what is revoked");
	put_fails(REP_MTLS_VERIFICATION, "{\"crl\": {\"timeout\": 10000}}", "must be false: list");
}

/* put_fails with another key set. */
static void
put_fails_beside(enum conf_key beside, json_t *v, enum conf_key key, const char *json,
    const char *words)
{
	put(beside, v);
	put_fails(key, json, words);
	put(beside, json_null());
}

static void
test_contradictions(void **state)
{
	char *err = NULL;

	put_fails(REP_TLS_KEY, "\"/k\"", "'replication.tls.certificate' is required");
	put_fails_beside(REP_HOSTNAME, json_string("a.example"), REP_URL, "\"wss://b.example:1\"",
	    "'replication.url' must have the host of 'replication.hostname', 'a.example'");
	put_fails(REP_SECURE_PORT, "9925",
	    "operationsApi.network.port and replication.securePort cannot be the same value");
	put_fails_beside(API_SECURE_PORT, json_integer(443), REP_SECURE_PORT, "\"10.0.0.1:443\"",
	    "operationsApi.network.securePort and replication.securePort cannot be");
	put_fails_beside(REP_SECURE_PORT, json_integer(9933), REP_PORT, "9933",
	    "replication.port and replication.securePort cannot be the same value");
	put_fails_beside(API_HOST, json_string("127.0.0.1, 10.0.0.1"), REP_SECURE_PORT,
	    "\"10.0.0.1:9925\"", "replication.securePort cannot be the same value");
	put(API_HOST, json_string("127.0.0.1,10.0.0.1"));
	put(REP_HOSTNAME, json_string("A.example"));
	put(REP_URL, json_string("wss://a.example:443"));
	put(REP_SECURE_PORT, json_string("10.0.0.2:9925"));
	if (conf_check(c, &err) == -1)
		fail_msg("%s", err);
	put(REP_SECURE_PORT, json_null());
	put(REP_URL, json_null());
	put(REP_HOSTNAME, json_null());
	put(API_HOST, json_null());
}

static void
test_on(void **state)
{
	assert_false(repconf_on(c));
	put(REP_ROUTES, json_pack("[s]", "server-two"));
	assert_true(repconf_on(c));
	assert_true(linkconf_needs_tls(c, NULL));
	put(REP_ENABLED, json_false());
	assert_false(linkconf_needs_tls(c, NULL));
	assert_false(repconf_on(c));
	put(REP_ROUTES, json_array());
	put(REP_ENABLED, json_true());
	assert_true(repconf_on(c));
}

/* One that is set alone is the only one: nothing needs a certificate but routes and members that say so. */
static void
test_needs_tls(void **state)
{
	json_t *secure = json_pack("[s]", "wss://server-two"),
	       *plain = json_pack("[s]", "ws://server-two");

	put(REP_PORT, json_integer(9999));
	put(REP_ROUTES, json_pack("[s]", "server-two"));
	assert_false(linkconf_needs_tls(c, plain));
	assert_true(linkconf_needs_tls(c, secure));
	put(REP_ROUTES, json_incref(secure));
	assert_true(linkconf_needs_tls(c, NULL));
	put(REP_ROUTES, json_array());
	put(REP_SECURE_PORT, json_integer(9998));
	assert_true(linkconf_needs_tls(c, NULL));
	json_decref(secure);
	json_decref(plain);
}

static void
assert_hostname(const char *name)
{
	char *own = repconf_hostname(c);

	assert_string_equal(own, name);
	free(own);
}

static void
test_hostname(void **state)
{
	char machine[256] = "";

	assert_int_equal(gethostname(machine, sizeof(machine) - 1), 0);
	put(REP_URL, json_string("wss://server-one.example:9933"));
	assert_hostname("server-one.example");
	put(REP_HOSTNAME, json_string("server-one"));
	assert_hostname("server-one");
	put(REP_HOSTNAME, json_null());
	put(REP_URL, json_null());
	/* By address, as routes name it: where it listens without TLS and nowhere else. */
	put(REP_PORT, json_integer(9999));
	assert_hostname("127.0.0.1");
	put(REP_PORT, json_string("10.0.0.1:9999"));
	assert_hostname("10.0.0.1");
	put(REP_PORT, json_string("0.0.0.0:9999"));
	assert_hostname(machine);
	put(REP_PORT, json_string("10.0.0.1:9999"));
	put(REP_SECURE_PORT, json_integer(9998));
	assert_hostname(machine);
}

static void
test_databases(void **state)
{
	json_t *v = conf_value(c, REP_DATABASES);

	assert_true(json_equal(v, conf_list(c, REP_DATABASES)));
	json_decref(v);
	put(REP_DATABASES, json_string("*"));
	assert_int_equal(json_array_size(conf_list(c, REP_DATABASES)), 1);
	put(REP_DATABASES, json_string("data"));
	assert_string_equal(json_string_value(json_array_get(conf_list(c, REP_DATABASES), 0)),
	    "data");
	put(REP_DATABASES, json_pack("[s,{s:s,s:b}]", "data", "name", "dev", "sharded", 1));
	assert_string_equal(json_string_value(json_array_get(conf_list(c, REP_DATABASES), 1)),
	    "dev");
}

/* ---- what leafd is told ---- */

static const struct linkconf_keys keys = { "CERT", "KEY", "CAS" };

/* New reference. */
static json_t *
links(const struct linkconf_keys *with)
{
	json_t *revoked = json_pack("{s:{}}", "77"), *o;

	o = linkconf_links(c, "00112233445566778899aabbccddeeff", with, revoked, NULL);
	json_decref(revoked);
	return (o);
}

static void
assert_json(const json_t *o, const char *field, const char *text)
{
	json_t *v = json_loads(text, JSON_DECODE_ANY, NULL);
	char *is = json_dumps(json_object_get(o, field), JSON_COMPACT | JSON_ENCODE_ANY);

	if (!json_equal(json_object_get(o, field), v))
		fail_msg("%s is %s", field, is);
	free(is);
	json_decref(v);
}

static void
assert_payload(json_int_t max)
{
	json_t *o = links(NULL);

	assert_int_equal(json_integer_value(json_object_get(o, "max_payload")), max);
	json_decref(o);
}

static void
assert_listen(const char *text)
{
	json_t *o = links(NULL);

	assert_json(o, "listen", text);
	json_decref(o);
}

static void
test_none(void **state)
{
	json_t *o = links(NULL);

	assert_int_equal(json_object_size(o), 0);
	json_decref(o);
}

static void
test_without_certificate(void **state)
{
	json_t *o;

	put(REP_ROUTES, json_pack("[s]", "server-two"));
	o = links(NULL);
	assert_json(o, "listen", "[]");
	assert_json(o, "dial", "[]");
	assert_json(o, "tls", "null");
	json_decref(o);
}

static void
test_links(void **state)
{
	json_t *o, *tls, *hello;

	put(REP_HOSTNAME, json_string("server-one"));
	put(CL_NODENAME, json_string("one"));
	put(REP_ROUTES,
	    json_loads("[\"server-one\", \"server-two\", \"wss://server-two:9933\","
		       "{\"hostname\": \"server-three\", \"port\": 9930}, \"wss://[::1]/x\","
		       "{\"url\": \"ws://four\", \"revokedCertificates\": [\"00:aB\", \"0\"]}]",
		0, NULL));
	put(REP_PROXY, json_string("proxy:3128"));
	o = links(&keys);
	tls = json_object_get(o, "tls");
	hello = json_object_get(o, "hello");
	assert_json(o, "listen", "[{\"port\": 9933, \"secure\": true}]");
	assert_json(o, "dial",
	    "[{\"key\": \"wss://server-two:9933\", \"host\": \"server-two\", \"port\": 9933, "
	    "\"secure\": true, \"name\": \"server-two\", \"path\": \"/replication\"}, "
	    "{\"key\": \"wss://server-three:9930\", \"host\": \"server-three\", \"port\": 9930, "
	    "\"secure\": true, \"name\": \"server-three\", \"path\": \"/replication\"}, "
	    "{\"key\": \"wss://[::1]:443\", \"host\": \"::1\", \"port\": 443, "
	    "\"secure\": true, \"name\": \"::1\", \"path\": \"/x\"}, "
	    "{\"key\": \"ws://four:80\", \"host\": \"four\", \"port\": 80, "
	    "\"secure\": false, \"name\": \"four\", \"path\": \"/replication\"}]");
	assert_json(o, "revoked", "[\"ab\", \"0\", \"77\"]");
	assert_json(o, "proxy", "\"proxy:3128\"");
	assert_json(o, "max_payload", "62914560");
	put(REP_MAX_PAYLOAD, json_integer(50000000));
	assert_payload(50000000);
	put(REP_MAX_PAYLOAD, json_integer(1048576));
	assert_payload(40 << 20);
	assert_json(o, "in_flight", "33554432");
	assert_json(o, "compress", "false");
	assert_json(tls, "key", "\"KEY\"");
	assert_json(tls, "certificate", "\"CERT\"");
	assert_json(tls, "authorities", "\"CAS\"");
	assert_json(tls, "system_roots", "true");
	assert_json(hello, "hostname", "\"server-one\"");
	assert_null(json_object_get(hello, "nodeName")); /* it is in no NATS cluster */
	json_decref(o);
}

/* Without TLS: for development, and on this machine unless more is said. */
static void
test_insecure(void **state)
{
	json_t *o;

	put(REP_PORT, json_integer(9999));
	put(REP_ROUTES, json_pack("[s,s]", "127.0.0.2", "127.0.0.3:7"));
	assert_listen("[{\"host\": \"127.0.0.1\", \"port\": 9999, \"secure\": false}]");
	o = links(NULL);
	assert_json(json_array_get(json_object_get(o, "dial"), 0), "key",
	    "\"ws://127.0.0.2:9999\"");
	assert_json(json_array_get(json_object_get(o, "dial"), 1), "key", "\"ws://127.0.0.3:7\"");
	json_decref(o);
	put(REP_HOSTNAME, json_string("127.0.0.2"));
	assert_listen("[{\"host\": \"127.0.0.2\", \"port\": 9999, \"secure\": false}]");
	o = links(NULL);
	assert_int_equal(json_array_size(json_object_get(o, "dial")), 1); /* not itself */
	json_decref(o);
	put(REP_PORT, json_string("0.0.0.0:9999"));
	o = links(&keys); /* a certificate changes nothing */
	assert_json(o, "listen", "[{\"host\": \"0.0.0.0\", \"port\": 9999, \"secure\": false}]");
	json_decref(o);
}

/* Members are dialled beside routes, each place once. */
static void
test_members(void **state)
{
	json_t *dials = json_pack("[s,s]", "ws://three", "ws://two"), *o, *list;

	put(REP_ROUTES, json_pack("[s]", "ws://two"));
	o = linkconf_links(c, "00112233445566778899aabbccddeeff", NULL, NULL, dials);
	list = json_object_get(o, "dial");
	assert_int_equal(json_array_size(list), 2);
	assert_json(json_array_get(list, 0), "key", "\"ws://two:80\"");
	assert_json(json_array_get(list, 1), "key", "\"ws://three:80\"");
	json_decref(o);
	json_decref(dials);
}

static void
assert_told(const char *before, const char *url, int is_taken)
{
	json_t *dials = json_array(), *told = json_pack("[s]", url);

	if (before != NULL)
		json_array_append_new(dials, json_string(before));
	linkconf_add_told(c, dials, told);
	assert_int_equal(json_array_size(dials), (before != NULL) + is_taken);
	json_decref(told);
	json_decref(dials);
}

/* What others say of themselves does not take TLS away. */
static void
test_told(void **state)
{
	put(REP_PORT, json_integer(9999));
	assert_told(NULL, "ws://three", 1);
	assert_told(NULL, "wss://three", 1);
	assert_told("wss://two", "ws://three", 0);
	put(REP_ROUTES, json_pack("[s]", "wss://two"));
	assert_told(NULL, "ws://three:8080/any?thing", 0);
	assert_told(NULL, "wss://three", 1);
}

static void
test_revokes(void **state)
{
	put(REP_ROUTES,
	    json_loads("[{\"hostname\": \"a\", \"revokedCertificates\": [\"00:aB\"]}]", 0, NULL));
	assert_true(linkconf_revokes(c, "AB"));
	assert_true(linkconf_revokes(c, "0ab"));
	assert_false(linkconf_revokes(c, "a"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_conf_new, folder_conf_free)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_addresses),
		TEST(test_values),
		TEST(test_contradictions),
		TEST(test_on),
		TEST(test_needs_tls),
		TEST(test_hostname),
		TEST(test_databases),
		TEST(test_none),
		TEST(test_without_certificate),
		TEST(test_links),
		TEST(test_insecure),
		TEST(test_members),
		TEST(test_told),
		TEST(test_revokes),
	};

	return (cmocka_run_group_tests(tests, make_folder, remove_folder));
}
