#include "config.h"

#include "hubd/hubconf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/nats/natstext.h"

static const char tls[] =
    "\"tls\":{\"certificate\":\"/k/c\",\"privateKey\":\"/k/k\",\"certificateAuthority\":%s,"
    "\"insecure\":%s,\"verify\":true,\"made\":%s}";

/* NULL: none. */
struct opts {
	const char *node, *user, *password, *routes, *ca, *insecure, *level, *enabled, *advertise,
	    *advertise_set, *made, *pins;
};

static json_t *
tree(const struct opts *o)
{
	char *routes = xasprintf(
	    "{\"clustering\":{\"enabled\":true,\"nodeName\":\"%s\","
	    "\"logLevel\":\"%s\",\"hubServer\":{\"cluster\":{\"network\":{\"routes\":%s%s}}}}}",
	    o->node, o->level != NULL ? o->level : "info", o->routes != NULL ? o->routes : "[]",
	    o->advertise_set != NULL ? o->advertise_set : "");
	json_t *config = json_loads(routes, 0, NULL);

	free(routes);
	return (config);
}

static struct settings *
read_settings(const struct opts *o, char **err)
{
	char *t = xasprintf(tls, o->ca != NULL ? o->ca : "null",
	    o->insecure != NULL ? o->insecure : "true", o->made != NULL ? o->made : "null");
	char *text = xasprintf("{%s}", t);
	json_t *root = json_loads(text, 0, NULL);
	struct settings *s;

	free(t);
	free(text);
	if (o->pins != NULL)
		json_object_set_new(json_object_get(root, "tls"), "pins",
		    json_loads(o->pins, 0, NULL));
	json_object_set_new(root, "enabled", json_boolean(o->enabled == NULL));
	json_object_set_new(root, "node", json_string(o->node));
	json_object_set_new(root, "node_id", json_string("000102030405060708090a0b0c0d0e0f"));
	json_object_set_new(root, "user", o->user != NULL ? json_string(o->user) : json_null());
	json_object_set_new(root, "password",
	    o->password != NULL ? json_string(o->password) : json_null());
	if (o->made != NULL)
		json_object_set_new(root, "link_users", json_pack("[s, s]", "link-2", "link-1"));
	json_object_set_new(root, "removed", json_pack("[s]", "0f0e0d0c0b0a09080706050403020100"));
	json_object_set_new(root, "config", tree(o));
	text = json_dumps(root, 0);
	json_decref(root);
	s = settings_read(text, strlen(text), err);
	free(text);
	return (s);
}

static char *
text_of(const struct opts *o, int live)
{
	struct hubconf_run run = {
		.instance = "1f9c22ab",
		.sys_password = "syspw",
		.advertise = o->advertise,
		.dir = "/var/h",
	};
	char *err = NULL, *text;
	struct settings *s = read_settings(o, &err);

	assert_non_null(s);
	text = hubconf_text(s, &run, live);
	settings_free(s);
	return (text);
}

static void
has(const struct opts *o, const char *part)
{
	char *text = text_of(o, 1);

	if (strstr(text, part) == NULL)
		fail_msg("no %s in:\n%s", part, text);
	free(text);
}

static void
lacks(const struct opts *o, const char *part)
{
	char *text = text_of(o, 1);

	if (strstr(text, part) != NULL)
		fail_msg("%s in:\n%s", part, text);
	free(text);
}

static void
test_text(void **state)
{
	struct opts o = { .node = "n1", .user = "u", .password = "p" };

	has(&o, "server_name: \"n1-hub.1f9c22ab\"\n");
	has(&o, "max_payload: 8650752\n");
	has(&o, "port: 9930\n");
	has(&o, "port: 9931\n");
	has(&o, "port: 9932\n");
	has(&o, "routes: [\n]\n");
	has(&o, "system_account: SYS\n");
	lacks(&o, "advertise: \"");
	lacks(&o, "websocket");
}

static void
test_tls(void **state)
{
	struct opts o = { .node = "n1", .user = "u", .password = "p" };

	has(&o, "cert_file: \"/var/h/route.crt\"\n");
	has(&o, "insecure: true\n");
	has(&o, "cert_file: \"/k/c\"\n");
	has(&o, "verify: false\n");
	o.ca = "\"/k/ca\"";
	has(&o, "ca_file: \"/k/ca\"\ninsecure: true\n");
	lacks(&o, "route.crt");
	o.insecure = "false";
	has(&o, "ca_file: \"/k/ca\"\nverify: true\n");
	lacks(&o, "insecure");
}

