#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "opsd/format/scan.h"

/* JSON as it stands in RFC 8259; whether text is UTF-8 is seen when values are made of it. */

#define DECODED_MAX 8192 /* bytes of a member's text that is written with escapes */

struct text {
	struct scan *s;
	char *at, *end;
};

static void
skip_space(struct text *t)
{
	while (t->at < t->end &&
	    (*t->at == ' ' || *t->at == '\t' || *t->at == '\n' || *t->at == '\r'))
		t->at++;
}

static int
peek_byte(const struct text *t)
{
	return (t->at < t->end ? (unsigned char)*t->at : -1);
}

static int
json_digits(struct text *t)
{
	char *from = t->at;

	while (t->at < t->end && *t->at >= '0' && *t->at <= '9')
		t->at++;
	return (t->at > from);
}

static void
json_number_at(struct text *t)
{
	int good;

	if (peek_byte(t) == '-')
		t->at++;
	if (peek_byte(t) == '0') {
		t->at++;
		good = 1;
	} else
		good = json_digits(t);
	if (good && peek_byte(t) == '.') {
		t->at++;
		good = json_digits(t);
	}
	if (good && (peek_byte(t) == 'e' || peek_byte(t) == 'E')) {
		t->at++;
		if (peek_byte(t) == '+' || peek_byte(t) == '-')
			t->at++;
		good = json_digits(t);
	}
	if (!good)
		scan_fault(t->s, "a number is broken");
	else
		scan_value(t->s);
}

static void
read_word(struct text *t)
{
	static const char *const words[] = { "true", "false", "null" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t n = strlen(words[i]);

		if ((size_t)(t->end - t->at) >= n && memcmp(t->at, words[i], n) == 0) {
			t->at += n;
			scan_value(t->s);
			return;
		}
	}
	scan_fault(t->s, t->at == t->end ? "it ends too early" : "a value is expected");
}

/* The four digits of an escape, or -1. */
static int
hex_digits(const struct text *t, const char *p)
{
	int c = 0;

	if (t->end - p < 4)
		return (-1);
	for (int i = 0; i < 4; i++) {
		char d = p[i];

		if (d >= '0' && d <= '9')
			c = c << 4 | (d - '0');
		else if ((d | 32) >= 'a' && (d | 32) <= 'f')
			c = c << 4 | ((d | 32) - 'a' + 10);
		else
			return (-1);
	}
	return (c);
}

/* Behind "\u". */
static int
read_unicode(struct text *t)
{
	char *p = t->at;
	int c = hex_digits(t, p), low;

	if (c == -1)
		return (-1);
	t->at += 4;
	if (c < 0xd800 || c > 0xdfff)
		return (0);
	low = c <= 0xdbff && t->end - t->at >= 6 && t->at[0] == '\\' && t->at[1] == 'u' ?
	    hex_digits(t, t->at + 2) :
	    -1;
	if (low >= 0xdc00 && low <= 0xdfff)
		t->at += 6;
	else
		memcpy(p, "fffd", 4);
	return (0);
}

/* At a backslash. */
static int
read_escape(struct text *t)
{
	int c;

	t->at++;
	if ((c = peek_byte(t)) == -1)
		return (-1);
	t->at++;
	if (c == 'u')
		return (read_unicode(t));
	return (strchr("\"\\/bfnrt", c) != NULL && c != '\0' ? 0 : -1);
}

/* From quote to quote; whether there are escapes in *escaped.  -1: a fault. */
static int
read_quoted(struct text *t, int *escaped)
{
	*escaped = 0;
	for (t->at++; t->at < t->end && *t->at != '"';) {
		if (*t->at == '\\') {
			*escaped = 1;
			if (read_escape(t) == -1) {
				scan_fault(t->s, "an escape in a text is broken");
				return (-1);
			}
		} else if ((unsigned char)*t->at < 0x20) {
			scan_fault(t->s, "a text has a control character");
			return (-1);
		} else
			t->at++;
	}
	if (t->at == t->end) {
		scan_fault(t->s, "a text has no end");
		return (-1);
	}
	t->at++;
	return (0);
}

static void
read_text(struct text *t)
{
	char *from = t->at;
	size_t n;
	int escaped, wanted = scan_wants_text(t->s);
	json_t *v = NULL;

	if (read_quoted(t, &escaped) == -1)
		return;
	n = (size_t)(t->at - from);
	if (wanted && escaped && n <= DECODED_MAX)
		v = json_loadb(from, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	if (v != NULL)
		scan_text(t->s, json_string_value(v), json_string_length(v));
	else
		scan_text(t->s, from + 1, n - 2);
	json_decref(v);
}

static void
json_name_at(struct text *t)
{
	if (peek_byte(t) != '"') {
		scan_fault(t->s,
		    peek_byte(t) == -1 ? "it ends too early" : "a name in quotes is expected");
		return;
	}
	read_text(t);
	if (t->s->why != NULL)
		return;
	skip_space(t);
	if (peek_byte(t) != ':')
		scan_fault(t->s, "':' is expected");
	else
		t->at++;
}

static void
json_value_at(struct text *t)
{
	int c = peek_byte(t);

	if (c == '{' || c == '[') {
		scan_enter(t->s, c == '{', 1, 0);
		t->at += t->s->why == NULL;
	} else if (c == '"')
		read_text(t);
	else if (c == '-' || (c >= '0' && c <= '9'))
		json_number_at(t);
	else
		read_word(t);
}

static int
text_closes(const struct text *t)
{
	return ((peek_byte(t) == '}' && scan_in(t->s, 1)) ||
	    (peek_byte(t) == ']' && scan_in(t->s, 0)));
}

/* What may follow: the first item, another one, or one in any case. */
enum due { FIRST, COMMA, ITEM };

static enum due
next_step(struct text *t, enum due due)
{
	int inside = t->s->depth;

	if (due != ITEM && inside > 0 && text_closes(t)) {
		t->at++;
		scan_leave(t->s);
		return (COMMA);
	}
	if (due == COMMA) {
		if (peek_byte(t) != ',')
			scan_fault(t->s,
			    peek_byte(t) == -1   ? "it ends too early" :
				scan_in(t->s, 1) ? "',' or '}' is expected" :
						   "',' or ']' is expected");
		else
			t->at++;
		return (ITEM);
	}
	if (scan_wants_name(t->s)) {
		json_name_at(t);
		return (ITEM);
	}
	json_value_at(t);
	return (t->s->depth > inside ? FIRST : COMMA);
}

/* The mark of byte order, as some editors and shells write it, becomes blanks. */
static void
pass_mark(struct text *t)
{
	if (t->end - t->at >= 3 && memcmp(t->at, "\xef\xbb\xbf", 3) == 0)
		memset(t->at, ' ', 3);
}

void
scan_json(struct scan *s, char *p, size_t n, size_t *at)
{
	struct text t = { s, p, p + n };
	enum due due = ITEM;

	pass_mark(&t);
	skip_space(&t);
	if (peek_byte(&t) != '{' && peek_byte(&t) != '[')
		scan_fault(s, "'{' is expected");
	while (s->why == NULL && !scan_is_whole(s)) {
		due = next_step(&t, due);
		if (s->why == NULL)
			skip_space(&t);
	}
	if (s->why == NULL && t.at < t.end)
		scan_fault(s, "there is something behind it");
	*at = (size_t)(t.at - p);
}
