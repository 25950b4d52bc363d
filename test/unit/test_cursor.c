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
#include "opsd/cluster/cursor.h"
#include "opsd/store/key.h"
#include "test/unit/cursormodel.h"

/* The machine of a cursor, cell by cell and in the order in which things happen. */

#define INC   10u /* the peer's incarnation */
#define RETRY 1000000u

static struct cursor_now now = { .wall_ms = 5000, .mono_us = 70000000 };

static struct log_pos
pos(uint64_t seq)
{
	return ((struct log_pos){ seq, seq != 0 ? 0x700000000 + seq : 0, seq * 100 });
}

/* An event of a kind, with what most of its kind say. */
static struct cursor_event
ev(enum cursor_event_kind kind)
{
	return ((struct cursor_event){ .kind = kind,
	    .incarnation = INC,
	    .at = pos(5),
	    .before = pos(3),
	    .count = 1,
	    .from_ms = 300,
	    .done = 1,
	    .upto = 5,
	    .next_key = (const uint8_t *)"m",
	    .next_len = 1,
	    .why = kind == ON_UNFIT ? "unfit" : NULL,
	    .key = "k",
	    .key_len = 1,
	    .own_key = "id" });
}

static unsigned
happen(struct cursor *cur, struct cursor_event e)
{
	return (cursor_on(cur, &e, &now));
}

static struct cursor *
new_cursor(uint32_t table)
{
	return (cursor_new(&(struct cursor_view){ .peer = "boston-boston-b",
	    .table = table,
	    .database = (char[]){ "dev" },
	    .name = (char[]){ "dog" },
	    .state = CURSOR_NEW }));
}

/* A chunk that is not the last, up to a key. */
static unsigned
chunk(struct cursor *cur, const char *upto, uint64_t head)
{
	struct cursor_event e = ev(ON_ROWS);

	e.done = 0;
	e.at = pos(head);
	e.next_key = (const uint8_t *)upto;
	assert_int_equal(happen(cur, e), CURSOR_MERGE);
	e.kind = ON_MERGED;
	return (happen(cur, e));
}

static unsigned
last_chunk(struct cursor *cur, uint64_t head)
{
	struct cursor_event e = ev(ON_ROWS);

	e.at = pos(head);
	assert_int_equal(happen(cur, e), CURSOR_MERGE);
	e.kind = ON_MERGED;
	return (happen(cur, e));
}

/* One in each column of the table, at position 5 where it has one. */
static struct cursor *
in_phase(const char *phase)
{
	struct cursor *cur = new_cursor(strcmp(phase, "recover") == 0 ? CURSOR_OWN | 7 : 7);
	static const struct {
		const char *phase;
		enum cursor_event_kind first, then;
	} ways[] = {
		{ "live", ON_SUBSCRIBED, CURSOR_EVENTS },
		{ "fetch", ON_SUBSCRIBED, ON_GAP },
		{ "since", ON_SINCE, CURSOR_EVENTS },
		{ "head", ON_ALL, CURSOR_EVENTS },
		{ "copy", ON_ALL, CURSOR_EVENTS },
		{ "clock", ON_SUBSCRIBED, ON_AHEAD },
		{ "failed", ON_SUBSCRIBED, ON_UNFIT },
		{ "recover", ON_OWN_LOST, CURSOR_EVENTS },
		{ "queued", ON_ALL, ON_OTHER_COPIES },
	};

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (strcmp(ways[i].phase, phase) == 0) {
			happen(cur, ev(ways[i].first));
			if (ways[i].then != CURSOR_EVENTS)
				happen(cur, ev(ways[i].then));
		}
	if (strcmp(phase, "copy") == 0)
		chunk(cur, "c", 5);
	assert_string_equal(cursor_phase_name(cursor_phase(cur)), phase);
	return (cur);
}

/*
 * What is to come of each event in each column.  A capital is the first letter of the column it is in
 * then (K: clock, I: since), none that it stays; a: apply, m: merge, s: save, x: remove, l: not
 * asked before a second is over.
 */
