#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/mem.h"
#include "common/conf/settings.h"
#include "opsd/cluster/roster.h"
#include "opsd/pki/signer.h"

/* Statements of nodes, and what counts of them: each rule, and that the order does not matter. */

#define NODES  5
#define KEYS   3
#define NOW_MS UINT64_C(1700000000000)

/* Keys that each of the nodes has had. */
static char *pems[NODES][KEYS];
static struct signer *keys[NODES][KEYS];

static uint8_t *
id_of(int node)
{
	static uint8_t ids[NODES][NODE_ID_LEN];

	memset(ids[node], 'a' + node, NODE_ID_LEN);
	return (ids[node]);
}

static const char *
hex_of(int node)
{
	static char hex[NODES][2 * NODE_ID_LEN + 1];

	node_id_hex(id_of(node), hex[node]);
	return (hex[node]);
}

static int
make_keys(void **state)
{
	for (int i = 0; i < NODES; i++)
		for (int k = 0; k < KEYS; k++) {
			EVP_PKEY *key = EVP_EC_gen("P-256");

			pems[i][k] = pem_from_key(key);
			keys[i][k] = signer_new(pems[i][k]);
			EVP_PKEY_free(key);
		}
	return (0);
}

static int
free_keys(void **state)
{
	for (int i = 0; i < NODES; i++)
		for (int k = 0; k < KEYS; k++) {
			signer_free(keys[i][k]);
			mem_wipe(pems[i][k]);
		}
	return (0);
}

/* ---- statements ---- */

static json_t *
live_fields(int node, int key)
{
	char host[] = "a.example";

	host[0] = (char)('a' + node);
	return (json_pack("{s:s, s:s, s:s, s:b}", "hostname", host, "url", "wss://x:9933", "spki",
	    signer_spki(keys[node][key]), "full", 1));
}

/* What a node says at that time, with that key, of another or the same. */
static struct statement *
said_by(int node, int key, int next, uint64_t ms)
{
	json_t *fields = live_fields(node, next);
	struct statement *s = statement_make(keys[node][key], STATEMENT_MEMBER, hex_of(node),
	    id_of(node), ms << 16, fields);

	json_decref(fields);
	assert_non_null(s);
	return (s);
}

/* What a node would say, but as another does. */
static struct statement *
said_of_by(int node, int key, int by, uint64_t ms)
{
	json_t *fields = live_fields(node, key);
	struct statement *s = statement_make(keys[by][0], STATEMENT_MEMBER, hex_of(node), id_of(by),
	    ms << 16, fields);

	json_decref(fields);
	assert_non_null(s);
	return (s);
}

static struct statement *
introduced_by(int by, int key, int node, int its, uint64_t ms)
{
	json_t *fields = json_pack("{s:s}", "spki", signer_spki(keys[node][its]));
	struct statement *s = statement_make(keys[by][key], STATEMENT_INTRODUCTION, hex_of(node),
	    id_of(by), ms << 16, fields);

	json_decref(fields);
	assert_non_null(s);
	return (s);
}

static struct statement *
removed_by(int by, int key, int node, int its, uint64_t ms)
{
	json_t *fields = live_fields(node, its);
	struct statement *s;

	json_object_set_new(fields, "removed", json_true());
	s = statement_make(keys[by][key], STATEMENT_MEMBER, hex_of(node), id_of(by), ms << 16,
	    fields);
	json_decref(fields);
	assert_non_null(s);
	return (s);
}

/* ---- taking ---- */

static struct roster *
roster_of(int node)
{
	struct roster *r = roster_new(id_of(node));

	roster_sign_with(r, signer_new(pems[node][0]));
	return (r);
}

/* Takes both; who is -1: it is not known. */
static enum roster_verdict
take_at(struct roster *r, int who, uint64_t now_ms, struct statement *said,
    struct statement *introduction)
{
	struct roster_offer o = { said, introduction };
	struct roster_facts f = { .now_ms = now_ms,
		.who = who != -1 ? id_of(who) : NULL,
		.who_spki = who != -1 ? signer_spki(keys[who][0]) : NULL };
	char *why = NULL;
	enum roster_verdict v = roster_take(r, &o, &f, &why);

	assert_int_equal(v == ROSTER_REFUSED, why != NULL);
	free(why);
	roster_offer_clear(&o);
	return (v);
}

#define TAKEN_MS (NOW_MS + 1000000)

static enum roster_verdict
take(struct roster *r, int who, struct statement *said, struct statement *introduction)
{
	return (take_at(r, who, TAKEN_MS, said, introduction));
}

static int
is_member(struct roster *r, int node)
{
	struct roster_member m;

	if (!roster_member(r, id_of(node), &m))
		return (0);
	roster_member_clear(&m);
	return (roster_locked_ms(r, id_of(node), NULL) == 0);
}

/* Node 0, which is linked with node 1 and knows it. */
static struct roster *
begin_with_peer(void)
{
	struct roster *r = roster_of(0);

	assert_int_equal(take(r, -1, said_by(0, 0, 0, NOW_MS), NULL), ROSTER_TAKEN);
	assert_int_equal(take(r, 1, said_by(1, 0, 0, NOW_MS), NULL), ROSTER_TAKEN);
	return (r);
}

static void
test_text_is_kept(void **state)
{
	struct statement *s = said_by(1, 0, 0, NOW_MS), *again;
	json_t *o = statement_write(s);
	char *fault = NULL;

	again = statement_read(o, &fault);
	assert_non_null(again);
	assert_string_equal(again->text, s->text);
	assert_int_equal(again->time, NOW_MS << 16);
	assert_string_equal(again->by_spki, signer_spki(keys[1][0]));
	assert_true(statement_is_signed(again));
	again->text[strlen(again->text) - 3] ^= 1;
	assert_false(statement_is_signed(again));
	statement_free(again);
	json_object_set_new(o, "signer", json_string(signer_key(keys[2][0])));
	again = statement_read(o, &fault);
	assert_non_null(again);
	assert_false(statement_is_signed(again));
	statement_free(again);
	statement_free(s);
	json_decref(o);
}

static void
assert_fault(const char *text, const char *words)
{
	json_t *o = json_pack("{s:s, s:s, s:s}", "text", text, "signer", signer_key(keys[0][0]),
	    "signature", "AAAA");
	char *fault = NULL;
	struct statement *s = statement_read(o, &fault);

	assert_null(s);
	if (strstr(fault, words) == NULL)
		fail_msg("%s: %s", text, fault);
	free(fault);
	json_decref(o);
}

#define HEAD                                                                         \
	"{\"v\":1,\"kind\":\"member\",\"key\":\"00000000000000000000000000000001\"," \
	"\"by\":\"00000000000000000000000000000001\",\"stamp\":[1,2]"

#define REVOKED                                         \
	"{\"v\":1,\"kind\":\"revoked\",\"key\":\"a1\"," \
	"\"by\":\"00000000000000000000000000000001\",\"stamp\":[1,2]"

