#include "config.h"

#include "opsd/cluster/topology.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Nodes a, b, c...: their names are their ids. */
#define ENTRY(db, table, out, in) "[\"" db "\",\"" table "\"," out "," in "]"
#define BOTH(table) ENTRY("d", table, "true", "true")
#define OUT(table) ENTRY("d", table, "true", "false")
#define IN(table) ENTRY("d", table, "false", "true")
#define LINK(to, entries) "{\"id\":\"" to "\",\"name\":\"" to "\",\"entries\":[" entries "]}"
#define NODE(name, relays, links) \
	"{\"id\":\"" name "\",\"name\":\"" name "\",\"relays\":" relays ",\"links\":[" links "]}"

static void
gaps_are(const char *reports, const char *want)
{
	json_t	*r = json_loads(reports, 0, NULL), *gaps;
	char	*text;

	assert_non_null(r);
	gaps = topology_gaps(r);
	text = json_dumps(gaps, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(text, want);
	free(text);
	json_decref(gaps);
	json_decref(r);
}

#define GAP(from, to, tables) "{\"from\":\"" from "\",\"tables\":[" tables "],\"to\":\"" to "\"}"

static void
test_chain(void **state)
{
	/* In the middle all is seen; with republishing there is no gap. */
	gaps_are("[" NODE("b", "false", LINK("a", BOTH("t")) "," LINK("c", BOTH("t"))) ","
	    NODE("a", "false", LINK("b", BOTH("t"))) "," NODE("c", "false", LINK("b", BOTH("t"))) "]",
	    "[" GAP("a", "c", "\"d.t\"") "," GAP("c", "a", "\"d.t\"") "]");
	gaps_are("[" NODE("b", "true", LINK("a", BOTH("t")) "," LINK("c", BOTH("t"))) ","
	    NODE("a", "false", LINK("b", BOTH("t"))) "," NODE("c", "false", LINK("b", BOTH("t"))) "]",
	    "[]");
	/* At an end: what c has with others is not known, but what arrives here is. */
	gaps_are("[" NODE("a", "false", LINK("b", BOTH("t"))) ","
	    NODE("b", "false", LINK("a", BOTH("t")) "," LINK("c", BOTH("t"))) "]",
	    "[" GAP("c", "a", "\"d.t\"") "]");
}

static void
test_directions(void **state)
{
	/* Collecting and handing out leave no gaps; passing through one does. */
	gaps_are("[" NODE("b", "false", LINK("a", IN("t")) "," LINK("c", IN("t"))) ","
	    NODE("a", "false", LINK("b", OUT("t"))) "," NODE("c", "false", LINK("b", OUT("t"))) "]",
	    "[]");
	gaps_are("[" NODE("b", "false", LINK("a", IN("t")) "," LINK("c", OUT("t"))) ","
	    NODE("a", "false", LINK("b", OUT("t"))) "," NODE("c", "false", LINK("b", IN("t"))) "]",
	    "[" GAP("a", "c", "\"d.t\"") "]");
}

static void
test_all_pairs(void **state)
{
	gaps_are("[" NODE("b", "false", LINK("a", BOTH("t")) "," LINK("c", BOTH("t"))) ","
	    NODE("a", "false", LINK("b", BOTH("t")) "," LINK("c", BOTH("t"))) ","
	    NODE("c", "false", LINK("b", BOTH("t")) "," LINK("a", BOTH("t"))) "]", "[]");
	/* Another node passes on what a and c send each other, but b does not meet it. */
	gaps_are("[" NODE("b", "false", LINK("a", BOTH("t")) "," LINK("c", BOTH("t"))) ","
	    NODE("a", "false", LINK("b", BOTH("t")) "," LINK("r", BOTH("t"))) ","
	    NODE("c", "false", LINK("b", BOTH("t")) "," LINK("r", BOTH("t"))) ","
	    NODE("r", "true", LINK("a", BOTH("t")) "," LINK("c", BOTH("t"))) "]",
	    "[" GAP("b", "r", "\"d.t\"") "," GAP("r", "b", "\"d.t\"") "]");
	/* Or two may do so: they have reported nothing. */
	gaps_are("[" NODE("b", "false", LINK("a", BOTH("t")) "," LINK("c", BOTH("t"))) ","
	    NODE("a", "false", LINK("b", BOTH("t")) "," LINK("r", BOTH("t"))) ","
	    NODE("c", "false", LINK("b", BOTH("t")) "," LINK("q", BOTH("t"))) "]",
	    "[" GAP("r", "b", "\"d.t\"") "," GAP("q", "b", "\"d.t\"") "]");
}

static void
test_wildcards(void **state)
{
	/* "*" covers what is not named; an explicit entry takes its place. */
	gaps_are("[" NODE("b", "false", LINK("a", BOTH("*")) "," LINK("c", BOTH("t") "," BOTH("u"))) ","
	    NODE("a", "false", LINK("b", BOTH("*")) "," LINK("c", BOTH("*") "," OUT("u"))) ","
	    NODE("c", "false", LINK("b", BOTH("t") "," BOTH("u")) "," LINK("a", BOTH("*") "," IN("u")))
	    "]", "[" GAP("b", "c", "\"d.*\"") "," GAP("c", "b", "\"d.*\"") "," GAP("c", "a", "\"d.u\"")
	    "]");
	/* Another database is another matter. */
	gaps_are("[" NODE("b", "false", LINK("a", BOTH("*")) ","
	    LINK("c", ENTRY("e", "t", "true", "true"))) ","
	    NODE("a", "false", LINK("b", BOTH("*"))) ","
	    NODE("c", "false", LINK("b", ENTRY("e", "t", "true", "true"))) "]", "[]");
}

static void
test_nonsense(void **state)
{
	gaps_are("[]", "[]");
	gaps_are("[7,null,{},\"x\",{\"id\":\"a\"},{\"id\":\"a\",\"name\":\"a\",\"links\":7},"
	    "{\"id\":\"a\",\"name\":\"a\",\"links\":[{\"id\":\"a\",\"name\":\"a\",\"entries\":[[\"d\",\"t\","
	    "true,true]]},{\"id\":\"b\",\"name\":\"b\",\"entries\":[7,[],[1,2],[\"d\"],{}]}]}]", "[]");
}

static void
test_too_many(void **state)
{
	json_t	*reports = json_array(), *gaps;

	for (int i = 0; i < 300; i++)
		json_array_append_new(reports, json_pack("{s:o, s:s, s:b, s:[{s:s, s:s, s:[[s,s,b,b]]}]}",
		    "id", json_sprintf("%d", i), "name", "n", "relays", 0, "links", "id", "hub", "name",
		    "hub", "entries", "d", "t", 1, 1));
	gaps = topology_gaps(reports);
	assert_int_equal(json_array_size(gaps), 0);
	json_decref(gaps);
	json_decref(reports);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_directions),
		cmocka_unit_test(test_all_pairs),
		cmocka_unit_test(test_wildcards),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_too_many),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
