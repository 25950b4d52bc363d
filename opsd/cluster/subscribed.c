#include "config.h"

#include "opsd/cluster/subscribed.h"

#include <string.h>

#include "opsd/cluster/cursors.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/replication.h"
#include "opsd/store/group.h"

void
subscribed_fail(struct group *g, const uint8_t *peer, const struct table *mine, uint32_t id,
    const char *key)
{
	struct cursors *f = replication_of(g)->cursors;
	struct cursor *cur = cursors_find_named(f, peer, mine->database, strlen(mine->database),
	    mine->name, strlen(mine->name));

	if (id == 0 || (cur != NULL && (cur->state == CURSOR_RECOVER || cur->table > id)))
		return;
	if (cur != NULL && cur->table != id) {
		cursors_remove(g, cur);
		cur = NULL;
	}
	if (cur == NULL)
		cur = cursors_add(g, peer, id, mine->database, mine->name);
	cursor_other_key(g, cur, mine, key, strlen(key));
}

/*
 * A start time asks for what was removed here alone as well; it and what is not above the
 * horizon come in as rows only.
 */
static int
needs_copy(struct group *g, struct table **t, uint64_t start_ms)
{
	return (group_recall(g, t) || (*t)->horizon.time >= start_ms << 16);
}

/* It has one already. */
static void
go_on(struct group *g, struct cursor *cur, const struct subscribed *s)
{
	/* An explicit start time on a cursor that runs: rows since then, beside it. */
	if (s->start_ms != 0) {
		cur->from_ms = s->start_ms;
		cursor_copy_anew(g, cur, 0);
	} else if (s->made && !s->called)
		cursor_copy_anew(g, cur, 0);	/* what came for it is gone */
	else if (cur->state == CURSOR_FAILED)
		cursor_set(g, cur, CURSOR_FETCH, NULL);
}

/* Whole for others, who copy it: half a position would be one that the peer's log does not have. */
static void
set_position(struct cursors *f, struct cursor *cur, struct log_pos at, uint64_t incarnation)
{
	cursors_lock(f);
	cur->incarnation = incarnation;
	cur->seq = at.seq;
	cur->mark = at.mark;
	cur->ms = at.ms;
	cursors_unlock(f);
}

void
subscribed_begin(struct group *g, const uint8_t *peer, const struct subscribed *s,
    struct table *mine)
{
	struct cursors *f = replication_of(g)->cursors;
	struct cursor *cur = cursors_find(f, peer, s->id), *old;
	int copied = s->start_ms != 0 && needs_copy(g, &mine, s->start_ms);

	if (s->id == 0)
		return;
	if (cur != NULL && (strcmp(cur->name, mine->name) != 0 ||
	    strcmp(cur->database, mine->database) != 0)) {
		cursors_remove(g, cur);	/* of another life of the peer */
		cur = NULL;
	}
	if (cur != NULL) {
		go_on(g, cur, s);
		return;
	}
	old = cursors_find_named(f, peer, mine->database, strlen(mine->database), mine->name,
	    strlen(mine->name));
	if (old != NULL && old->state != CURSOR_RECOVER) {
		if (old->table > s->id && old->incarnation >= s->incarnation)
			return;
		cursors_remove(g, old);
	}
	cur = cursors_add(g, peer, s->id, mine->database, mine->name);
	set_position(f, cur, (struct log_pos){ 0 }, s->incarnation);
	if (old != NULL || !s->called) {
		/* Made (again) over there while we did not look: all of it is new to us. */
		cursor_copy_anew(g, cur, 0);
		return;
	}
	cur->from_ms = s->start_ms;
	if (s->start_ms != 0) {
		if (copied)
			cursor_copy_anew(g, cur, 0);
		else
			cursor_set(g, cur, CURSOR_FETCH, NULL);
		return;
	}
	set_position(f, cur, s->head, s->incarnation);
	cursor_set(g, cur, CURSOR_LIVE, NULL);
}

void
subscribed_end(struct group *g, const struct peer *p)
{
	struct cursor *cur, *next;

	for (cur = cursors_first_of(replication_of(g)->cursors, p->id); cur != NULL; cur = next) {
		const struct subscription *e;

		next = cursors_next_of(cur);
		e = peer_effective(p, cur->database, cur->name);
		if (e == NULL || (!e->subscribe && cur->state != CURSOR_RECOVER))
			cursors_remove(g, cur);
	}
}
