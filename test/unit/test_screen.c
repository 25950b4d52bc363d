#include "config.h"

#include "opsd/cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "opsd/cli/cli_print.h"

static char *
screen_of(const char *status)
{
	struct buf out = { 0 };
	json_t *o = json_loads(status, 0, NULL);

	assert_non_null(o);
	cli_screen(o, &out);
	json_decref(o);
	buf_u8(&out, 0);
	return ((char *)buf_take(&out, NULL));
}

static void
expect(const char *status, const char *text)
{
	char *screen = screen_of(status);

	assert_string_equal(screen, text);
	free(screen);
}

#define NODE                                                                                    \
	"\"hubleaf\":{\"status\":\"running\",\"node_name\":\"amsterdam\",\"uptime\":\"2h 3m\"," \
	"\"version\":\"1.0\",\"health\":\"good\"}"
#define SERVERS "\"hub_server\":{\"status\":\"running\"},\"leaf_server\":{\"status\":\"stopped\"}"

static void
test_what_is_wrong_comes_first(void **state)
{
	expect(
	    "{" NODE ",\"clustering\":{" SERVERS
	    ",\"replication\":{\"warnings\":[{\"kind\":\"clock_skew\","
	    "\"message\":\"set the clocks right\"}]}},\"pending\":[\"threads is set\"],\"missing\":[\"no "
	    "administrator\"]}",
	    "warning: clock_skew: set the clocks right\n"
	    "missing: no administrator\n"
	    "pending: threads is set\n"
	    "\n"
	    "amsterdam  running  up 2h 3m  version 1.0  health good\n"
	    "hub server running, leaf server stopped\n");
}

/* With nats.urls the node has no servers: it says which ones it has a connection to. */
static void
test_external(void **state)
{
	expect("{" NODE ",\"clustering\":{" SERVERS
	       ",\"replication\":{\"servers\":{\"hub\":{\"status\":\"running\",\"external\":true,"
	       "\"url\":\"nats://a:4222\"},\"leaf\":{\"status\":\"errored\",\"external\":true,"
	       "\"url\":null}}}}}",
	    "amsterdam  running  up 2h 3m  version 1.0  health good\n"
	    "hubd running at nats://a:4222, leafd errored\n");
}

/* Others choose names and words; a terminal would obey them. */
static void
test_no_controls(void **state)
{
	expect(
	    "{" NODE ",\"clustering\":{\"network\":[{\"name\":\"x\\u001b[2Jy\"}],"
	    "\"replication\":{\"warnings\":[{\"kind\":\"k\",\"message\":\"a\\nb\\u009bc\\u007f\"}],"
	    "\"connections\":[{\"node_name\":\"z\\u0007\",\"status\":\"closed\"}]}}}",
	    "warning: k: a?b?c?\n"
	    "\n"
	    "amsterdam  running  up 2h 3m  version 1.0  health good\n"
	    "\n"
	    "z?  closed  -  no tables  lag 0\n"
	    "without subscriptions: x?[2Jy\n");
}

static void
test_a_line_for_each_peer(void **state)
{
	expect(
	    "{" NODE ",\"clustering\":{" SERVERS ",\"network\":[{\"name\":\"amsterdam\"},"
	    "{\"name\":\"boston\"},{\"name\":\"truck\"}],\"replication\":{\"connections\":["
	    "{\"node_name\":\"boston\",\"status\":\"open\",\"latency_ms\":1.614,\"subscriptions\":["
	    "{\"table\":\"a\",\"state\":\"live\",\"lag\":0},{\"table\":\"b\",\"state\":\"live\",\"lag\":1},"
	    "{\"table\":\"*\",\"tables\":4,\"state\":\"live\",\"lag\":0}]},"
	    "{\"node_name\":\"cairo\",\"status\":\"closed\",\"latency_ms\":null,\"subscriptions\":["
	    "{\"table\":\"a\",\"state\":\"copy\",\"lag\":7,\"lag_bound\":true,\"rows_copied\":20,\"rows_total\":50},"
	    "{\"table\":\"b\",\"state\":\"live\",\"lag\":3,\"peer_lag\":12,\"peer_lag_bound\":true},{\"table\":\"c\",\"peer_lag\":0}]}]}}}",
	    "amsterdam  running  up 2h 3m  version 1.0  health good\n"
	    "hub server running, leaf server stopped\n"
	    "\n"
	    "cairo   closed  -       1 table copy, 1 live, 1 only published (20 of 50 rows)  lag at most 7  peer_lag at most 12\n"
	    "boston  open    1.6 ms  6 tables live                                           lag 1\n"
	    "without subscriptions: truck\n");
}

static void
test_a_linked_node(void **state)
{
	expect(
	    "{" NODE ",\"clustering\":{\"network\":[],\"replication\":{\"connections\":["
	    "{\"node_name\":\"boston\",\"status\":\"open\",\"latency_ms\":0.5,\"subscriptions\":null,"
	    "\"replicateByDefault\":true,\"database_sockets\":["
	    "{\"database\":\"data\",\"tables\":2,\"state\":\"live\",\"lag\":0},"
	    "{\"database\":\"dev\",\"tables\":1,\"state\":\"copy\",\"lag\":9,\"rows_copied\":3,\"rows_total\":5}]},"
	    "{\"node_name\":\"cairo\",\"status\":\"open\",\"latency_ms\":0.5,\"replicateByDefault\":false,"
	    "\"subscriptions\":[{\"table\":\"a\",\"state\":\"live\",\"lag\":0}],\"database_sockets\":["
	    "{\"database\":\"data\",\"tables\":1,\"state\":\"live\",\"lag\":0}]}]}}}",
	    "amsterdam  running  up 2h 3m  version 1.0  health good\n"
	    "\n"
	    "boston  open  0.5 ms  2 tables live, 1 copy (3 of 5 rows)  lag 9\n"
	    "cairo   open  0.5 ms  1 table live                         lag 0\n");
}

