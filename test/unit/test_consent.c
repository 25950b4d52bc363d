#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "opsd/cluster/consent.h"
#include "opsd/cluster/invited.h"

/* What a side agrees to of what its peer asks for, and how two sides tell each other. */

#define P    SUBSCRIPTION_PUBLISH
#define S    SUBSCRIPTION_SUBSCRIBE
#define BOTH (P | S)

static const uint8_t id[NODE_ID_LEN] = "0123456789abcde", other[NODE_ID_LEN] = "other";

static struct subscription
sub(const char *db, const char *table, unsigned flows, unsigned lacks)
{
	return ((struct subscription){
	    .database = (char *)(uintptr_t)db,
	    .table = (char *)(uintptr_t)table,
	    .publish = (flows & P) != 0,
	    .subscribe = (flows & S) != 0,
	    .stamp = { 5, 1 },
	    .lacks_here = lacks,
	});
}

static int
setup(void **state)
{
	*state = peer_new(id, "boston");
	return (0);
}

static int
teardown(void **state)
{
	peer_free(*state);
	return (0);
}

static void
have(struct peer *p, const char *db, const char *table, unsigned flows, unsigned lacks)
{
	struct subscription s = sub(db, table, flows, lacks);

	assert_int_equal(subscriptions_take(&p->subs, &s), 1);
}

static unsigned
lacking(struct peer *p, const char *db, const char *table, unsigned flows)
{
	struct consent c = consent_with(p, 0, NULL);
	struct subscription s = sub(db, table, flows, 0);

	return (consent_lacks(&c, &s));
}

static void
test_databases(void **state)
{
	struct peer *p = *state;
	struct scope data = { json_pack("[s]", "data"), NULL };

	assert_int_equal(lacking(p, "data", "dog", BOTH), 0);
	p->scope = &data;
	assert_int_equal(lacking(p, "*", "*", BOTH), 0);
	assert_int_equal(lacking(p, "data", "*", BOTH), 0);
	assert_int_equal(lacking(p, "dat", "dog", BOTH), BOTH);
	assert_int_equal(lacking(p, "secret", "dog", S), S);
	p->scope = NULL;
	json_decref(data.databases);
}

/* What is said of all databases is how far that goes. */
static void
test_all(void **state)
{
	struct peer *p = *state;

	have(p, "*", "*", S, 0);
	assert_int_equal(lacking(p, "data", "dog", BOTH), P);
	assert_int_equal(lacking(p, "*", "*", BOTH), P);
}

static void
test_narrowed(void **state)
{
	struct peer *p = *state;

	have(p, "data", "dog", BOTH, P);
	assert_int_equal(lacking(p, "data", "cat", BOTH), BOTH);
	assert_int_equal(lacking(p, "*", "*", BOTH), BOTH);
	/* What was agreed to stays so, and no more. */
	assert_int_equal(lacking(p, "data", "dog", BOTH), P);
	assert_int_equal(lacking(p, "data", "dog", S), 0);
}

/* Its own proposals narrow nothing, and nothing follows from them. */
static void
test_proposals(void **state)
{
	struct peer *p = *state;

	have(p, "data", "dog", BOTH, BOTH);
	assert_int_equal(lacking(p, "data", "cat", BOTH), 0);
	have(p, "*", "*", BOTH, BOTH);
	assert_int_equal(lacking(p, "data", "cat", BOTH), BOTH);
}

/* Who ends what it was given gets no more by it. */
static void
test_ended_by_the_peer(void **state)
{
	struct peer *p = *state;
	struct subscription s = sub("data", "dog", BOTH, 0);

	subscriptions_take(&p->subs, &s);
	s.publish = s.subscribe = 0;
	s.stamp.time++;
	assert_int_equal(subscriptions_take(&p->subs, &s), 1);
	assert_int_equal(lacking(p, "*", "*", BOTH), BOTH);
	assert_int_equal(lacking(p, "data", "cat", S), S);
	subscription_end(&s, (struct stamp){ 7, 1 });
	assert_int_equal(subscriptions_take(&p->subs, &s), 1);
	assert_int_equal(lacking(p, "*", "*", BOTH), BOTH);
}