static void
test_bad_texts(void **state)
{
	assert_fault("[]", "'text' must be a JSON object");
	assert_fault("{\"v\":2}", "'kind' is required");
	assert_fault("{\"v\":2,\"kind\":\"member\",\"key\":\"1\",\"by\":\"1\",\"stamp\":[1,2]}",
	    "'v' must be 1");
	assert_fault(HEAD ",\"v\":1}", "'text' must be a JSON object");
	assert_fault(HEAD "}", "'hostname' is required");
	assert_fault(HEAD ",\"hostname\":\"a b\"}", "'hostname' must be a host name");
	assert_fault(HEAD ",\"hostname\":\"a\"}", "'spki' must be 64 hexadecimal digits");
	assert_fault(HEAD ",\"hostname\":\"a\",\"removed\":1}", "'removed' must be");
	assert_fault("{\"v\":1,\"kind\":\"revoked\",\"key\":\"zz\",\"by\":"
		     "\"00000000000000000000000000000001\",\"stamp\":[1,2]}",
	    "'key' must be a serial number in lower case");
	assert_fault(REVOKED ",\"until\":-1}", "'until' must be from 0");
	assert_fault(REVOKED ",\"until\":0,\"removed\":true}", "what is revoked stays so");
	assert_fault(REVOKED ",\"until\":0,\"x\":[0,0,0,0]}", "must not have arrays and objects");
	assert_fault(REVOKED ",\"until\":0,\"x\":{}}", "must not have arrays and objects");
	assert_fault("{\"v\":1,\"kind\":\"revoked\",\"key\":\"aa\",\"by\":"
		     "\"00000000000000000000000000000001\",\"stamp\":[1,70000]}",
	    "'stamp' is no time");
}

static void
test_stranger(void **state)
{
	struct roster *r = begin_with_peer();

	assert_int_equal(take(r, -1, said_by(2, 0, 0, NOW_MS), NULL), ROSTER_LATER);
	assert_int_equal(take(r, -1, said_by(2, 0, 0, NOW_MS), introduced_by(3, 0, 2, 0, NOW_MS)),
	    ROSTER_LATER);
	assert_false(is_member(r, 2));
	/* Whoever is known introduces, with its own key. */
	assert_int_equal(take(r, -1, said_by(2, 0, 0, NOW_MS), introduced_by(1, 1, 2, 0, NOW_MS)),
	    ROSTER_LATER);
	assert_int_equal(take(r, -1, said_by(2, 0, 0, NOW_MS), introduced_by(1, 0, 2, 0, NOW_MS)),
	    ROSTER_TAKEN);
	assert_true(is_member(r, 2));
	assert_int_equal(take(r, -1, said_by(2, 0, 0, NOW_MS), introduced_by(1, 0, 2, 0, NOW_MS)),
	    ROSTER_OLD);
	/* But it says nothing in the name of another, nor does that one with a key that nobody introduced. */
	assert_int_equal(take(r, 1, said_of_by(2, 0, 1, NOW_MS + 1), NULL), ROSTER_REFUSED);
	assert_int_equal(take(r, 2, said_by(2, 1, 1, NOW_MS + 1), NULL), ROSTER_REFUSED);
	/* And over its own link, what it knows of others. */
	assert_int_equal(take(r, 1, said_by(4, 0, 0, NOW_MS), introduced_by(3, 0, 4, 0, NOW_MS)),
	    ROSTER_TAKEN);
	roster_free(r);
}

static void
test_own_key(void **state)
{
	struct roster *r = begin_with_peer();

	/* Its link shows another key. */
	assert_int_equal(take(r, 2, said_by(2, 1, 1, NOW_MS), NULL), ROSTER_LATER);
	/* It shows the one that the key of before has announced, of which nobody here knows. */
	assert_int_equal(take(r, 3, said_by(3, 1, 0, NOW_MS), NULL), ROSTER_TAKEN);
	/* Another key, without a word of the old one. */
	assert_int_equal(take(r, 1, said_by(1, 1, 1, NOW_MS + 1), NULL), ROSTER_REFUSED);
	assert_int_equal(take(r, -1, said_by(1, 0, 1, NOW_MS + 2), NULL), ROSTER_TAKEN);
	assert_int_equal(take(r, -1, said_by(1, 1, 1, NOW_MS + 3), NULL), ROSTER_TAKEN);
	assert_int_equal(take(r, -1, said_by(1, 0, 0, NOW_MS + 4), NULL), ROSTER_REFUSED);
	/* Introduced anew. */
	assert_int_equal(take(r, -1, said_by(1, 2, 2, NOW_MS + 1),
			     introduced_by(0, 0, 1, 2, NOW_MS + 5)),
	    ROSTER_TAKEN);
	assert_true(is_member(r, 1));
	roster_free(r);
}

static void
test_ahead(void **state)
{
	struct roster *r = begin_with_peer();

	assert_int_equal(take(r, -1, said_by(1, 0, 0, NOW_MS + 1000000 + 300001), NULL),
	    ROSTER_REFUSED);
	assert_int_equal(take(r, -1, said_by(1, 0, 0, NOW_MS + 1000000 + 299999), NULL),
	    ROSTER_TAKEN);
	roster_free(r);
}

#define AHEAD_TEXT                                                                             \
	"the clock of 'c.example' is ahead of this node's by at least 600 s, so what it says " \
	"does not count here yet: set the clocks right. What it has said counts in 301 s"

/* Who joins is told of, though it is no member yet; of a stranger nothing is said. */
static void
test_ahead_at_a_join(void **state)
{
	struct roster *r = begin_with_peer();
	json_t *faults;

	assert_int_equal(take(r, -1, said_by(2, 0, 0, TAKEN_MS + 600000), NULL), ROSTER_LATER);
	assert_int_equal(take(r, -1, said_by(2, 0, 0, TAKEN_MS + 600000),
			     introduced_by(1, 0, 2, 0, NOW_MS)),
	    ROSTER_TAKEN);
	assert_int_equal(take(r, -1, said_by(2, 0, 0, TAKEN_MS + 600000), NULL), ROSTER_REFUSED);
	faults = roster_faults(r, TAKEN_MS);
	assert_string_equal(json_string_value(json_object_get(json_array_get(faults, 0), "error")),
	    AHEAD_TEXT);
	json_decref(faults);
	roster_free(r);
}