/* However much there is. */
static void
test_it_is_one_screen(void **state)
{
	json_t *peers = json_array(), *pending = json_array(), *warnings = json_array(), *o;
	char *text, *screen;
	int lines = 0;

	for (int i = 0; i < 300; i++) {
		json_array_append_new(peers,
		    json_pack("{s:s, s:s}", "node_name", "n", "status", "open"));
		json_array_append_new(pending, json_string("waits"));
		json_array_append_new(warnings,
		    json_pack("{s:s, s:s}", "kind", "k", "message", "m"));
	}
	o = json_pack("{s:{s:s}, s:{s:{s:o, s:o}}, s:o}", "hubleaf", "status", "running",
	    "clustering", "replication", "connections", peers, "warnings", warnings, "pending",
	    pending);
	text = json_dumps(o, 0);
	screen = screen_of(text);
	assert_non_null(strstr(screen, "and 276 more: hubleaf status --long"));
	for (const char *s = screen; (s = strchr(s, '\n')) != NULL; s++)
		lines++;
	assert_true(lines < 50);
	free(screen);
	free(text);
	json_decref(o);
}

static void
test_nothing_runs(void **state)
{
	expect("{\"hubleaf\":{\"status\":\"stopped\",\"pid\":null},\"clustering\":{\"hub_server\":"
	       "{\"status\":\"stopped\"},\"leaf_server\":{\"status\":\"stopped\"},\"network\":[],"
	       "\"replication\":{}}}",
	    "this node  stopped\nhub server stopped, leaf server stopped\n");
	expect(
	    "{\"hubleaf\":{\"status\":\"running\"},\"clustering\":{\"replication\":{\"connections\":[{\"node_name\":"
	    "\"b\",\"status\":\"open\",\"subscriptions\":[{\"publish\":true,\"subscribe\":false},{\"publish\":"
	    "false,\"subscribe\":false}]}]}}}",
	    "this node  running\n\nb  open  -  1 table only published, 1 off  lag 0\n");
	expect(
	    "{\"hubleaf\":{\"status\":\"running\"},\"clustering\":{\"replication\":{\"connections\":[{\"node_name\":"
	    "\"b\",\"status\":\"syncing\",\"subscriptions\":[{\"state\":\"copy\",\"rows_copied\":7,"
	    "\"rows_total\":null}]}]}}}",
	    "this node  running\n\nb  syncing  -  1 table copy (7 rows)  lag 0\n");
	expect(
	    "{\"hubleaf\":{\"status\":\"not answering\",\"pid\":1,\"health\":\"does not answer: it\"},"
	    "\"failed\":[\"a port is taken\"],\"clustering\":{\"replication\":{}}}",
	    "failed: a port is taken\n\nthis node  not answering  health does not answer: it\n");
}

static void
test_sqlite_files(void **state)
{
	expect(
	    "{\"hubleaf\":{\"status\":\"running\"},\"clustering\":{\"replication\":{\"sqlite\":["
	    "{\"path\":\"/srv/a.db\",\"state\":\"ok\",\"log_rows\":3,\"pending_rows\":2,\"tables\":["
	    "{\"table\":\"users\",\"refused\":1,\"refused_rows\":[{\"id\":1,\"reason\":\"UNIQUE\"}]},"
	    "{\"table\":\"tags\",\"refused\":2,\"refused_rows\":[{\"id\":\"x\",\"reason\":\"no\\u0007\"}]},"
	    "{\"table\":\"well\",\"refused\":0,\"refused_rows\":[]}]},"
	    "{\"path\":\"/srv/b.db\",\"state\":\"/srv/b.db: is gone\",\"tables\":[{\"table\":\"t\"}]},"
	    "{\"path\":\"/srv/c.db\",\"state\":\"it is damaged\",\"tables\":[]}]}}}",
	    "pending: sqlite: /srv/a.db: 1 row of 'users' is not taken: 1: UNIQUE\n"
	    "pending: sqlite: /srv/a.db: 2 rows of 'tags' are not taken, such as \"x\": no?\n"
	    "warning: sqlite: /srv/b.db: is gone\n"
	    "warning: sqlite: /srv/c.db: it is damaged\n"
	    "\n"
	    "this node  running\n"
	    "\n"
	    "/srv/a.db  ok      3 tables  log 3  pending 2\n"
	    "/srv/b.db  not ok  1 table   log 0  pending 0\n"
	    "/srv/c.db  not ok  0 tables  log 0  pending 0\n");
}

static void
test_tables_count_letters_not_bytes(void **state)
{
	struct buf out = { 0 };
	json_t *lines = json_pack("[[ss][ss][s]]", "Zürich", "1", "ab", "2", "c");

	cli_table(&out, lines);
	buf_u8(&out, 0);
	assert_string_equal((char *)out.data, "Zürich  1\nab      2\nc\n");
	buf_free(&out);
	json_decref(lines);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_wrong_comes_first),
		cmocka_unit_test(test_a_line_for_each_peer),
		cmocka_unit_test(test_external),
		cmocka_unit_test(test_no_controls),
		cmocka_unit_test(test_a_linked_node),
		cmocka_unit_test(test_it_is_one_screen),
		cmocka_unit_test(test_nothing_runs),
		cmocka_unit_test(test_sqlite_files),
		cmocka_unit_test(test_tables_count_letters_not_bytes),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
