#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/mem.h"
#include "common/conf/settings.h"
#include "opsd/cluster/roster_priv.h"

/* What counts (roster.h). */

#define FAULTS_MOST 50

struct roster_taking {
	struct roster *r;
	struct roster_entry *e;
	struct roster_offer *o;
	const struct roster_facts *f;
	enum roster_verdict verdict;
	char **why;
};

/* ---- who is believed ---- */

static int
names_member(const json_t *names, const struct roster_entry *e)
{
	const char *hostname = statement_field(e->said, "hostname");
	const char *node = statement_field(e->said, "node_name");
	const json_t *one;
	size_t i;

	json_array_foreach(names, i, one) {
		const char *name = json_string_value(one);

		if (name != NULL &&
		    (strcmp(name, "*") == 0 || strcasecmp(name, hostname) == 0 ||
			(node != NULL && strcmp(name, node) == 0)))
			return (1);
	}
	return (0);
}

static int
may_introduce(const struct roster_facts *f, const struct roster_entry *e)
{
	return (f->introducers == NULL || names_member(f->introducers, e));
}

int
roster_is_heard(struct roster *r, const json_t *introducers)
{
	const struct roster_facts f = { .introducers = introducers };
	const struct roster_entry *e;
	int yes;

	pthread_mutex_lock(&r->lock);
	e = roster_find_id(r, r->own_id);
	yes = r->signer != NULL && roster_is_live(e) && may_introduce(&f, e);
	pthread_mutex_unlock(&r->lock);
	return (yes);
}

int
roster_is_direct(struct roster *r, const struct roster_facts *f, const struct statement *s,
    int introduces)
{
	const struct roster_entry *e;

	if (memcmp(s->by, r->own_id, NODE_ID_LEN) == 0)
		return (r->signer != NULL && strcmp(s->by_spki, signer_spki(r->signer)) == 0);
	e = roster_find_id(r, s->by);
	return (roster_is_live(e) && strcmp(s->by_spki, statement_field(e->said, "spki")) == 0 &&
	    !roster_is_distrusted(r, e, s->by_spki) && (!introduces || may_introduce(f, e)));
}

/* Who hands it over could say as much itself. */
static int
is_relayed(const struct roster_taking *t)
{
	const struct roster_entry *e = t->f->who != NULL ? roster_find_id(t->r, t->f->who) : NULL;

	return (roster_is_live(e) && may_introduce(t->f, e) &&
	    !roster_is_distrusted(t->r, e, statement_field(e->said, "spki")));
}

/* Who is a member, and which certificates are good, only those say who may introduce. */
static int
believes_it(const struct roster_taking *t, const struct statement *s)
{
	return (roster_is_direct(t->r, t->f, s, 1) || is_relayed(t));
}

static int
is_by_removed(const struct roster_taking *t, const struct statement *introduction)
{
	return (introduction != NULL && roster_is_locked(roster_find_id(t->r, introduction->by)));
}

/* Whom a removed member has let in, another has to introduce itself. */
static int
believes_introduction(const struct roster_taking *t, const struct statement *s)
{
	return (roster_is_direct(t->r, t->f, s, 1) || (is_relayed(t) && !is_by_removed(t, s)));
}

/* Why what a member says with its own key does not count here: a text, or NULL; caller frees. */
static char *
right_fault(const struct roster_taking *t, const struct statement *s)
{
	const struct roster_entry *e = roster_find_id(t->r, s->by);

	if (!roster_is_direct(t->r, t->f, s, 0) || may_introduce(t->f, e))
		return (NULL);
	return (xasprintf(
	    "'%s' is none of replication.introducers of this node: what it says of others "
	    "does not count here (%s '%s')",
	    statement_field(e->said, "hostname"), statement_kind_name(s->kind), s->key));
}

static int
is_ahead(const struct roster_taking *t, const struct statement *s)
{
	return (s->time > (t->f->now_ms << 16) + ROSTER_AHEAD);
}