static void
test_removed(void **state)
{
	struct roster *r = begin_with_peer();
	char *why;

	take(r, -1, said_by(2, 0, 0, NOW_MS), introduced_by(1, 0, 2, 0, NOW_MS));
	/* By a stranger, by itself with another key, and by a member. */
	assert_int_equal(take(r, -1, removed_by(3, 0, 2, 0, NOW_MS + 9), NULL), ROSTER_LATER);
	assert_int_equal(take(r, -1, removed_by(1, 1, 2, 0, NOW_MS + 9), NULL), ROSTER_LATER);
	assert_true(is_member(r, 2));
	assert_int_equal(take(r, -1, removed_by(1, 0, 2, 0, NOW_MS + 9), NULL), ROSTER_TAKEN);
	assert_false(is_member(r, 2));
	why = roster_locked(r, id_of(2), NULL, "c");
	assert_string_equal(why,
	    "'c' was removed from the cluster by 'b.example': add_node with credentials or a join "
	    "token brings it back");
	free(why);
	/* What it says is nothing, however new, nor what it says of others; nor is its key under another id. */
	assert_int_equal(take(r, 2, said_by(2, 0, 0, NOW_MS + 99), NULL), ROSTER_OLD);
	assert_int_equal(take(r, 2, said_by(3, 0, 0, NOW_MS), introduced_by(2, 0, 3, 0, NOW_MS)),
	    ROSTER_LATER);
	assert_int_equal(take(r, 2, removed_by(2, 0, 1, 0, NOW_MS + 99), NULL), ROSTER_LATER);
	assert_int_not_equal(roster_locked_ms(r, id_of(4), signer_spki(keys[2][0])), 0);
	assert_int_equal(roster_locked_ms(r, id_of(4), signer_spki(keys[2][1])), 0);
	/* An introduction from before does not help, a newer one does. */
	assert_int_equal(take(r, -1, said_by(2, 0, 0, NOW_MS + 99),
			     introduced_by(1, 0, 2, 0, NOW_MS + 9)),
	    ROSTER_OLD);
	assert_int_equal(take(r, -1, said_by(2, 0, 0, NOW_MS + 8),
			     introduced_by(1, 0, 2, 0, NOW_MS + 10)),
	    ROSTER_TAKEN);
	assert_true(is_member(r, 2));
	assert_int_equal(roster_locked_ms(r, id_of(4), signer_spki(keys[2][0])), 0);
	assert_int_equal(take(r, -1, removed_by(1, 0, 2, 0, NOW_MS + 9), NULL), ROSTER_OLD);
	roster_free(r);
}

/* It comes back as another node, with the key that was locked out. */
static void
test_removed_key(void **state)
{
	struct roster *r = begin_with_peer();
	const char *spki = signer_spki(keys[2][0]);
	json_t *fields = live_fields(4, 0), *its = json_pack("{s:s}", "spki", spki);
	struct statement *s, *old, *new;

	json_object_set_new(fields, "spki", json_string(spki));
	s = statement_make(keys[2][0], STATEMENT_MEMBER, hex_of(4), id_of(4), (NOW_MS + 99) << 16,
	    fields);
	old = statement_make(keys[1][0], STATEMENT_INTRODUCTION, hex_of(4), id_of(1),
	    (NOW_MS + 9) << 16, its);
	new = statement_make(keys[1][0], STATEMENT_INTRODUCTION, hex_of(4), id_of(1),
	    (NOW_MS + 10) << 16, its);
	take(r, -1, said_by(2, 0, 0, NOW_MS), introduced_by(1, 0, 2, 0, NOW_MS));
	take(r, -1, removed_by(1, 0, 2, 0, NOW_MS + 9), NULL);
	take(r, -1, statement_copy(s), old);
	assert_false(is_member(r, 4));
	take(r, -1, s, new);
	assert_true(is_member(r, 4));
	json_decref(fields);
	json_decref(its);
	roster_free(r);
}

static void
test_limit(void **state)
{
	struct roster *r = begin_with_peer();
	json_t *fields = json_pack("{s:i}", "until", 0);
	struct statement *by[2] = {
		statement_make(keys[0][0], STATEMENT_REVOKED, "a", id_of(0), NOW_MS << 16, fields),
		statement_make(keys[1][0], STATEMENT_REVOKED, "a", id_of(1), NOW_MS << 16, fields),
	};

	for (int i = 0; i < ROSTER_MOST; i++) {
		struct statement *s = statement_copy(by[i % 2]);

		snprintf(s->key, sizeof(s->key), "f%06x", i);
		assert_int_equal(take(r, -1, s, NULL), ROSTER_TAKEN);
	}
	assert_int_equal(take(r, -1, by[0], NULL), ROSTER_REFUSED);
	assert_int_equal(take(r, -1, by[1], NULL), ROSTER_REFUSED);
	/* What is there goes on. */
	assert_int_equal(take(r, -1, said_by(1, 0, 0, NOW_MS + 1), NULL), ROSTER_TAKEN);
	json_decref(fields);
	roster_free(r);
}

/* A removal and what came after it are the same in any order, and together. */
static void
test_removal_late(void **state)
{
	struct roster *one = begin_with_peer(), *other = begin_with_peer();

	(void)state;
	assert_int_equal(take(one, -1, removed_by(1, 0, 2, 0, NOW_MS + 10), NULL), ROSTER_TAKEN);
	assert_int_equal(take(one, -1, NULL, introduced_by(1, 0, 2, 1, NOW_MS + 20)), ROSTER_TAKEN);
	assert_int_equal(take(other, -1, removed_by(1, 0, 2, 0, NOW_MS + 10),
			     introduced_by(1, 0, 2, 1, NOW_MS + 20)),
	    ROSTER_TAKEN);
	assert_true(roster_digest(one) == roster_digest(other));
	assert_int_equal(roster_locked_ms(other, id_of(2), NULL), 0);
	assert_true(roster_has_other_key(one, id_of(2), signer_spki(keys[2][1]), UINT64_MAX));
	assert_false(roster_has_other_key(one, id_of(2), signer_spki(keys[2][0]), UINT64_MAX));
	assert_false(roster_has_other_key(one, id_of(2), signer_spki(keys[2][1]), NOW_MS));
	assert_int_equal(take(one, -1, NULL, introduced_by(1, 0, 3, 1, NOW_MS)), ROSTER_TAKEN);
	assert_true(roster_has_other_key(one, id_of(3), signer_spki(keys[3][0]), UINT64_MAX));
	assert_int_equal(take(other, -1, said_by(2, 1, 1, NOW_MS + 15), NULL), ROSTER_TAKEN);
	assert_int_equal(take(other, -1, removed_by(1, 0, 2, 0, NOW_MS + 11), NULL), ROSTER_OLD);
	/* Who brings it back is not known here, who removed it is. */
	assert_int_equal(take(other, -1, removed_by(1, 0, 3, 0, NOW_MS + 10),
			     introduced_by(4, 0, 3, 1, NOW_MS + 20)),
	    ROSTER_LATER);
	assert_int_equal(roster_locked_ms(other, id_of(3), NULL), 0);
	roster_free(one);
	roster_free(other);
}

