#include "config.h"

#include "opsd/cluster/subscription.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/fnv.h"
#include "common/base/mem.h"
#include "opsd/store/table.h"

/* ---- the rules ---- */

int
subscription_is_all(const struct subscription *s)
{
	return (strcmp(s->table, SUBSCRIPTION_ALL) == 0);
}

int
subscription_is_wide(const struct subscription *s)
{
	return (strcmp(s->database, SUBSCRIPTION_ALL) == 0);
}

int
subscription_is_newer(const struct subscription *s, const struct subscription *than)
{
	return (stamp_cmp(s->stamp, than->stamp) > 0);
}

int
subscription_is_like(const struct subscription *s, const struct subscription *other)
{
	return (!s->removed == !other->removed && !s->publish == !other->publish &&
	    !s->subscribe == !other->subscribe);
}

void
subscription_turn(struct subscription *s)
{
	int publish = s->publish;

	s->publish = s->subscribe;
	s->subscribe = publish;
}

void
subscription_end(struct subscription *s, struct stamp at)
{
	s->publish = s->subscribe = 0;
	s->start_ms = 0;
	s->removed = 1;
	s->stamp = at;
}

struct stamp
subscription_next(struct stamp known, uint64_t now_ms, uint64_t node)
{
	uint64_t now = now_ms << 16;

	return ((struct stamp){ now > known.time ? now : known.time + 1, node });
}

uint64_t
subscription_hash(const char *db, size_t dblen, const char *table, size_t tlen)
{
	uint64_t h = fnv_bytes(FNV_BASIS, db, dblen);

	return (fnv_bytes(fnv_bytes(h, "", 1), table, tlen));
}

uint64_t
subscription_digest(const struct subscription *s)
{
	uint64_t h = subscription_hash(s->database, strlen(s->database), s->table,
	    strlen(s->table) + 1);

	return (fnv_u64(fnv_u64(h, s->stamp.time), s->stamp.node));
}

/* ---- copies ---- */

void
subscription_copy(struct subscription *to, const struct subscription *from)
{
	*to = *from;
	to->database = xstrdup(from->database);
	to->table = xstrdup(from->table);
}

void
subscription_clear(struct subscription *s)
{
	free(s->database);
	free(s->table);
	s->database = s->table = NULL;
}

/* ---- as JSON ---- */

json_t *
subscription_write(const struct subscription *s)
{
	return (json_pack("{s:s, s:s, s:b, s:b, s:b, s:[I,I], s:I}", "database", s->database,
	    "table", s->table, "publish", s->publish, "subscribe", s->subscribe, "removed",
	    s->removed, "stamp", (json_int_t)s->stamp.time, (json_int_t)s->stamp.node, "start_ms",
	    (json_int_t)s->start_ms));
}

json_t *
subscription_shown(const struct subscription *s)
{
	return (json_pack("{s:s, s:s, s:s, s:b, s:b}", "schema", s->database, "database",
	    s->database, "table", s->table, "publish", s->publish, "subscribe", s->subscribe));
}

/* A copy of a name that a database or a table can have, or NULL with a fault. */
static char *
read_name(const json_t *o, const char *field, struct peerjson *w)
{
	const char *name = peerjson_text(w, o, field);
	const char *fault = name != NULL ? table_name_fault(name) : NULL;

	if (fault != NULL)
		peerjson_fault(w, field, "%s", fault);
	return (fault != NULL ? NULL : xstrdup(name));
}

void
subscription_read(struct subscription *s, const json_t *o, struct peerjson *w)
{
	uint64_t stamp[2] = { 0, 0 };

	s->database = read_name(o, "database", w);
	s->table = read_name(o, "table", w);
	s->publish = peerjson_flag(w, o, "publish");
	s->subscribe = peerjson_flag(w, o, "subscribe");
	s->removed = peerjson_flag(w, o, "removed");
	peerjson_numbers(w, json_object_get(o, "stamp"), "stamp", stamp, 2);
	s->stamp = (struct stamp){ stamp[0], stamp[1] };
	s->start_ms = peerjson_number(w, o, "start_ms", SUBSCRIPTION_START_MAX);
	if (s->database != NULL && strcmp(s->database, "system") == 0)
		peerjson_fault(w, "database", "'system' is each node's own");
	if (s->database != NULL && s->table != NULL && subscription_is_wide(s) &&
	    !subscription_is_all(s))
		peerjson_fault(w, "table", "must be '*' where the database is");
	if (s->stamp.time >= STAMP_TIME_MAX)
		peerjson_fault(w, "stamp", "is of a time that nothing could follow");
}
