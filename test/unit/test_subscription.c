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
#include "opsd/cluster/peer.h"

/*
 * The rules of subscriptions, each by itself, then as properties: whatever changes where, and
 * in whatever order the two sides meet, they end alike and know it.
 */
#define MANY   200000 /* so many that a walk for each would not end */
#define ROUNDS 3000
#define NODES  3
#define TABLES 4
#define NOW_MS UINT64_C(1700000000000)

static const uint8_t id[NODE_ID_LEN] = "0123456789abcde";

static struct subscription
sub(const char *db, const char *table, int publish, int subscribe, uint64_t time)
{
	return ((struct subscription){ (char *)(uintptr_t)db, (char *)(uintptr_t)table, publish,
	    subscribe, 0, { time, 1 }, 0 });
}

static int
take(struct subscriptions *l, const char *table, int publish, int subscribe, uint64_t time)
{
	struct subscription s = sub("data", table, publish, subscribe, time);

	return (subscriptions_take(l, &s));
}

static int
end(struct subscriptions *l, const char *table, uint64_t time)
{
	struct subscription s = sub("data", table, 1, 1, time);

	subscription_end(&s, (struct stamp){ time, 1 });
	return (subscriptions_take(l, &s));
}

static const struct subscription *
effective(const struct subscriptions *l, const char *db, const char *table)
{
	return (subscriptions_effective(l, db, strlen(db), table, strlen(table)));
}

/* ---- each rule ---- */

static void
test_newer_wins(void **state)
{
	struct subscriptions l = { 0 };
	struct subscription other_node = sub("data", "dog", 0, 1, 5);

	(void)state;
	assert_true(take(&l, "dog", 1, 0, 5));
	assert_false(take(&l, "dog", 0, 1, 4));
	assert_false(take(&l, "dog", 0, 1, 5));
	assert_true(subscriptions_find(&l, "data", "dog")->publish);
	/* Of the same time, the node decides. */
	other_node.stamp.node = 0;
	assert_false(subscriptions_take(&l, &other_node));
	other_node.stamp.node = 2;
	assert_true(subscriptions_take(&l, &other_node));
	assert_true(subscriptions_find(&l, "data", "dog")->subscribe);
	assert_int_equal(l.n, 1);
	subscriptions_clear(&l);
}

static void
test_other_side(void **state)
{
	struct subscription s = sub("data", "dog", 1, 0, 5);
	uint64_t digest = subscription_digest(&s);

	(void)state;
	subscription_turn(&s);
	assert_false(s.publish);
	assert_true(s.subscribe);
	assert_int_equal(subscription_digest(&s), digest);
	subscription_turn(&s);
	assert_true(s.publish);
}

static void
test_effective(void **state)
{
	struct subscriptions l = { 0 };

	(void)state;
	assert_null(effective(&l, "data", "dog"));
	take(&l, "dog", 1, 0, 5);
	assert_true(effective(&l, "data", "dog")->publish);
	assert_null(effective(&l, "data", "cat"));
	assert_null(effective(&l, "dat", "adog"));
	take(&l, "*", 0, 1, 6);
	assert_true(effective(&l, "data", "cat")->subscribe);
	assert_true(effective(&l, "data", "dog")->publish);
	assert_null(effective(&l, "dev", "dog"));
	/* A tombstone is there, but does not count. */
	end(&l, "dog", 7);
	assert_true(subscriptions_find(&l, "data", "dog")->removed);
	assert_true(effective(&l, "data", "dog")->subscribe);
	end(&l, "*", 8);
	assert_null(effective(&l, "data", "dog"));
	subscriptions_clear(&l);
}