static void
test_name_is_kept(void **state)
{
	struct roster *r = begin_with_peer();
	json_t *fields = live_fields(1, 0);
	struct statement *s;

	json_object_set_new(fields, "spki", json_string(signer_spki(keys[2][0])));
	json_object_set_new(fields, "hostname", json_string("B.example"));
	s = statement_make(keys[2][0], STATEMENT_MEMBER, hex_of(2), id_of(2), NOW_MS << 16, fields);
	assert_int_equal(take(r, 1, statement_copy(s), introduced_by(1, 0, 2, 0, NOW_MS)),
	    ROSTER_TAKEN); /* the introduction alone */
	assert_false(is_member(r, 2));
	take(r, -1, removed_by(0, 0, 1, 0, NOW_MS + 1), NULL);
	assert_int_equal(take(r, -1, s, NULL), ROSTER_TAKEN);
	assert_true(is_member(r, 2));
	json_decref(fields);
	roster_free(r);
}

static void
test_introducers(void **state)
{
	struct roster *r = begin_with_peer();
	json_t *names = json_pack("[s]", "c.example");
	struct roster_facts f = { .now_ms = NOW_MS, .introducers = names, .who = id_of(1) };
	struct roster_offer o = { said_by(3, 0, 0, NOW_MS), introduced_by(1, 0, 3, 0, NOW_MS) };
	char *why;

	assert_int_equal(roster_take(r, &o, &f, &why), ROSTER_REFUSED);
	assert_non_null(strstr(why, "'b.example' is none of replication.introducers"));
	free(why);
	json_array_append_new(names, json_string("B.EXAMPLE"));
	assert_int_equal(roster_take(r, &o, &f, &why), ROSTER_TAKEN);
	roster_offer_clear(&o);
	json_decref(names);
	roster_free(r);
}

static void
test_facts(void **state)
{
	struct roster *r = begin_with_peer();
	json_t *fields = json_pack("{s:I}", "until", (json_int_t)5000000000), *all;
	struct statement *s = statement_make(keys[3][0], STATEMENT_REVOKED, "a1b", id_of(3),
	    NOW_MS << 16, fields);
	uint64_t before = roster_changes(r, STATEMENT_REVOKED);

	assert_int_equal(take(r, -1, s, NULL), ROSTER_LATER);
	s = statement_make(keys[1][0], STATEMENT_REVOKED, "a1b", id_of(1), NOW_MS << 16, fields);
	assert_int_equal(take(r, -1, s, NULL), ROSTER_TAKEN);
	assert_int_equal(roster_changes(r, STATEMENT_REVOKED), before + 1);
	s = statement_make(keys[1][0], STATEMENT_REVOKED, "a1b", id_of(1), (NOW_MS - 1) << 16,
	    fields);
	assert_int_equal(take(r, -1, s, NULL), ROSTER_OLD);
	json_object_set_new(fields, "certificate", json_string("PEM"));
	s = roster_say(r, STATEMENT_AUTHORITY, signer_spki(keys[0][2]), fields, NOW_MS);
	assert_int_equal(take(r, -1, s, NULL), ROSTER_TAKEN);
	all = roster_all(r, STATEMENT_REVOKED);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(all, "a1b"), "until")),
	    5000000000);
	assert_int_equal(json_object_size(all), 1);
	json_decref(all);
	json_decref(fields);
	roster_free(r);
}

/* ---- revoked certificates ---- */

/* By the first key of `by`, a certificate of that key of a node's; its -1: nobody knows whose it was. */
static struct statement *
revoked_by(int by, const char *serial, int node, int its, uint64_t ms, int64_t until)
{
	json_t *fields = json_pack("{s:I, s:s*}", "until", (json_int_t)until, "spki",
	    its != -1 ? signer_spki(keys[node][its]) : NULL);
	struct statement *s = statement_make(keys[by][0], STATEMENT_REVOKED, serial, id_of(by),
	    ms << 16, fields);

	json_decref(fields);
	assert_non_null(s);
	return (s);
}

/* Node 0, which is linked with node 1, and knows node 2. */
static struct roster *
begin_with_two(void)
{
	struct roster *r = begin_with_peer();

	assert_int_equal(take(r, -1, said_by(2, 0, 0, NOW_MS), introduced_by(1, 0, 2, 0, NOW_MS)),
	    ROSTER_TAKEN);
	return (r);
}

/* Whatever its stamp, and whoever carries it but a member that could say it itself. */
static void
test_revoked_says_nothing(void **state)
{
	struct roster *r = begin_with_two();
	struct roster_member m;

	assert_int_equal(take(r, -1, revoked_by(1, "a1", 2, 0, NOW_MS + 10, 0), NULL),
	    ROSTER_TAKEN);
	assert_true(roster_revokes(r, "a1"));
	assert_int_equal(take(r, -1, removed_by(2, 0, 1, 0, NOW_MS + 9), NULL), ROSTER_LATER);
	assert_int_equal(take(r, -1, removed_by(2, 0, 1, 0, NOW_MS + 99), NULL), ROSTER_LATER);
	assert_int_equal(take(r, 2, said_by(3, 0, 0, NOW_MS), introduced_by(2, 0, 3, 0, NOW_MS)),
	    ROSTER_LATER);
	assert_int_equal(take(r, -1, said_by(2, 0, 1, NOW_MS + 99), NULL), ROSTER_LATER);
	assert_int_equal(take(r, 2, revoked_by(2, "a2", 1, 0, NOW_MS + 99, 0), NULL), ROSTER_LATER);
	assert_false(roster_revokes(r, "a2"));
	/* Who knew it before has passed it on. */
	assert_int_equal(take(r, 1, said_by(2, 0, 0, NOW_MS + 5), NULL), ROSTER_TAKEN);
	assert_true(roster_member(r, id_of(2), &m));
	assert_true(m.distrusted);
	roster_member_clear(&m);
	roster_free(r);
}

static void
test_introduced_since(void **state)
{
	struct roster *r = begin_with_two();

	take(r, -1, revoked_by(1, "a1", 2, 0, NOW_MS + 10, 0), NULL);
	take(r, -1, revoked_by(1, "a3", 2, 0, NOW_MS + 5, 0), NULL); /* an older word of that key */
	assert_int_equal(take(r, -1, NULL, introduced_by(1, 0, 2, 0, NOW_MS + 10)), ROSTER_TAKEN);
	assert_int_equal(take(r, -1, said_by(2, 0, 0, NOW_MS + 11), NULL), ROSTER_LATER);
	assert_int_equal(take(r, -1, NULL, introduced_by(1, 0, 2, 0, NOW_MS + 11)), ROSTER_TAKEN);
	assert_int_equal(take(r, -1, said_by(2, 0, 0, NOW_MS + 11), NULL), ROSTER_TAKEN);
	assert_int_equal(take(r, -1, said_by(3, 0, 0, NOW_MS), introduced_by(2, 0, 3, 0, NOW_MS)),
	    ROSTER_TAKEN);
	roster_free(r);
}