#define COLUMNS 10
/* clang-format off */
static const struct {
	enum cursor_event_kind	 kind;
	int64_t			 incarnation;	/* other than INC */
	uint16_t		 status;
	const char		*cells[COLUMNS];
} table[] = {
			/*    new  live  fetch since head  copy clock failed recover queued */
	{ ON_SUBSCRIBED, 0, 0, { "Ls", "", "", "", "", "", "l", "Fs", "", "" } },
	{ ON_SINCE, 0, 0, { "Is", "Cs", "Cs", "Hs", "s", "s", "Cs", "Cs", "", "Hs" } },
	{ ON_ALL, 0, 0, { "Hs", "Hs", "Hs", "Hs", "s", "Hs", "Hs", "Hs", "", "Hs" } },
	{ ON_OTHER_KEY, 0, 0, { "Xsl", "Xsl", "Xsl", "Xsl", "Xsl", "Xsl", "Xsl", "sl", "x", "Xsl" } },
	{ ON_OWN_LOST, 0, 0, { "Rs", "Hs", "Hs", "Hs", "s", "Hs", "Hs", "Hs", "s", "Hs" } },
	{ ON_FRAME, 0, 0, { "", "a", "a", "", "", "a", "al", "l", "", "" } },
	{ ON_FRAME, -1, 0, { "", "Fs", "", "", "", "", "l", "l", "", "" } },
	{ ON_FRAME, 1, 0, { "", "Hs", "Hs", "", "", "Hs", "Hs", "l", "", "" } },
	{ ON_NO_ROOM, 0, 0, { "", "Fs", "", "", "", "", "l", "l", "", "" } },
	{ ON_ENTRY, 0, 0, { "", "", "", "", "", "", "l", "l", "", "" } },
	{ ON_FRAME_END, 0, 0, { "", "s", "Ls", "", "", "s", "Ls", "l", "", "" } },
	{ ON_GAP, 0, 0, { "", "Fs", "s", "", "", "s", "sl", "l", "", "" } },
	{ ON_OTHER_LIFE, 0, 0, { "", "Fs", "s", "", "", "s", "sl", "l", "", "" } },
	{ ON_AHEAD, 0, 0, { "", "Ksl", "Ksl", "", "", "s", "sl", "Ksl", "", "" } },
	{ ON_UNFIT, 0, 0, { "", "Xsl", "Xsl", "", "", "s", "Xsl", "sl", "", "" } },
	{ ON_ASKED, 0, 0, { "", "", "l", "l", "l", "l", "l", "l", "l", "" } },
	{ ON_NO_ANSWER, 0, 0, { "", "", "l", "l", "l", "l", "l", "l", "l", "" } },
	{ ON_REFUSED, 0, 400, { "", "", "l", "l", "l", "l", "l", "l", "l", "" } },
	{ ON_REFUSED, 0, 503, { "", "", "l", "l", "l", "l", "l", "l", "l", "" } },
	{ ON_REFUSED, 0, 403, { "", "", "sl", "sl", "sl", "sl", "sl", "sl", "sl", "" } },
	{ ON_REFUSED, 0, 404, { "", "", "Xsl", "Xsl", "Xsl", "Xsl", "Xsl", "sl", "x", "" } },
	{ ON_REFUSED, 0, 409, { "", "", "sl", "sl", "sl", "sl", "sl", "sl", "sl", "" } },
	{ ON_REFUSED, 0, 410, { "", "", "Hs", "Hs", "l", "l", "Hs", "Hs", "l", "" } },
	{ ON_LOG, 0, 0, { "", "", "a", "Fa", "", "", "al", "al", "", "" } },
	{ ON_LOG, 1, 0, { "", "", "Hs", "Hs", "", "", "Hs", "Hs", "", "" } },
	{ ON_LOG, -1, 0, { "", "", "Hs", "Hs", "", "", "Hs", "Hs", "", "" } },
	{ ON_LOG_END, 0, 0, { "", "", "Ls", "Hs", "", "", "Ls", "Ls", "", "" } },
	{ ON_LOG_BROKEN, 0, 0, { "", "", "Hs", "Hs", "", "", "Hs", "Hs", "", "" } },
	{ ON_ROWS, 0, 0, { "", "", "", "", "ml", "ml", "l", "ml", "ml", "" } },
	{ ON_ROWS, 1, 0, { "", "", "", "", "ml", "Hs", "l", "ml", "ml", "" } },
	{ ON_ROWS, -1, 0, { "", "", "", "", "ml", "Hs", "l", "ml", "ml", "" } },
	{ ON_ROWS_UNFIT, 0, 0, { "", "", "", "", "Xsl", "Xsl", "l", "sl", "sl", "" } },
	{ ON_ROWS_AHEAD, 0, 0, { "", "", "", "", "sl", "sl", "l", "Hsl", "sl", "" } },
	{ ON_MERGED, 0, 0, { "", "", "", "", "Fs", "Fs", "l", "Fs", "x", "" } },
	{ ON_OTHER_COPIES, 0, 0, { "", "", "", "", "Qs", "", "l", "l", "", "" } },
	{ ON_PLACED, 0, 0, { "", "", "", "", "Fs", "", "l", "l", "", "Fs" } },
	{ ON_TURN, 0, 0, { "", "", "", "", "", "", "l", "l", "", "Hs" } },
	{ ON_LEANT, 0, 0, { "", "", "", "", "", "", "l", "l", "", "" } },
	{ ON_LEANT_LOST, 0, 0, { "", "", "", "", "", "", "l", "l", "", "" } },
	{ ON_RECALLED, 0, 0, { "", "s", "s", "", "", "Hs", "sl", "sl", "", "" } },
	{ ON_HEARD, 0, 0, { "", "", "", "", "", "", "l", "l", "", "" } },
	{ ON_LOOKED, 0, 0, { "", "", "", "", "", "", "l", "l", "", "" } },
	{ ON_LOOKED, 1, 0, { "", "Hs", "Hs", "Hs", "", "", "l", "l", "", "" } },
};
/* clang-format on */

