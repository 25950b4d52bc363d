#include "config.h"

#include "hubd/dialers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/mem.h"
#include "hubd/mesh.h"

/* What `name` says at `now`: so many routes, and these names that they lead to ("null": not known). */
static void
word(struct dialers *d, uint64_t now, const char *name, unsigned routes, const char *dials)
{
	json_t *list = json_array(), *pong, *w;
	char *text, *instance = NULL;

	for (unsigned i = 0; i < routes; i++)
		json_array_append_new(list, json_pack("{s:s, s:i}", "host", "h", "port", i + 1));
	pong = json_pack("{s:s, s:s, s:s, s:o, s:o}", "name", name, "node_id", name + 1, "instance",
	    name, "routes", list, "dials", json_loads(dials, JSON_DECODE_ANY, NULL));
	text = json_dumps(pong, 0);
	w = mesh_read_pong(text, strlen(text), &instance);
	assert_non_null(w);
	dialers_on_word(d, now, w);
	json_decref(w);
	json_decref(pong);
	free(instance);
	free(text);
}

static void
is(const struct dialers *d, const char *linked, uint64_t since, enum dialers_state want)
{
	json_t *names = json_loads(linked, 0, NULL);

	assert_int_equal(dialers_look(d, names, since), want);
	json_decref(names);
}

#define N1    "[\"n1\"]"
#define N12   "[\"n1\", \"n2\"]"
#define ME    "[\"me\"]"
#define ME_N2 "[\"me\", \"n2\"]"

static void
test_taken_back(void **state)
{
	struct dialers *d = dialers_new("me");

	is(d, N12, 1, DIALERS_SOME);
	word(d, 1, "n1", 2, ME_N2);
	is(d, N1, 1, DIALERS_SOME);
	word(d, 2, "n2", 0, "[]");
	word(d, 2, "n1", 1, "[\"n2\"]");
	is(d, N12, 2, DIALERS_ENDED);
	/* Who has not spoken may have one. */
	is(d, "[\"n1\", \"n2\", \"n3\"]", 2, DIALERS_SOME);
	word(d, 3, "n1", 2, ME_N2);
	is(d, N12, 2, DIALERS_SOME);
	dialers_free(d);
}

static void
test_doubt(void **state)
{
	struct dialers *d = dialers_new("me");

	word(d, 1, "n1", 2, ME_N2);
	word(d, 1, "n2", 0, "[]");
	/* A route that leads to nobody now may lead here. */
	word(d, 2, "n1", 2, "[\"n2\"]");
	is(d, N12, 1, DIALERS_NONE);
	/* It does not know: its server has just begun. */
	word(d, 3, "n1", 1, "null");
	is(d, N12, 1, DIALERS_SOME);
	/* In doubt it did not take anything back. */
	is(d, "[\"n2\"]", 1, DIALERS_SOME);
	word(d, 4, "n2", 0, "[]");
	is(d, "[\"n2\"]", 4, DIALERS_SOME);
	word(d, 5, "n1", 1, "[\"n2\"]");
	is(d, N12, 4, DIALERS_ENDED);
	dialers_free(d);
}

static void
test_away(void **state)
{
	struct dialers *d = dialers_new("me");

	word(d, 1, "n1", 1, ME);
	word(d, 1, "n2", 1, ME);
	word(d, 9, "n2", 0, "[]");
	is(d, "[\"n2\"]", 9, DIALERS_SOME);
	/* It took back its word before it went. */
	word(d, 10, "n1", 0, "[]");
	word(d, 19, "n2", 0, "[]");
	is(d, "[\"n2\"]", 19, DIALERS_ENDED);
	dialers_free(d);
}

static void
test_renamed(void **state)
{
	struct dialers *d = dialers_new("me");

	/* The same id: what follows the first letter, here. */
	word(d, 1, "n1", 1, ME);
	word(d, 9, "m1", 0, "[]");
	is(d, "[\"m1\"]", 9, DIALERS_ENDED);
	is(d, N1, 9, DIALERS_SOME);
	dialers_free(d);
}

static void
test_never_heard(void **state)
{
	struct dialers *d = dialers_new("me");

	word(d, 1, "n1", 0, "[]");
	word(d, 1, "n2", 1, N1);
	is(d, N12, 1, DIALERS_NONE);
	/* Its own word is none. */
	word(d, 1, "me", 1, ME);
	is(d, N12, 1, DIALERS_NONE);
	dialers_free(d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_taken_back),
		cmocka_unit_test(test_doubt),
		cmocka_unit_test(test_away),
		cmocka_unit_test(test_renamed),
		cmocka_unit_test(test_never_heard),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