/* Whose clock is behind introduces after the certificate was revoked all the same. */
static void
test_introduced_by_late_clock(void **state)
{
	struct roster *r = begin_with_two();

	take(r, -1, revoked_by(1, "a1", 2, 0, NOW_MS + 10, 0), NULL);
	assert_int_equal(take(r, -1, NULL,
			     roster_introduce(r, id_of(2), signer_spki(keys[2][0]), NOW_MS - 5000)),
	    ROSTER_TAKEN);
	assert_int_equal(take(r, -1, said_by(2, 0, 0, NOW_MS + 11), NULL), ROSTER_TAKEN);
	roster_free(r);
}

static void
say_named(struct roster *r, int node, const char *name)
{
	json_t *fields = live_fields(node, 0);
	struct statement *s;

	json_object_set_new(fields, "node_name", json_string(name));
	s = statement_make(keys[node][0], STATEMENT_MEMBER, hex_of(node), id_of(node),
	    (NOW_MS + 20) << 16, fields);
	json_decref(fields);
	assert_int_equal(take(r, -1, s, NULL), ROSTER_TAKEN);
}

static size_t
count_named(struct roster *r, const char *name, const char *hostname)
{
	struct roster_member m = { 0 };
	size_t n = roster_by_node_name(r, name, &m);

	if (hostname != NULL)
		assert_string_equal(m.hostname, hostname);
	else
		assert_null(m.hostname);
	roster_member_clear(&m);
	return (n);
}

static void
test_by_node_name(void **state)
{
	struct roster *r = begin_with_two();
	struct roster_member m;

	assert_int_equal(count_named(r, "two", NULL), 0);
	say_named(r, 1, "one");
	say_named(r, 2, "two");
	assert_int_equal(count_named(r, "two", "c.example"), 1);
	assert_int_equal(count_named(r, "Two", NULL), 0);
	assert_int_equal(take(r, -1, removed_by(1, 0, 2, 0, NOW_MS + 30), NULL), ROSTER_TAKEN);
	assert_int_equal(count_named(r, "two", NULL), 0);
	assert_int_equal(count_named(r, "one", "b.example"), 1);
	roster_free(r);
	r = begin_with_two();
	say_named(r, 1, "same");
	say_named(r, 2, "same");
	assert_int_equal(roster_by_node_name(r, "same", &m), 2);
	roster_member_clear(&m);
	roster_free(r);
}

static size_t
count_unintroduced(struct roster *r)
{
	const struct roster_facts f = { .now_ms = NOW_MS };
	size_t n;

	free(roster_unintroduced(r, &f, &n));
	return (n);
}

/* Whose introducer has gone is introduced anew, but not with a key that is not trusted. */
static void
test_revoked_is_not_adopted(void **state)
{
	struct roster *r = begin_with_two();

	take(r, -1, said_by(3, 0, 0, NOW_MS), introduced_by(1, 0, 3, 0, NOW_MS));
	take(r, -1, removed_by(0, 0, 1, 0, NOW_MS + 1000000), NULL);
	assert_int_equal(count_unintroduced(r), 2);
	assert_int_equal(take(r, -1, revoked_by(0, "a1", 2, 0, NOW_MS + 1000010, 0), NULL),
	    ROSTER_TAKEN);
	assert_int_equal(count_unintroduced(r), 1);
	roster_free(r);
}

/* Who introduces it anew may not have heard that it was removed meanwhile, or has another key. */
static void
test_adopted_does_not_outrank(void **state)
{
	struct roster *r = begin_with_two(), *locked = begin_with_two(), *other = begin_with_two();
	struct roster *stale = begin_with_two();
	struct statement *announced;

	assert_int_equal(take(locked, -1, removed_by(1, 0, 2, 0, NOW_MS + 10), NULL), ROSTER_TAKEN);
	assert_int_equal(take(other, -1, said_by(2, 1, 1, NOW_MS + 10),
			     introduced_by(1, 0, 2, 1, NOW_MS + 10)),
	    ROSTER_TAKEN);
	take(r, -1, removed_by(0, 0, 1, 0, NOW_MS + 1000000), NULL);
	assert_int_equal(count_unintroduced(r), 1);
	assert_int_equal(take(r, -1, NULL, roster_adopt(r, id_of(2))), ROSTER_TAKEN);
	assert_int_equal(count_unintroduced(r), 0);
	assert_int_equal(take(locked, -1, NULL, roster_adopt(r, id_of(2))), ROSTER_OLD);
	assert_int_equal(take(other, -1, NULL, roster_adopt(r, id_of(2))), ROSTER_OLD);
	assert_null(roster_adopt(locked, id_of(2)));
	/* It has announced another key to one of two. */
	assert_int_equal(take(r, -1, said_by(2, 0, 1, NOW_MS + 30), NULL), ROSTER_TAKEN);
	announced = roster_adopt(r, id_of(2));
	for (int i = 0; i < 5; i++)
		assert_int_equal(take(stale, -1, NULL, roster_adopt(stale, id_of(2))),
		    ROSTER_TAKEN);
	assert_int_equal(take(stale, -1, NULL, announced), ROSTER_TAKEN);
	roster_free(stale);
	roster_free(r);
	roster_free(locked);
	roster_free(other);
}

/* Whom a removed member introduced knows it in time, and others do not: one of them comes after it. */
static void
test_outdone(void **state)
{
	struct roster *r = begin_with_two();
	struct statement *adopted;
	size_t n;

	take(r, -1, said_by(3, 0, 0, NOW_MS), introduced_by(1, 0, 3, 0, NOW_MS));
	take(r, -1, removed_by(1, 0, 2, 0, NOW_MS + 50), NULL);
	n = count_unintroduced(r);
	assert_int_equal(take(r, -1, NULL, introduced_by(2, 0, 3, 0, NOW_MS + 40)), ROSTER_LATER);
	assert_int_equal(count_unintroduced(r), n);
	assert_int_equal(take(r, 3, NULL, introduced_by(2, 0, 3, 1, NOW_MS + 40)), ROSTER_LATER);
	assert_int_equal(count_unintroduced(r), n);
	assert_int_equal(take(r, 3, NULL, introduced_by(2, 0, 3, 0, NOW_MS + 40)), ROSTER_LATER);
	assert_int_equal(count_unintroduced(r), n + 1);
	adopted = roster_adopt(r, id_of(3));
	assert_int_equal(adopted->time, ((NOW_MS + 40) << 16) + 1);
	assert_int_equal(take(r, -1, NULL, adopted), ROSTER_TAKEN);
	assert_int_equal(count_unintroduced(r), n);
	roster_free(r);
}

