#include "config.h"

#include "leafd/leafconf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ID "000102030405060708090a0b0c0d0e0f"

/* SETTINGS with the default configuration changed by `config`. */
static struct settings *
settings(const char *password, json_t *config, char **err)
{
	struct conf *c = conf_load(NULL, 0, NULL, err);
	json_t *tree, *all;
	struct settings *s;
	char *text;

	assert_non_null(c);
	tree = conf_tree(c);
	conf_free(c);
	assert_int_equal(json_object_update_recursive(tree, config), 0);
	all = json_pack("{s:b, s:s, s:s, s:s, s:s*, s:{s:s, s:s, s:n, s:b, s:b}, s:o}", "enabled",
	    1, "node", "n1", "node_id", ID, "user", "clu ster", "password", password, "tls",
	    "certificate", "/c.pem", "privateKey", "/k.pem", "certificateAuthority", "insecure", 0,
	    "verify", 1, "config", tree);
	assert_non_null(all);
	text = json_dumps(all, JSON_COMPACT);
	*err = NULL;
	s = settings_read(text, strlen(text), err);
	free(text);
	json_decref(all);
	json_decref(config);
	return (s);
}

static json_t *
with_routes(json_t *routes)
{
	return (json_pack("{s:{s:s, s:b, s:s, s:{s:{s:o}}}}", "clustering", "nodeName", "n1",
	    "enabled", 1, "user", "clu ster", "leafServer", "network", "routes", routes));
}

static char *
text_of(const char *password, json_t *routes, char **faults)
{
	static const struct leafconf_run run = { .instance = "i1",
		.sys_password = "sys-secret",
		.dir = "/srv/node/clustering" };
	char *err = NULL, *text;
	struct settings *s = settings(password, with_routes(routes), &err);

	if (s == NULL)
		fail_msg("%s", err);
	text = leafconf_text(s, &run, 1, faults);
	settings_free(s);
	return (text);
}

static void
assert_has(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("no %s in:\n%s", part, text);
}

static unsigned
count(const char *text, const char *part)
{
	unsigned n = 0;

	while ((text = strstr(text, part)) != NULL) {
		text++;
		n++;
	}
	return (n);
}

static void
test_plain(void **state)
{
	char *faults, *text = text_of("p\"w\\d$x", json_array(), &faults);

	assert_null(faults);
	assert_has(text, "server_name: \"n1-leaf.i1\"\nhost: \"127.0.0.1\"\nport: 9940\n");
	assert_has(text, "max_payload: 8650752\n");
	assert_has(text, "domain: \"n1\"\n");
	assert_has(text, "/clustering/leaf\"\n");
	/* The hub listens on 0.0.0.0. */
	assert_has(text, "\"tls://clu%20ster:p%22w%5Cd%24x@127.0.0.1:9931\"\n");
	assert_has(text, "cert_file: \"/c.pem\"\nkey_file: \"/k.pem\"\n");
	assert_has(text, "password: \"p\\\"w\\\\d$x\"\n");
	assert_has(text, "password: \"sys-secret\"\n");
	assert_has(text, "deny_exports: [ \"hl.txn.>\", \"hl.shard.>\", \"$O.>\" ]\n");
	assert_has(text, "\"$JS.n1.API.STREAM.DELETE.*\"\n");
	assert_null(strstr(text, "reconnect:"));
	assert_null(strstr(text, "STREAM.INFO"));
	assert_int_equal(count(text, "account: DATA"), 1);
	assert_int_equal(count(text, "insecure: true"), 1);
	free(text);
}

/* nats.*: other names, another address, and more of the operator's, which counts less. */
static void
test_own_server(void **state)
{
	static const struct leafconf_run run = { .instance = "i1",
		.sys_password = "sys-secret",
		.dir = "/srv//node/clustering",
		.include = "/etc/nats \"x\".conf",
		.include_made = "ab12" };
	json_t *config = with_routes(json_array());
	char *err = NULL, *faults, *text;
	struct settings *s;

	json_object_set_new(config, "nats",
	    json_pack("{s:s, s:s}", "subject_prefix", "app.log", "bind_address", "0.0.0.0:4222"));
	if ((s = settings("secret", config, &err)) == NULL)
		fail_msg("%s", err);
	text = leafconf_text(s, &run, 1, &faults);
	assert_has(text, "host: \"0.0.0.0\"\nport: 4222\n");
	assert_has(text, "deny_exports: [ \"app.log.txn.>\", \"app.log.shard.>\", \"$O.>\" ]\n");
	assert_int_equal(strncmp(text,
			     "# ab12\ninclude \"../../../etc/nats \\\"x\\\".conf\"\nserver_name:",
			     57),
	    0);
	free(text);
	settings_free(s);
}