/* That for all databases is for what has nothing of its own, and where the databases replicate. */
static void
test_all_databases(void **state)
{
	static const uint8_t boston[NODE_ID_LEN] = "boston-boston-b";
	struct subscription wide = sub("*", "*", 1, 1, 5);
	struct peer *p = peer_new(boston, "boston");

	(void)state;
	subscriptions_take(&p->subs, &wide);
	assert_true(peer_effective(p, "dev", "dog")->publish);
	take(&p->subs, "dog", 0, 0, 6);
	assert_false(peer_effective(p, "data", "dog")->publish);
	assert_true(peer_effective(p, "data", "cat")->publish);
	take(&p->subs, "*", 0, 1, 7);
	assert_false(peer_effective(p, "data", "cat")->publish);
	end(&p->subs, "*", 8);
	p->scope_told = json_pack("{s:[s], s:{}}", "databases", "data", "tables");
	assert_true(peer_effective(p, "data", "cat")->publish);
	assert_null(peer_effective(p, "dev", "dog"));
	assert_null(peer_effective(p, "dat", "dog"));
	assert_non_null(peer_effective(p, "data", "dog")); /* its own does not ask */
	json_decref(p->scope_told);
	p->scope_told = json_pack("{s:[s], s:{s:b, s:b, s:b}}", "databases", "data", "tables",
	    "data/dog", 0, "data/cat", 0, "dev/dog", 1);
	assert_null(peer_effective(p, "data", "cat"));
	assert_null(peer_effective(p, "data", "dog"));
	assert_non_null(peer_effective(p, "data", "cats"));
	assert_non_null(peer_effective(p, "dev", "dog"));
	assert_null(peer_effective(p, "dev", "dogs"));
	json_decref(p->scope_told);
	p->scope_told = json_pack("{s:[s], s:{}}", "databases", "*", "tables");
	assert_non_null(peer_effective(p, "dev", "dog"));
	peer_free(p);
}

static void
test_tombstone(void **state)
{
	struct subscriptions l = { 0 };
	struct subscription s = sub("data", "dog", 1, 1, 5);

	(void)state;
	s.start_ms = 7;
	subscriptions_take(&l, &s);
	assert_int_equal(l.active, 1);
	end(&l, "dog", 6);
	assert_int_equal(l.active, 0);
	assert_int_equal(l.n, 1);
	assert_int_equal(l.list[0].start_ms, 0);
	assert_false(l.list[0].publish || l.list[0].subscribe);
	/* What is older than the end does not bring it back; what is newer does. */
	assert_false(take(&l, "dog", 1, 1, 5));
	assert_int_equal(l.active, 0);
	assert_true(take(&l, "dog", 1, 1, 7));
	assert_int_equal(l.active, 1);
	subscriptions_clear(&l);
}

static void
test_next_stamp(void **state)
{
	struct stamp known = { (NOW_MS << 16) + 3, 9 }, next;

	(void)state;
	next = subscription_next(known, NOW_MS + 1, 4);
	assert_int_equal(next.time, (NOW_MS + 1) << 16);
	assert_int_equal(next.node, 4);
	/* Within the same millisecond, and with a clock that went back. */
	assert_int_equal(subscription_next(known, NOW_MS, 4).time, known.time + 1);
	assert_int_equal(subscription_next(known, 1, 4).time, known.time + 1);
	assert_true(stamp_cmp(subscription_next((struct stamp){ 0, 0 }, 0, 4),
			(struct stamp){ 0, 0 }) > 0);
}

static void
test_alike(void **state)
{
	struct subscription a = sub("data", "dog", 1, 0, 5), b = sub("data", "dog", 1, 0, 9);

	(void)state;
	assert_true(subscription_is_like(&a, &b));
	b.subscribe = 1;
	assert_false(subscription_is_like(&a, &b));
	b = a;
	b.removed = 1;
	assert_false(subscription_is_like(&a, &b));
}

/* Nodes of all kinds compare it, so it is always the same number. */
static void
test_digest_of_one(void **state)
{
	struct subscription s = sub("data", "dog", 1, 0, 5), t = s;

	(void)state;
	assert_true(subscription_digest(&s) == UINT64_C(0x165ce09ab7c09251));
	t.stamp.time++;
	assert_true(subscription_digest(&s) != subscription_digest(&t));
	t = s;
	t.stamp.node++;
	assert_true(subscription_digest(&s) != subscription_digest(&t));
	t = sub("datad", "og", 1, 0, 5);
	assert_true(subscription_digest(&s) != subscription_digest(&t));
}