/* A join that failed after the key was introduced: the one that others know counts again. */
static void
test_unused(void **state)
{
	struct roster *r = begin_with_two();
	uint64_t late = TAKEN_MS + ROSTER_UNUSED_MS;

	assert_int_equal(take(r, -1, NULL, introduced_by(0, 0, 3, 1, NOW_MS + 40)), ROSTER_TAKEN);
	assert_int_equal(take_at(r, 2, late, said_by(3, 0, 0, NOW_MS + 20),
			     introduced_by(2, 0, 3, 0, NOW_MS + 10)),
	    ROSTER_LATER);
	assert_int_equal(take_at(r, 2, late + 1, NULL, introduced_by(2, 0, 3, 0, NOW_MS + 10)),
	    ROSTER_OLD);
	assert_int_equal(take_at(r, 2, late + 1, said_by(3, 0, 0, NOW_MS + 20),
			     introduced_by(2, 0, 3, 0, NOW_MS + 10)),
	    ROSTER_TAKEN);
	assert_true(is_member(r, 3));
	roster_free(r);
}

/* What is long over is not taken, and goes. */
static void
test_swept(void **state)
{
	struct roster *r = begin_with_two();
	int64_t now = (int64_t)(NOW_MS / 1000);
	json_t *gone;

	assert_int_equal(take(r, -1, revoked_by(1, "a1", 2, -1, NOW_MS, now), NULL), ROSTER_TAKEN);
	assert_int_equal(take(r, -1, revoked_by(1, "a2", 2, -1, NOW_MS, now - 3000000), NULL),
	    ROSTER_OLD);
	gone = roster_sweep(r, NOW_MS);
	assert_int_equal(json_array_size(gone), 0);
	json_decref(gone);
	gone = roster_sweep(r, NOW_MS + (STATEMENT_KEPT_S + 1) * UINT64_C(1000));
	assert_int_equal(json_array_size(gone), 1);
	assert_string_equal(json_string_value(json_array_get(json_array_get(gone, 0), 1)), "a1");
	json_decref(gone);
	assert_false(roster_revokes(r, "a1"));
	assert_true(is_member(r, 2));
	roster_free(r);
}

/* ---- attacks ---- */

/* One that floods fills half of the room, and of no other kind. */
static void
test_flood(void **state)
{
	struct roster *r = begin_with_two();
	char serial[16];
	size_t n = 0;

	for (int i = 1; i <= ROSTER_MOST / 2 + 10; i++) {
		snprintf(serial, sizeof(serial), "%x", (unsigned)i);
		n += take(r, -1, revoked_by(1, serial, 2, -1, NOW_MS, 0), NULL) == ROSTER_TAKEN;
	}
	assert_int_equal(n, ROSTER_MOST / 2);
	assert_int_equal(roster_count(r), ROSTER_MOST / 2 + 3);
	/* What is there can be said anew, others have room, and members come and go. */
	assert_int_equal(take(r, -1, revoked_by(1, "1", 2, 0, NOW_MS + 1, 0), NULL), ROSTER_TAKEN);
	take(r, 1, NULL, introduced_by(1, 0, 2, 0, NOW_MS + 2));
	assert_int_equal(take(r, -1, revoked_by(2, "fffff", 2, -1, NOW_MS + 2, 0), NULL),
	    ROSTER_TAKEN);
	assert_int_equal(take(r, -1, said_by(3, 0, 0, NOW_MS), introduced_by(1, 0, 3, 0, NOW_MS)),
	    ROSTER_TAKEN);
	/* Once the flooder is removed, no word of it counts. */
	assert_int_equal(take(r, -1, removed_by(2, 0, 1, 0, NOW_MS + 3), NULL), ROSTER_TAKEN);
	assert_int_not_equal(take(r, 1, revoked_by(1, "ffffe", 2, -1, NOW_MS + 4, 0), NULL),
	    ROSTER_TAKEN);
	assert_int_equal(take(r, 1, said_by(4, 0, 0, NOW_MS), introduced_by(1, 0, 4, 0, NOW_MS)),
	    ROSTER_LATER);
	roster_free(r);
}

static enum roster_verdict
take_limited(struct roster *r, json_t *introducers, int who, struct statement *said,
    struct statement *introduction)
{
	struct roster_offer o = { said, introduction };
	struct roster_facts f = { .now_ms = NOW_MS + 1000000, .introducers = introducers };
	enum roster_verdict v;
	char *why;

	if (who != -1)
		f.who = id_of(who);
	v = roster_take(r, &o, &f, &why);
	free(why);
	roster_offer_clear(&o);
	return (v);
}

/* Whoever may not introduce removes and revokes nobody, and has no authority believed. */
static void
test_not_introducer(void **state)
{
	struct roster *r = begin_with_two();
	json_t *only = json_pack("[s]", "b.example");
	json_t *fields = json_pack("{s:s}", "certificate", "PEM");

	assert_int_equal(take_limited(r, only, 2, removed_by(2, 0, 1, 0, NOW_MS + 9), NULL),
	    ROSTER_REFUSED);
	assert_int_equal(take_limited(r, only, 2, revoked_by(2, "a1", 1, 0, NOW_MS, 0), NULL),
	    ROSTER_REFUSED);
	assert_int_equal(take_limited(r, only, 2,
			     statement_make(keys[2][0], STATEMENT_AUTHORITY,
				 signer_spki(keys[2][1]), id_of(2), NOW_MS << 16, fields),
			     NULL),
	    ROSTER_REFUSED);
	assert_int_equal(take_limited(r, only, 2, said_by(3, 0, 0, NOW_MS),
			     introduced_by(2, 0, 3, 0, NOW_MS)),
	    ROSTER_REFUSED);
	assert_int_equal(take_limited(r, only, -1, revoked_by(1, "a1", 2, 0, NOW_MS, 0), NULL),
	    ROSTER_TAKEN);
	assert_int_equal(take_limited(r, only, -1, removed_by(1, 0, 2, 0, NOW_MS + 9), NULL),
	    ROSTER_TAKEN);
	assert_false(roster_is_heard(r, only));
	assert_true(roster_is_heard(r, NULL));
	json_decref(fields);
	json_decref(only);
	roster_free(r);
}

/* What was true once is not true again. */
static void
test_replays(void **state)
{
	struct roster *r = begin_with_two();

	take(r, -1, said_by(2, 0, 1, NOW_MS + 5), introduced_by(1, 0, 2, 1, NOW_MS + 5));
	assert_int_equal(take(r, -1, said_by(2, 0, 0, NOW_MS), introduced_by(1, 0, 2, 0, NOW_MS)),
	    ROSTER_OLD);
	take(r, -1, removed_by(1, 0, 2, 1, NOW_MS + 6), NULL);
	for (int who = -1; who < 3; who += 2) {
		take(r, who, said_by(2, 0, 0, NOW_MS), introduced_by(1, 0, 2, 0, NOW_MS));
		take(r, who, said_by(2, 0, 1, NOW_MS + 5), introduced_by(1, 0, 2, 1, NOW_MS + 5));
		assert_false(is_member(r, 2));
	}
	take(r, -1, revoked_by(1, "a1", 2, -1, NOW_MS + 7, 5000000000), NULL);
	assert_int_equal(take(r, -1, revoked_by(1, "a1", 2, -1, NOW_MS + 6, 1), NULL), ROSTER_OLD);
	assert_true(roster_revokes(r, "a1"));
	roster_free(r);
}

