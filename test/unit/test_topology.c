#include "config.h"

#include "opsd/cluster/topology.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Nodes a, b, c...: their names are their ids. */
#define SUB(db, table, out, in) "[\"" db "\",\"" table "\"," out "," in "]"
#define BOTH(table)             SUB("d", table, "true", "true")
#define OUT(table)              SUB("d", table, "true", "false")
#define IN(table)               SUB("d", table, "false", "true")
#define LINK(to, subs)          "{\"id\":\"" to "\",\"name\":\"" to "\",\"subscriptions\":[" subs "]}"
#define NODE(name, relays, links) \
	"{\"id\":\"" name "\",\"name\":\"" name "\",\"relays\":" relays ",\"links\":[" links "]}"

/* "a" becomes an id. */
static void
give_ids(json_t *o)
{
	char hex[2 * NODE_ID_LEN + 1];
	const char *id = json_string_value(json_object_get(o, "id"));
	json_t *link;
	size_t i;

	snprintf(hex, sizeof(hex), "%032x", (unsigned)id[0]);
	json_object_set_new(o, "id", json_string(hex));
	json_array_foreach(json_object_get(o, "links"), i, link)
		give_ids(link);
}

static void
gaps_are(const char *text, const char *want)
{
	json_t *list = json_loads(text, 0, NULL), *o, *gaps;
	struct topology_report *reports[8];
	struct peerjson w = { 0 };
	size_t n = json_array_size(list), i;
	char *is;

	assert_non_null(list);
	json_array_foreach(list, i, o) {
		give_ids(o);
		reports[i] = topology_report_read(o, &w);
		assert_non_null(reports[i]);
	}
	gaps = topology_gaps(reports, n, 100);
	is = json_dumps(gaps, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(is, want);
	free(is);
	for (i = 0; i < n; i++)
		topology_report_free(reports[i]);
	json_decref(gaps);
	json_decref(list);
}

#define GAP(from, to, tables) "{\"from\":\"" from "\",\"tables\":[" tables "],\"to\":\"" to "\"}"

static void
test_chain(void **state)
{
	/* In the middle all is seen; with republishing there is no gap. */
	gaps_are("[" NODE("b", "false", LINK("a", BOTH("t")) "," LINK("c", BOTH("t"))) "," NODE("a",
		     "false",
		     LINK("b", BOTH("t"))) "," NODE("c", "false", LINK("b", BOTH("t"))) "]",
	    "[" GAP("a", "c", "\"d.t\"") "," GAP("c", "a", "\"d.t\"") "]");
	gaps_are("[" NODE("b", "true", LINK("a", BOTH("t")) "," LINK("c", BOTH("t"))) "," NODE("a",
		     "false",
		     LINK("b", BOTH("t"))) "," NODE("c", "false", LINK("b", BOTH("t"))) "]",
	    "[]");
	/* At an end: what c has with others is not known, but what arrives here is. */
	gaps_are("[" NODE("a", "false", LINK("b", BOTH("t"))) "," NODE("b", "false",
		     LINK("a", BOTH("t")) "," LINK("c", BOTH("t"))) "]",
	    "[" GAP("c", "a", "\"d.t\"") "]");
}

static void
test_directions(void **state)
{
	/* Collecting and handing out leave no gaps; passing through one does. */
	gaps_are("[" NODE("b", "false", LINK("a", IN("t")) "," LINK("c", IN("t"))) "," NODE("a",
		     "false", LINK("b", OUT("t"))) "," NODE("c", "false", LINK("b", OUT("t"))) "]",
	    "[]");
	gaps_are("[" NODE("b", "false", LINK("a", IN("t")) "," LINK("c", OUT("t"))) "," NODE("a",
		     "false", LINK("b", OUT("t"))) "," NODE("c", "false", LINK("b", IN("t"))) "]",
	    "[" GAP("a", "c", "\"d.t\"") "]");
}

static void
test_all_pairs(void **state)
{
	gaps_are("[" NODE("b", "false", LINK("a", BOTH("t")) "," LINK("c", BOTH("t"))) "," NODE("a",
		     "false", LINK("b", BOTH("t")) "," LINK("c", BOTH("t"))) "," NODE("c", "false",
		     LINK("b", BOTH("t")) "," LINK("a", BOTH("t"))) "]",
	    "[]");
	/* Another node passes on what a and c send each other, but b does not meet it. */
	gaps_are("[" NODE("b", "false", LINK("a", BOTH("t")) "," LINK("c", BOTH("t"))) "," NODE("a",
		     "false", LINK("b", BOTH("t")) "," LINK("r", BOTH("t"))) "," NODE("c", "false",
		     LINK("b", BOTH("t")) "," LINK("r", BOTH("t"))) "," NODE("r", "true",
		     LINK("a", BOTH("t")) "," LINK("c", BOTH("t"))) "]",
	    "[" GAP("b", "r", "\"d.t\"") "," GAP("r", "b", "\"d.t\"") "]");
	/* Or two may do so: they have reported nothing. */
	gaps_are("[" NODE("b", "false", LINK("a", BOTH("t")) "," LINK("c", BOTH("t"))) "," NODE("a",
		     "false", LINK("b", BOTH("t")) "," LINK("r", BOTH("t"))) "," NODE("c", "false",
		     LINK("b", BOTH("t")) "," LINK("q", BOTH("t"))) "]",
	    "[" GAP("r", "b", "\"d.t\"") "," GAP("q", "b", "\"d.t\"") "]");
}

static void
test_wildcards(void **state)
{
	/* "*" covers what is not named; an explicit one takes its place. */
	gaps_are("[" NODE("b", "false",
		     LINK("a", BOTH("*")) "," LINK("c", BOTH("t") "," BOTH("u"))) "," NODE("a",
		     "false",
		     LINK("b", BOTH("*")) "," LINK("c", BOTH("*") "," OUT("u"))) "," NODE("c",
		     "false",
		     LINK("b", BOTH("t") "," BOTH("u")) "," LINK("a", BOTH("*") "," IN("u"))) "]",
	    "[" GAP("b", "c", "\"d.*\"") "," GAP("c", "b", "\"d.*\"") "," GAP("c", "a",
		"\"d.u\"") "]");
	/* Another database is another matter. */
	gaps_are("[" NODE("b", "false",
		     LINK("a", BOTH("*")) "," LINK("c",
			 SUB("e", "t", "true", "true"))) "," NODE("a", "false",
		     LINK("b", BOTH("*"))) "," NODE("c", "false",
		     LINK("b", SUB("e", "t", "true", "true"))) "]",
	    "[]");
}

static void
refused(const char *text, const char *want)
{
	json_t *o = json_loads(text, JSON_DECODE_ANY, NULL);
	struct peerjson w = { 0 };

	assert_null(topology_report_read(o, &w));
	assert_string_equal(w.fault, want);
	free(w.fault);
	json_decref(o);
}

#define ID          "\"id\":\"00112233445566778899aabbccddeeff\""
#define WITH(links) "{" ID ",\"name\":\"a\",\"relays\":true,\"links\":" links "}"
#define SUBS(list)  "[{" ID ",\"name\":\"b\",\"subscriptions\":" list "}]"
#define SUB_RULE    "must be a database, a table and two booleans"

static void
test_nonsense(void **state)
{
	gaps_are("[]", "[]");
	refused("7", "'links' is required");
	refused(WITH("7"), "'links' must be an array");
	refused("{" ID ",\"name\":\"a\",\"links\":[]}", "'relays' is required");
	refused("{\"id\":\"a\",\"name\":\"a\",\"links\":[]}", "'id' must be 32 hexadecimal digits");
	refused(WITH("[{}]"), "'links[0].subscriptions' is required");
	refused(WITH(SUBS("{}")), "'links[0].subscriptions' must be an array");
	refused(WITH(SUBS("[[\"d\",\"t\",true,true],7]")),
	    "'links[0].subscriptions[1].subscription' " SUB_RULE);
	refused(WITH(SUBS("[[\"d\",\"t\",true]]")),
	    "'links[0].subscriptions[0].subscription' " SUB_RULE);
	refused(WITH(SUBS("[[\"d\",\"t\",true,1]]")),
	    "'links[0].subscriptions[0].subscription' " SUB_RULE);
	refused(WITH("[{" ID ",\"name\":\"a b\",\"subscriptions\":[]}]"),
	    "'links[0].name' must be 1 to 250 "
	    "characters without ',', '*', '>', white space and control characters");
}

/* As it travels, and what its digest is of. */
static void
test_report(void **state)
{
	json_t *o = json_loads(WITH(SUBS("[[\"d\",\"t\",true,false]]")), 0, NULL), *is;
	struct peerjson w = { 0 };
	struct topology_report *r = topology_report_read(o, &w);
	int64_t digest = topology_report_digest(r);

	is = topology_report_write(r);
	assert_true(json_equal(o, is));
	json_decref(o);
	json_decref(is);
	r->links[0].subs[0].subscribe = 1;
	assert_true(topology_report_digest(r) != digest);
	r->links[0].subs[0].subscribe = 0;
	assert_true(topology_report_digest(r) == digest);
	r->relays = 0;
	assert_true(topology_report_digest(r) != digest);
	topology_report_free(r);
}

/* ---- as many as there may be ---- */

#define NODES  1001 /* a node, and as many as it may know */
#define TABLES 50

static struct topology_report *all[NODES];

static void
number_id(uint8_t id[NODE_ID_LEN], int number)
{
	memset(id, 0, NODE_ID_LEN);
	id[1] = (uint8_t)number;
	id[2] = (uint8_t)(number >> 8);
}

static void
make_nodes(int hub_relays)
{
	uint8_t id[NODE_ID_LEN];
	char name[16];

	for (int i = 0; i < NODES; i++) {
		number_id(id, i);
		snprintf(name, sizeof(name), "n%d", i);
		all[i] = topology_report_new(id, name, i == 0 && hub_relays);
	}
}

/* What `at` has with `to`: TABLES tables, t0 and so on, in both directions. */
static void
link_nodes(int at, int to)
{
	uint8_t id[NODE_ID_LEN];
	char name[16];
	struct peer *p;

	number_id(id, to);
	snprintf(name, sizeof(name), "n%d", to);
	p = peer_new(id, name);
	for (int i = 0; i < TABLES; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		subscriptions_take(&p->subs,
		    &(struct subscription){ (char *)"d", name, 1, 1, 0, { 1, 1 }, 0 });
	}
	topology_report_add(all[at], p);
	peer_free(p);
}

static void
make_star(int n, int hub_relays)
{
	make_nodes(hub_relays);
	for (int i = 1; i < n; i++) {
		link_nodes(0, i);
		link_nodes(i, 0);
	}
}

static json_t *
take_gaps(size_t most)
{
	json_t *gaps = topology_gaps(all, NODES, most);

	for (int i = 0; i < NODES; i++)
		topology_report_free(all[i]);
	return (gaps);
}

static void
gap_is(const json_t *gap, const char *from, const char *to)
{
	json_t *tables = json_object_get(gap, "tables");

	assert_string_equal(json_string_value(json_object_get(gap, "from")), from);
	assert_string_equal(json_string_value(json_object_get(gap, "to")), to);
	assert_int_equal(json_array_size(tables), TABLES);
	for (size_t i = 0; i < TABLES; i++) {
		char name[16];

		snprintf(name, sizeof(name), "d.t%zu", i);
		assert_string_equal(json_string_value(json_array_get(tables, i)), name);
	}
}

/* Of a thousand around one that passes nothing on as many gaps are told as are asked for. */
static void
test_many_gaps(void **state)
{
	json_t *gaps;
	char to[16];

	make_star(NODES, 0);
	gaps = take_gaps(100);
	assert_int_equal(json_array_size(gaps), 100);
	for (size_t i = 0; i < 100; i++) {
		snprintf(to, sizeof(to), "n%zu", i + 2);
		gap_is(json_array_get(gaps, i), "n1", to);
	}
	json_decref(gaps);
}

static void
test_many_without_gaps(void **state)
{
	json_t *gaps;

	make_star(NODES, 1);
	gaps = take_gaps(100);
	assert_int_equal(json_array_size(gaps), 0);
	json_decref(gaps);
}

/* The last of a thousand, which hangs on one that passes nothing on. */
static void
test_last_of_many(void **state)
{
	json_t *gaps;

	make_star(NODES - 1, 1);
	link_nodes(NODES - 2, NODES - 1);
	link_nodes(NODES - 1, NODES - 2);
	gaps = take_gaps(3 * NODES);
	assert_int_equal(json_array_size(gaps), 2 * (NODES - 2));
	gap_is(json_array_get(gaps, 0), "n0", "n1000");
	gap_is(json_array_get(gaps, 2 * (NODES - 2) - 1), "n1000", "n998");
	json_decref(gaps);
}

/* Nodes of which only others tell, more than are told apart: they may all pass it on. */
static void
test_many_unknown(void **state)
{
	json_t *gaps;

	make_nodes(0);
	for (int i = 0; i < NODES; i++)
		for (int k = 1; k < 4; k++)
			link_nodes(i, i + k * NODES);
	gaps = take_gaps(100);
	assert_int_equal(json_array_size(gaps), 0);
	json_decref(gaps);
}

/* All databases: between those who say nothing else for a table or its database. */
static void
test_all_databases(void **state)
{
#define WIDE SUB("*", "*", "true", "true")
	gaps_are("[" NODE("a", "false", LINK("b", WIDE) "," LINK("c", BOTH("t"))) "," NODE("b",
		     "false", LINK("a", WIDE) "," LINK("c", WIDE)) "," NODE("c", "false",
		     LINK("a", BOTH("t")) "," LINK("b", WIDE)) "]",
	    "[" GAP("a", "c", "\"*.*\"") "," GAP("c", "a", "\"*.*\"") "]");
	gaps_are("[" NODE("a", "false", LINK("b", WIDE) "," LINK("c", WIDE)) "," NODE("b", "false",
		     LINK("a", WIDE) "," LINK("c",
			 WIDE "," SUB("d", "*", "false", "false"))) "," NODE("c", "false",
		     LINK("a", WIDE) "," LINK("b", WIDE "," SUB("d", "*", "false", "false"))) "]",
	    "[" GAP("b", "c", "\"d.*\"") "," GAP("c", "b", "\"d.*\"") "]");
	/* Of a table that others name as well. */
	gaps_are("[" NODE("a", "false",
		     LINK("b", WIDE "," BOTH("t")) "," LINK("c", WIDE)) "," NODE("b", "false",
		     LINK("a", WIDE "," BOTH("t")) "," LINK("c",
			 WIDE "," SUB("d", "*", "false", "false"))) "," NODE("c", "false",
		     LINK("a", WIDE) "," LINK("b", WIDE "," SUB("d", "*", "false", "false"))) "]",
	    "[" GAP("b", "c", "\"d.t\",\"d.*\"") "," GAP("c", "b", "\"d.t\",\"d.*\"") "]");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_directions),
		cmocka_unit_test(test_all_pairs),
		cmocka_unit_test(test_wildcards),
		cmocka_unit_test(test_all_databases),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_many_gaps),
		cmocka_unit_test(test_many_without_gaps),
		cmocka_unit_test(test_last_of_many),
		cmocka_unit_test(test_many_unknown),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
