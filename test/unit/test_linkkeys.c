#include "config.h"

#include "opsd/cluster/linkkeys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "opsd/cluster/linknames.h"

static const uint8_t prints[3][32] = { { 1 }, { 2 }, { 3 } };
static const uint8_t keys[3][AUTHORITY_KEY_LEN] = { { 11 }, { 12 }, { 13 } };

static struct linkkeys
with(unsigned n)
{
	struct linkkeys l = { .n = 0 };

	for (unsigned i = 0; i < n; i++)
		linkkeys_add(&l, prints[i], keys[i], 1000 * (int64_t)(i + 1));
	return (l);
}

static void
test_kept(void **state)
{
	static const uint8_t node_key[32] = { 5 }, other[32] = { 6 };
	struct linkkeys l = with(2), back;
	char *sealed = linkkeys_seal(&l, node_key);

	linkkeys_open(&back, node_key, sealed);
	assert_int_equal(back.n, 2);
	assert_memory_equal(&back, &l, sizeof(l));
	assert_true(linkkeys_fit(&back, prints[1]));
	assert_false(linkkeys_fit(&back, prints[0]));
	assert_memory_equal(linkkeys_find(&back, prints[0]), keys[0], AUTHORITY_KEY_LEN);
	assert_null(linkkeys_find(&back, prints[2]));
	/* What cannot be read is made anew. */
	linkkeys_open(&back, other, sealed);
	assert_int_equal(back.n, 0);
	sealed[20] ^= 1;
	linkkeys_open(&back, node_key, sealed);
	assert_int_equal(back.n, 0);
	linkkeys_open(&back, node_key, NULL);
	assert_int_equal(back.n, 0);
	assert_false(linkkeys_fit(&back, prints[0]));
	free(sealed);
}

/* At this time these are in use, in this order, until then. */
static void
used(const struct linkkeys *l, int64_t now, int64_t overlap, const char *want, int64_t until)
{
	uint8_t out[LINKKEYS_MAX][AUTHORITY_KEY_LEN];
	int64_t next;
	unsigned n = linkkeys_use(l, now, overlap, out, &next);

	assert_int_equal(n, strlen(want));
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(out[i][0], 11 + want[i] - '0');
	assert_int_equal(next, until);
}

static void
test_use(void **state)
{
	struct linkkeys none = with(0), one = with(1), two = with(2), three = with(3);

	used(&none, 5000, 3600, "", 0);
	used(&one, 1000, 3600, "0", 0);
	used(&two, 2000, 3600, "01", 2900);
	used(&two, 2899, 3600, "01", 2900);
	used(&two, 2900, 3600, "10", 5600);
	used(&two, 5599, 3600, "10", 5600);
	used(&two, 5600, 3600, "1", 0);
	used(&two, 2000, 0, "1", 0);
	/* A clock that was set back does not make the old one last. */
	used(&two, 1999, 3600, "1", 0);
	used(&three, 3000, 3600, "12", 3900);
}

/* Back to the password of before: it is known, and the other one is now that of before. */
static void
test_back(void **state)
{
	struct linkkeys l = with(2);

	linkkeys_add(&l, prints[0], linkkeys_find(&l, prints[0]), 9000);
	assert_int_equal(l.n, 2);
	assert_true(linkkeys_fit(&l, prints[0]));
	assert_memory_equal(l.k[0].key, keys[0], AUTHORITY_KEY_LEN);
	assert_memory_equal(l.k[1].key, keys[1], AUTHORITY_KEY_LEN);
}

static void
test_names(void **state)
{
	char *argv[] = { (char *)"x", (char *)"--CLUSTERING_HUBSERVER_CLUSTER_NETWORK_ADVERTISE",
		(char *)"Far.example:19932",
		(char *)"--CLUSTERING_HUBSERVER_LEAFNODES_NETWORK_HOST", (char *)"fd00::17",
		(char *)"--REPLICATION_HOSTNAME", (char *)"server-two", NULL };
	char *err = NULL;
	struct conf *c = conf_load(NULL, 7, argv, &err);
	json_t *all, *some;

	assert_non_null(c);
	all = linknames(c);
	some = json_pack("[s, s, s, s, s, s]", "127.0.0.1", "::1", "localhost", "far.example",
	    "fd00::17", "server-two");
	assert_true(linknames_within(some, all));
	json_array_append_new(some, json_string("elsewhere"));
	assert_false(linknames_within(some, all));
	json_decref(some);
	some = linknames_addresses();
	assert_true(linknames_within(some, all));
	json_decref(some);
	/* A server that dials what it listens on itself. */
	some = json_pack("[s, s]", "0.0.0.0", "::");
	assert_true(linknames_within(some, all));
	json_decref(some);
	json_decref(all);
	conf_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_use),
		cmocka_unit_test(test_back),
		cmocka_unit_test(test_names),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