/* Why something is refused can be seen, until it is over or not said any more. */
static void
test_faults(void **state)
{
	struct roster *r = begin_with_peer();
	json_t *list;

	assert_int_equal(take(r, 1, said_by(1, 1, 1, NOW_MS + 1), NULL), ROSTER_REFUSED);
	list = roster_faults(r, NOW_MS + 1000000);
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "node_id")),
	    hex_of(1));
	json_decref(list);
	list = roster_faults(r, NOW_MS + 2000000);
	assert_int_equal(json_array_size(list), 0);
	json_decref(list);
	assert_int_equal(take(r, -1, said_by(1, 0, 0, NOW_MS + 2), NULL), ROSTER_TAKEN);
	list = roster_faults(r, NOW_MS + 1000000);
	assert_int_equal(json_array_size(list), 0);
	json_decref(list);
	take(r, -1, said_by(2, 0, 0, NOW_MS), introduced_by(1, 0, 2, 0, NOW_MS));
	take(r, -1, removed_by(1, 0, 2, 0, NOW_MS + 9), NULL);
	list = roster_removed(r);
	assert_string_equal(json_string_value(json_object_get(list, "c.example")), "b.example");
	json_decref(list);
	roster_free(r);
}

static void
test_since(void **state)
{
	struct roster *r = begin_with_peer();
	uint64_t all = roster_changes(r, -1), upto;
	json_t *list = roster_since(r, 0, id_of(1), 10, &upto);

	assert_int_equal(json_array_size(list), 1); /* not what comes from there */
	assert_int_equal(upto, all);
	json_decref(list);
	list = roster_since(r, 0, id_of(3), 1, &upto);
	assert_int_equal(json_array_size(list), 1);
	json_decref(list);
	list = roster_since(r, upto, id_of(3), 1, &upto);
	assert_int_equal(json_array_size(list), 1);
	assert_int_equal(upto, all);
	json_decref(list);
	roster_free(r);
}

/* ---- those whom a removed member has let in ---- */

static size_t
count_late(struct roster *r)
{
	json_t *late = roster_late(r);
	size_t n = json_object_size(late);

	json_decref(late);
	return (n);
}

#define AHEAD_MS (ROSTER_AHEAD >> 16)

/* Whoever passes it on, and whatever it has for a stamp; but one that knew it vouches for it. */
static void
test_let_in_by_a_removed_one(void **state)
{
	for (int who = -1; who < 4; who++) {
		struct roster *r = begin_with_two();

		take(r, -1, said_by(3, 0, 0, NOW_MS), introduced_by(1, 0, 3, 0, NOW_MS));
		assert_int_equal(take_at(r, -1, NOW_MS + 100, removed_by(1, 0, 2, 0, NOW_MS + 99),
				     NULL),
		    ROSTER_TAKEN);
		assert_int_equal(take_at(r, who, NOW_MS + 101, said_by(4, 0, 0, NOW_MS),
				     introduced_by(2, 0, 4, 0, NOW_MS)),
		    ROSTER_LATER);
		assert_false(is_member(r, 4));
		assert_int_equal(take_at(r, who, NOW_MS + 102, said_by(4, 0, 0, NOW_MS),
				     introduced_by(3, 0, 4, 0, NOW_MS + 100)),
		    ROSTER_TAKEN);
		assert_true(is_member(r, 4));
		roster_free(r);
	}
}

/* Known before it was removed, as far as clocks can tell: it stays, and is introduced anew. */
static void
test_let_in_in_time(void **state)
{
	for (int late = 0; late < 2; late++) {
		struct roster *r = begin_with_two();
		uint64_t removed = NOW_MS + 99, seen = removed + AHEAD_MS + (uint64_t)late;

		assert_int_equal(take_at(r, -1, seen, said_by(4, 0, 0, NOW_MS),
				     introduced_by(2, 0, 4, 0, NOW_MS)),
		    ROSTER_TAKEN);
		assert_int_equal(count_unintroduced(r), 1); /* node 1, which nobody has */
		take_at(r, -1, seen + 10, removed_by(1, 0, 2, 0, removed), NULL);
		assert_int_equal(count_unintroduced(r), late ? 1 : 2);
		assert_int_equal(count_late(r), late);
		/* What it says since does not make it later. */
		take_at(r, -1, seen + 20, said_by(4, 0, 0, NOW_MS + 1), NULL);
		assert_int_equal(count_late(r), late);
		take_at(r, -1, seen + 30, NULL, introduced_by(1, 0, 4, 0, NOW_MS + 200));
		assert_int_equal(count_late(r), 0);
		roster_free(r);
	}
}

/* The removed one chooses the stamp, and who to show it to: one that has heard of the removal never believes it. */
static void
test_backdated(void **state)
{
	for (uint64_t ms = 0; ms < 200; ms += 7) {
		struct roster *r = begin_with_two();

		take_at(r, -1, NOW_MS + 100, removed_by(1, 0, 2, 0, NOW_MS + 99), NULL);
		take_at(r, (int)(ms % 4), NOW_MS + 101, said_by(4, 0, 0, NOW_MS),
		    introduced_by(2, 0, 4, 0, NOW_MS + ms));
		assert_false(is_member(r, 4));
		assert_int_equal(count_late(r), 0);
		roster_free(r);
	}
}

static void
test_late_says_why(void **state)
{
	struct roster *r = begin_with_two();
	json_t *late;

	take_at(r, -1, NOW_MS + 2 * AHEAD_MS, said_by(4, 0, 0, NOW_MS),
	    introduced_by(2, 0, 4, 0, NOW_MS));
	take_at(r, -1, NOW_MS + 2 * AHEAD_MS, removed_by(1, 0, 2, 0, NOW_MS), NULL);
	late = roster_late(r);
	assert_string_equal(json_string_value(json_object_get(late, hex_of(4))),
	    "'e.example' is no member any more: 'c.example', which was removed from the cluster by "
	    "'b.example', has let it in. If it is to be one, run add_node on it, with a join token "
	    "of this node");
	json_decref(late);
	roster_free(r);
}