/* Whatever the order in which they came. */
static void
test_digest(void **state)
{
	struct subscriptions a = { 0 }, b = { 0 }, c;

	(void)state;
	take(&a, "dog", 1, 0, 1);
	take(&a, "cat", 1, 0, 2);
	take(&a, "dog", 1, 1, 3);
	take(&b, "dog", 1, 1, 3);
	assert_true(a.digest != b.digest);
	take(&b, "cat", 1, 0, 2);
	assert_true(a.digest == b.digest);
	subscriptions_copy(&c, &a);
	assert_true(a.digest == c.digest);
	end(&c, "dog", 9);
	assert_true(a.digest != c.digest);
	assert_false(subscriptions_find(&a, "data", "dog")->removed);
	subscriptions_clear(&a);
	subscriptions_clear(&b);
	subscriptions_clear(&c);
}

static void
test_many(void **state)
{
	struct subscriptions l = { 0 }, copy;
	char name[16];

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "t%u", i);
		take(&l, name, 1, 1, i + 1);
	}
	subscriptions_copy(&copy, &l);
	subscriptions_clear(&l);
	assert_int_equal(copy.n, MANY);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "t%u", i);
		assert_int_equal(effective(&copy, "data", name)->stamp.time, i + 1);
	}
	for (unsigned i = 0; i < MANY; i++)
		end(&copy, copy.list[i].table, MANY + i + 1);
	assert_int_equal(copy.active, 0);
	subscriptions_clear(&copy);
}

/* ---- as JSON ---- */

static char *
fault_of(const char *text)
{
	json_t *o = json_loads(text, 0, NULL);
	struct subscription s = { 0 };
	struct peerjson w = { 0 };

	assert_non_null(o);
	subscription_read(&s, o, &w);
	subscription_clear(&s);
	json_decref(o);
	return (w.fault);
}

static void
refused(const char *text, const char *want)
{
	char *fault = fault_of(text);

	assert_non_null(fault);
	assert_string_equal(fault, want);
	free(fault);
}

#define JSON_SUB(db, table, flag, stamp, start)                      \
	"{\"database\":" db ",\"table\":" table ",\"publish\":" flag \
	",\"subscribe\":false,\"removed\":false,\"stamp\":" stamp ",\"start_ms\":" start "}"

static void
test_refused(void **state)
{
	(void)state;
	assert_null(fault_of(JSON_SUB("\"a\"", "\"*\"", "true", "[1,-2]", "0")));
	refused("{}", "'database' is required");
	refused(JSON_SUB("7", "\"b\"", "true", "[1,2]", "0"), "'database' must be a string");
	refused(JSON_SUB("\"system\"", "\"b\"", "true", "[1,2]", "0"),
	    "'database' 'system' has no subscriptions of its own");
	refused(JSON_SUB("\"a\"", "\"\"", "true", "[1,2]", "0"),
	    "'table' is not allowed to be empty");
	refused(JSON_SUB("\"a/b\"", "\"b\"", "true", "[1,2]", "0"),
	    "'database' names cannot include backticks or forward slashes");
	refused(JSON_SUB("\"a\"", "\"b\"", "1", "[1,2]", "0"), "'publish' must be true or false");
	refused(JSON_SUB("\"a\"", "\"b\"", "true", "[1]", "0"),
	    "'stamp' must be an array of 2 integers");
	refused(JSON_SUB("\"a\"", "\"b\"", "true", "[1,2,3]", "0"),
	    "'stamp' must be an array of 2 integers");
	refused(JSON_SUB("\"a\"", "\"b\"", "true", "[1,2.5]", "0"),
	    "'stamp' must be an array of 2 integers");
	refused(JSON_SUB("\"a\"", "\"b\"", "true", "{}", "0"),
	    "'stamp' must be an array of 2 integers");
	refused(JSON_SUB("\"a\"", "\"b\"", "true", "[-1,2]", "0"),
	    "'stamp' is of a time that nothing could follow");
	refused(JSON_SUB("\"a\"", "\"b\"", "true", "[1,2]", "-1"),
	    "'start_ms' must be from 0 to 281474976710655");
	refused(JSON_SUB("\"a\"", "\"b\"", "true", "[1,2]", "281474976710656"),
	    "'start_ms' must be from 0 to 281474976710655");
	refused(JSON_SUB("\"a\"", "\"b\"", "true", "[1,2]", "\"0\""),
	    "'start_ms' must be an integer");
}

