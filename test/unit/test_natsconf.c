#include "config.h"

#include "common/conf/natsconf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"

/* Keys and values; NULL ends them.  What is wrong is in *err. */
static struct conf *
configured(char **err, const char *const *pairs)
{
	char *argv[32];
	int argc = 0;
	struct conf *c;

	for (; *pairs != NULL; pairs++, argc++)
		argv[argc] = argc % 2 == 0 ? xasprintf("--%s", *pairs) : xstrdup(*pairs);
	c = conf_load(NULL, argc, argv, err);
	while (argc > 0)
		free(argv[--argc]);
	return (c);
}

static void
refused(const char *why, const char *const *pairs)
{
	char *err = NULL;
	struct conf *c = configured(&err, pairs);

	if (c != NULL || strcmp(err, why) != 0)
		fail_msg("%s: %s", why, c != NULL ? "taken" : err);
	free(err);
}

static struct conf *
taken(const char *const *pairs)
{
	char *err = NULL;
	struct conf *c = configured(&err, pairs);

	if (c == NULL)
		fail_msg("%s", err);
	return (c);
}

#define PAIRS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define ONE_URL    "NATS_URLS", "[\"nats://a:4222\"]"

static void
test_url(void **state)
{
	struct natsconf_url u;
	char *err = NULL, *text;

	assert_int_equal(natsconf_url_read(&u, "nats://a.example", &err), 0);
	assert_string_equal(u.host, "a.example");
	assert_int_equal(u.port, 4222);
	assert_false(u.tls);
	assert_null(u.user);
	natsconf_url_clear(&u);
	assert_int_equal(natsconf_url_read(&u, "tls://me:p%40s%3as%2@x@[::1]:7/", &err), 0);
	assert_string_equal(u.user, "me");
	assert_string_equal(u.password, "p@s:s%2@x");
	assert_true(u.tls);
	text = natsconf_url_text(&u);
	assert_string_equal(text, "tls://[::1]:7");
	free(text);
	natsconf_url_clear(&u);
	assert_int_equal(natsconf_url_read(&u, "word%20@10.0.0.1:4223", &err), 0);
	assert_string_equal(u.token, "word ");
	assert_null(u.user);
	natsconf_url_clear(&u);
}

static void
test_wrong_url(void **state)
{
	static const char *const wrong[] = { "", "nats://", "nats://a:0", "nats://a:65536",
		"nats://a/b", "nats://u:p@", "nats://a b" };
	struct natsconf_url u;
	char *err = NULL;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(natsconf_url_read(&u, wrong[i], &err), -1);
		assert_string_equal(err, "must be a URL such as nats://server-one:4222");
		free(err);
	}
	assert_int_equal(natsconf_url_read(&u, "wss://a", &err), -1);
	assert_string_equal(err, "must begin with nats:// or tls://");
	free(err);
}

static void
test_refused(void **state)
{
	refused("'nats.urls[1]' must begin with nats:// or tls://",
	    PAIRS("NATS_URLS", "[\"nats://a\",\"http://b\"]"));
	refused("'nats.user_name' is required when 'nats.user_password' is set",
	    PAIRS(ONE_URL, "NATS_USER_PASSWORD", "x"));
	refused("'nats.token' and 'nats.creds_file' do not go together",
	    PAIRS(ONE_URL, "NATS_TOKEN", "x", "NATS_CREDS_FILE", "/c"));
	refused("'nats.cert_file' and 'nats.key_file' go together",
	    PAIRS(ONE_URL, "NATS_CERT_FILE", "/c"));
	refused("'nats.token' must not be (hidden): that is how it is shown",
	    PAIRS(ONE_URL, "NATS_TOKEN", "(hidden)"));
	refused("'nats.urls[0]' must have its password, not (hidden): that is how it is shown",
	    PAIRS("NATS_URLS", "[\"nats://u:(hidden)@a\"]"));
	refused(
	    "'nats.subject_prefix' must be 1 to 64 letters, digits, '_', '-' and, between others, '.'",
	    PAIRS("NATS_SUBJECT_PREFIX", "a..b"));
	refused("'nats.stream_prefix' must be 1 to 64 letters, digits, '_' and '-'",
	    PAIRS("NATS_STREAM_PREFIX", "a.b"));
	refused(
	    "'nats.server_config' and 'nats.urls' do not go together: the node then has no server",
	    PAIRS(ONE_URL, "NATS_SERVER_CONFIG", "/s"));
	refused(
	    "'replication_log.replicas' must be 1 without 'nats.urls': the node's own server is one",
	    PAIRS("REPLICATION_LOG_REPLICAS", "3"));
}

/* Who has external servers needs no user of the cluster's, and no ports of the own servers. */
static void
test_external(void **state)
{
	struct conf *c = taken(PAIRS(ONE_URL, "CLUSTERING_ENABLED", "true", "CLUSTERING_NODENAME",
	    "n", "OPERATIONSAPI_NETWORK_PORT", "9940", "REPLICATION_LOG_REPLICAS", "3"));
	struct natsconf_names names = natsconf_names(c);
	struct conf *other;

	assert_true(natsconf_is_external(c));
	assert_false(natsconf_is_bundled(c));
	assert_true(names.external);
	assert_null(names.domain);
	assert_string_equal(names.subjects, "hl");
	assert_int_equal(natsconf_max_payload(c), 1 << 20);
	other = taken(PAIRS(ONE_URL, "CLUSTERING_ENABLED", "true", "CLUSTERING_NODENAME", "m"));
	assert_false(natsconf_same(c, other));
	conf_free(other);
	other = taken(PAIRS(ONE_URL, "REPLICATION_LOG_REPLICAS", "3"));
	assert_true(natsconf_same(c, other));
	conf_free(other);
	conf_free(c);
}

static void
test_bind(void **state)
{
	struct conf *c = taken(PAIRS("NATS_BIND_ADDRESS", "0.0.0.0:4222"));
	struct repaddress leaf = natsconf_leaf(c);

	assert_string_equal(leaf.host, "0.0.0.0");
	assert_int_equal(leaf.port, 4222);
	conf_free(c);
	c = taken(PAIRS("NATS_BIND_ADDRESS", "4222"));
	leaf = natsconf_leaf(c);
	assert_string_equal(leaf.host, "127.0.0.1");
	assert_int_equal(leaf.port, 4222);
	conf_free(c);
	refused(
	    "operationsApi.network.port and clustering.leafServer.network.port cannot be the same "
	    "value",
	    PAIRS("CLUSTERING_ENABLED", "true", "CLUSTERING_NODENAME", "n", "CLUSTERING_USER", "u",
		"NATS_BIND_ADDRESS", "9925"));
}

static void
test_shown(void **state)
{
	struct conf *c = taken(PAIRS("NATS_URLS",
	    "[\"nats://u:secret@a:1\",\"secret@b\",\"tls://c\"]", "NATS_USER_NAME", "me",
	    "NATS_USER_PASSWORD", "secret"));
	json_t *tree = natsconf_tree(c);
	char *text = json_dumps(json_object_get(tree, "nats"), JSON_COMPACT);

	assert_null(strstr(text, "secret"));
	assert_non_null(strstr(text,
	    "\"urls\":[\"nats://u:(hidden)@a:1\",\"(hidden)@b\",\"tls://c\"]"));
	assert_non_null(strstr(text,
	    "\"user_name\":\"me\",\"user_password\":\"(hidden)\",\"token\":null"));
	free(text);
	json_decref(tree);
	conf_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_url),
		cmocka_unit_test(test_wrong_url),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_external),
		cmocka_unit_test(test_bind),
		cmocka_unit_test(test_shown),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
