#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "opsd/cluster/peerjson.h"
#include "opsd/cluster/status.h"
#include "test/unit/openrep.h"

/* What peers tell each other in turn: how it travels, and what is told and what is not told again. */

#define ID "00112233445566778899aabbccddeeff"
#define HEAD                                                                          \
	"{\"id\":\"" ID                                                               \
	"\",\"name\":\"boston\",\"incarnation\":1700000000000,\"now\":1700000001000," \
	"\"digest\":-5,"
#define QUESTION                                                                                    \
	HEAD                                                                                        \
	    "\"cursors\":[[7,8,9,10,-3]],\"since\":3,\"upto\":9,\"heads_after\":[8,4],\"life\":77," \
	    "\"topology_digest\":5}"
#define WHO HEAD "\"cursors\":[]}"
#define REPORT                                                                                  \
	"{\"id\":\"" ID "\",\"name\":\"boston\",\"relays\":true,\"links\":[{\"id\":\"" ID "\"," \
	"\"name\":\"austin\",\"subscriptions\":[[\"dev\",\"*\",true,false]]}]}"
#define ANSWER                                                                                     \
	HEAD "\"roster\":-7,\"uptime\":5,\"ports\":{\"clustering\":9932,\"operations_api\":9925}," \
	     "\"system_info\":{\"platform\":\"x\"},\"heads\":[[7,9,10,3],[8,-1,0,0]],"             \
	     "\"heads_upto\":[8,9],\"topology_digest\":5,\"topology\":" REPORT "}"

/* ---- as it travels ---- */

static void
test_question(void **state)
{
	json_t *o = json_loads(QUESTION, 0, NULL), *is;
	struct status_question q;
	char *fault;

	assert_int_equal(status_question_read(&q, o, &fault), 0);
	assert_int_equal(q.id[15], 0xff);
	assert_string_equal(q.name, "boston");
	assert_true(q.digest == UINT64_MAX - 4);
	assert_true(q.tells);
	assert_int_equal(q.since, 3);
	assert_int_equal(q.upto, 9);
	assert_int_equal(q.n, 1);
	assert_int_equal(q.positions[0].table, 7);
	assert_int_equal(q.positions[0].at.incarnation, 8);
	assert_int_equal(q.positions[0].at.seq, 9);
	assert_int_equal(q.positions[0].at.ms, 10);
	assert_true(q.positions[0].mark == UINT64_MAX - 2);
	assert_int_equal(q.heads_incarnation, 8);
	assert_int_equal(q.heads_after, 4);
	is = status_question_write(&q);
	assert_true(json_equal(o, is));
	status_question_clear(&q);
	json_decref(o);
	json_decref(is);
}

static void
test_who(void **state)
{
	json_t *o = json_loads(WHO, 0, NULL), *is;
	struct status_question q;
	char *fault;

	assert_int_equal(status_question_read(&q, o, &fault), 0);
	assert_false(q.tells);
	is = status_question_write(&q);
	assert_true(json_equal(o, is));
	status_question_clear(&q);
	json_decref(o);
	json_decref(is);
}

static void
test_answer(void **state)
{
	json_t *o = json_loads(ANSWER, 0, NULL), *is;
	struct status_answer a;
	char *fault;

	assert_int_equal(status_answer_read(&a, o, &fault), 0);
	assert_int_equal(a.uptime_ms, 5);
	assert_int_equal(a.cluster_port, 9932);
	assert_int_equal(a.api_port, 9925);
	assert_int_equal(a.n, 2);
	assert_int_equal(a.heads[0].table, 7);
	assert_int_equal(a.heads[0].head, 9);
	assert_int_equal(a.heads[0].ms, 10);
	assert_int_equal(a.heads[0].rows, 3);
	assert_false(a.heads[0].gone);
	assert_true(a.heads[1].gone);
	assert_false(a.again);
	assert_int_equal(a.heads_upto, 9);
	assert_non_null(a.topology);
	is = status_answer_write(&a);
	assert_true(json_equal(o, is));
	assert_null(a.link_key);
	status_answer_clear(&a);
	json_decref(is);
	json_object_set_new(o, "link_key", json_string("0a1b"));
	json_object_del(o, "heads_upto");
	json_object_del(o, "topology");
	json_object_set_new(o, "again", json_true());
	assert_int_equal(status_answer_read(&a, o, &fault), 0);
	assert_true(a.again);
	assert_string_equal(a.link_key, "0a1b");
	is = status_answer_write(&a);
	assert_true(json_equal(o, is));
	status_answer_clear(&a);
	json_decref(is);
	json_decref(o);
}