static char
letter(const struct cursor *cur)
{
	return ("NLFIHCKXRQ"[cursor_phase(cur)]);
}

/* There is nothing to ask for. */
static int
asks_nothing(const struct cursor *cur)
{
	return (strchr("LNQ", letter(cur)) != NULL);
}

static void
assert_cell(size_t line, size_t column)
{
	struct cursor *cur = in_phase(cursor_phase_name(column));
	struct cursor_event e = ev(table[line].kind);
	char before = letter(cur), cell[8] = "";
	unsigned actions;
	size_t n = 0;

	e.incarnation = (uint64_t)((int64_t)INC + table[line].incarnation);
	e.status = table[line].status;
	e.turn = e.kind == ON_ASKED ? 1 : 0;
	if (e.kind == ON_PLACED)
		e.from_ms = 0;
	actions = happen(cur, e);
	if (letter(cur) != before)
		cell[n++] = letter(cur);
	if (actions & CURSOR_APPLY)
		cell[n++] = 'a';
	if (actions & CURSOR_MERGE)
		cell[n++] = 'm';
	if (actions & CURSOR_SAVE)
		cell[n++] = 's';
	if (actions & CURSOR_REMOVE)
		cell[n++] = 'x';
	else if (!cursor_due(cur, now.mono_us) && !asks_nothing(cur))
		cell[n++] = 'l';
	cell[n] = '\0';
	if (strcmp(cell, table[line].cells[column]) != 0)
		fail_msg("%s (%d, status %d) when %s: '%s', not '%s'", cursor_event_name(e.kind),
		    (int)table[line].incarnation, e.status, cursor_phase_name(column), cell,
		    table[line].cells[column]);
	/* In a second at the latest, unless a question is out, or its answer is merged. */
	if (!asks_nothing(cur))
		assert_int_equal(cursor_due(cur, now.mono_us + RETRY),
		    e.kind != ON_ASKED && !(actions & CURSOR_MERGE));
	cursor_free(cur);
}

