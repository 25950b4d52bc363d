#include "config.h"

#include "opsd/cli/toml.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/mem.h"

#define DEPTH_MAX  32
#define NUMBER_MAX 64

struct toml {
	const char *name;
	const char *p, *end;
	unsigned line, depth;
	json_t *root;
	json_t *
	    made; /* tables that a header or an inline one has made, by address: not to be added to */
	char *err; /* the first fault; NULL: none yet */
};

static json_t *read_value(struct toml *t);

/* ---- faults ---- */

static void __attribute__((format(printf, 2, 3))) toml_fault(struct toml *t, const char *fmt, ...)
{
	char *what;
	va_list ap;

	if (t->err != NULL)
		return;
	va_start(ap, fmt);
	if (vasprintf(&what, fmt, ap) == -1)
		abort();
	va_end(ap);
	t->err = xasprintf("%s:%u: %s", t->name, t->line, what);
	free(what);
}

/* ---- what is between ---- */

static int
next_is(const struct toml *t, const char *text)
{
	size_t n = strlen(text);

	return ((size_t)(t->end - t->p) >= n && memcmp(t->p, text, n) == 0);
}

static int
take_text(struct toml *t, const char *text)
{
	if (!next_is(t, text))
		return (0);
	t->p += strlen(text);
	return (1);
}

static void
skip_blanks(struct toml *t)
{
	while (t->p < t->end && (*t->p == ' ' || *t->p == '\t'))
		t->p++;
}

static int
take_newline(struct toml *t)
{
	if (!take_text(t, "\n") && !take_text(t, "\r\n"))
		return (0);
	t->line++;
	return (1);
}

static void
skip_comment(struct toml *t)
{
	if (next_is(t, "#"))
		while (t->p < t->end && *t->p != '\n')
			t->p++;
}

/* Blanks, comments and ends of lines. */
static void
skip_lines(struct toml *t)
{
	do {
		skip_blanks(t);
		skip_comment(t);
	} while (take_newline(t));
}

static void
expect_line_end(struct toml *t)
{
	skip_blanks(t);
	skip_comment(t);
	if (t->p < t->end && !take_newline(t))
		toml_fault(t, "there is more on the line than there may be");
}

/* ---- texts ---- */