static char *
ahead_text(const char *host, const struct statement *s, uint64_t now_ms)
{
	uint64_t ahead = s->time - (now_ms << 16);

	return (xasprintf(
	    "the clock of '%s' is ahead of this node's by at least %llu s, so what it says "
	    "does not count here yet: set the clocks right. What it has said counts in "
	    "%llu s",
	    host, (unsigned long long)(ahead >> 16) / 1000,
	    (unsigned long long)((ahead - ROSTER_AHEAD) >> 16) / 1000 + 1));
}

/* ---- what becomes of it ---- */

static void
verdict_is(struct roster_taking *t, enum roster_verdict v)
{
	if (t->verdict != ROSTER_OLD && v != ROSTER_TAKEN)
		return;
	t->verdict = v;
	free(*t->why); /* of a part that was refused before */
	*t->why = NULL;
}

static void
move_statement(struct statement **to, struct statement **from)
{
	statement_free(*to);
	*to = *from;
	*from = NULL;
}

static void
refuse_offer(struct roster_taking *t, char *why)
{
	if (t->verdict == ROSTER_OLD) {
		t->verdict = ROSTER_REFUSED;
		free(*t->why);
		*t->why = why;
	} else
		free(why);
}

/* What a node says is of the key by which it was introduced, or announces that one. */
static int
fits_key(const struct statement *introduction, const struct statement *said)
{
	const char *spki = statement_field(introduction, "spki");

	return (strcmp(spki, said->by_spki) == 0 ||
	    strcmp(spki, statement_field(said, "spki")) == 0);
}

/* Why the key with which it is signed is that node's. */
static int
is_its_own(const struct roster_taking *t, const struct statement *s)
{
	const struct roster_entry *e = t->e;
	const char *link = t->f->who_spki;

	if (memcmp(s->by, t->r->own_id, NODE_ID_LEN) == 0 && roster_is_direct(t->r, t->f, s, 0))
		return (1);
	if (roster_is_live(e) && strcmp(s->by_spki, statement_field(e->said, "spki")) == 0)
		return (1);
	if (e->introduction != NULL)
		return (fits_key(e->introduction, s));
	if (e->said != NULL)
		return (0);
	/* The key of before may have said that this one comes next. */
	if (t->f->who != NULL && memcmp(t->f->who, s->by, NODE_ID_LEN) == 0)
		return (link == NULL || strcmp(link, s->by_spki) == 0 ||
		    strcmp(link, statement_field(s, "spki")) == 0);
	return (strcmp(s->by_spki, statement_field(s, "spki")) == 0 && is_relayed(t) &&
	    !is_by_removed(t, t->o->introduction));
}

static int
is_by_itself(const struct statement *s)
{
	uint8_t id[NODE_ID_LEN];

	return (node_id_read(s->key, id) == 0 && memcmp(id, s->by, NODE_ID_LEN) == 0);
}

/* Only of who is known: anybody may say anything. */
static char *
ahead_fault(const struct roster_taking *t, const struct statement *s)
{
	char *host, *text;

	if (is_by_itself(s) && is_its_own(t, s))
		return (ahead_text(statement_field(s, "hostname"), s, t->f->now_ms));
	if (!roster_is_direct(t->r, t->f, s, 0))
		return (NULL);
	host = roster_shown_id(t->r, s->by);
	text = ahead_text(host, s, t->f->now_ms);
	free(host);
	return (text);
}

/* Who said it is not known yet, perhaps; but where it is, why is said. */
static void
leave_for_later(struct roster_taking *t, const struct statement *s)
{
	char *why = is_ahead(t, s) ? ahead_fault(t, s) : right_fault(t, s);

	if (why != NULL)
		refuse_offer(t, why);
	else
		verdict_is(t, ROSTER_LATER);
}

/* ---- members ---- */

/*
 * Whoever hands it over saw it before that member was removed, and holds it: all agree again once one
 * that counts for all comes after it (roster_adopt).
 */
static void
note_outdone(struct roster_taking *t, const struct statement *introduction)
{
	struct roster_entry *e = t->e;

	if (is_relayed(t) && is_by_removed(t, introduction) && roster_is_live(e) &&
	    e->introduction != NULL && introduction->time > e->outdone &&
	    strcmp(statement_field(introduction, "spki"),
		statement_field(e->introduction, "spki")) == 0)
		e->outdone = introduction->time;
}