static void
test_cells(void **state)
{
	(void)state;
	for (size_t line = 0; line < sizeof(table) / sizeof(table[0]); line++)
		for (size_t column = 0; cursor_phase_name(column) != NULL; column++)
			assert_cell(line, column);
}

/* ---- the same table, for people ---- */

static char *
trimmed(char *cell)
{
	size_t n;

	cell += strspn(cell, " ");
	n = strlen(cell);
	while (n > 0 && cell[n - 1] == ' ')
		cell[--n] = '\0';
	return (cell);
}

/* The cells of a line of a table, without its outer bars. */
static size_t
split(char *line, char **cells, size_t max)
{
	size_t n = 0;

	line[strcspn(line, "\n")] = '\0';
	if (*line++ != '|')
		return (0);
	while (n < max && strchr(line, '|') != NULL)
		cells[n++] = strsep(&line, "|");
	for (size_t i = 0; i < n; i++)
		cells[i] = trimmed(cells[i]);
	return (n);
}

static int
next_line(FILE *f, char **cells)
{
	static char line[512];

	if (fgets(line, sizeof(line), f) == NULL)
		fail_msg("common/README.md has no table of cursors");
	return (split(line, cells, COLUMNS + 1) == COLUMNS + 1);
}

static FILE *
open_readme(void)
{
	FILE *f = fopen(TOP_SRCDIR "/common/README.md", "r");

	assert_non_null(f);
	return (f);
}

static void
test_readme(void **state)
{
	FILE *f = open_readme();
	char *cells[COLUMNS + 1];

	(void)state;
	while (!next_line(f, cells) || strcmp(cells[1], "new") != 0)
		;
	for (size_t i = 0; i < COLUMNS; i++)
		assert_string_equal(cells[i + 1], cursor_phase_name(i));
	assert_null(cursor_phase_name(COLUMNS));
	assert_true(next_line(f, cells));
	for (enum cursor_event_kind kind = 0; kind < CURSOR_EVENTS; kind++) {
		if (kind == ON_REFUSED)
			continue; /* its statuses have lines */
		assert_true(next_line(f, cells));
		assert_string_equal(cells[0], cursor_event_name(kind));
		for (size_t i = 0; i < COLUMNS; i++)
			assert_string_equal(cells[i + 1], cursor_rule_name(i, kind));
	}
	fclose(f);
}

/* ---- positions ---- */

static void
assert_at(const struct cursor *cur, const char *phase, uint64_t seq)
{
	assert_string_equal(cursor_phase_name(cursor_phase(cur)), phase);
	assert_int_equal(cursor_view(cur)->seq, seq);
	assert_true(cursor_view(cur)->mark == pos(seq).mark);
}

static unsigned
entry(struct cursor *cur, uint64_t seq)
{
	struct cursor_event e = ev(ON_ENTRY);

	e.at = pos(seq);
	return (happen(cur, e));
}

static void
test_moves(void **state)
{
	struct cursor *cur = in_phase("live");
	struct cursor_event e = ev(ON_FRAME_END);

	(void)state;
	assert_int_equal(entry(cur, 8), 0);
	assert_at(cur, "live", 8);
	assert_int_equal(cursor_view(cur)->ms, 800);
	/* A frame that says nothing new need not be saved, and is no proof that nothing is missing. */
	e.count = 0;
	assert_int_equal(happen(cur, e), 0);
	happen(cur, ev(ON_GAP));
	assert_int_equal(happen(cur, e), 0);
	assert_at(cur, "fetch", 8);
	/* One that ends before the position is not looked at. */
	assert_int_equal(happen(cur, ev(ON_FRAME)), 0);
	cursor_free(cur);
}

