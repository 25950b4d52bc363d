#include "config.h"

#include "opsd/format/csv.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "opsd/store/value.h"

#define NUMBER_MAX 400 /* longer digits are text */

static json_t *cell_typed(const struct csv_cell *c);

static int
cell_is(const struct csv_cell *c, const char *word)
{
	return (c->n == strlen(word) && memcmp(c->p, word, c->n) == 0);
}

static const char *
skip_digits(const char *p)
{
	while (*p >= '0' && *p <= '9')
		p++;
	return (p);
}

/* A number in JSON's grammar: 1 a whole one, 2 another, 0 none. */
static int
number_kind(const char *s)
{
	const char *p = *s == '-' ? s + 1 : s, *q = skip_digits(p);
	int kind = 1;

	if (q == p || (*p == '0' && q - p > 1))
		return (0);
	if (*q == '.') {
		p = q + 1;
		q = skip_digits(p);
		kind = 2;
		if (q == p)
			return (0);
	}
	if (*q == 'e' || *q == 'E') {
		p = q + 1;
		p += *p == '-' || *p == '+';
		q = skip_digits(p);
		kind = 2;
		if (q == p)
			return (0);
	}
	return (*q == '\0' ? kind : 0);
}

/* NULL: it is none, or none that can be kept. */
static json_t *
cell_number(const struct csv_cell *c)
{
	char text[NUMBER_MAX + 1];
	long long i;
	double d;

	if (c->n > NUMBER_MAX || (*c->p != '-' && (*c->p < '0' || *c->p > '9')))
		return (NULL);
	memcpy(text, c->p, c->n);
	text[c->n] = '\0';
	switch (number_kind(text)) {
	case 1:
		errno = 0;
		i = strtoll(text, NULL, 10);
		return (errno == 0 ? json_integer(i) : NULL);
	case 2:
		d = strtod(text, NULL);
		return (isfinite(d) ? json_real(d) : NULL);
	}
	return (NULL);
}

static json_t *
cell_tree(const struct csv_cell *c)
{
	json_t *v;

	if (*c->p != '{' && *c->p != '[')
		return (NULL);
	v = json_loadb(c->p, c->n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	if (v != NULL && value_depth_ok(v))
		return (v);
	json_decref(v);
	return (NULL);
}

static json_t *
cell_word(const struct csv_cell *c)
{
	if (cell_is(c, "true") || cell_is(c, "TRUE"))
		return (json_true());
	if (cell_is(c, "false") || cell_is(c, "FALSE"))
		return (json_false());
	if (cell_is(c, "null") || cell_is(c, "NULL") || cell_is(c, "undefined"))
		return (json_null());
	return (NULL);
}

/* Text that would be read as something else, or cannot stand in a cell. */
static int
needs_quotes(const char *s, size_t n)
{
	json_t *v;
	int yes;

	if (n == 0)
		return (0);
	v = cell_typed(&(struct csv_cell){ .p = s, .n = n });
	yes = v != NULL || memchr(s, '\0', n) != NULL;
	json_decref(v);
	return (yes);
}

/* Text in the quotes of JSON, if it needs them: others keep theirs. */
static json_t *
in_quotes(const struct csv_cell *c)
{
	json_t *v;

	if (c->n < 2 || c->p[0] != '"' || c->p[c->n - 1] != '"')
		return (NULL);
	v = json_loadb(c->p, c->n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	if (v != NULL && needs_quotes(json_string_value(v), json_string_length(v)))
		return (v);
	json_decref(v);
	return (NULL);
}

/* What is no plain text; NULL: it is. */
static json_t *
cell_typed(const struct csv_cell *c)
{
	json_t *v;

	if ((v = cell_number(c)) == NULL && (v = cell_tree(c)) == NULL &&
	    (v = cell_word(c)) == NULL)
		v = in_quotes(c);
	return (v);
}

json_t *
csv_value(const struct csv_cell *c)
{
	json_t *v;

	if (c->n == 0)
		return (c->quoted ? json_string("") : json_null());
	v = cell_typed(c);
	return (v != NULL ? v : json_stringn(c->p, c->n));
}

int
csv_absent(const struct csv_cell *c)
{
	return (cell_is(c, "undefined"));
}

/* ---- writing ---- */

static void
write_quoted(struct buf *out, const char *s, size_t n)
{
	buf_u8(out, '"');
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '"')
			buf_u8(out, '"');
		buf_u8(out, (uint8_t)s[i]);
	}
	buf_u8(out, '"');
}

/* In the first line it would say what parts cells. */
static int
would_be_sep(const char *s, size_t n)
{
	return (n >= 4 && memcmp(s, "sep=", 4) == 0);
}

void
csv_write_name(struct buf *out, const char *s, size_t n)
{
	int quote = n == 0 || s[0] == ' ' || s[n - 1] == ' ' || s[0] == '\t' || s[n - 1] == '\t' ||
	    (uint8_t)s[0] == 0xef || would_be_sep(s, n); /* perhaps a mark of byte order */

	for (size_t i = 0; i < n && !quote; i++)
		quote = s[i] == ',' || s[i] == '"' || s[i] == '\n' || s[i] == '\r';
	if (quote)
		write_quoted(out, s, n);
	else
		buf_add(out, s, n);
}

void
csv_write_text(struct buf *out, const char *s, size_t n)
{
	struct buf json = { 0 };

	if (!needs_quotes(s, n)) {
		csv_write_name(out, s, n);
		return;
	}
	value_text_string(&json, s, n);
	write_quoted(out, (const char *)json.data, json.len);
	buf_free(&json);
}

void
csv_write(struct buf *out, const json_t *v)
{
	struct buf text = { 0 };

	if (json_is_null(v))
		return;
	if (json_is_string(v)) {
		csv_write_text(out, json_string_value(v), json_string_length(v));
		return;
	}
	value_text_json(&text, v);
	csv_write_name(out, (const char *)text.data, text.len);
	buf_free(&text);
}