/* Nor who ends that for all databases. */
static void
test_all_ended_by_the_peer(void **state)
{
	struct peer *p = *state, *again;
	struct subscription s = sub("*", "*", S, 0);
	json_t *o;
	char *err = NULL;

	subscriptions_take(&p->subs, &s);
	assert_int_equal(consent_denied(p), P);
	p->denied = consent_denied(p);
	subscription_end(&s, (struct stamp){ 7, 1 });
	subscriptions_take(&p->subs, &s);
	assert_int_equal(consent_denied(p), P);
	assert_int_equal(lacking(p, "*", "*", BOTH), P);
	o = peer_json(p);
	again = peer_from_json(id, o, &err);
	assert_int_equal(lacking(again, "data", "dog", BOTH), P);
	peer_free(again);
	json_decref(o);
}

static void
test_removed(void **state)
{
	struct peer *p = *state;
	struct subscription s = sub("secret", "dog", BOTH, 0);
	struct scope data = { json_pack("[s]", "data"), NULL };

	p->scope = &data;
	subscriptions_take(&p->subs, &s);
	assert_int_equal(lacking(p, "secret", "dog", BOTH), 0);
	subscription_end(&s, (struct stamp){ 7, 1 });
	subscriptions_take(&p->subs, &s);
	assert_int_equal(lacking(p, "secret", "dog", BOTH), BOTH);
	/* Whatever it says that flowed before. */
	s.publish = s.subscribe = 1;
	s.stamp.time++;
	assert_int_equal(subscriptions_take(&p->subs, &s), 1);
	assert_int_equal(lacking(p, "secret", "dog", BOTH), BOTH);
	p->scope = NULL;
	json_decref(data.databases);
}

/* A call here agrees to what it has asked for. */
static void
test_asked(void **state)
{
	struct peer *p = *state;
	struct subscriptions asked = { 0 };
	struct subscription dog = sub("data", "dog", S, 0), both = sub("data", "dog", BOTH, 0);
	struct consent c;

	have(p, "data", "cat", P, 0);
	subscriptions_take(&asked, &dog);
	c = consent_with(p, 0, &asked);
	assert_int_equal(consent_lacks(&c, &dog), 0);
	assert_int_equal(consent_lacks(&c, &both), P); /* the peer's answer says more than that */
	c = consent_with(p, 1, NULL);
	assert_int_equal(consent_lacks(&c, &both), 0);
	subscriptions_clear(&asked);
}

/* ---- on both sides ---- */

static void
test_flows(void **state)
{
	struct subscription s = sub("data", "dog", BOTH, P);

	(void)state;
	assert_false(subscription_gives(&s));
	assert_true(subscription_brings(&s));
	assert_false(subscription_is_proposal(&s));
	s.lacks_there = S;
	assert_false(subscription_brings(&s));
	assert_true(subscription_is_proposal(&s));
	assert_false(subscription_gives(NULL));
	s = sub("data", "dog", 0, 0);
	assert_false(subscription_is_proposal(&s)); /* a table that is left out */
}

/* What is only proposed hides nothing that counts. */
static void
test_effective(void **state)
{
	struct peer *p = *state;

	have(p, "*", "*", BOTH, 0);
	have(p, "data", "dog", BOTH, BOTH);
	assert_true(subscription_gives(peer_effective(p, "data", "dog")));
	have(p, "data", "cat", 0, 0);
	assert_false(subscription_gives(peer_effective(p, "data", "cat")));
}