/*
 * Nobody has come with the key that was introduced here last, a join that failed in the middle: the one
 * with which the node is known elsewhere counts, though it is older.
 */
static int
is_unused(const struct roster_taking *t)
{
	const struct roster_entry *e = t->e;
	const struct statement *said = t->o->said;

	return (e->said == NULL && said != NULL && !said->removed &&
	    t->f->now_ms > e->seen_ms + ROSTER_UNUSED_MS && !fits_key(e->introduction, said) &&
	    fits_key(t->o->introduction, said));
}

static void
take_introduction(struct roster_taking *t)
{
	struct roster_entry *e = t->e;
	struct statement *i = t->o->introduction;

	if (i == NULL ||
	    (e->introduction != NULL && statement_cmp(i, e->introduction) <= 0 && !is_unused(t)) ||
	    (e->said != NULL && e->said->removed && i->time <= e->said->time))
		return;
	if (is_ahead(t, i) || !believes_introduction(t, i)) {
		if (!is_ahead(t, i))
			note_outdone(t, i);
		leave_for_later(t, i);
		return;
	}
	move_statement(&e->introduction, &t->o->introduction);
	e->seen_ms = t->f->now_ms;
	if (roster_is_live(e) && !fits_key(e->introduction, e->said)) {
		statement_free(e->said);
		e->said = NULL;
	}
	verdict_is(t, ROSTER_TAKEN);
}

static int
is_introduced_since(const struct roster_entry *e, const struct statement *removal)
{
	return (e->introduction != NULL && e->introduction->time > removal->time);
}

/* With a newer introduction it is no lock, and stands until the node says something, whatever came first. */
static void
take_removal(struct roster_taking *t)
{
	struct roster_entry *e = t->e;
	struct statement *s = t->o->said;

	if ((e->said != NULL && e->said->removed && statement_cmp(s, e->said) <= 0) ||
	    (roster_is_live(e) && is_introduced_since(e, s)))
		return;
	/* What comes with it says that it is over, though by whom is not known yet. */
	if (is_ahead(t, s) || !believes_it(t, s) ||
	    (t->o->introduction != NULL && t->o->introduction->time > s->time)) {
		leave_for_later(t, s);
		return;
	}
	move_statement(&e->said, &t->o->said);
	if (!is_introduced_since(e, e->said)) {
		statement_free(e->introduction);
		e->introduction = NULL;
	}
	verdict_is(t, ROSTER_TAKEN);
}

/* Another node was removed, and showed this key. */
static int
is_key_locked(struct roster *r, const char *spki, const struct statement *introduction)
{
	const char *key = json_string_value(json_object_get(r->removed, spki));
	const struct roster_entry *e = key != NULL ? roster_find(r, STATEMENT_MEMBER, key) : NULL;

	return (roster_is_locked(e) &&
	    (introduction == NULL || introduction->time <= e->said->time));
}

/* Its certificate was revoked: what it says from then on does not count. */
static int
is_muted(const struct roster_taking *t, const struct statement *s)
{
	return (memcmp(s->by, t->r->own_id, NODE_ID_LEN) != 0 && !is_relayed(t) &&
	    roster_is_distrusted(t->r, t->e, s->by_spki));
}

/* The first that has a name keeps it. */
static int
is_name_taken(const struct roster_taking *t, const struct statement *s)
{
	char *host = roster_host_key(statement_field(s, "hostname"));
	const char *key = json_string_value(json_object_get(t->r->hosts, host));
	int taken = key != NULL && strcmp(key, t->e->key) != 0;

	free(host);
	return (taken);
}