static void
put_utf8(struct toml *t, struct buf *b, uint32_t c)
{
	if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		toml_fault(t, "\\u is no character");
	else if (c < 0x80)
		buf_u8(b, (uint8_t)c);
	else if (c < 0x800) {
		buf_u8(b, (uint8_t)(0xc0 | c >> 6));
		buf_u8(b, (uint8_t)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		buf_u8(b, (uint8_t)(0xe0 | c >> 12));
		buf_u8(b, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
		buf_u8(b, (uint8_t)(0x80 | (c & 0x3f)));
	} else {
		buf_u8(b, (uint8_t)(0xf0 | c >> 18));
		buf_u8(b, (uint8_t)(0x80 | (c >> 12 & 0x3f)));
		buf_u8(b, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
		buf_u8(b, (uint8_t)(0x80 | (c & 0x3f)));
	}
}

static void
take_unicode(struct toml *t, struct buf *b, int digits)
{
	uint32_t c = 0;

	for (; digits > 0; digits--, t->p++) {
		if (t->p == t->end || !isxdigit((unsigned char)*t->p)) {
			toml_fault(t, "\\u needs its hexadecimal digits");
			return;
		}
		c = c << 4 |
		    (uint32_t)(isdigit((unsigned char)*t->p) ?
			    *t->p - '0' :
			    tolower((unsigned char)*t->p) - 'a' + 10);
	}
	put_utf8(t, b, c);
}

/* A backslash at the end of a line joins it with the next one that has something. */
static int
take_joined(struct toml *t)
{
	const char *p = t->p;

	while (p < t->end && (*p == ' ' || *p == '\t'))
		p++;
	if (p == t->end || (*p != '\n' && *p != '\r'))
		return (0);
	t->p = p;
	do
		skip_blanks(t);
	while (take_newline(t));
	return (1);
}

static void
take_escape(struct toml *t, struct buf *b, int lines)
{
	static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
	const char *at;

	if (lines && take_joined(t))
		return;
	if (t->p == t->end) {
		toml_fault(t, "a text does not end");
		return;
	}
	if (take_text(t, "u"))
		take_unicode(t, b, 4);
	else if (take_text(t, "U"))
		take_unicode(t, b, 8);
	else if ((at = strchr(from, *t->p)) != NULL && *at != '\0') {
		buf_u8(b, (uint8_t)to[at - from]);
		t->p++;
	} else
		toml_fault(t, "there is no escape '\\%c'", *t->p);
}

/* Up to the quote that ends it; of three quotes the text itself may end with up to two. */
static void
take_quoted(struct toml *t, struct buf *b, const char *quote, int escapes)
{
	int lines = quote[1] != '\0';

	if (lines)
		(void)take_newline(t);
	for (;;) {
		if (t->err != NULL)
			return;
		if (next_is(t, quote) && !(lines && t->end - t->p > 3 && t->p[3] == *quote))
			break;
		if (t->p == t->end || (!lines && *t->p == '\n')) {
			toml_fault(t, "a text does not end");
			return;
		}
		if (escapes && take_text(t, "\\")) {
			take_escape(t, b, lines);
			continue;
		}
		t->line += *t->p == '\n';
		buf_u8(b, (uint8_t)*t->p++);
	}
	t->p += strlen(quote);
}

static json_t *
text_of(struct toml *t, struct buf *b)
{
	json_t *s = t->err == NULL ? json_stringn((const char *)b->data, b->len) : NULL;

	if (b->len == 0 && t->err == NULL) {
		json_decref(s);
		s = json_string("");
	}
	if (s == NULL)
		toml_fault(t, "a text is no UTF-8");
	buf_free(b);
	return (s);
}

/* NULL without a fault: there is none. */
static json_t *
read_quoted(struct toml *t, int lines)
{
	static const struct {
		const char *quote;
		int lines, escapes;
	} kinds[] = { { "\"\"\"", 1, 1 }, { "'''", 1, 0 }, { "\"", 0, 1 }, { "'", 0, 0 } };
	struct buf b = { 0 };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if ((kinds[i].lines && !lines) || !take_text(t, kinds[i].quote))
			continue;
		take_quoted(t, &b, kinds[i].quote, kinds[i].escapes);
		return (text_of(t, &b));
	}
	return (NULL);
}

/* ---- keys ---- */

static int
is_bare(char c)
{
	return (isalnum((unsigned char)c) || c == '_' || c == '-');
}

static json_t *
read_part(struct toml *t)
{
	const char *from = t->p;
	json_t *part = read_quoted(t, 0);

	if (part != NULL || t->err != NULL)
		return (part);
	while (t->p < t->end && is_bare(*t->p))
		t->p++;
	if (t->p == from) {
		toml_fault(t, "a key is missing");
		return (NULL);
	}
	return (json_stringn(from, (size_t)(t->p - from)));
}

/* The parts of a dotted key; NULL with a fault. */
static json_t *
toml_key(struct toml *t)
{
	json_t *parts = json_array(), *part;

	do {
		skip_blanks(t);
		part = read_part(t);
		if (part == NULL) {
			json_decref(parts);
			return (NULL);
		}
		json_array_append_new(parts, part);
		skip_blanks(t);
	} while (take_text(t, "."));
	return (parts);
}

/* ---- tables ---- */

static void
note_made(struct toml *t, const json_t *table)
{
	char *at = xasprintf("%p", (const void *)table);

	json_object_set_new(t->made, at, json_true());
	free(at);
}

static int
is_made(const struct toml *t, const json_t *table)
{
	char *at = xasprintf("%p", (const void *)table);
	int made = json_object_get(t->made, at) != NULL;

	free(at);
	return (made);
}

/* The table of that name in another, made if need be; of a list of tables its last. */
static json_t *
table_in(struct toml *t, json_t *in, const char *name)
{
	json_t *one = json_object_get(in, name);

	if (one == NULL) {
		one = json_object();
		json_object_set_new(in, name, one);
	}
	if (json_is_array(one) && json_array_size(one) > 0)
		one = json_array_get(one, json_array_size(one) - 1);
	if (json_is_object(one))
		return (one);
	toml_fault(t, "'%s' is a value already, and no table", name);
	return (NULL);
}

/* The table that the last of the parts is in. */
static json_t *
table_above(struct toml *t, json_t *from, const json_t *parts)
{
	size_t i;

	for (i = 0; from != NULL && i + 1 < json_array_size(parts); i++)
		from = table_in(t, from, json_string_value(json_array_get(parts, i)));
	return (from);
}

static const char *
last_part(const json_t *parts)
{
	return (json_string_value(json_array_get(parts, json_array_size(parts) - 1)));
}

/* "key = value" into a table. */
static void
toml_pair(struct toml *t, json_t *into)
{
	json_t *parts = toml_key(t), *in, *value;

	if (parts == NULL)
		return;
	if (!take_text(t, "="))
		toml_fault(t, "after '%s' there is no =", last_part(parts));
	skip_blanks(t);
	value = t->err == NULL ? read_value(t) : NULL;
	in = value != NULL ? table_above(t, into, parts) : NULL;
	if (in != NULL && json_object_get(in, last_part(parts)) != NULL)
		toml_fault(t, "'%s' is set twice", last_part(parts));
	else if (in != NULL)
		json_object_set(in, last_part(parts), value);
	json_decref(value);
	json_decref(parts);
}

/* [name] or [[name]]; NULL with a fault. */
static json_t *
read_header(struct toml *t)
{
	int list = take_text(t, "[[");
	json_t *parts, *in, *table = NULL, *all;

	if (!list)
		(void)take_text(t, "[");
	if ((parts = toml_key(t)) == NULL)
		return (NULL);
	if (!take_text(t, list ? "]]" : "]"))
		toml_fault(t, "the name of a table does not end");
	in = t->err == NULL ? table_above(t, t->root, parts) : NULL;
	if (in != NULL && list) {
		all = json_object_get(in, last_part(parts));
		if (all == NULL) {
			all = json_array();
			json_object_set_new(in, last_part(parts), all);
		}
		table = json_object();
		if (json_array_append_new(all, table) == -1) {
			toml_fault(t, "'%s' is no list of tables", last_part(parts));
			table = NULL;
		}
	} else if (in != NULL && (table = table_in(t, in, last_part(parts))) != NULL &&
	    is_made(t, table)) {
		toml_fault(t, "table '%s' is there twice", last_part(parts));
		table = NULL;
	}
	if (table != NULL)
		note_made(t, table);
	json_decref(parts);
	expect_line_end(t);
	return (table);
}

/* ---- values ---- */

static json_t *
read_inline(struct toml *t)
{
	json_t *table = json_object();

	note_made(t, table);
	skip_blanks(t);
	if (take_text(t, "}"))
		return (table);
	do {
		toml_pair(t, table);
		skip_blanks(t);
	} while (t->err == NULL && take_text(t, ","));
	if (!take_text(t, "}"))
		toml_fault(t, "a table does not end");
	return (table);
}

static json_t *
read_list(struct toml *t)
{
	json_t *list = json_array(), *value;

	for (;;) {
		skip_lines(t);
		if (t->err != NULL || take_text(t, "]"))
			return (list);
		if ((value = read_value(t)) == NULL)
			return (list);
		json_array_append_new(list, value);
		skip_lines(t);
		if (!take_text(t, ",") && !next_is(t, "]"))
			toml_fault(t, "a list does not end");
	}
}

/* Without the underscores, which are between digits; NULL: they are elsewhere. */
static char *
number_text(const char *s, size_t n)
{
	char *out = xcalloc(n + 1, 1);
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		if (s[i] != '_')
			out[at++] = s[i];
		else if (i == 0 || i + 1 == n || !isxdigit((unsigned char)s[i - 1]) ||
		    !isxdigit((unsigned char)s[i + 1])) {
			free(out);
			return (NULL);
		}
	}
	return (out);
}

static int
is_decimal(const char *s)
{
	s += *s == '-' || *s == '+';
	return (isdigit((unsigned char)*s) && !(s[0] == '0' && isdigit((unsigned char)s[1])));
}

static json_t *
whole_number(const char *s)
{
	static const struct {
		const char *prefix;
		int base;
	} bases[] = { { "0x", 16 }, { "0o", 8 }, { "0b", 2 } };
	const char *digits = s;
	int base = 10;
	long long v;
	char *end;

	for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++)
		if (strncmp(s, bases[i].prefix, 2) == 0) {
			digits = s + 2;
			base = bases[i].base;
		}
	if (base == 10 ? !is_decimal(s) : !isxdigit((unsigned char)*digits))
		return (NULL);
	errno = 0;
	v = strtoll(digits, &end, base);
	return (errno == 0 && *end == '\0' ? json_integer(v) : NULL);
}

