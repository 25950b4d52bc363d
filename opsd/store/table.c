#include "config.h"

#include "opsd/store/table.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"

/* Where `name` is, or would be. */
static size_t
attr_place(const struct table *t, const char *name, size_t nlen, int *found)
{
	size_t lo = 0, hi = t->nattrs;

	*found = 0;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int d = mem_order(name, nlen, t->attrs[mid]->name, t->attrs[mid]->nlen);

		if (d == 0) {
			*found = 1;
			return (mid);
		}
		if (d < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return (lo);
}

const struct attribute *
table_attr(const struct table *t, const char *name, size_t nlen)
{
	int found;
	size_t at = attr_place(t, name, nlen, &found);

	return (found ? t->attrs[at] : NULL);
}

int
table_is_full(const struct table *t)
{
	return (t->next_attr == UINT16_MAX);
}

static void
attribute_unref(struct attribute *a)
{
	if (atomic_fetch_sub(&a->refs, 1) != 1)
		return;
	free(a->name);
	free(a->type);
	free(a);
}

static struct attribute *
attribute_new(const char *name, size_t nlen, uint16_t id)
{
	struct attribute *a = xcalloc(1, sizeof(*a));

	a->name = xstrndup(name, nlen);
	a->nlen = (uint8_t)nlen;
	a->id = id;
	a->refs = 1;
	return (a);
}

static struct attribute *
attribute_copy(const struct attribute *a)
{
	struct attribute *c = attribute_new(a->name, a->nlen, a->id);

	c->indexed = a->indexed;
	c->whole = a->whole;
	c->type = xstrdup(a->type);
	c->dropped = a->dropped;
	c->hidden = a->hidden;
	return (c);
}

static void
put_attr(struct table *t, size_t at, struct attribute *a)
{
	if (t->nattrs == t->room) {
		t->room = t->room == 0 ? 16 : t->room * 2;
		t->attrs = xrealloc(t->attrs, t->room * sizeof(struct attribute *));
	}
	memmove(&t->attrs[at + 1], &t->attrs[at], (t->nattrs - at) * sizeof(struct attribute *));
	t->nattrs++;
	t->attrs[at] = a;
}

/* The list doubles: its room is the power of two that holds it. */
static void
put_edited(struct table *t, struct attribute *a)
{
	if ((t->nedited & (t->nedited - 1)) == 0)
		t->edited = xrealloc(t->edited,
		    (t->nedited == 0 ? 1 : t->nedited * 2) * sizeof(struct attribute *));
	t->edited[t->nedited++] = a;
}

static void
replace_edited(struct table *t, const struct attribute *old, struct attribute *with)
{
	size_t i = 0;

	while (i < t->nedited && t->edited[i] != old)
		i++;
	if (i < t->nedited)
		t->edited[i] = with;
	else
		put_edited(t, with);
}

struct attribute *
table_edit_attr(struct table *t, const char *name, size_t nlen)
{
	int found;
	size_t at = attr_place(t, name, nlen, &found);
	struct attribute *a = found ? t->attrs[at] : attribute_new(name, nlen, t->next_attr++);

	if (!found) {
		put_attr(t, at, a);
		put_edited(t, a);
	} else if (a->refs > 1) {
		t->attrs[at] = attribute_copy(a);
		replace_edited(t, a, t->attrs[at]);
		attribute_unref(a);
	}
	return (t->attrs[at]);
}

void
table_stored(struct table *t)
{
	free(t->edited);
	t->edited = NULL;
	t->nedited = 0;
	t->changed = 0;
}

struct table *
table_new(const char *database, const char *name, const char *primary_key)
{
	struct table *t = xcalloc(1, sizeof(*t));

	t->database = xstrdup(database);
	t->name = xstrdup(name);
	t->primary_key = xstrdup(primary_key);
	t->next_attr = 1;
	t->created_ms = wall_ms();
	t->audit = 1;
	t->refs = 1;
	t->stat = xcalloc(1, sizeof(*t->stat));
	t->stat->refs = 1;
	t->changed = 1;
	table_edit_attr(t, primary_key, strlen(primary_key));
	table_edit_attr(t, "__createdtime__", 15);
	table_edit_attr(t, "__updatedtime__", 15);
	return (t);
}

struct table *
table_copy(const struct table *t)
{
	struct table *c = xcalloc(1, sizeof(*c));

	memcpy(c, t, offsetof(struct table, refs)); /* others count meanwhile */
	c->database = xstrdup(t->database);
	c->name = xstrdup(t->name);
	c->primary_key = xstrdup(t->primary_key);
	c->room = c->nattrs;
	c->attrs = xmemdup(t->attrs, t->nattrs * sizeof(struct attribute *));
	for (size_t i = 0; i < c->nattrs; i++)
		atomic_fetch_add(&c->attrs[i]->refs, 1);
	c->edited = NULL;
	c->nedited = 0;
	for (size_t i = 0; i < t->nedited; i++)
		put_edited(c, t->edited[i]);
	c->residence = json_deep_copy(t->residence);
	c->sqlite = xstrdup(t->sqlite);
	c->refs = 1;
	atomic_fetch_add(&c->stat->refs, 1);
	return (c);
}

const char *
table_name_fault(const char *name)
{
	size_t n = strlen(name);

	if (n == 0)
		return ("is not allowed to be empty");
	if (n > TABLE_NAME_MAX)
		return ("length must be less than or equal to 250 characters long");
	if (strpbrk(name, "/`") != NULL)
		return ("names cannot include backticks or forward slashes");
	for (size_t i = 0; i < n; i++)
		if (name[i] < 0x20 || name[i] > 0x7e)
			return (
			    "names can only have letters, digits and signs of ASCII, and spaces");
	return (NULL);
}

struct table *
table_ref(struct table *t)
{
	atomic_fetch_add(&t->refs, 1);
	return (t);
}

void
table_unref(struct table *t)
{
	if (t == NULL || atomic_fetch_sub(&t->refs, 1) != 1)
		return;
	for (size_t i = 0; i < t->nattrs; i++)
		attribute_unref(t->attrs[i]);
	free(t->attrs);
	free(t->edited);
	free(t->database);
	free(t->name);
	free(t->primary_key);
	json_decref(t->residence);
	free(t->sqlite);
	if (atomic_fetch_sub(&t->stat->refs, 1) == 1)
		free(t->stat);
	free(t);
}

void
table_set_residence(struct table *t, const json_t *names)
{
	const json_t *e;
	size_t i;

	if (!json_is_array(names) || json_array_size(names) > RESIDENCE_MAX)
		return;
	json_array_foreach(names, i, e)
		if (!json_is_string(e) || json_string_length(e) > RESIDENCE_NAME_MAX ||
		    strlen(json_string_value(e)) != json_string_length(e))
			return;
	json_decref(t->residence);
	t->residence = json_deep_copy(names);
}

void
table_set_sqlite(struct table *t, const json_t *text)
{
	if (!json_is_string(text) || json_string_length(text) > TABLE_SQLITE_MAX ||
	    strlen(json_string_value(text)) != json_string_length(text))
		return;
	free(t->sqlite);
	t->sqlite = xstrdup(json_string_value(text));
}

enum table_replicate
table_replicate_read(const json_t *definition)
{
	const json_t *said = json_object_get(definition, "replicate");

	if (!json_is_boolean(said))
		return (REPLICATE_UNSAID);
	return (json_is_true(said) ? REPLICATE_YES : REPLICATE_NO);
}

void
table_replicate_write(enum table_replicate said, json_t *definition)
{
	if (said != REPLICATE_UNSAID)
		json_object_set_new(definition, "replicate", json_boolean(said == REPLICATE_YES));
}

struct log_pos
table_head(const struct table *t)
{
	struct table_stat *s = t->stat;
	struct log_pos head;
	unsigned turn;

	do {
		turn = s->turn;
		head = (struct log_pos){ .seq = s->head, .mark = s->head_mark, .ms = s->head_ms };
	} while ((turn & 1) || turn != s->turn);
	return (head);
}

void
table_set_head(struct table *t, struct log_pos head)
{
	struct table_stat *s = t->stat;

	s->turn++;
	s->head = head.seq;
	s->head_mark = head.mark;
	s->head_ms = head.ms;
	s->turn++;
}

/* Takes the reference. */
static void
put_json(struct buf *b, json_t *o)
{
	char *text = json_dumps(o, JSON_COMPACT);

	buf_add(b, text, strlen(text));
	free(text);
	json_decref(o);
}

static json_t *
stamp_json(struct stamp s)
{
	return (json_pack("[I,I]", (json_int_t)s.time, (json_int_t)s.node));
}

static struct stamp
stamp_from_json(const json_t *j)
{
	struct stamp s = { 0, 0 };

	s.time = (uint64_t)json_integer_value(json_array_get(j, 0));
	s.node = (uint64_t)json_integer_value(json_array_get(j, 1));
	return (s);
}

void
attribute_encode(const struct attribute *a, struct buf *b)
{
	json_t *o = json_pack("{s:s, s:b, s:b, s:b}", "name", a->name, "indexed", a->indexed,
	    "whole", a->whole, "hidden", a->hidden);

	if (a->type != NULL)
		json_object_set_new(o, "type", json_string(a->type));
	if (!stamp_none(a->dropped))
		json_object_set_new(o, "dropped", stamp_json(a->dropped));
	put_json(b, o);
}

int
table_decode_attr(struct table *t, uint16_t id, const void *p, size_t n)
{
	json_t *o = json_loadb(p, n, 0, NULL);
	const char *name = json_string_value(json_object_get(o, "name"));
	uint16_t next = t->next_attr;
	struct attribute *a;

	if (name == NULL || strlen(name) > UINT8_MAX) {
		json_decref(o);
		return (-1);
	}
	a = table_edit_attr(t, name, strlen(name));
	a->id = id;
	a->indexed = json_is_true(json_object_get(o, "indexed"));
	a->whole = json_is_true(json_object_get(o, "whole"));
	a->hidden = json_is_true(json_object_get(o, "hidden"));
	a->type = xstrdup(json_string_value(json_object_get(o, "type")));
	a->dropped = stamp_from_json(json_object_get(o, "dropped"));
	/* None is used again. */
	t->next_attr = id >= next ? (uint16_t)(id + 1) : next;
	json_decref(o);
	return (0);
}

void
table_encode(const struct table *t, struct buf *b)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:b, s:b, s:o, s:o, s:I}", "database", t->database,
	    "table", t->name, "primary_key", t->primary_key, "audit", t->audit, "declared",
	    t->declared, "floor", stamp_json(t->floor), "horizon", stamp_json(t->horizon),
	    "created", (json_int_t)t->created_ms);

	if (t->expiration != 0)
		json_object_set_new(o, "expiration", json_integer(t->expiration));
	if (t->residence != NULL)
		json_object_set_new(o, "residence", json_deep_copy(t->residence));
	table_replicate_write(t->replicate, o);
	if (t->sqlite != NULL)
		json_object_set_new(o, "sqlite", json_string(t->sqlite));
	if (!stamp_none(t->forgotten)) {
		json_object_set_new(o, "forgotten", stamp_json(t->forgotten));
		json_object_set_new(o, "forgot", stamp_json(t->forgot));
	}
	put_json(b, o);
}

