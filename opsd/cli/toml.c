#include "config.h"

#include "opsd/cli/toml.h"
#include "opsd/cli/toml_priv.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"

#define DEPTH_MAX  32
#define NUMBER_MAX 64

static json_t *read_value(struct toml *t);

/* ---- faults ---- */

void
toml_fault(struct toml *t, const char *fmt, ...)
{
	char *what;
	va_list ap;

	if (t->err != NULL)
		return;
	va_start(ap, fmt);
	if (vasprintf(&what, fmt, ap) == -1)
		fatal("vasprintf");
	va_end(ap);
	t->err = xasprintf("%s:%u: %s", t->name, t->line, what);
	free(what);
}

/* ---- what is between ---- */

int
toml_next(const struct toml *t, const char *text)
{
	size_t n = strlen(text);

	return ((size_t)(t->end - t->p) >= n && memcmp(t->p, text, n) == 0);
}

int
toml_take(struct toml *t, const char *text)
{
	if (!toml_next(t, text))
		return (0);
	t->p += strlen(text);
	return (1);
}

void
toml_blanks(struct toml *t)
{
	while (t->p < t->end && (*t->p == ' ' || *t->p == '\t'))
		t->p++;
}

int
toml_newline(struct toml *t)
{
	if (!toml_take(t, "\n") && !toml_take(t, "\r\n"))
		return (0);
	t->line++;
	return (1);
}

static void
skip_comment(struct toml *t)
{
	if (toml_next(t, "#"))
		while (t->p < t->end && *t->p != '\n')
			t->p++;
}

/* Blanks, comments and ends of lines. */
static void
skip_lines(struct toml *t)
{
	do {
		toml_blanks(t);
		skip_comment(t);
	} while (toml_newline(t));
}

static void
expect_line_end(struct toml *t)
{
	toml_blanks(t);
	skip_comment(t);
	if (t->p < t->end && !toml_newline(t))
		toml_fault(t, "there is more on the line than there may be");
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
	json_t *part = toml_quoted(t, 0);

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
		toml_blanks(t);
		part = read_part(t);
		if (part == NULL) {
			json_decref(parts);
			return (NULL);
		}
		json_array_append_new(parts, part);
		toml_blanks(t);
	} while (toml_take(t, "."));
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
	if (!toml_take(t, "="))
		toml_fault(t, "after '%s' there is no =", last_part(parts));
	toml_blanks(t);
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
	int list = toml_take(t, "[[");
	json_t *parts, *in, *table = NULL, *all;

	if (!list)
		(void)toml_take(t, "[");
	if ((parts = toml_key(t)) == NULL)
		return (NULL);
	if (!toml_take(t, list ? "]]" : "]"))
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
	toml_blanks(t);
	if (toml_take(t, "}"))
		return (table);
	do {
		toml_pair(t, table);
		toml_blanks(t);
	} while (t->err == NULL && toml_take(t, ","));
	if (!toml_take(t, "}"))
		toml_fault(t, "a table does not end");
	return (table);
}

static json_t *
read_list(struct toml *t)
{
	json_t *list = json_array(), *value;

	for (;;) {
		skip_lines(t);
		if (t->err != NULL || toml_take(t, "]"))
			return (list);
		if ((value = read_value(t)) == NULL)
			return (list);
		json_array_append_new(list, value);
		skip_lines(t);
		if (!toml_take(t, ",") && !toml_next(t, "]"))
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
	v = toml_quoted(t, 1);
	if (v == NULL && t->err == NULL)
		v = toml_take(t, "[") ? read_list(t) :
		    toml_take(t, "{") ? read_inline(t) :
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
		if (toml_next(t, "["))
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
	(void)toml_take(&t, "\xef\xbb\xbf");
	read_file(&t);
	json_decref(t.made);
	*err = t.err;
	if (t.err == NULL)
		return (t.root);
	json_decref(t.root);
	return (NULL);
}