static json_t *
real_number(const char *s)
{
	const char *dot = strchr(s, '.');
	double d;
	char *end;

	if (!is_decimal(s) || strpbrk(s, "xXpP") != NULL ||
	    (dot != NULL && (!isdigit((unsigned char)dot[-1]) || !isdigit((unsigned char)dot[1]))))
		return (NULL);
	d = strtod(s, &end);
	return (*end == '\0' ? json_real(d) : NULL);
}

static json_t *
read_word(struct toml *t)
{
	const char *from = t->p;
	char *text;
	json_t *v = NULL;
	size_t n;

	while (t->p < t->end && (is_bare(*t->p) || strchr("+.:", *t->p) != NULL))
		t->p++;
	n = (size_t)(t->p - from);
	if (n == 4 && memcmp(from, "true", 4) == 0)
		return (json_true());
	if (n == 5 && memcmp(from, "false", 5) == 0)
		return (json_false());
	text = n > 0 && n <= NUMBER_MAX ? number_text(from, n) : NULL;
	if (text != NULL && (v = whole_number(text)) == NULL)
		v = real_number(text);
	free(text);
	if (v == NULL)
		toml_fault(t, "'%.*s' is no value: a text is in quotes, and dates are not read",
		    (int)(n < NUMBER_MAX ? n : NUMBER_MAX), from);
	return (v);
}