struct table *
table_decode(uint32_t id, const void *p, size_t n)
{
	json_t *o = json_loadb(p, n, 0, NULL);
	const char *database, *name, *key;
	struct table *t;

	if (o == NULL ||
	    json_unpack(o, "{s:s, s:s, s:s}", "database", &database, "table", &name, "primary_key",
		&key) == -1) {
		json_decref(o);
		return (NULL);
	}
	t = table_new(database, name, key);
	t->id = id;
	t->audit = json_is_true(json_object_get(o, "audit"));
	t->declared = json_is_true(json_object_get(o, "declared"));
	t->expiration = (uint32_t)json_integer_value(json_object_get(o, "expiration"));
	table_set_residence(t, json_object_get(o, "residence"));
	t->replicate = table_replicate_read(o);
	table_set_sqlite(t, json_object_get(o, "sqlite"));
	t->floor = stamp_from_json(json_object_get(o, "floor"));
	t->horizon = stamp_from_json(json_object_get(o, "horizon"));
	t->forgotten = stamp_from_json(json_object_get(o, "forgotten"));
	t->forgot = stamp_from_json(json_object_get(o, "forgot"));
	t->created_ms = (uint64_t)json_integer_value(json_object_get(o, "created"));
	json_decref(o);
	return (t);
}