/* A long array of nothing takes little to send, and much to hold. */
static void
test_values_bounded(void **state)
{
	size_t n = 2 * PEERJSON_VALUES + 1;
	char *text = xcalloc(1, n + 3);
	const char *small = "{\"a\":\"[,[\\\",\",\"b\":[1]}";
	json_t *o = peerjson_load(small, strlen(small), 0);

	assert_string_equal(json_string_value(json_object_get(o, "a")), "[,[\",");
	json_decref(o);
	for (size_t i = 0; i < n; i++)
		text[i] = i == 0 ? '[' : i % 2 ? '0' : ',';
	text[n - 1] = ']';
	assert_null(peerjson_load(text, n, 0));
	o = peerjson_load("[]", 2, 0);
	assert_int_equal(json_array_size(o), 0);
	json_decref(o);
	/* In a text they are none. */
	text[0] = text[n - 1] = '"';
	o = peerjson_load(text, n, JSON_DECODE_ANY);
	assert_true(json_is_string(o));
	json_decref(o);
	free(text);
}

static json_t *
changed(const char *text, const char *field, const char *value)
{
	json_t *o = json_loads(text, 0, NULL);

	if (value == NULL)
		json_object_del(o, field);
	else
		json_object_set_new(o, field, json_loads(value, JSON_DECODE_ANY, NULL));
	return (o);
}

static void
question_refused(const char *field, const char *value, const char *want)
{
	json_t *o = changed(QUESTION, field, value);
	struct status_question q;
	char *fault = NULL;

	assert_int_equal(status_question_read(&q, o, &fault), -1);
	assert_string_equal(fault, want);
	free(fault);
	json_decref(o);
}

static void
answer_refused(const char *field, const char *value, const char *want)
{
	json_t *o = changed(ANSWER, field, value);
	struct status_answer a;
	char *fault = NULL;

	assert_int_equal(status_answer_read(&a, o, &fault), -1);
	assert_string_equal(fault, want);
	free(fault);
	json_decref(o);
}

#define POSITION "'cursors[0].position' is none: table, incarnation, sequence and time are"
#define NUMBER   "must be from 0 to 9223372036854775807"

static void
test_refused(void **state)
{
	question_refused("id", "\"x\"", "'id' must be 32 hexadecimal digits");
	question_refused("name", "\"a b\"",
	    "'name' must be 1 to 250 characters without ',', '*', '>', "
	    "white space and control characters");
	question_refused("now", NULL, "'now' is required");
	question_refused("now", "-1", "'now' " NUMBER);
	question_refused("digest", "\"5\"", "'digest' must be an integer");
	question_refused("cursors", "{}", "'cursors' must be an array");
	question_refused("cursors", "[[1,2,3,4]]",
	    "'cursors[0].position' must be an array of 5 integers");
	question_refused("cursors", "[7]", "'cursors[0].position' must be an array of 5 integers");
	question_refused("cursors", "[[4294967296,2,3,4,5]]", POSITION);
	question_refused("cursors", "[[1,-2,3,4,5]]", POSITION);
	question_refused("cursors", "[[1,2,-3,4,5]]", POSITION);
	question_refused("since", "-1", "'since' " NUMBER);
	question_refused("heads_after", "[1]", "'heads_after' must be an array of 2 integers");
	question_refused("heads_after", "[1,-1]", "'heads_after' is no place in a log");
	question_refused("life", "1.5", "'life' must be an integer");
	question_refused("topology_digest", NULL, "'topology_digest' is required");
	answer_refused("ports", "[]", "'ports' must be an object");
	answer_refused("ports", "{\"clustering\":65536}", "'clustering' must be from 0 to 65535");
	answer_refused("uptime", "-5", "'uptime' " NUMBER);
	answer_refused("heads", "[[7,-2,0,0]]",
	    "'heads[0].head' is none: table, sequence, time and rows are");
	answer_refused("heads", "[[7,1]]", "'heads[0].head' must be an array of 4 integers");
	answer_refused("heads_upto", NULL, "'heads_upto' must be an array of 2 integers");
	answer_refused("again", "1", "'again' must be true or false");
	answer_refused("topology", "7", "'topology' must be an object");
	answer_refused("system_info", "7", "'system_info' must be an object");
}