/* A peer as it is stored. */
static void
test_stored(void **state)
{
	struct peer *p = peer_new(id, "boston"), *q;
	char *err = NULL;
	json_t *o;

	(void)state;
	take(&p->subs, "dog", 1, 0, UINT64_C(0x7fffffffffffffff));
	p->subs.list[0].start_ms = 5;
	end(&p->subs, "cat", 3);
	o = peer_json(p);
	q = peer_from_json(id, o, &err);
	assert_non_null(q);
	assert_string_equal(q->name, "boston");
	assert_int_equal(q->added_ms, p->added_ms);
	assert_true(q->subs.digest == p->subs.digest);
	assert_true(subscription_is_like(&q->subs.list[0], &p->subs.list[0]));
	assert_int_equal(q->subs.list[0].start_ms, 5);
	assert_true(q->subs.list[1].removed);
	assert_true(peer_active(q));
	peer_free(q);
	json_object_del(json_array_get(json_object_get(o, "subscriptions"), 1), "stamp");
	assert_null(peer_from_json(id, o, &err));
	assert_string_equal(err, "'subscriptions[1].stamp' must be an array of 2 integers");
	free(err);
	json_decref(o);
	peer_free(p);
}

/* ---- properties ---- */

static uint64_t seed;

static unsigned
below(unsigned n)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return ((unsigned)(seed >> 33) % n);
}

static const char *const tables[TABLES] = { "a", "b", "c", "*" };

/* What each node has with each other, as it sees it. */
struct net {
	struct subscriptions at[NODES][NODES];
	uint64_t clock[NODES]; /* they differ, and go back */
};

static void
net_clear(struct net *n)
{
	for (int i = 0; i < NODES; i++)
		for (int k = 0; k < NODES; k++)
			subscriptions_clear(&n->at[i][k]);
}

/* A call at one node: above what it knows, as its clock has it. */
static void
change(struct net *n, int at, int with)
{
	const char *table = tables[below(TABLES)];
	const struct subscription *had = subscriptions_find(&n->at[at][with], "data", table);
	struct subscription s = sub("data", table, (int)below(2), (int)below(2), 0);

	n->clock[at] += below(3) - 1;
	s.stamp = subscription_next(had != NULL ? had->stamp : (struct stamp){ 0, 0 }, n->clock[at],
	    (uint64_t)at + 1);
	if (below(3) == 0)
		subscription_end(&s, s.stamp);
	assert_true(subscriptions_take(&n->at[at][with], &s));
}

/* All or some of what one has gets to the other. */
static void
tell(struct net *n, int from, int to, unsigned some)
{
	for (size_t i = 0; i < n->at[from][to].n; i++) {
		struct subscription s = n->at[from][to].list[i];

		subscription_turn(&s);
		if (below(100) < some)
			subscriptions_take(&n->at[to][from], &s);
	}
}

static void
assert_mirrored(const struct subscriptions *a, const struct subscriptions *b)
{
	assert_int_equal(a->n, b->n);
	assert_int_equal(a->active, b->active);
	for (size_t i = 0; i < a->n; i++) {
		struct subscription s = a->list[i];
		const struct subscription *other = subscriptions_find(b, s.database, s.table);

		assert_non_null(other);
		subscription_turn(&s);
		assert_int_equal(stamp_cmp(s.stamp, other->stamp), 0);
		assert_true(subscription_is_like(&s, other));
	}
}

static int
is_same(const struct subscriptions *a, const struct subscriptions *b)
{
	for (size_t i = 0; i < a->n; i++) {
		const struct subscription *other = subscriptions_find(b, a->list[i].database,
		    a->list[i].table);

		if (other == NULL || stamp_cmp(a->list[i].stamp, other->stamp) != 0)
			return (0);
	}
	return (a->n == b->n);
}