static void
test_since_place(void **state)
{
	struct cursor *cur = in_phase("since");
	struct cursor_event e = ev(ON_LOG);
	struct catchup_question q;

	(void)state;
	/* A long log in which nothing is found yet: the next question goes on there. */
	e.count = 0;
	e.done = 0;
	e.upto = 50;
	assert_int_equal(happen(cur, e), CURSOR_APPLY);
	e.kind = ON_LOG_END;
	happen(cur, e);
	assert_at(cur, "since", 0);
	cursor_question(cur, &q);
	assert_int_equal(q.kind, CATCHUP_LOG);
	assert_int_equal(q.after, 50);
	assert_int_equal(q.from_ms, 300);
	e = ev(ON_LOG);
	assert_int_equal(happen(cur, e), CURSOR_APPLY);
	assert_at(cur, "fetch", 3);
	cursor_free(cur);
	/* There is none: it goes on at the head. */
	cur = in_phase("since");
	e.count = 0;
	happen(cur, e);
	assert_at(cur, "fetch", 5);
	assert_int_equal(cursor_view(cur)->ms, 0);
	cursor_free(cur);
}

static void
test_log_goes_on(void **state)
{
	struct cursor *cur = in_phase("fetch");
	struct cursor_event e = ev(ON_LOG_END);
	struct catchup_question q;

	(void)state;
	e.done = 0;
	e.upto = 20;
	e.at = pos(90);
	happen(cur, e);
	assert_at(cur, "fetch", 5);
	assert_true(cursor_due(cur, now.mono_us));
	cursor_question(cur, &q);
	assert_int_equal(q.seq, 5);
	assert_int_equal(q.after, 20);
	/* What others lacked came first. */
	happen(cur, e);
	assert_true(cursor_due(cur, now.mono_us));
	/* It says nothing more: not in a circle. */
	e.stalled = 1;
	happen(cur, e);
	assert_false(cursor_due(cur, now.mono_us));
	/* It ends, and its head did not come. */
	e.done = 1;
	happen(cur, e);
	assert_at(cur, "head", 5);
	cursor_free(cur);
}

/* ---- copies ---- */

static void
test_copy(void **state)
{
	struct cursor *cur = in_phase("head");
	struct catchup_question q;

	(void)state;
	cursor_question(cur, &q);
	assert_int_equal(q.kind, CATCHUP_ROWS);
	assert_int_equal(q.klen, 0);
	assert_int_equal(chunk(cur, "c", 5), CURSOR_SAVE);
	assert_at(cur, "copy", 5);
	assert_int_equal(chunk(cur, "d", 8), CURSOR_SAVE);
	assert_at(cur, "copy", 5);
	cursor_question(cur, &q);
	assert_int_equal(q.klen, 1);
	assert_memory_equal(q.key, "d", 1);
	assert_int_equal(cursor_view(cur)->copied, 2);
	entry(cur, 9);
	assert_true(last_chunk(cur, 9) & CURSOR_COPIED);
	assert_at(cur, "fetch", 9);
	cursor_question(cur, &q);
	assert_int_equal(q.kind, CATCHUP_LOG);
	assert_int_equal(cursor_view(cur)->next_len, 0);
	cursor_free(cur);
}

/* A key that does not go on would go on for ever. */
static void
test_key_goes_on(void **state)
{
	struct cursor *cur = in_phase("copy");
	struct cursor_event e = ev(ON_ROWS);

	(void)state;
	e.done = 0;
	e.next_key = (const uint8_t *)"c";
	assert_false(happen(cur, e) & CURSOR_MERGE);
	assert_at(cur, "failed", 5);
	cursor_free(cur);
}

/* It is kept, and goes with each question. */
static void
test_key_is_one(void **state)
{
	struct cursor *cur = in_phase("copy");
	struct cursor_event e = ev(ON_ROWS);
	uint8_t key[KEY_MAX + 1];

	(void)state;
	memset(key, 'z', sizeof(key));
	e.done = 0;
	e.next_key = key;
	e.next_len = sizeof(key);
	assert_false(happen(cur, e) & CURSOR_MERGE);
	assert_at(cur, "failed", 5);
	e.next_len--;
	assert_true(happen(cur, e) & CURSOR_MERGE);
	cursor_free(cur);
}