/* ---- what is told ---- */

static int
setup(void **state)
{
	struct openrep *r = openrep_begin(state, "dog", NULL);
	struct offer *o = offering_new(boston, "boston", 1000);

	offering_add(o, "*", 1, 1, 0, 5);
	offering_table(o, "dog", 70, 9, "id");
	assert_int_equal(openrep_take(r, o), 200);
	return (0);
}

static uint32_t
dog_id(struct openrep *r)
{
	struct table *t = catalog_get(r->o.data.catalog, "dev", "dog");
	uint32_t id = t->id;

	table_unref(t);
	return (id);
}

/* Positions that were told are not told again; with nothing known of the peer's memory all are. */
static void
test_positions_told_once(void **state)
{
	struct openrep *r = *state;
	struct peer *p = nodes_by_id(r->rep.nodes, boston);
	struct status_base base = { 0 };
	struct status_question q;
	struct status_answer a = { .heads_incarnation = 8, .heads_upto = 9 };

	status_ask(&r->rep, p, &base, &q);
	assert_true(q.tells);
	assert_int_equal(q.since, 0);
	assert_int_equal(q.n, 1);
	assert_int_equal(q.positions[0].table, 70);
	assert_int_equal(q.positions[0].at.seq, 9);
	assert_true(q.digest == p->subs.digest);
	assert_false(status_answered(&base, q.upto, &a));
	status_question_clear(&q);
	status_ask(&r->rep, p, &base, &q);
	assert_int_equal(q.n, 0);
	assert_int_equal(q.since, base.moves);
	assert_int_equal(q.heads_incarnation, 8);
	assert_int_equal(q.heads_after, 9);
	status_question_clear(&q);
	/* It has not kept what it was told: all again, and at once. */
	a.again = 1;
	assert_true(status_answered(&base, 7, &a));
	assert_false(status_answered(&base, 7, &a));
	status_ask(&r->rep, p, &base, &q);
	assert_int_equal(q.n, 1);
	assert_int_equal(q.since, 0);
	status_question_clear(&q);
	peer_free(p);
}

/* Heads of tables are told when they are news, or when the table is asked for. */
static void
test_heads_told_once(void **state)
{
	struct openrep *r = *state;
	struct status_position at = { dog_id(r), { 0, 0, 0 }, 0 };
	struct status_question q = { .tells = 1 };
	struct positions *received = positions_new();
	struct status_answer a;

	memcpy(q.id, boston, NODE_ID_LEN);
	opendata_write(&r->o, "dog", TXN_INSERT, "[{\"id\":1}]");
	positions_set(received, at.table, at.at);
	status_answer(&r->rep, &q, received, &a);
	assert_false(a.again);
	assert_int_equal(a.n, 1);
	assert_int_equal(a.heads[0].head, r->o.data.log.last);
	assert_int_equal(a.heads[0].rows, 1);
	q.heads_incarnation = a.heads_incarnation;
	q.heads_after = a.heads_upto;
	status_answer_clear(&a);
	status_answer(&r->rep, &q, received, &a);
	assert_int_equal(a.n, 0);
	status_answer_clear(&a);
	/* Asked for, it is told all the same; as is all to who must tell all again. */
	q.positions = &at;
	q.n = 1;
	status_answer(&r->rep, &q, received, &a);
	assert_int_equal(a.n, 1);
	status_answer_clear(&a);
	status_answer(&r->rep, &q, NULL, &a);
	assert_true(a.again);
	assert_int_equal(a.n, 1);
	status_answer_clear(&a);
	/* Of another life of our log it knows nothing. */
	q.n = 0;
	q.heads_incarnation++;
	status_answer(&r->rep, &q, received, &a);
	assert_int_equal(a.n, 1);
	status_answer_clear(&a);
	/* A table that is gone is news for ever, until it is not asked for any more. */
	opendata_define(&r->o, DDL_DROP_TABLE, "dog", NULL, 0);
	status_answer(&r->rep, &q, received, &a);
	assert_int_equal(a.n, 1);
	assert_true(a.heads[0].gone);
	status_answer_clear(&a);
	positions_free(received);
}