/* What the newcomer shows is enough where its introducer is known, or the introducer's introducer. */
static void
test_shown(void **state)
{
	struct roster *newcomer = roster_of(4), *door = begin_with_peer();
	struct roster_offer o;
	json_t *shown, *one;
	char *fault, *why;
	size_t i;

	for (int turn = 0; turn < 2; turn++)
		take(newcomer, 3, said_by(3, 0, 0, NOW_MS), introduced_by(1, 0, 3, 0, NOW_MS));
	shown = roster_shown(newcomer);
	assert_int_equal(json_array_size(shown), 0);
	json_decref(shown);
	take(newcomer, 3, said_by(4, 0, 0, NOW_MS), introduced_by(3, 0, 4, 0, NOW_MS));
	shown = roster_shown(newcomer);
	assert_int_equal(json_array_size(shown), 2);
	assert_false(roster_has_heard(door, id_of(4), json_array_get(shown, 0)));
	for (int turn = 0; turn < 2; turn++)
		json_array_foreach(shown, i, one) {
			assert_int_equal(roster_offer_read(&o, one, &fault), 0);
			take(door, -1, statement_copy(o.said), statement_copy(o.introduction));
			roster_offer_clear(&o);
		}
	assert_true(is_member(door, 4));
	assert_true(roster_has_heard(door, id_of(4), json_array_get(shown, 0)));
	assert_null(roster_left_behind(door, json_array_get(shown, 0)));
	assert_false(roster_introduced_here(door, id_of(4)));
	roster_free(door);
	/* It was removed, and is let in again: until it has said something itself it is still to be heard. */
	door = begin_with_peer();
	take(door, 1, removed_by(1, 0, 4, 0, NOW_MS - 9), NULL);
	json_array_foreach(shown, i, one) {
		assert_int_equal(roster_offer_read(&o, one, &fault), 0);
		take(door, 1, i > 0 ? statement_copy(o.said) : NULL,
		    statement_copy(o.introduction));
		roster_offer_clear(&o);
	}
	assert_false(roster_has_heard(door, id_of(4), json_array_get(shown, 0)));
	roster_free(door);
	door = begin_with_peer();
	take(door, -1, removed_by(1, 0, 3, 0, NOW_MS + 9), NULL);
	why = roster_left_behind(door, json_array_get(shown, 0));
	assert_string_equal(why,
	    "'e.example' was let in by 'd.example', which 'b.example' has removed from the cluster "
	    "before this node had heard of it");
	free(why);
	json_decref(shown);
	roster_free(door);
	roster_free(newcomer);
}

/* ---- the order does not matter ---- */

#define STEPS  40
#define ORDERS 6
#define ROUNDS 12

struct history {
	struct roster_offer list[STEPS + NODES];
	size_t n;
	int key[NODES]; /* the one that each has now */
	unsigned seed;
};

static unsigned
chance(struct history *h, unsigned n)
{
	h->seed = h->seed * 1103515245 + 12345;
	return (h->seed / 65536 % n);
}

static void
add_step(struct history *h, struct statement *said, struct statement *introduction)
{
	h->list[h->n++] = (struct roster_offer){ said, introduction };
}

/* Nodes are renamed, removed, brought back, and get other keys; node 0 and 1 introduce and remove. */
static void
one_step(struct history *h, uint64_t ms)
{
	int by = (int)chance(h, 2), node = 2 + (int)chance(h, NODES - 2);
	int was = h->key[node], next = (was + 1) % KEYS;

	switch (chance(h, 5)) {
	case 0:
		add_step(h, removed_by(by, 0, node, was, ms), NULL);
		break;
	case 1:
		add_step(h, said_by(node, was, was, ms), introduced_by(by, 0, node, was, ms));
		break;
	case 2: /* another key, as somebody vouches */
		h->key[node] = next;
		add_step(h, said_by(node, next, next, ms), introduced_by(by, 0, node, next, ms));
		break;
	case 3: /* another key, as the old one says, and introduced with it */
		h->key[node] = next;
		add_step(h, said_by(node, was, next, ms), introduced_by(by, 0, node, next, ms));
		break;
	default:
		add_step(h, said_by(node, was, was, ms), NULL);
	}
}

static void
make_history(struct history *h, unsigned seed)
{
	*h = (struct history){ .seed = seed };
	add_step(h, said_by(0, 0, 0, NOW_MS), NULL);
	add_step(h, said_by(1, 0, 0, NOW_MS), introduced_by(0, 0, 1, 0, NOW_MS));
	for (int i = 2; i < NODES; i++)
		add_step(h, said_by(i, 0, 0, NOW_MS),
		    introduced_by(i - 1 > 1 ? 1 : 0, 0, i, 0, NOW_MS));
	for (uint64_t ms = 1; h->n < STEPS; ms++)
		one_step(h, NOW_MS + ms);
}

/* All of it, in some order, until nothing changes any more; the digest. */
static uint64_t
digest_of(struct history *h, unsigned seed)
{
	struct roster *r = roster_of(0);
	size_t order[STEPS + NODES];
	uint64_t digest, before;

	h->seed = seed;
	for (size_t i = 0; i < h->n; i++)
		order[i] = i;
	for (size_t i = h->n - 1; i > 0; i--) {
		size_t k = chance(h, (unsigned)i + 1), was = order[i];

		order[i] = order[k];
		order[k] = was;
	}
	do {
		before = roster_changes(r, -1);
		for (size_t i = 0; i < h->n; i++)
			take(r, -1, statement_copy(h->list[order[i]].said),
			    statement_copy(h->list[order[i]].introduction));
	} while (roster_changes(r, -1) != before);
	digest = roster_digest(r);
	roster_free(r);
	return (digest);
}

static void
test_any_order(void **state)
{
	struct history h;

	for (unsigned round = 1; round <= ROUNDS; round++) {
		uint64_t first;

		make_history(&h, round);
		first = digest_of(&h, 1);
		for (unsigned order = 2; order < ORDERS; order++)
			if (digest_of(&h, order) != first)
				fail_msg("history %u, order %u", round, order);
		for (size_t i = 0; i < h.n; i++)
			roster_offer_clear(&h.list[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_is_kept),
		cmocka_unit_test(test_bad_texts),
		cmocka_unit_test(test_stranger),
		cmocka_unit_test(test_own_key),
		cmocka_unit_test(test_ahead),
		cmocka_unit_test(test_ahead_at_a_join),
		cmocka_unit_test(test_removed),
		cmocka_unit_test(test_removed_key),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_removal_late),
		cmocka_unit_test(test_name_is_kept),
		cmocka_unit_test(test_introducers),
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_revoked_says_nothing),
		cmocka_unit_test(test_by_node_name),
		cmocka_unit_test(test_introduced_since),
		cmocka_unit_test(test_introduced_by_late_clock),
		cmocka_unit_test(test_revoked_is_not_adopted),
		cmocka_unit_test(test_adopted_does_not_outrank),
		cmocka_unit_test(test_outdone),
		cmocka_unit_test(test_unused),
		cmocka_unit_test(test_swept),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_not_introducer),
		cmocka_unit_test(test_replays),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_since),
		cmocka_unit_test(test_let_in_by_a_removed_one),
		cmocka_unit_test(test_let_in_in_time),
		cmocka_unit_test(test_backdated),
		cmocka_unit_test(test_late_says_why),
		cmocka_unit_test(test_shown),
		cmocka_unit_test(test_any_order),
	};

	return (cmocka_run_group_tests(tests, make_keys, free_keys));
}