/* The same peer's head is never before what came from it. */
static void
test_head_goes_on(void **state)
{
	struct cursor *cur = in_phase("live");

	(void)state;
	happen(cur, ev(ON_ALL));
	chunk(cur, "c", 4);
	assert_at(cur, "copy", 5);
	cursor_free(cur);
}

static void
test_copy_beside(void **state)
{
	struct cursor *cur = in_phase("live");
	struct cursor_event since = ev(ON_SINCE);

	(void)state;
	happen(cur, since);
	assert_int_equal(cursor_view(cur)->from_ms, 300);
	assert_int_equal(happen(cur, ev(ON_FRAME)), CURSOR_APPLY);
	chunk(cur, "c", 9);
	assert_at(cur, "copy", 5);
	/* Another start time: the earlier one, from the first key. */
	since.from_ms = 400;
	happen(cur, since);
	assert_int_equal(cursor_view(cur)->from_ms, 300);
	assert_int_equal(cursor_view(cur)->next_len, 0);
	since.from_ms = 200;
	happen(cur, since);
	assert_int_equal(cursor_view(cur)->from_ms, 200);
	last_chunk(cur, 9);
	assert_at(cur, "fetch", 5);
	assert_int_equal(cursor_view(cur)->from_ms, 0);
	/* In another incarnation there is no position to leave alone. */
	happen(cur, since);
	since = ev(ON_ROWS);
	since.incarnation++;
	happen(cur, since);
	assert_at(cur, "head", 5);
	assert_int_equal(cursor_view(cur)->from_ms, 0);
	cursor_free(cur);
}

/* A copy of all stays one, and one for a start time that has its head becomes one when it begins anew. */
static void
test_copy_of_all(void **state)
{
	struct cursor *cur = in_phase("copy");

	(void)state;
	happen(cur, ev(ON_SINCE));
	assert_int_equal(cursor_view(cur)->from_ms, 0);
	cursor_free(cur);
	cur = in_phase("since");
	happen(cur, (struct cursor_event){ .kind = ON_REFUSED, .status = 410 });
	assert_int_equal(cursor_view(cur)->from_ms, 300);
	happen(cur, ev(ON_ALL));
	assert_int_equal(cursor_view(cur)->from_ms, 300);
	chunk(cur, "c", 5);
	happen(cur, ev(ON_ALL));
	assert_int_equal(cursor_view(cur)->from_ms, 0);
	cursor_free(cur);
}

static void
test_failed_copy(void **state)
{
	struct cursor *cur = in_phase("copy");
	struct catchup_question q;

	(void)state;
	happen(cur, ev(ON_ROWS_UNFIT));
	assert_at(cur, "failed", 5);
	cursor_question(cur, &q);
	assert_int_equal(q.kind, CATCHUP_ROWS);
	assert_memory_equal(q.key, "c", 1);
	chunk(cur, "d", 9);
	assert_at(cur, "copy", 5);
	happen(cur, ev(ON_OTHER_KEY));
	happen(cur, ev(ON_SUBSCRIBED));
	assert_at(cur, "copy", 5);
	assert_null(cursor_view(cur)->why);
	cursor_free(cur);
}

static void
test_rows_ahead(void **state)
{
	struct cursor *cur = in_phase("copy");

	(void)state;
	happen(cur, ev(ON_ROWS_AHEAD));
	assert_true(cursor_view(cur)->ahead);
	assert_non_null(strstr(cursor_view(cur)->why, "clock"));
	chunk(cur, "d", 9);
	assert_false(cursor_view(cur)->ahead);
	assert_null(cursor_view(cur)->why);
	cursor_free(cur);
}

