#include "config.h"

#include "opsd/cluster/subscribed.h"

#include <string.h>

#include "opsd/cluster/cursors.h"
#include "opsd/cluster/firstcopy.h"
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
	struct cursor_event e = {
		.kind = ON_OTHER_KEY,
		.key = key,
		.key_len = strlen(key),
		.own_key = mine->primary_key,
	};

	if (!cursors_is_id(id) || (cur != NULL && cursor_view(cur)->table > id))
		return;
	if (cur != NULL && cursor_view(cur)->table != id) {
		cursors_remove(g, cur);
		cur = NULL;
	}
	if (cur == NULL)
		cur = cursors_add(g, peer, id, mine->database, mine->name);
	cursors_on(g, cur, &e);
}

static int
recall_table(struct group *g, struct table **t, struct stamp then)
{
	if (!group_recall(g, t, then))
		return (0);
	firstcopy_recalled(g, (*t)->database, (*t)->name);
	return (1);
}

/*
 * A start time asks for what was removed here alone as well, until it was asked for; it and
 * what is not above the horizon come in as rows only.
 */
static int
needs_copy(struct group *g, struct table **t, const struct subscribed *s)
{
	return (recall_table(g, t, s->asked) || (*t)->horizon.time >= s->start_ms << 16);
}

static int
is_cursor_named(const struct cursor_view *v, const char *db, const char *name)
{
	return (strcmp(v->name, name) == 0 && strcmp(v->database, db) == 0);
}

/* That of the peer's table with the id, of this name; one of another life of the peer goes. */
static struct cursor *
find_own(struct group *g, const uint8_t *peer, uint32_t id, const char *db, const char *name)
{
	struct cursor *cur = cursors_find(replication_of(g)->cursors, peer, id);

	if (cur == NULL || is_cursor_named(cursor_view(cur), db, name))
		return (cur);
	cursors_remove(g, cur);
	return (NULL);
}

/* The cursor of a table by its name; one of an older table there goes.  -1: the offer is the old one. */
static int
replace_cursor(struct group *g, const uint8_t *peer, const struct subscribed *s, const char *db,
    const char *name)
{
	struct cursor *old = cursors_find_named(replication_of(g)->cursors, peer, db, strlen(db),
	    name, strlen(name));

	if (old == NULL)
		return (0);
	if (cursor_view(old)->table > s->id && cursor_view(old)->incarnation >= s->incarnation)
		return (-1);
	cursors_remove(g, old);
	return (1);
}

void
subscribed_pass(struct group *g, const uint8_t *peer, const struct subscribed *s, const char *db,
    const char *name)
{
	struct cursor_event e = { .kind = ON_SUBSCRIBED, .incarnation = s->incarnation };

	if (!cursors_is_id(s->id) || find_own(g, peer, s->id, db, name) != NULL)
		return;
	if (replace_cursor(g, peer, s, db, name) == 1)
		cursors_on(g, cursors_add(g, peer, s->id, db, name), &e);
}

/* From the start of its log: it was empty then, but for what is here. */
static void
begin_at_start(struct group *g, struct cursor *cur, struct cursor_event *e, uint64_t head)
{
	e->at = (struct log_pos){ 0 };
	e->done = 1;
	cursors_on(g, cur, e);
	if (head != 0)
		cursors_on(g, cur, &(struct cursor_event){ .kind = ON_GAP });
}

void
subscribed_begin(struct group *g, const uint8_t *peer, const struct subscribed *s,
    struct table *mine)
{
	struct cursor *cur;
	struct cursor_event e = {
		.kind = ON_SUBSCRIBED,
		.incarnation = s->incarnation,
		.at = s->head,
		.from_ms = s->start_ms,
		.copied = s->start_ms != 0 && needs_copy(g, &mine, s),
	};
	int again = 0;

	if (!cursors_is_id(s->id))
		return;
	cur = find_own(g, peer, s->id, mine->database, mine->name);
	if (s->start_ms != 0)
		e.kind = ON_SINCE;
	else if (s->made && !s->called)
		e.kind = ON_ALL; /* what came for it is gone */
	if (cur == NULL && (again = replace_cursor(g, peer, s, mine->database, mine->name)) == -1)
		return;
	if (cur == NULL) {
		cur = cursors_add(g, peer, s->id, mine->database, mine->name);
		if (!again && !s->called && s->start_ms == 0 && s->logged) {
			begin_at_start(g, cur, &e, s->head.seq);
			return;
		}
		if (again || (!s->called && s->start_ms == 0))
			e.kind = ON_ALL; /* made (again) there while we did not look */
	}
	cursors_on(g, cur, &e);
}

void
subscribed_end(struct group *g, const struct peer *p)
{
	struct cursors *f = replication_of(g)->cursors;
	struct cursor *cur, *next;

	for (cur = cursors_first_of(f, p->id); cur != NULL; cur = next) {
		const struct cursor_view *v = cursor_view(cur);
		const struct subscription *e = peer_effective(p, v->database, v->name);

		next = cursors_next_of(f, cur);
		if (e == NULL || (!subscription_brings(e) && v->state != CURSOR_RECOVER))
			cursors_remove(g, cur);
	}
}
