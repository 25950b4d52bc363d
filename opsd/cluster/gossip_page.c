#include "config.h"

#include "opsd/cluster/gossip_page.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/cluster/peerjson.h"
#include "opsd/cluster/roster.h"

struct gossip_page {
	struct roster *r;
	json_t *list; /* what there was when it began (roster_list) */
	json_t *from; /* the first that is not compared, or NULL */
	json_t *to;   /* the first after the page that was asked for last, or NULL */
	json_t *wanted;
	size_t given; /* of these */
	int asked;    /* the question that is out compares */
	int over;     /* nothing is left to be compared */
};

/* ---- places ---- */

static const char *
place_part(const json_t *place, size_t i)
{
	return (json_string_value(json_array_get(place, i)));
}

static int
place_cmp(const json_t *a, const json_t *b)
{
	int c = strcmp(place_part(a, 0), place_part(b, 0));

	return (c != 0 ? c : strcmp(place_part(a, 1), place_part(b, 1)));
}

static int
is_within(const json_t *place, const json_t *from, const json_t *to)
{
	return ((from == NULL || place_cmp(place, from) >= 0) &&
	    (to == NULL || place_cmp(place, to) < 0));
}

/* Kind and key, and what comes with them. */
static int
is_place(const json_t *v, size_t n)
{
	const json_t *one;
	size_t i;

	if (json_array_size(v) != n)
		return (0);
	json_array_foreach(v, i, one)
		if (!json_is_string(one) || json_string_length(one) > STATEMENT_KEY_MAX)
			return (0);
	return (statement_kind_read(place_part(v, 0)) != -1);
}

static const json_t *
read_slot(struct peerjson *w, const json_t *o, const char *field)
{
	const json_t *v = json_object_get(o, field);

	if (v == NULL || is_place(v, 2))
		return (v);
	peerjson_fault(w, field, "must be a kind and a key");
	return (NULL);
}

/* A list of places with n parts each; NULL: it is not there. */
static const json_t *
read_places(struct peerjson *w, const json_t *o, const char *field, size_t n)
{
	const json_t *list, *one;
	size_t i;

	if (json_object_get(o, field) == NULL)
		return (NULL);
	list = peerjson_list(w, o, field, GOSSIP_PAGE_MAX);
	json_array_foreach(list, i, one)
		if (!is_place(one, n))
			peerjson_fault(w, field, "must have %zu texts in each item", n);
	return (list);
}

static const json_t *
read_given(struct peerjson *w, const json_t *o)
{
	return (json_object_get(o, "give") == NULL ? NULL :
						     peerjson_list(w, o, "give", GOSSIP_PAGE_MAX));
}

static json_t *
entry_at(struct roster *r, const json_t *place)
{
	return (roster_entry(r, (enum statement_kind)statement_kind_read(place_part(place, 0)),
	    place_part(place, 1)));
}

/* Adds it, unless there would be too much; then 0.  The first has room. */
static int
add_entry(struct roster *r, const json_t *place, json_t *list, size_t *bytes)
{
	json_t *e = entry_at(r, place);
	size_t n = e != NULL ? json_dumpb(e, NULL, 0, JSON_COMPACT) : 0;

	if (*bytes > 0 && *bytes + n > GOSSIP_PAGE_BYTES) {
		json_decref(e);
		return (0);
	}
	*bytes += n;
	if (e != NULL)
		json_array_append_new(list, e);
	return (1);
}

/* ---- who asks ---- */

struct gossip_page *
gossip_page_new(struct roster *r)
{
	struct gossip_page *p = xcalloc(1, sizeof(*p));

	p->r = r;
	p->list = roster_list(r);
	return (p);
}

void
gossip_page_free(struct gossip_page *p)
{
	if (p == NULL)
		return;
	json_decref(p->list);
	json_decref(p->from);
	json_decref(p->to);
	json_decref(p->wanted);
	free(p);
}

static json_t *
give_wanted(struct gossip_page *p)
{
	json_t *give = json_array();
	size_t bytes = 0, n = json_array_size(p->wanted);

	while (p->given < n && json_array_size(give) < GOSSIP_PAGE_MAX &&
	    add_entry(p->r, json_array_get(p->wanted, p->given), give, &bytes))
		p->given++;
	return (json_pack("{s:o}", "give", give));
}

static json_t *
place_only(const json_t *place)
{
	return (json_pack("[O,O]", json_array_get(place, 0), json_array_get(place, 1)));
}

