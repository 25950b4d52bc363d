#include "config.h"

#include "opsd/cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define ADMIN   "{\"role\":{\"permission\":{\"super_user\":true}}}"
#define CLUSTER "{\"role\":{\"permission\":{\"cluster_user\":true}}}"
#define MESHED  "{\"clustering\":{\"enabled\":true,\"nodeName\":\"n\"}}"
#define APART   "{\"clustering\":{\"enabled\":false,\"nodeName\":null}}"
#define TO_LINK                                                  \
	"{\"clustering\":{\"enabled\":false,\"nodeName\":null}," \
	"\"replication\":{\"hostname\":\"n.example.com\"}}"
#define TO_LINK_BY_URL                                           \
	"{\"clustering\":{\"enabled\":false,\"nodeName\":null}," \
	"\"replication\":{\"hostname\":null,\"url\":\"wss://n.example.com:9933\"}}"
#define EXTERNAL \
	"{\"clustering\":{\"enabled\":true,\"nodeName\":\"n\"},\"nats\":{\"urls\":[\"nats://a\"]}}"
#define LINKED(peers) "{\"type\":\"cluster-status\",\"connections\":[" peers "]}"
#define PLAIN         "{\"connections\":[]}"
#define ROUTED        "{\"hub\":[{\"host\":\"h\"}],\"leaf\":[]}"

struct told {
	const char *users, *config, *routes, *network, *status;
};

/* How each text begins is in `want`, in their order. */
static void
expect(const struct told *t, const char *const *want)
{
	const char *const texts[] = { t->users, t->config, t->routes, t->network, t->status };
	json_t *v[5], *list;
	size_t i;

	for (i = 0; i < 5; i++)
		v[i] = texts[i] != NULL ? json_loads(texts[i], 0, NULL) : NULL;
	list = cli_missing(v[0], v[1], v[2], v[3], v[4]);
	for (i = 0; want[i] != NULL; i++) {
		const char *is = json_string_value(json_array_get(list, i));

		assert_non_null(is);
		assert_ptr_equal(strstr(is, want[i]), is);
	}
	assert_int_equal(json_array_size(list), i);
	json_decref(list);
	for (i = 0; i < 5; i++)
		json_decref(v[i]);
}

#define NOTHING "[]"
#define NOWHERE "{\"hub\":[],\"leaf\":[]}"

static const struct {
	const char *what;
	struct told told;
	const char *want[5];
} cases[] = {
	{ "a new node", { NOTHING, APART, NOWHERE, "[{}]", PLAIN },
	    { "no administrator", "no cluster user", "no node name", "no route" } },
	{ "one in a mesh", { "[" ADMIN "," CLUSTER "]", MESHED, ROUTED, "[{},{}]", PLAIN },
	    { NULL } },
	{ "nothing is known", { NULL, NULL, NULL, NULL, NULL }, { NULL } },
	{ "a new one that links: it needs nothing of the mesh",
	    { NOTHING, APART, NOTHING, NULL, LINKED("") },
	    { "no administrator", "no node to link with" } },
	{ "one with a route for a link", { "[" ADMIN "]", APART, "[\"two\"]", NULL, LINKED("") },
	    { NULL } },
	{ "one that is linked", { "[" ADMIN "]", APART, NOTHING, NULL, LINKED("{}") }, { NULL } },
	{ "one whose cluster_status did not answer", { "[" ADMIN "]", APART, NOTHING, NULL, NULL },
	    { NULL } },
	{ "one that is to link, after a restart: nor does it need anything of the mesh",
	    { "[" ADMIN "]", TO_LINK, NOWHERE, "[{}]", PLAIN }, { "no node to link with" } },
	{ "one that is to link, and is named by its URL",
	    { "[" ADMIN "]", TO_LINK_BY_URL, NOWHERE, "[{}]", PLAIN }, { "no node to link with" } },
	{ "one with servers that are not its own: no cluster user, no route",
	    { "[" ADMIN "]", EXTERNAL, NOWHERE, "[{},{}]", PLAIN }, { NULL } },
	{ "the same, alone", { "[" ADMIN "]", EXTERNAL, NOWHERE, "[{}]", PLAIN },
	    { "no other node in the network" } },
	{ "one of both forms", { "[" ADMIN "]", MESHED, NOWHERE, "[{}]", LINKED("") },
	    { "no cluster user", "no route" } },
};

static void
test_what_is_missing(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("%s\n", cases[i].what);
		expect(&cases[i].told, cases[i].want);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_missing),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