/* Only these keys: routes by a reload, leaf links by a restart; and certificates are asked for. */
static void
test_pins(void **state)
{
	struct opts o = { .node = "n1",
		.user = "u",
		.password = "p",
		.ca = "\"/k/ca\"",
		.insecure = "false",
		.pins = "[\"aa\",\"bb\"]" };
	char *live = text_of(&o, 1), *fixed = text_of(&o, 0);
	const char *first = strstr(live, "pinned_certs: [\n\"aa\"\n\"bb\"\n]\n"), *leaf;

	assert_non_null(first);
	leaf = strstr(live, "leafnodes {");
	assert_true(first < leaf);
	assert_non_null(strstr(leaf, "pinned_certs"));
	first = strstr(fixed, "pinned_certs");
	assert_true(first > strstr(fixed, "leafnodes {"));
	free(live);
	free(fixed);
	o.pins = "[]";
	lacks(&o, "pinned_certs");
	o.pins = NULL;
	lacks(&o, "pinned_certs");
}

/* With certificates of the cluster's secret no password goes to other hubs, and leafs have their own. */
static void
test_secret(void **state)
{
	struct opts o = {
		.node = "n1",
		.user = "u",
		.password = "thepw",
		.ca = "\"/k/ca\"",
		.insecure = "false",
		.routes = "[{\"host\":\"far\",\"port\":9932}]",
		.made = "\"AB\"",
	};
	char *one, *other;

	has(&o, "\"nats-route://far:9932\"\n");
	lacks(&o, "authorization");
	lacks(&o, "insecure");
	lacks(&o, "verify: false");
	/* Of routes; and of leaf links, whose users are in certificates and are good for nothing else. */
	has(&o, "ca_file: \"/k/ca\"\nverify: true\n");
	has(&o, "ca_file: \"/k/ca\"\nverify_and_map: true\n");
	has(&o,
	    "user: \"u\"\npassword: \"thepw\"\n}, {\nuser: \"link-2\"\n"
	    "allowed_connection_types: [ \"LEAFNODE\", \"LEAFNODE_WS\" ]\n}, {\n"
	    "user: \"link-1\"\nallowed_connection_types: [ \"LEAFNODE\", \"LEAFNODE_WS\" ]\n}, {\n"
	    "user: \"node-0f0e0d0c0b0a09080706050403020100.hubleaf\"\npassword: \"syspw\"\n} ] }\n");
	has(&o, "# certificate AB\n");
	/* A new certificate is a reload. */
	one = text_of(&o, 0);
	o.made = "\"CD\"";
	other = text_of(&o, 0);
	assert_string_equal(one, other);
	assert_null(strstr(one, "link-"));
	assert_null(strstr(one, "node-"));
	free(one);
	free(other);
}

/* Wherever there is TLS: Go's own choice for TLS 1.2 has suites with CBC. */
static void
test_suites(void **state)
{
	struct opts o = { .node = "n1", .user = "u", .password = "p" };
	char *text = text_of(&o, 1), *at = text;
	int n = 0;

	while ((at = strstr(at, "tls {\n")) != NULL) {
		at += strlen("tls {\n");
		assert_memory_equal(at, "cipher_suites: [\n\"", strlen("cipher_suites: [\n\""));
		n++;
	}
	assert_int_equal(n, 2);
	assert_null(strstr(text, "_CBC_"));
	free(text);
}

static void
test_routes(void **state)
{
	struct opts o = {
		.node = "n1",
		.user = "clu@ster",
		.password = "a/b:c%\"\xc3\xa4",
		.routes = "[{\"host\":\"h2\",\"port\":9932},{\"host\":\"::1\",\"port\":1}]",
	};

	has(&o, "\"nats-route://clu%40ster:a%2Fb%3Ac%25%22%C3%A4@h2:9932\"\n");
	has(&o, "@[::1]:1\"\n");
}

static void
test_advertise(void **state)
{
	struct opts o = { .node = "n1", .user = "u", .password = "p", .advertise = "n1.example" };

	has(&o, "port: 9932\nadvertise: \"n1.example:9932\"\n");
	o.advertise = "2001:db8::1";
	has(&o, "\nadvertise: \"[2001:db8::1]:9932\"\n");
	/* What is configured goes before it. */
	o.advertise_set = ",\"advertise\":\"gate:1\"";
	has(&o, "\nadvertise: \"gate:1\"\n");
	lacks(&o, "2001");
}

/* A route is a place, not a way to write into the configuration. */
static void
test_bad_routes(void **state)
{
	static const char *const hosts[] = { "h\\\"2", "h 2", "h/x", "h@x", "", "h\\n" };
	char *routes;
	size_t i;

	for (i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		struct settings *s;
		char *err = NULL;
		json_t *list;

		routes = xasprintf("[{\"host\":\"%s\",\"port\":9932}]", hosts[i]);
		s = read_settings(&(struct opts){ .node = "n1",
				      .user = "u",
				      .password = "p",
				      .routes = routes },
		    &err);
		if (s != NULL) { /* conf may refuse it already */
			list = hubconf_routes(s);
			assert_int_equal(json_array_size(list), 0);
			json_decref(list);
		}
		settings_free(s);
		free(err);
		free(routes);
	}
}