static void
test_recovery(void **state)
{
	struct cursor *cur = in_phase("recover");
	struct catchup_question q;
	unsigned actions;

	(void)state;
	cursor_question(cur, &q);
	assert_int_equal(q.table, 0); /* by name */
	assert_int_equal(q.kind, CATCHUP_ROWS);
	chunk(cur, "c", 9);
	actions = last_chunk(cur, 9);
	assert_int_equal(actions, CURSOR_COPIED | CURSOR_RECOVERED | CURSOR_REMOVE);
	cursor_free(cur);
	/* One that comes as well: all of its rows, and others wait for that. */
	cur = in_phase("since");
	happen(cur, ev(ON_OWN_LOST));
	assert_int_equal(cursor_view(cur)->from_ms, 0);
	assert_true(cursor_view(cur)->recovering);
	happen(cur, ev(ON_ROWS_UNFIT));
	assert_true(cursor_view(cur)->recovering);
	actions = last_chunk(cur, 9);
	assert_true(actions & CURSOR_RECOVERED);
	assert_false(cursor_view(cur)->recovering);
	happen(cur, ev(ON_ALL));
	assert_false(last_chunk(cur, 9) & CURSOR_RECOVERED);
	/* There is none to recover from. */
	happen(cur, ev(ON_OWN_LOST));
	assert_true(happen(cur, ev(ON_OTHER_KEY)) & CURSOR_RECOVERED);
	assert_false(happen(cur, ev(ON_OTHER_KEY)) & CURSOR_RECOVERED);
	happen(cur, ev(ON_OWN_LOST));
	assert_true(happen(cur, (struct cursor_event){ .kind = ON_REFUSED, .status = 404 }) &
	    CURSOR_RECOVERED);
	cursor_free(cur);
}

/* ---- questions ---- */

static void
test_turns(void **state)
{
	struct cursor *cur = in_phase("copy");
	struct cursor_event asked = ev(ON_ASKED), rows = ev(ON_ROWS);

	(void)state;
	asked.turn = rows.turn = 1;
	happen(cur, asked);
	assert_false(cursor_due(cur, now.mono_us + RETRY));
	/* It begins anew meanwhile: what was asked was for a later key. */
	happen(cur, ev(ON_ALL));
	assert_true(cursor_due(cur, now.mono_us));
	asked.turn = 2;
	happen(cur, asked);
	assert_int_equal(happen(cur, rows), 0);
	assert_false(cursor_due(cur, now.mono_us + RETRY));
	rows.turn = 2;
	assert_int_equal(happen(cur, rows), CURSOR_MERGE);
	assert_int_equal(happen(cur, rows), 0);
	cursor_free(cur);
}

static struct cursor_event
coming(uint64_t upto)
{
	struct cursor_event e = ev(ON_LOOKED);

	e.coming = upto;
	return (e);
}

static void
test_looks(void **state)
{
	struct cursor *cur = in_phase("live");
	struct cursor_event heard = ev(ON_HEARD);

	(void)state;
	heard.at = pos(9);
	heard.rows = 77;
	happen(cur, heard);
	assert_int_equal(cursor_view_total(cursor_view(cur)), 77);
	assert_true(cursor_is_behind(cur, INC));
	happen(cur, ev(ON_LOOKED));
	entry(cur, 6);
	happen(cur, ev(ON_LOOKED));
	happen(cur, ev(ON_LOOKED));
	assert_at(cur, "live", 6);
	happen(cur, ev(ON_LOOKED));
	assert_at(cur, "fetch", 6);
	assert_non_null(strstr(cursor_view(cur)->why, "stream"));
	cursor_free(cur);
	/* The log comes, and is not there yet; then it is, or comes no more. */
	cur = in_phase("live");
	happen(cur, heard);
	for (int i = 0; i < 5; i++)
		happen(cur, coming(8));
	assert_at(cur, "live", 5);
	happen(cur, coming(9));
	happen(cur, coming(10));
	assert_at(cur, "fetch", 5);
	cursor_free(cur);
	cur = in_phase("live");
	assert_false(cursor_is_behind(cur, INC));
	assert_true(cursor_is_behind(cur, INC + 1));
	cursor_free(cur);
}