static void
test_meet_in_any_order(void **state)
{
	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct net n = { .clock = { NOW_MS, NOW_MS + below(3), NOW_MS - below(3) } };

		seed = round;
		for (unsigned steps = 1 + below(20); steps > 0; steps--) {
			int at = (int)below(NODES), with = (at + 1 + (int)below(NODES - 1)) % NODES;

			if (below(2))
				change(&n, at, with);
			else
				tell(&n, at, with, below(2) ? 100 : 50);
			assert_true((n.at[at][with].digest == n.at[with][at].digest) ==
			    is_same(&n.at[at][with], &n.at[with][at]));
		}
		for (int i = 0; i < NODES; i++)
			for (int k = 0; k < NODES; k++)
				if (i != k)
					tell(&n, i, k, 100);
		for (int i = 0; i < NODES; i++)
			for (int k = 0; k < i; k++) {
				assert_mirrored(&n.at[i][k], &n.at[k][i]);
				assert_true(n.at[i][k].digest == n.at[k][i].digest);
			}
		net_clear(&n);
	}
}

/* What counts, by going through all that ever came. */
static const struct subscription *
model_effective(const struct subscription *all, size_t n, const char *table)
{
	const struct subscription *best = NULL;

	for (int wild = 0; wild < 2; wild++) {
		best = NULL;
		for (size_t i = 0; i < n; i++)
			if (strcmp(all[i].table, wild ? "*" : table) == 0 &&
			    (best == NULL || stamp_cmp(all[i].stamp, best->stamp) > 0))
				best = &all[i];
		if (best != NULL && !best->removed)
			return (best);
	}
	return (NULL);
}

static void
test_effective_as_modelled(void **state)
{
	struct subscription all[16];

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct subscriptions l = { 0 };
		size_t n = 0;

		seed = round + 1000000;
		while (n < sizeof(all) / sizeof(all[0])) {
			all[n] = sub("data", tables[below(TABLES)], (int)below(2), (int)below(2),
			    1 + below(1000));
			all[n].stamp.node = n; /* given once */
			all[n].removed = below(3) == 0;
			subscriptions_take(&l, &all[n++]);
			for (int i = 0; i < TABLES; i++) {
				const struct subscription *want = model_effective(all, n,
							      tables[i]),
							  *is = effective(&l, "data", tables[i]);

				assert_true((want == NULL) == (is == NULL));
				assert_true(want == NULL ||
				    (stamp_cmp(want->stamp, is->stamp) == 0 &&
					subscription_is_like(want, is)));
			}
		}
		subscriptions_clear(&l);
	}
}

/* Into another list, and in place; what was removed before stays as it was. */
static void
test_end_all(void **state)
{
	struct subscriptions from = { 0 }, to = { 0 };
	struct subscription a = sub("data", "dog", 1, 1, 5), b = sub("data", "cat", 1, 0, 90 << 16);
	struct subscription gone = sub("data", "fish", 0, 0, 7);
	const struct subscription *s;

	(void)state;
	gone.removed = 1;
	subscriptions_take(&from, &a);
	subscriptions_take(&from, &b);
	subscriptions_take(&from, &gone);
	subscriptions_end_all(&to, &from, 10, 3);
	assert_int_equal(to.n, 2);
	assert_int_equal(to.active, 0);
	assert_int_equal(from.active, 2);
	s = subscriptions_find(&to, "data", "dog");
	assert_true(s->removed && !s->publish && !s->subscribe);
	assert_true(s->stamp.time == 10 << 16 && s->stamp.node == 3);
	assert_true(subscriptions_find(&to, "data", "cat")->stamp.time == b.stamp.time + 1);
	subscriptions_end_all(&from, &from, 10, 3);
	assert_int_equal(from.n, 3);
	assert_int_equal(from.active, 0);
	assert_true(subscriptions_find(&from, "data", "fish")->stamp.time == 7);
	subscriptions_clear(&from);
	subscriptions_clear(&to);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_newer_wins),
		cmocka_unit_test(test_other_side),
		cmocka_unit_test(test_effective),
		cmocka_unit_test(test_all_databases),
		cmocka_unit_test(test_tombstone),
		cmocka_unit_test(test_end_all),
		cmocka_unit_test(test_next_stamp),
		cmocka_unit_test(test_alike),
		cmocka_unit_test(test_digest_of_one),
		cmocka_unit_test(test_digest),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_stored),
		cmocka_unit_test(test_meet_in_any_order),
		cmocka_unit_test(test_effective_as_modelled),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