static void
test_what_is_live(void **state)
{
	struct opts a = { .node = "n1", .user = "u", .password = "p" }, b = a, c = a;
	char *ta, *tb, *tc;

	b.routes = "[{\"host\":\"h2\",\"port\":9932}]";
	b.level = "debug";
	c.password = "q";
	ta = text_of(&a, 0);
	tb = text_of(&b, 0);
	tc = text_of(&c, 0);
	assert_string_equal(ta, tb);
	assert_string_not_equal(ta, tc);
	free(ta);
	free(tb);
	free(tc);
}

static void
refused(const struct opts *o)
{
	char *err = NULL;

	assert_null(read_settings(o, &err));
	assert_non_null(err);
	free(err);
}

static void
test_settings(void **state)
{
	static const char *const broken[] = { "", "[]", "{", "null", "{\"enabled\":1}" };
	struct opts off = { .node = "n1", .enabled = "no" };
	struct settings *s;
	char *err = NULL;
	size_t i;

	refused(&(struct opts){ .node = "n1", .user = "u" });
	refused(&(struct opts){ .node = "n1", .password = "p" });
	refused(&(struct opts){ .node = "", .user = "u", .password = "p" });
	s = read_settings(&off, &err);
	assert_non_null(s);
	settings_free(s);
	for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		s = settings_read(broken[i], strlen(broken[i]), &err);
		if (s == NULL)
			assert_non_null(err);
		settings_free(s);
		free(err);
		err = NULL;
	}
}

static void
test_url(void **state)
{
	static const char *const want[][2] = {
		{ "127.0.0.1", "nats://127.0.0.1:9930" },
		{ "0.0.0.0", "nats://127.0.0.1:9930" },
		{ "::", "nats://[::1]:9930" },
		{ "fe80::1", "nats://[fe80::1]:9930" },
		{ "[::1]", "nats://[::1]:9930" },
		{ "h", "nats://h:9930" },
	};
	size_t i;

	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		char *url = natstext_url(want[i][0], 9930);

		assert_string_equal(url, want[i][1]);
		free(url);
	}
}

/* Reads a quoted string as nats-server's lexer does; NULL when it would not take it. */
static char *
unquote(const char *q, size_t len)
{
	struct buf b = { 0 };
	size_t i;
	unsigned byte;
	char hex[3] = "";

	if (len < 2 || q[0] != '"' || q[len - 1] != '"')
		return (NULL);
	for (i = 1; i < len - 1; i++) {
		if (q[i] == '"' || (unsigned char)q[i] < 0x20)
			goto bad;
		if (q[i] != '\\') {
			buf_u8(&b, (uint8_t)q[i]);
			continue;
		}
		if (++i >= len - 1)
			goto bad;
		if (q[i] == '"' || q[i] == '\\') {
			buf_u8(&b, (uint8_t)q[i]);
			continue;
		}
		if (q[i] != 'x' || i + 2 >= len - 1)
			goto bad;
		memcpy(hex, q + i + 1, 2);
		if (sscanf(hex, "%2x", &byte) != 1)
			goto bad;
		buf_u8(&b, (uint8_t)byte);
		i += 2;
	}
	buf_u8(&b, 0);
	return ((char *)buf_take(&b, NULL));
bad:
	buf_free(&b);
	return (NULL);
}

static void
test_quoting(void **state)
{
	static const char nasty[] = "\"\\x{}[]#$;'\n\r\t\x01\x7f=:,/ \xc3\xa4\xff";
	uint64_t seed = 88172645463325252ULL;
	char text[40], *back;
	int i, n, k;

	for (i = 0; i < 20000; i++) {
		struct buf b = { 0 };

		for (n = k = 0; k < 39; k++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			if (seed % 41 == 0)
				break;
			text[n++] = seed & 1 << 20 ? nasty[seed % (sizeof(nasty) - 1)] :
						     (char)(seed >> 32 & 0xff);
			if (text[n - 1] == '\0')
				n--;
		}
		text[n] = '\0';
		natstext_quote(&b, text);
		back = unquote((const char *)b.data, b.len);
		assert_non_null(back);
		assert_string_equal(back, text);
		free(back);
		buf_free(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_pins),
		cmocka_unit_test(test_secret),
		cmocka_unit_test(test_suites),
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_advertise),
		cmocka_unit_test(test_bad_routes),
		cmocka_unit_test(test_what_is_live),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_url),
		cmocka_unit_test(test_quoting),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