static void
take_said(struct roster_taking *t)
{
	struct roster_entry *e = t->e;
	struct statement *s = t->o->said;
	const char *host = statement_field(s, "hostname");

	if (roster_is_locked(e) || (roster_is_live(e) && statement_cmp(s, e->said) <= 0) ||
	    is_key_locked(t->r, statement_field(s, "spki"), e->introduction))
		return;
	if (is_ahead(t, s)) {
		leave_for_later(t, s);
	} else if (is_muted(t, s)) {
		verdict_is(t, ROSTER_LATER);
	} else if (!is_its_own(t, s)) {
		if (e->said == NULL || e->said->removed)
			verdict_is(t, ROSTER_LATER);
		else
			refuse_offer(t,
			    xasprintf(
				"'%s' comes with another key than it is known by: if it was "
				"given a new one, run remove_node with \"hostname\": \"%s\", then "
				"add_node",
				host, host));
	} else if (is_name_taken(t, s)) {
		refuse_offer(t,
		    xasprintf(
			"'%s' comes with another node id than it is known by: if it was "
			"installed anew, run remove_node with \"hostname\": \"%s\", then add_node",
			host, host));
	} else {
		move_statement(&e->said, &t->o->said);
		verdict_is(t, ROSTER_TAKEN);
	}
}

static void
take_member(struct roster_taking *t)
{
	struct statement *s = t->o->said;

	take_introduction(t);
	if (s == NULL)
		return;
	if (s->removed)
		take_removal(t);
	else if (is_by_itself(s))
		take_said(t);
	else
		refuse_offer(t, xstrdup("'by' must be the node itself"));
}

/* ---- the other kinds ---- */

static void
take_fact(struct roster_taking *t)
{
	struct statement *s = t->o->said;

	if (s == NULL || (t->e->said != NULL && statement_cmp(s, t->e->said) <= 0) ||
	    statement_is_over(s, t->f->now_ms))
		return;
	if (is_ahead(t, s) || !believes_it(t, s)) {
		leave_for_later(t, s);
		return;
	}
	move_statement(&t->e->said, &t->o->said);
	verdict_is(t, ROSTER_TAKEN);
}

/* ---- all of it ---- */

/* Or it is none any more, as it was taken. */
static void
note_refused_offer(struct roster *r, const char *key, const char *why, uint64_t now_ms)
{
	json_t *one;
	const char *is;
	void *tmp;

	json_object_del(r->faults, key);
	json_object_foreach_safe(r->faults, tmp, is, one)
		if (roster_fault_is_over(one, now_ms))
			json_object_del(r->faults, is);
	if (why != NULL && json_object_size(r->faults) < FAULTS_MOST)
		json_object_set_new(r->faults, key,
		    json_pack("{s:s, s:I}", "why", why, "time", (json_int_t)now_ms));
}

static void
note_change(struct roster_taking *t)
{
	struct roster_entry *e = t->e;

	e->seq = ++t->r->seq;
	t->r->changes[e->kind]++;
	e->taken_ms = t->f->now_ms;
	memset(e->from, 0, NODE_ID_LEN);
	if (t->f->who != NULL)
		memcpy(e->from, t->f->who, NODE_ID_LEN);
}

static void
take_entry(struct roster_taking *t)
{
	roster_unlist(t->r, t->e);
	if (t->e->kind == STATEMENT_MEMBER)
		take_member(t);
	else
		take_fact(t);
	roster_enlist(t->r, t->e);
	if (t->verdict == ROSTER_TAKEN)
		note_change(t);
	roster_tidy(t->r, t->e);
}

enum roster_verdict
roster_take(struct roster *r, struct roster_offer *o, const struct roster_facts *f, char **why)
{
	const struct statement *s = o->said != NULL ? o->said : o->introduction;
	struct roster_taking t = { .r = r, .o = o, .f = f, .verdict = ROSTER_OLD, .why = why };
	enum statement_kind kind = o->said != NULL ? o->said->kind : STATEMENT_MEMBER;
	char *full, key[STATEMENT_KEY_MAX + 1];

	*why = NULL;
	if (s == NULL)
		return (ROSTER_OLD);
	memcpy(key, s->key, sizeof(key));
	pthread_mutex_lock(&r->lock);
	if (roster_find(r, kind, s->key) == NULL && (full = roster_full(r, o)) != NULL)
		refuse_offer(&t, full);
	else {
		t.e = roster_entry_of(r, kind, s->key);
		take_entry(&t);
	}
	if (t.verdict == ROSTER_TAKEN || t.verdict == ROSTER_REFUSED)
		note_refused_offer(r, key, *why, f->now_ms);
	pthread_mutex_unlock(&r->lock);
	return (t.verdict);
}
