#include "config.h"

#include "common/tls/authority.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/mem.h"
#include "common/tls/cert.h"
#include "common/tls/certinfo.h"
#include "common/tls/tlsfiles.h"
#include "test/unit/folder.h"

static void
hex_of(const uint8_t *p, char hex[65])
{
	for (int i = 0; i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", p[i]);
}

/* By another implementation of the same arithmetic: a node of any version makes the same. */
static void
test_known(void **state)
{
	static const char *const known[][3] = {
		{ "cluster", "cluster-secret",
		    "64b8bce377fb10d0f24ba5ba292f68d9c0cc7f208e784d5611fefd37c3fadf00" },
		{ "cluster_user", "correct battery staple horse",
		    "9747a3c515569bb949b2eccd58712da5d4899abe7e5ebb451687e807a23276c8" },
	};
	uint8_t key[AUTHORITY_KEY_LEN];
	char hex[65];

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		assert_int_equal(authority_derive(known[i][0], known[i][1], key), 0);
		hex_of(key, hex);
		assert_string_equal(hex, known[i][2]);
	}
}

static void
test_print(void **state)
{
	uint8_t a[32], b[32];

	authority_print("u", "p", a);
	authority_print("u", "p", b);
	assert_memory_equal(a, b, 32);
	authority_print("u p", "", b);
	assert_memory_not_equal(a, b, 32);
	authority_print("u", "P", b);
	assert_memory_not_equal(a, b, 32);
}

static void
test_user(void **state)
{
	static const uint8_t one[AUTHORITY_KEY_LEN] = { 1 }, two[AUTHORITY_KEY_LEN] = { 2 };
	char user[AUTHORITY_USER_LEN], other[AUTHORITY_USER_LEN];

	authority_user(one, user);
	assert_int_equal(strlen(user), AUTHORITY_USER_LEN - 1);
	authority_user(two, other);
	assert_string_not_equal(user, other);
}

/* ---- certificates ---- */

struct node {
	char *key, *cert, *ca;
};

static struct node
node_of(const char *name, const uint8_t (*keys)[AUTHORITY_KEY_LEN], size_t n)
{
	struct node node = {
		xasprintf("%s/%s.key", folder, name),
		xasprintf("%s/%s.pem", folder, name),
		xasprintf("%s/%s.ca", folder, name),
	};
	json_t *names = json_pack("[s, s, s, s]", "127.0.0.1", "fd00::2", "localhost",
	    "n1.example");
	struct authority_files f = { keys, n, name, names, node.key, node.cert, node.ca };
	char *err = NULL, *own = xasprintf("%s/%s.own", folder, name);

	assert_int_equal(cert_make(node.key, own, name, &err), 0);
	assert_int_equal(authority_sign(&f, &err), 0);
	json_decref(names);
	free(own);
	return (node);
}

static void
node_clear(struct node *n)
{
	free(n->key);
	free(n->cert);
	free(n->ca);
}

/* Whether one node's certificate, with its key, passes as a server and a client with another's authorities. */
static int
passes(const struct node *shown, const struct node *by)
{
	struct tlsfiles f = { "x", shown->cert, shown->key, by->ca, 1 };
	char *warning = NULL, *err = NULL;
	int rc = tlsfiles_check(&f, &warning, &err);

	assert_null(warning);
	free(err);
	return (rc == 0);
}

static const uint8_t ours[AUTHORITY_KEY_LEN] = { [31] = 7 }, newer[AUTHORITY_KEY_LEN] = { [0] = 9 };

static void
test_nodes(void **state)
{
	uint8_t both[2][AUTHORITY_KEY_LEN];
	struct node a = node_of("a", &ours, 1), b = node_of("b", &ours, 1);
	struct node c = node_of("c", &newer, 1), between;

	assert_true(passes(&a, &b));
	assert_true(passes(&b, &a));
	assert_false(passes(&a, &c));
	assert_false(passes(&c, &a));
	/* Shows the old one, believes both. */
	memcpy(both[0], ours, sizeof(ours));
	memcpy(both[1], newer, sizeof(newer));
	between = node_of("d", (const uint8_t(*)[AUTHORITY_KEY_LEN])both, 2);
	assert_true(passes(&between, &a));
	assert_false(passes(&between, &c));
	assert_true(passes(&a, &between));
	assert_true(passes(&c, &between));
	node_clear(&a);
	node_clear(&b);
	node_clear(&c);
	node_clear(&between);
}

static void
test_certificate(void **state)
{
	struct node n = node_of("n", &ours, 1);
	char *err = NULL;
	json_t *certs = certinfo_read(n.cert, &err), *names = certinfo_names(n.cert), *want;
	json_t *ca = certinfo_read(n.ca, &err);
	const char *issuer =
	    json_string_value(json_object_get(json_object_get(json_array_get(certs, 0), "details"),
		"issuer"));

	assert_string_equal(issuer,
	    json_string_value(json_object_get(json_object_get(json_array_get(ca, 0), "details"),
		"subject")));
	assert_true(json_is_true(json_object_get(json_array_get(ca, 0), "is_authority")));
	assert_true(json_is_false(json_object_get(json_array_get(certs, 0), "is_authority")));
	want = json_pack("[s, s, s, s]", "127.0.0.1", "fd00::2", "localhost", "n1.example");
	assert_true(json_equal(names, want));
	json_decref(want);
	json_decref(names);
	json_decref(ca);
	json_decref(certs);
	node_clear(&n);
}

static void
test_no_files(void **state)
{
	json_t *names = json_pack("[s]", "localhost");
	struct authority_files f = { &ours, 1, "n", names, "/nowhere/key", "/nowhere/pem",
		"/nowhere/ca" };
	char *err = NULL, *key = in_folder("a.key");
	static const uint8_t none[AUTHORITY_KEY_LEN];

	assert_int_equal(authority_sign(&f, &err), -1);
	assert_non_null(strstr(err, "/nowhere/key"));
	free(err);
	f.key_path = key;
	err = NULL;
	assert_int_equal(authority_sign(&f, &err), -1);
	assert_non_null(strstr(err, "/nowhere/ca"));
	free(err);
	/* No key of the curve. */
	f.keys = &none;
	err = NULL;
	assert_int_equal(authority_sign(&f, &err), -1);
	free(err);
	free(key);
	json_decref(names);
}

/* ---- passwords ---- */

static void
test_weakness(void **state)
{
	static const char *const weak[] = { "", "secret", "elevenchars", "aaaaaaaaaaaaaaaa",
		"ababababababab", "Password1234", "letsCluster123!", "the.cluster.user" };
	static const char *const strong[] = { "cluster-secret", "9f86d081884c7d659a2feaa0c55ad015",
		"Tr0ub4dor&3xyz" };

	for (size_t i = 0; i < sizeof(weak) / sizeof(weak[0]); i++)
		if (authority_weakness("the.cluster.user", weak[i]) == NULL)
			fail_msg("'%s' is strong", weak[i]);
	for (size_t i = 0; i < sizeof(strong) / sizeof(strong[0]); i++)
		if (authority_weakness("the.cluster.user", strong[i]) != NULL)
			fail_msg("'%s' %s", strong[i],
			    authority_weakness("the.cluster.user", strong[i]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_user),
		cmocka_unit_test(test_nodes),
		cmocka_unit_test(test_certificate),
		cmocka_unit_test(test_no_files),
		cmocka_unit_test(test_weakness),
	};

	return (cmocka_run_group_tests(tests, make_folder, remove_folder));
}
