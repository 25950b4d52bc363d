#ifndef HL_TWOPEERS_H
#define HL_TWOPEERS_H

/* For tests: openrep.h with two peers, boston and austin, that both have the table dev.dog. */

#include "opsd/cluster/firstcopy.h"
#include "test/unit/openrep.h"

#define LIFE   1000u /* of both their logs */
#define BOSTON 70u   /* the table's id there */
#define AUSTIN 80u

static inline void
twopeers_enter(struct openrep *r)
{
	struct entering e = { boston, "boston", "*", 1, 1, 0, 5 };

	assert_int_equal(openrep_call(r, entering_run, &e), 200);
	e = (struct entering){ austin, "austin", "*", 1, 1, 0, 5 };
	assert_int_equal(openrep_call(r, entering_run, &e), 200);
}

struct twopeers_event {
	const uint8_t *peer;
	uint32_t id;
	struct cursor_event e;
};

static inline void
twopeers_event_run(struct group *g, void *arg)
{
	struct twopeers_event *b = arg;
	struct cursor *cur = cursors_find(replication_of(g)->cursors, b->peer, b->id);

	if (cur == NULL)
		cur = cursors_add(g, b->peer, b->id, "dev", "dog");
	cursors_on(g, cur, &b->e);
}

/* To the cursor of the peer's table, which is made when there is none. */
static inline void
twopeers_on(struct openrep *r, const uint8_t *peer, uint32_t id, struct cursor_event e)
{
	struct twopeers_event b = { peer, id, e };

	openrep_call(r, twopeers_event_run, &b);
}

/* All that the peer has is to be copied. */
static inline void
copy_all(struct openrep *r, const uint8_t *peer, uint32_t id)
{
	twopeers_on(r, peer, id, (struct cursor_event){ .kind = ON_ALL, .incarnation = LIFE });
}

static inline const struct cursor_view *
view_of(struct openrep *r, const uint8_t *peer, uint32_t id)
{
	struct cursor *cur = cursors_find(r->rep.cursors, peer, id);

	assert_non_null(cur);
	return (cursor_view(cur));
}

static inline void
assert_state(struct openrep *r, const uint8_t *peer, uint32_t id, enum cursor_state state)
{
	assert_string_equal(cursor_view_state(view_of(r, peer, id)->state),
	    cursor_view_state(state));
}

#endif