/* Of the cluster's secret: the own hub is verified as well, and no link is told the password. */
static void
test_secret(void **state)
{
	static const struct leafconf_run run = { .instance = "i1",
		.sys_password = "sys-secret",
		.dir = "/srv/node/clustering" };
	char *err = NULL, *faults, *text, *fixed;
	struct settings *s = settings("thepw",
	    with_routes(json_pack("[{s:s, s:i}]", "host", "far", "port", 9931)), &err);

	assert_non_null(s);
	s->made = strdup("AB");
	s->link_users = json_pack("[s, s]", "link-2", "link-1");
	text = leafconf_text(s, &run, 1, &faults);
	fixed = leafconf_text(s, &run, 0, &faults);
	assert_has(text, "\"tls://127.0.0.1:9931\"\n");
	assert_has(text, "\"tls://far:9931\"\n");
	assert_int_equal(count(text, "thepw"), 1); /* the local user's */
	assert_int_equal(count(text, "insecure"), 0);
	assert_int_equal(count(text, "link-"), 0);
	assert_has(text, "# certificate AB\n");
	assert_null(strstr(fixed, "certificate AB"));
	free(text);
	free(fixed);
	settings_free(s);
}

static void
test_routes(void **state)
{
	char *faults,
	    *text = text_of("pw",
		json_pack("[{s:s, s:i}, {s:s, s:i, s:b}, {s:s, s:i, s:s, s:b}]", "host", "cloud1",
		    "port", 9931, "host", "::7", "port", 9932, "tls", 1, "host", "cloud3", "port",
		    443, "tls", "wss", "separate", 1),
		&faults);

	assert_null(faults);
	/* Own hub, the two alternates, the separate one. */
	assert_int_equal(count(text, "account: DATA"), 3);
	assert_has(text,
	    "urls: [\n\"tls://clu%20ster:pw@cloud1:9931\"\n\"tls://clu%20ster:pw@[::7]:9932\"\n]\n");
	assert_has(text, "urls: [\n\"wss://clu%20ster:pw@cloud3:443\"\n]\n");
	/* Only the own hub is not verified. */
	assert_int_equal(count(text, "insecure: true"), 1);
	assert_int_equal(count(text, "deny_imports"), 3);
	/* Without a list, Go offers suites with CBC. */
	assert_int_equal(count(text, "tls {\ncipher_suites: [\n\""), 3);
	assert_int_equal(count(text, "tls {"), 3);
	assert_null(strstr(text, "_CBC_"));
	free(text);
}

static void
test_mixed_routes(void **state)
{
	char *faults,
	    *text = text_of("pw",
		json_pack("[{s:s, s:i, s:b}, {s:s, s:i}, {s:s, s:i, s:b}]", "host", "a", "port", 1,
		    "tls", 0, "host", "b", "port", 2, "host", "c", "port", 3, "tls", 0),
		&faults);

	assert_has(text,
	    "urls: [\n\"nats://clu%20ster:pw@a:1\"\n\"nats://clu%20ster:pw@c:3\"\n]\n");
	assert_null(strstr(text, "@b:2"));
	assert_non_null(faults);
	assert_has(faults, "b:2");
	assert_int_equal(count(text, "tls {"), 1);
	free(faults);
	free(text);
}

static void
test_settings_fault(void **state)
{
	char *err = NULL;

	assert_null(settings(NULL, with_routes(json_array()), &err));
	assert_string_equal(err, "the cluster user has no password");
	free(err);
	assert_null(settings_read("[]", 2, &err));
	free(err);
	assert_null(settings_read("{", 1, &err));
	free(err);
}

static void
test_node_id(void **state)
{
	uint8_t id[NODE_ID_LEN];
	char hex[NODE_HEX_LEN];

	assert_int_equal(node_id_read(ID, id), 0);
	assert_int_equal(id[0], 0);
	assert_int_equal(id[15], 15);
	node_id_hex(id, hex);
	assert_string_equal(hex, ID);
	assert_int_equal(node_id_read(NULL, id), -1);
	assert_int_equal(node_id_read("00", id), -1);
	assert_int_equal(node_id_read(ID "00", id), -1);
	assert_int_equal(node_id_read("g00102030405060708090a0b0c0d0e0f", id), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_own_server),
		cmocka_unit_test(test_secret),
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_mixed_routes),
		cmocka_unit_test(test_settings_fault),
		cmocka_unit_test(test_node_id),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
