#include "config.h"

#include "hubd/mesh.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/mem.h"

static void
is_list(json_t *list, const char *want)
{
	char *text = json_dumps(list, JSON_COMPACT);

	assert_string_equal(text, want);
	free(text);
	json_decref(list);
}

static void
pong(struct mesh *m, uint64_t now, const char *name, const char *instance)
{
	json_t *p = json_pack("{s:s, s:[], s:[]}", "name", name, "connected_nodes", "routes");

	mesh_on_pong(m, now, now, p, instance);
	json_decref(p);
}

static void
statsz(struct mesh *m, uint64_t now, const char *text)
{
	json_t *s = mesh_read_statsz(text, strlen(text));

	assert_non_null(s);
	mesh_on_statsz(m, now, s);
	json_decref(s);
}

static void
test_reachable(void **state)
{
	struct mesh *m = mesh_new("n1");

	is_list(mesh_reachable(m, 0), "[]");
	pong(m, 100, "n3", "c");
	pong(m, 110, "n2", "b");
	pong(m, 110, "n1", "a");
	is_list(mesh_reachable(m, 100), "[\"n2\",\"n3\"]");
	is_list(mesh_reachable(m, 101), "[\"n2\"]");
	assert_true(mesh_missing(m, 50, 105));
	assert_false(mesh_missing(m, 50, 100));
	assert_false(mesh_missing(m, 105, 105));
	mesh_forget(m, 105);
	is_list(mesh_reachable(m, 0), "[\"n2\"]");
	mesh_lost(m);
	is_list(mesh_reachable(m, 0), "[]");
	mesh_free(m);
}

static void
test_servers(void **state)
{
	struct mesh *m = mesh_new("n1");

	statsz(m, 100,
	    "{\"server\":{\"name\":\"n1-hub.00ff\"},\"statsz\":{\"routes\":["
	    "{\"name\":\"n2-hub.1234\"},{\"name\":\"n2-hub.1234\"},{\"name\":\"n1-hub.00ff\"},"
	    "{\"name\":7},{},{\"name\":\"a-hub-hub.1\"}]}}");
	is_list(mesh_connected(m, 100), "[\"a-hub\",\"n2\"]");
	is_list(mesh_reachable(m, 100), "[]");
	is_list(mesh_connected(m, 101), "[]");
	statsz(m, 100, "{\"server\":{\"name\":\"n4-hub\"}}");
	assert_true(mesh_missing(m, 50, 100));
	pong(m, 101, "n4", "d");
	assert_false(mesh_missing(m, 50, 100));
	is_list(mesh_connected(m, 100), "[\"a-hub\",\"n2\",\"n4\"]");
	mesh_free(m);
}

static void
test_doubled(void **state)
{
	struct mesh *m = mesh_new("n1");

	/* Two nodes of one name are no double link. */
	for (uint64_t round = 1; round <= 5; round++) {
		pong(m, round, "n2", "b");
		pong(m, round, "n2", "other");
	}
	is_list(mesh_doubled(m, 0), "[]");
	/* Nor is a short time of it, or an answer to another question. */
	for (uint64_t round = 11; round <= 12; round++) {
		pong(m, round, "n3", "c");
		pong(m, round, "n3", "c");
	}
	pong(m, 13, "n3", "c");
	pong(m, 14, "n3", "c");
	pong(m, 14, "n3", "c");
	is_list(mesh_doubled(m, 0), "[]");
	for (uint64_t round = 21; round <= 23; round++) {
		pong(m, round, "n4", "d");
		pong(m, round, "n4", "d");
		pong(m, round, "n4", "d");
	}
	is_list(mesh_doubled(m, 23), "[\"n4\"]");
	is_list(mesh_doubled(m, 24), "[]");
	mesh_free(m);
}