/* NULL with a fault. */
static json_t *
read_value(struct toml *t)
{
	json_t *v;

	if (++t->depth > DEPTH_MAX)
		toml_fault(t, "values are nested too deep");
	if (t->err != NULL)
		return (NULL);
	v = read_quoted(t, 1);
	if (v == NULL && t->err == NULL)
		v = take_text(t, "[") ? read_list(t) :
		    take_text(t, "{") ? read_inline(t) :
					read_word(t);
	t->depth--;
	if (t->err != NULL) {
		json_decref(v);
		v = NULL;
	}
	return (v);
}

/* ---- the whole ---- */

static void
read_file(struct toml *t)
{
	json_t *table = t->root;

	for (;;) {
		skip_lines(t);
		if (t->err != NULL || t->p == t->end)
			return;
		if (next_is(t, "["))
			table = read_header(t);
		else {
			toml_pair(t, table);
			expect_line_end(t);
		}
	}
}

json_t *
toml_read(const char *name, const char *text, size_t n, char **err)
{
	struct toml t = { .name = name, .p = text, .end = text + n, .line = 1 };

	t.root = json_object();
	t.made = json_object();
	(void)take_text(&t, "\xef\xbb\xbf");
	read_file(&t);
	json_decref(t.made);
	*err = t.err;
	if (t.err == NULL)
		return (t.root);
	json_decref(t.root);
	return (NULL);
}