static void
test_turned(void **state)
{
	struct subscription s = sub("data", "dog", BOTH, P), t;

	(void)state;
	s.lacks_there = BOTH;
	t = s;
	subscription_turn(&t);
	assert_int_equal(t.lacks_here, BOTH);
	assert_int_equal(t.lacks_there, S);
	assert_true(subscription_digest(&s) == subscription_digest(&t));
	t.lacks_there = 0;
	assert_false(subscription_digest(&s) == subscription_digest(&t));
}

static void
test_agreed_later(void **state)
{
	struct peer *p = *state;
	struct subscription s = sub("data", "dog", BOTH, 0);
	uint64_t digest;

	have(p, "data", "dog", BOTH, BOTH);
	digest = p->subs.digest;
	assert_int_equal(subscriptions_agree(&p->subs, &s), 1);
	assert_int_equal(subscriptions_agree(&p->subs, &s), 0);
	assert_true(subscription_gives(&p->subs.list[0]));
	assert_false(p->subs.digest == digest);
	s.stamp.time++;
	s.lacks_here = P;
	assert_int_equal(subscriptions_agree(&p->subs, &s), 0); /* another subscription */
	s.stamp.time--;
	s.publish = 0;
	assert_int_equal(subscriptions_agree(&p->subs, &s), 0);
}

static void
travels(const char *lacks, unsigned here, unsigned there)
{
	json_t *o =
	    json_loads("{\"database\":\"a\",\"table\":\"b\",\"publish\":true,\"subscribe\":false,"
		       "\"removed\":false,\"stamp\":[1,2],\"start_ms\":0}",
		0, NULL);
	struct peerjson w = { 0 };
	struct subscription s;

	if (lacks != NULL)
		json_object_set_new(o, "lacks", json_loads(lacks, 0, NULL));
	subscription_read(&s, o, &w);
	if (here == 99) {
		assert_non_null(strstr(w.fault, "'lacks' must be"));
	} else {
		assert_null(w.fault);
		assert_int_equal(s.lacks_here, here);
		assert_int_equal(s.lacks_there, there);
	}
	free(w.fault);
	subscription_clear(&s);
	json_decref(o);
}

static void
test_codec(void **state)
{
	struct subscription s = sub("a", "b", BOTH, P), t;
	struct peerjson w = { 0 };
	json_t *o;

	(void)state;
	s.lacks_there = S;
	o = subscription_write(&s);
	subscription_read(&t, o, &w);
	assert_null(w.fault);
	assert_int_equal(t.lacks_here, P);
	assert_int_equal(t.lacks_there, S);
	subscription_clear(&t);
	json_decref(o);
	travels(NULL, 0, 0);
	travels("[1,1]", 1, 1);
	travels("[2,2]", 0, 0); /* it is not about that */
	travels("[4,0]", 99, 0);
	travels("[0,-1]", 99, 0);
	travels("[1]", 99, 0);
	travels("{}", 99, 0);
}

static void
test_invited(void **state)
{
	struct invited *l = invited_new();

	(void)state;
	assert_false(invited_has(NULL, id, 1));
	assert_false(invited_has(l, id, 1));
	invited_add(l, id, 1000);
	assert_true(invited_has(l, id, 1000 + INVITED_MS - 1));
	assert_false(invited_has(l, id, 1000 + INVITED_MS));
	assert_false(invited_has(l, other, 1000));
	invited_add(l, other, 2000);
	invited_add(l, other, 3000);
	assert_true(invited_has(l, id, 3000));
	assert_true(invited_has(l, other, 3000));
	invited_free(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_databases, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all, setup, teardown),
		cmocka_unit_test_setup_teardown(test_narrowed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_proposals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ended_by_the_peer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_ended_by_the_peer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_asked, setup, teardown),
		cmocka_unit_test(test_flows),
		cmocka_unit_test_setup_teardown(test_effective, setup, teardown),
		cmocka_unit_test(test_turned),
		cmocka_unit_test_setup_teardown(test_agreed_later, setup, teardown),
		cmocka_unit_test(test_codec),
		cmocka_unit_test(test_invited),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