/* What was not told while nothing flowed between the two is told when it does again. */
static void
test_heads_withheld(void **state)
{
	struct openrep *r = *state;
	struct status_position at = { dog_id(r), { 0, 0, 0 }, 0 };
	struct status_question q = { .tells = 1 };
	struct positions *received = positions_new();
	struct entering ends = { boston, "boston", "*", 1, 1, 1, 100 };
	struct entering again = { boston, "boston", "*", 1, 1, 0, 200 };
	struct status_answer a;

	memcpy(q.id, boston, NODE_ID_LEN);
	positions_set(received, at.table, at.at);
	opendata_write(&r->o, "dog", TXN_INSERT, "[{\"id\":1}]");
	assert_int_equal(openrep_call(r, entering_run, &ends), 200);
	status_answer(&r->rep, &q, received, &a);
	assert_int_equal(a.n, 0);
	q.heads_incarnation = a.heads_incarnation;
	q.heads_after = a.heads_upto;
	status_answer_clear(&a);
	assert_int_equal(openrep_call(r, entering_run, &again), 200);
	status_answer(&r->rep, &q, received, &a);
	assert_int_equal(a.n, 1);
	assert_int_equal(a.heads[0].head, r->o.data.log.last);
	status_answer_clear(&a);
	positions_free(received);
}

static void
test_ahead(void **state)
{
	struct openrep *r = *state;
	uint64_t mine = r->o.data.log.incarnation;
	struct status_position at[] = {
		{ dog_id(r), { mine, 0, 0 }, 0 },
		{ dog_id(r), { mine, 1000, 0 }, MARK(1000) },
		{ dog_id(r), { mine + 5, 1, 0 }, MARK(1) },
	};
	struct status_question q = { .tells = 1, .positions = at, .n = 1 };

	memcpy(q.id, boston, NODE_ID_LEN);
	assert_int_equal(status_ahead(&r->rep, &q), 0);
	q.n = 2;
	assert_int_equal(status_ahead(&r->rep, &q), mine);
	q.n = 3;
	assert_int_equal(status_ahead(&r->rep, &q), mine + 5);
}

static void
test_differs(void **state)
{
	struct openrep *r = *state;
	struct peer *p = nodes_by_id(r->rep.nodes, boston);
	struct status_head head = { .table = 70, .head = 9 };
	struct status_answer a = { .digest = p->subs.digest, .heads = &head, .n = 1 };

	assert_false(status_differs(&r->rep, p, &a, mono_us()));
	assert_true(status_differs(&r->rep, p, &a, 0)); /* tables were made since */
	a.digest++;
	assert_true(status_differs(&r->rep, p, &a, mono_us()));
	a.digest--;
	head.gone = 1;
	assert_true(status_differs(&r->rep, p, &a, mono_us()));
	peer_free(p);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, openrep_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_question),
		cmocka_unit_test(test_who),
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_values_bounded),
		cmocka_unit_test(test_refused),
		TEST(test_positions_told_once),
		TEST(test_heads_told_once),
		TEST(test_heads_withheld),
		TEST(test_ahead),
		TEST(test_differs),
	};

	log_init("test", LOG_ERROR);
	return (cmocka_run_group_tests(tests, make_folder, remove_folder));
}