static void
test_read_pong(void **state)
{
	static const char *const broken[] = {
		"",
		"{",
		"[]",
		"7",
		"\"n2\"",
		"{}",
		"{\"name\":\"n2\"}",
		"{\"instance\":\"b\"}",
		"{\"name\":\"\",\"instance\":\"b\"}",
		"{\"name\":1,\"instance\":\"b\"}",
		"{\"name\":\"n2\",\"instance\":{}}",
	};
	static const char fine[] =
	    "{\"name\":\"n2\",\"instance\":\"b\",\"x\":1,"
	    "\"connected_nodes\":[\"n1\",5,\"n1\",\"\"],"
	    "\"routes\":[{\"host\":\"h\",\"port\":1,\"y\":2},{\"host\":\"h\"},7]}";
	static const char odd[] = "{\"name\":\"n2\",\"instance\":\"b\",\"connected_nodes\":{},"
				  "\"routes\":\"r\"}";
	char *instance = NULL, *text;
	json_t *p;
	size_t i;

	for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		assert_null(mesh_read_pong(broken[i], strlen(broken[i]), &instance));
	assert_null(instance);
	p = mesh_read_pong(fine, strlen(fine), &instance);
	text = json_dumps(p, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(text,
	    "{\"connected_nodes\":[\"n1\"],\"dials\":null,\"name\":\"n2\",\"node_id\":\"\","
	    "\"routes\":[{\"host\":\"h\",\"port\":1}]}");
	assert_string_equal(instance, "b");
	free(text);
	free(instance);
	json_decref(p);
	p = mesh_read_pong(odd, strlen(odd), &instance);
	assert_non_null(p);
	free(instance);
	json_decref(p);
	assert_null(mesh_read_statsz("{\"server\":{\"name\":\"\"}}", 22));
	assert_null(mesh_read_statsz("{\"server\":5}", 12));
	assert_null(mesh_read_statsz("{", 1));
}

static void
test_read_leafz(void **state)
{
	static const char text[] =
	    "{\"server\":{\"id\":\"NAB2\"},\"data\":{\"leafs\":[{\"name\":\"n2-leaf.1f\",\"ip\":\"::1\","
	    "\"port\":5},{\"name\":\"n3-leaf.1f\",\"ip\":7,\"port\":5},{\"name\":\"\"},7]}}";
	static const char bad[] = "{\"server\":{\"id\":\"A.>\"},\"data\":{\"leafs\":[]}}";
	char *server = NULL;
	json_t *links = mesh_read_leafz(text, strlen(text), &server);

	assert_string_equal(server, "NAB2");
	assert_int_equal(json_array_size(links), 1);
	assert_string_equal(json_string_value(json_object_get(json_array_get(links, 0), "name")),
	    "n2");
	json_decref(links);
	free(server);
	assert_null(mesh_read_leafz(bad, strlen(bad), &server));
	assert_null(mesh_read_leafz("{", 1, &server));
}

static void
test_read_routez(void **state)
{
	static const char text[] = "{\"server\":{},\"data\":{\"routes\":["
				   "{\"remote_name\":\"n2-hub.1\",\"is_configured\":true},"
				   "{\"remote_name\":\"n2-hub.1\",\"is_configured\":true},"
				   "{\"remote_name\":\"n3-hub.1\",\"is_configured\":false},"
				   "{\"remote_name\":\"n4-hub.1\"},{\"is_configured\":true},7]}}";

	is_list(mesh_read_routez(text, strlen(text)), "[\"n2\"]");
	is_list(mesh_read_routez("{\"data\":{}}", 11), "[]");
	assert_null(mesh_read_routez("{\"error\":{}}", 12));
	assert_null(mesh_read_routez("{", 1));
}

static void
test_linked(void **state)
{
	struct mesh *m = mesh_new("n1");

	statsz(m, 100,
	    "{\"server\":{\"name\":\"n1-hub.00ff\"},\"statsz\":{\"routes\":["
	    "{\"name\":\"n2-hub.1234\"},{\"name\":\"n1-hub.00ff\"}]}}");
	pong(m, 100, "n3", "c");
	is_list(mesh_linked(m, 100), "[\"n2\"]");
	is_list(mesh_linked(m, 101), "[]");
	mesh_free(m);
}

/* However many names somebody makes up, memory is bounded. */
static void
test_many(void **state)
{
	struct mesh *m = mesh_new("n1");
	json_t *list;
	char *name;
	int i;

	for (i = 0; i < 5000; i++) {
		name = xasprintf("x%d", i);
		pong(m, 100, name, "b");
		free(name);
	}
	list = mesh_reachable(m, 0);
	assert_int_equal(json_array_size(list), 4096);
	json_decref(list);
	mesh_free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reachable),
		cmocka_unit_test(test_servers),
		cmocka_unit_test(test_doubled),
		cmocka_unit_test(test_read_pong),
		cmocka_unit_test(test_read_routez),
		cmocka_unit_test(test_read_leafz),
		cmocka_unit_test(test_linked),
		cmocka_unit_test(test_many),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