static json_t *
compare_page(struct gossip_page *p)
{
	json_t *have = json_array(), *one;
	size_t i;

	json_decref(p->to);
	p->to = NULL;
	json_array_foreach(p->list, i, one) {
		if (!is_within(one, p->from, NULL))
			continue;
		if (json_array_size(have) == GOSSIP_PAGE_ENTRIES) {
			p->to = place_only(one);
			break;
		}
		json_array_append(have, one);
	}
	return (json_pack("{s:o, s:O*, s:O*}", "have", have, "from", p->from, "to", p->to));
}

json_t *
gossip_page_question(struct gossip_page *p)
{
	p->asked = p->given == json_array_size(p->wanted);
	if (!p->asked)
		return (give_wanted(p));
	return (p->over ? NULL : compare_page(p));
}

/* It has to be further on than before. */
static void
note_next(struct gossip_page *p, const json_t *next, struct peerjson *w)
{
	if (next != NULL && p->from != NULL && place_cmp(next, p->from) <= 0)
		peerjson_fault(w, "next", "must be after 'from'");
	if (next == NULL)
		next = p->to;
	json_decref(p->from);
	p->from = next != NULL ? json_deep_copy(next) : NULL;
	p->over = next == NULL;
}

const json_t *
gossip_page_answered(struct gossip_page *p, const json_t *answer, char **fault)
{
	struct peerjson w = { 0 };
	const json_t *give = read_given(&w, answer), *want = read_places(&w, answer, "want", 2);
	const json_t *next = read_slot(&w, answer, "next");

	if (p->asked && want != NULL && w.fault == NULL) {
		json_decref(p->wanted);
		p->wanted = json_deep_copy(want);
		p->given = 0;
		note_next(p, next, &w);
	}
	*fault = w.fault;
	return (w.fault == NULL ? give : NULL);
}

/* ---- who answers ---- */

struct gossip_side {
	struct roster *r;
	const json_t *from, *to;
	json_t *have; /* {kind: {key: hash}} of the asker */
	json_t *give, *want;
	const json_t *next;
	size_t bytes;
};

static const char *
hash_there(const struct gossip_side *s, const json_t *place)
{
	return (json_string_value(json_object_get(json_object_get(s->have, place_part(place, 0)),
	    place_part(place, 1))));
}

static void
note_have(struct gossip_side *s, const json_t *have)
{
	const json_t *one;
	json_t *kind;
	size_t i;

	json_array_foreach(have, i, one) {
		kind = json_object_get(s->have, place_part(one, 0));
		if (kind == NULL) {
			kind = json_object();
			json_object_set_new(s->have, place_part(one, 0), kind);
		}
		json_object_set(kind, place_part(one, 1), json_array_get(one, 2));
	}
}

/* What is here: one that is the same there is not wanted, either. */
static void
look_at_ours(struct gossip_side *s, const json_t *ours)
{
	const char *there;
	const json_t *one;
	size_t i;

	json_array_foreach(ours, i, one) {
		if (!is_within(one, s->from, s->to))
			continue;
		there = hash_there(s, one);
		if (there != NULL && strcmp(there, place_part(one, 2)) == 0) {
			json_object_del(json_object_get(s->have, place_part(one, 0)),
			    place_part(one, 1));
			continue;
		}
		if (json_array_size(s->give) >= GOSSIP_PAGE_MAX ||
		    !add_entry(s->r, one, s->give, &s->bytes)) {
			s->next = one;
			break;
		}
	}
}

static void
want_others(struct gossip_side *s, const json_t *have)
{
	const json_t *one;
	size_t i;

	json_array_foreach(have, i, one)
		if (hash_there(s, one) != NULL && is_within(one, s->from, s->next))
			json_array_append_new(s->want, place_only(one));
}

static json_t *
compare_side(struct roster *r, const json_t *have, const json_t *from, const json_t *to)
{
	struct gossip_side s = { r, from, to, json_object(), json_array(), json_array(), NULL, 0 };
	json_t *ours = roster_list(r), *answer;

	note_have(&s, have);
	look_at_ours(&s, ours);
	want_others(&s, have);
	answer = json_pack("{s:o, s:o, s:o*}", "give", s.give, "want", s.want, "next",
	    s.next != NULL ? place_only(s.next) : NULL);
	json_decref(ours);
	json_decref(s.have);
	return (answer);
}

json_t *
gossip_page_answer(struct roster *r, const json_t *question, char **fault)
{
	struct peerjson w = { 0 };
	const json_t *have = read_places(&w, question, "have", 3);
	const json_t *from = read_slot(&w, question, "from");
	const json_t *to = read_slot(&w, question, "to");

	read_given(&w, question);
	*fault = w.fault;
	if (w.fault != NULL)
		return (NULL);
	return (have != NULL ? compare_side(r, have, from, to) :
			       json_pack("{s:[], s:[]}", "give", "want"));
}

const json_t *
gossip_page_given(const json_t *question)
{
	return (json_object_get(question, "give"));
}
