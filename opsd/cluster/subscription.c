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

unsigned
subscription_flows(const struct subscription *s)
{
	return ((s->publish ? SUBSCRIPTION_PUBLISH : 0) |
	    (s->subscribe ? SUBSCRIPTION_SUBSCRIBE : 0));
}

unsigned
subscription_agreed(const struct subscription *s)
{
	return (subscription_flows(s) & ~(s->lacks_here | s->lacks_there));
}

int
subscription_gives(const struct subscription *s)
{
	return (s != NULL && (subscription_agreed(s) & SUBSCRIPTION_PUBLISH) != 0);
}

int
subscription_brings(const struct subscription *s)
{
	return (s != NULL && (subscription_agreed(s) & SUBSCRIPTION_SUBSCRIBE) != 0);
}

int
subscription_is_proposal(const struct subscription *s)
{
	return (subscription_flows(s) != 0 && subscription_agreed(s) == 0);
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

/* Flows as the other side names them. */
static unsigned
turn_flows(unsigned flows)
{
	return ((flows & SUBSCRIPTION_PUBLISH ? SUBSCRIPTION_SUBSCRIBE : 0) |
	    (flows & SUBSCRIPTION_SUBSCRIBE ? SUBSCRIPTION_PUBLISH : 0));
}

void
subscription_turn(struct subscription *s)
{
	int publish = s->publish;
	unsigned here = s->lacks_here;

	s->publish = s->subscribe;
	s->subscribe = publish;
	s->lacks_here = turn_flows(s->lacks_there);
	s->lacks_there = turn_flows(here);
}

void
subscription_end(struct subscription *s, struct stamp at)
{
	s->publish = s->subscribe = 0;
	s->lacks_here = s->lacks_there = 0;
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

	h = fnv_u64(fnv_u64(h, s->stamp.time), s->stamp.node);
	/* A sum, as the two sides see the two in turn. */
	if (s->lacks_here != 0)
		h += fnv_u64(FNV_BASIS, s->lacks_here);
	if (s->lacks_there != 0)
		h += fnv_u64(FNV_BASIS, turn_flows(s->lacks_there));
	return (h);
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
	json_t *o = json_pack("{s:s, s:s, s:b, s:b, s:b, s:[I,I], s:I}", "database", s->database,
	    "table", s->table, "publish", s->publish, "subscribe", s->subscribe, "removed",
	    s->removed, "stamp", (json_int_t)s->stamp.time, (json_int_t)s->stamp.node, "start_ms",
	    (json_int_t)s->start_ms);

	if (s->lacks_here != 0 || s->lacks_there != 0)
		json_object_set_new(o, "lacks",
		    json_pack("[i,i]", (int)s->lacks_here, (int)s->lacks_there));
	return (o);
}

static json_t *
flows_json(const struct subscription *s, unsigned flows)
{
	return (json_pack("{s:s, s:s, s:s, s:b, s:b}", "schema", s->database, "database",
	    s->database, "table", s->table, "publish", (flows & SUBSCRIPTION_PUBLISH) != 0,
	    "subscribe", (flows & SUBSCRIPTION_SUBSCRIBE) != 0));
}

json_t *
subscription_shown(const struct subscription *s)
{
	return (flows_json(s, subscription_agreed(s)));
}

json_t *
subscription_asked(const struct subscription *s)
{
	return (flows_json(s, subscription_flows(s)));
}

static json_t *
yes_json(const struct subscription *s, unsigned lacks)
{
	unsigned yes = subscription_flows(s) & ~lacks;

	return (json_pack("{s:b, s:b}", "publish", (yes & SUBSCRIPTION_PUBLISH) != 0, "subscribe",
	    (yes & SUBSCRIPTION_SUBSCRIBE) != 0));
}

json_t *
subscription_proposed(const struct subscription *s)
{
	json_t *o;

	if (s->removed || (s->lacks_here == 0 && s->lacks_there == 0))
		return (NULL);
	o = subscription_asked(s);
	json_object_set_new(o, "agreed_here", yes_json(s, s->lacks_here));
	json_object_set_new(o, "agreed_there", yes_json(s, s->lacks_there));
	return (o);
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

static void
read_lacks(struct subscription *s, const json_t *lacks, struct peerjson *w)
{
	const uint64_t all = SUBSCRIPTION_PUBLISH | SUBSCRIPTION_SUBSCRIBE;
	uint64_t flows[2] = { 0, 0 };

	if (lacks != NULL)
		peerjson_numbers(w, lacks, "lacks", flows, 2);
	if (flows[0] > all || flows[1] > all)
		peerjson_fault(w, "lacks", "must be two numbers from 0 to %u", (unsigned)all);
	s->lacks_here = flows[0] & all & subscription_flows(s);
	s->lacks_there = flows[1] & all & subscription_flows(s);
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
	read_lacks(s, json_object_get(o, "lacks"), w);
	s->start_ms = peerjson_number(w, o, "start_ms", SUBSCRIPTION_START_MAX);
	if (s->database != NULL && strcmp(s->database, "system") == 0)
		peerjson_fault(w, "database", "'system' has no subscriptions of its own");
	if (s->database != NULL && s->table != NULL && subscription_is_wide(s) &&
	    !subscription_is_all(s))
		peerjson_fault(w, "table", "must be '*' where the database is");
	if (s->stamp.time >= STAMP_TIME_MAX)
		peerjson_fault(w, "stamp", "is of a time that nothing could follow");
}