/* What is said of a change, and when it changed. */
static void
test_told(void **state)
{
	struct cursor *cur = in_phase("fetch");
	unsigned actions;

	(void)state;
	now.wall_ms = 6000;
	actions = happen(cur, ev(ON_OTHER_KEY));
	assert_true(actions & CURSOR_TELL);
	assert_non_null(strstr(cursor_view(cur)->why, "'k', than here, 'id'"));
	assert_int_equal(cursor_view(cur)->since_ms, 6000);
	now.wall_ms = 7000;
	assert_false(happen(cur, ev(ON_UNFIT)) & CURSOR_TELL);
	assert_string_equal(cursor_view(cur)->why, "unfit");
	assert_int_equal(cursor_view(cur)->since_ms, 6000);
	cursor_free(cur);
	now.wall_ms = 5000;
}

static void
test_stored(void **state)
{
	struct cursor *cur = in_phase("live");
	struct buf b = { 0 }, again = { 0 };
	struct cursor_view v = { 0 };
	struct rd r;

	(void)state;
	happen(cur, ev(ON_SINCE));
	happen(cur, ev(ON_OWN_LOST));
	chunk(cur, "c", 9);
	happen(cur, ev(ON_SINCE));
	chunk(cur, "d", 9);
	cursor_view_write(cursor_view(cur), &b);
	for (size_t n = 0; n < b.len; n++) {
		r = rd_init(b.data, n);
		assert_int_equal(cursor_view_read(&v, &r), -1);
		cursor_view_clear(&v);
	}
	r = rd_init(b.data, b.len);
	assert_int_equal(cursor_view_read(&v, &r), 0);
	cursor_view_write(&v, &again);
	assert_int_equal(again.len, b.len);
	assert_memory_equal(again.data, b.data, b.len);
	assert_true(v.beside && v.copying && v.recovering);
	cursor_view_clear(&v);
	buf_free(&b);
	buf_free(&again);
	cursor_free(cur);
}

/* ---- anything, in any order ---- */

#define SEEDS 3000
#define STEPS 400

static uint32_t
choose(void *arg, uint32_t n)
{
	uint64_t *x = arg;

	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return (n > 0 ? (uint32_t)(*x >> 32) % n : 0);
}

static void
run_model(uint64_t seed)
{
	uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	struct cursormodel *m = cursormodel_new(choose, &x);

	for (int i = 0; i < STEPS && cursormodel_fault(m) == NULL; i++)
		cursormodel_step(m);
	if (cursormodel_fault(m) == NULL)
		cursormodel_rest(m);
	if (cursormodel_fault(m) != NULL)
		fail_msg("seed %llu: %s", (unsigned long long)seed, cursormodel_fault(m));
	cursormodel_free(m);
}

/* It leaves nothing out, never goes back within an incarnation, and comes to rest with all there is. */
static void
test_peer(void **state)
{
	const char *seed = getenv("SEED");

	(void)state;
	if (seed != NULL) {
		cursormodel_trace(1);
		run_model(strtoull(seed, NULL, 10));
		return;
	}
	for (uint64_t n = 1; n <= SEEDS; n++)
		run_model(n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cells),
		cmocka_unit_test(test_readme),
		cmocka_unit_test(test_moves),
		cmocka_unit_test(test_since_place),
		cmocka_unit_test(test_log_goes_on),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_key_goes_on),
		cmocka_unit_test(test_key_is_one),
		cmocka_unit_test(test_head_goes_on),
		cmocka_unit_test(test_copy_beside),
		cmocka_unit_test(test_copy_of_all),
		cmocka_unit_test(test_failed_copy),
		cmocka_unit_test(test_rows_ahead),
		cmocka_unit_test(test_recovery),
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_looks),
		cmocka_unit_test(test_told),
		cmocka_unit_test(test_stored),
		cmocka_unit_test(test_peer),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
