#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "opsd/cluster/progress.h"

#define MANY 100000 /* so many that looking at all for each would not end */

static const uint8_t id[NODE_ID_LEN] = "0123456789abcde";

static struct cursor_view *
cursor(const char *table, enum cursor_state state, uint64_t seq, uint64_t head)
{
	struct cursor_view *cur = xcalloc(1, sizeof(*cur));

	cur->database = xstrdup("data");
	cur->name = xstrdup(table);
	cur->state = state;
	cur->seq = cur->ms = seq;
	cur->head = cur->head_ms = head;
	cur->since_ms = state == CURSOR_LIVE ? 0 : seq;
	return (cur);
}

static void
subscribe(struct peer *p, char *table, uint64_t time)
{
	subscriptions_take(&p->subs,
	    &(struct subscription){ (char *)"data", table, 1, 1, 0, { time, 1 }, 0 });
}

static struct peer *
subscribed(unsigned n, const char *format)
{
	struct peer *p = peer_new(id, "boston");
	char name[16];

	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof(name), format, i);
		subscribe(p, name, i + 1);
	}
	return (p);
}

/* Each state has its rank, also that of one that has just been made. */
static void
test_rank(void **state)
{
	static const enum rank ranks[] = { RANK_OPEN, RANK_SYNCING, RANK_SYNCING, RANK_CLOCK,
		RANK_FAILED, RANK_SYNCING, RANK_SYNCING, RANK_SYNCING };

	(void)state;
	for (enum cursor_state s = CURSOR_LIVE; s <= CURSOR_NEW; s++) {
		struct cursor_view v = { .state = s };

		assert_int_equal(progress_rank(&v), ranks[s]);
	}
}

/* One that is live is not open while its peer's clock is ahead, or it is far behind. */
static void
test_rank_of_live(void **state)
{
	struct cursor_view v = { .state = CURSOR_LIVE, .seq = 1, .head = 2, .ms = 1000 };

	(void)state;
	v.head_ms = 1000 + 5000;
	assert_int_equal(progress_rank(&v), RANK_OPEN);
	v.head_ms++;
	assert_int_equal(progress_rank(&v), RANK_SYNCING);
	v.ahead = 1;
	assert_int_equal(progress_rank(&v), RANK_CLOCK);
}

static void
test_star(void **state)
{
	struct peer *p = peer_new(id, "boston");
	struct cursor_view *cursors[] = { cursor("a", CURSOR_LIVE, 10, 12),
		cursor("b", CURSOR_COPY, 7, 20), cursor("c", CURSOR_LIVE, 5, 5),
		cursor("d", CURSOR_RECOVER, 1, 100) };
	struct progress *all;

	(void)state;
	subscribe(p, (char *)"*", 1);
	subscribe(p, (char *)"c", 1);
	cursors[1]->copied = 3;
	cursors[1]->peer_rows = 9;
	all = progress_new(p, cursors, 4);
	assert_int_equal(all[0].tables, 2);
	assert_ptr_equal(all[0].worst, cursors[1]);
	assert_int_equal(all[0].lag, 13);
	assert_int_equal(all[0].lag_ms, 13);
	assert_int_equal(all[0].rows, 3);
	assert_int_equal(all[0].total, 9);
	assert_int_equal(all[0].since_ms, 7);
	assert_ptr_equal(all[1].worst, cursors[2]);
	assert_int_equal(all[1].lag, 0);
	assert_int_equal(all[1].since_ms, 0);
	for (int i = 0; i < 4; i++)
		cursor_view_free(cursors[i]);
	free(all);
	peer_free(p);
}

static void
test_many(void **state)
{
	struct peer *p = subscribed(MANY, "t%u");
	struct cursor_view **cursors = xcalloc(MANY, sizeof(*cursors));
	struct table **tables = xcalloc(MANY, sizeof(*tables));
	struct peer_view v = { 0 };
	struct progress *all;
	char name[16];

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "t%u", i);
		cursors[i] = cursor(name, CURSOR_LIVE, i, MANY);
		tables[i] = table_new("data", name, "id");
		table_set_head(tables[i], (struct log_pos){ .seq = i + 1, .ms = i + 1 });
	}
	all = progress_new(p, cursors, MANY);
	progress_add_sent(all, p, tables, MANY, &v);
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(all[i].lag, MANY - i);
		assert_int_equal(all[i].peer_lag, i + 1);
		cursor_view_free(cursors[i]);
		table_unref(tables[i]);
	}
	free(cursors);
	free(tables);
	free(all);
	peer_free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rank),
		cmocka_unit_test(test_rank_of_live),
		cmocka_unit_test(test_star),
		cmocka_unit_test(test_many),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