static json_t *
attribute_definition(const struct table *t, const struct attribute *a)
{
	json_t *o = json_pack("{s:s}", "attribute", a->name);

	if (a->type != NULL)
		json_object_set_new(o, "type", json_string(a->type));
	if (a->indexed)
		json_object_set_new(o, "indexed", json_true());
	if (strcmp(a->name, t->primary_key) == 0)
		json_object_set_new(o, "is_primary_key", json_true());
	return (o);
}

json_t *
table_definition(const struct table *t)
{
	json_t *attrs = json_array(), *o;

	for (size_t i = 0; i < t->nattrs; i++)
		if (!t->attrs[i]->hidden)
			json_array_append_new(attrs, attribute_definition(t, t->attrs[i]));
	o = json_pack("{s:s, s:o, s:b, s:b}", "primary_key", t->primary_key, "attributes", attrs,
	    "declared", t->declared, "audit", t->audit);
	if (t->expiration != 0)
		json_object_set_new(o, "expiration", json_integer(t->expiration));
	if (t->residence != NULL)
		json_object_set_new(o, "residence", json_deep_copy(t->residence));
	table_replicate_write(t->replicate, o);
	if (t->sqlite != NULL)
		json_object_set_new(o, "sqlite", json_string(t->sqlite));
	return (o);
}

json_t *
table_definition_sqlite(const struct table *t)
{
	return (json_pack("{s:s, s:[], s:s*, s:b}", "primary_key", t->primary_key, "attributes",
	    "sqlite", t->sqlite, "part", 1));
}

json_t *
table_definition_part(const struct table *t, const struct attribute *a)
{
	return (json_pack("{s:s, s:[o], s:b}", "primary_key", t->primary_key, "attributes",
	    attribute_definition(t, a), "part", 1));
}
