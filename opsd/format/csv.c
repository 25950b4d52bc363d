#include "config.h"

#include "opsd/format/csv.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/format/charset.h"
#include "opsd/store/value.h"

#define CELLS_MAX 10000

enum state {
	START, /* of a cell */
	PLAIN,
	QUOTED,
	QUOTE, /* after a quote in a quoted cell: its end, or half of one */
	BROKEN,
};

struct csv {
	char delimiter;
	int told; /* by the options: sep= is passed over */
	int strict;
	struct charset *charset; /* NULL: UTF-8, more or less */
	int begun;               /* whether it is UTF-16 is known */
	uint8_t mark;            /* the first byte, while it may be half of its mark */
	struct buf decoded;
	int rows; /* there was one */
	uint64_t mended;
	csv_row_fn *row;
	void *arg;
	size_t row_max;
	enum state state;
	int bom; /* bytes of it seen; -1: that is over */
	int cr;  /* an LF now belongs to the CR before it */
	uint64_t line, row_line, error_line;
	struct buf text;        /* of the row's cells */
	struct csv_cell *cells; /* while a row is read, p is not set */
	size_t n, cap;
	size_t cell_at;
	int quoted;
	char error[160]; /* empty: none */
};

int
csv_delimiter_ok(char c)
{
	uint8_t u = (uint8_t)c;

	return (u == '\t' || (u >= ' ' && u < 0x7f && u != '"' && !isalnum(u)));
}

struct csv *
csv_new(const struct csv_options *o, size_t row_max, csv_row_fn *row, void *arg)
{
	struct csv *c = xcalloc(1, sizeof(*c));

	if (o->encoding != NULL && strcmp(o->encoding, CHARSET_UTF8) != 0 &&
	    (c->charset = charset_new(o->encoding)) == NULL) {
		free(c);
		return (NULL);
	}
	c->delimiter = o->delimiter != '\0' ? o->delimiter : ',';
	c->told = o->delimiter != '\0';
	c->strict = o->strict || o->encoding != NULL;
	c->begun = o->encoding != NULL;
	c->row = row;
	c->arg = arg;
	c->row_max = row_max;
	c->line = c->row_line = 1;
	return (c);
}

void
csv_free(struct csv *c)
{
	if (c == NULL)
		return;
	charset_free(c->charset);
	buf_free(&c->decoded);
	buf_free(&c->text);
	free(c->cells);
	free(c);
}

const char *
csv_error(const struct csv *c)
{
	return (c->error);
}

uint64_t
csv_mended(const struct csv *c)
{
	return (c->mended);
}

uint64_t
csv_line(const struct csv *c)
{
	return (c->error_line);
}

static __attribute__((format(printf, 3, 4))) int
csv_broken(struct csv *c, uint64_t line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->error, sizeof(c->error), fmt, ap);
	va_end(ap);
	c->state = BROKEN;
	c->error_line = line;
	return (-1);
}

static int
end_cell(struct csv *c)
{
	if (c->n == CELLS_MAX)
		return (csv_broken(c, c->row_line, "a row has more than 10000 columns"));
	if (c->n == c->cap) {
		c->cap = c->cap == 0 ? 32 : 2 * c->cap;
		c->cells = xrealloc(c->cells, c->cap * sizeof(*c->cells));
	}
	c->cells[c->n].n = c->text.len - c->cell_at;
	c->cells[c->n++].quoted = c->quoted;
	c->cell_at = c->text.len;
	c->quoted = 0;
	c->state = START;
	return (0);
}

static void
place_cells(struct csv *c)
{
	size_t at = 0;

	for (size_t i = 0; i < c->n; at += c->cells[i++].n)
		c->cells[i].p = at < c->text.len ? (const char *)c->text.data + at : "";
}

/* Cells that are not UTF-8 are read as windows-1252. */
static int
mend_cells(struct csv *c)
{
	struct buf text = { 0 };
	size_t i = 0;

	while (i < c->n && value_utf8(c->cells[i].p, c->cells[i].n))
		i++;
	if (i == c->n)
		return (0);
	if (c->strict)
		return (csv_broken(c, c->row_line, "cell %zu is not UTF-8", i + 1));
	for (i = 0; i < c->n; i++) {
		struct csv_cell *cell = &c->cells[i];
		size_t at = text.len;

		if (value_utf8(cell->p, cell->n))
			buf_add(&text, cell->p, cell->n);
		else {
			charset_windows(&text, cell->p, cell->n);
			c->mended++;
		}
		cell->n = text.len - at;
	}
	buf_free(&c->text);
	c->text = text;
	place_cells(c);
	return (0);
}

/* Whether the first line is one such as sep=; for spreadsheets. */
static int
is_sep_line(struct csv *c)
{
	const struct csv_cell *cell = &c->cells[0];
	size_t n = cell->n;

	if (c->rows++ > 0 || cell->quoted || n < 4 || memcmp(cell->p, "sep=", 4) != 0)
		return (0);
	if (n == 4)
		return (c->n == 2 && c->cells[1].n == 0); /* the one that is used */
	if (c->n != 1 || n != 5 || !csv_delimiter_ok(cell->p[4]))
		return (0);
	if (!c->told)
		c->delimiter = cell->p[4];
	return (1);
}

static int
end_row(struct csv *c)
{
	int rc = 0;

	if (end_cell(c) == -1)
		return (-1);
	place_cells(c);
	if (c->n > 1 || c->cells[0].n > 0 || c->cells[0].quoted) {
		if (mend_cells(c) == -1)
			return (-1);
		if (!is_sep_line(c))
			rc = c->row(c->cells, c->n, c->row_line, c->arg) != 0;
	}
	c->n = 0;
	c->cell_at = 0;
	buf_clear(&c->text);
	return (rc);
}

/* What ends a cell does so in any state but QUOTED. */
static int
cell_ends_at(struct csv *c, uint8_t ch)
{
	int rc;

	if (ch == (uint8_t)c->delimiter)
		return (end_cell(c));
	rc = end_row(c);
	c->row_line = ++c->line;
	c->cr = ch == '\r';
	return (rc);
}

static int
parse_byte(struct csv *c, uint8_t ch)
{
	if (c->cr && ch == '\n') {
		c->cr = 0;
		return (0);
	}
	c->cr = 0;
	if (ch == '\0')
		return (csv_broken(c, c->line, "a NUL byte"));
	if (c->state == QUOTED) {
		if (ch == '"')
			c->state = QUOTE;
		else
			buf_u8(&c->text, ch);
		c->line += ch == '\n';
		return (0);
	}
	if (c->state == QUOTE && ch == '"') {
		buf_u8(&c->text, ch);
		c->state = QUOTED;
		return (0);
	}
	if (ch == (uint8_t)c->delimiter || ch == '\n' || ch == '\r')
		return (cell_ends_at(c, ch));
	if (c->state == QUOTE)
		return (csv_broken(c, c->line, "text after the closing quote of a cell"));
	if (c->state == START && ch == '"') {
		c->quoted = 1;
		c->state = QUOTED;
		return (0);
	}
	buf_u8(&c->text, ch);
	c->state = PLAIN;
	return (0);
}

/* Bytes at p that are nothing but text where the parser is. */
static size_t
plain_run(const struct csv *c, const uint8_t *p, size_t n)
{
	const uint8_t *q = p, *end = p + n, delimiter = (uint8_t)c->delimiter;

	if (c->state == QUOTED)
		while (q < end && *q != '"' && *q != '\n' && *q != '\0')
			q++;
	else if (c->state == PLAIN)
		while (q < end && *q != delimiter && *q != '\n' && *q != '\r' && *q != '\0')
			q++;
	return ((size_t)(q - p));
}

static size_t
skip_bom(struct csv *c, const uint8_t *p, size_t n)
{
	static const uint8_t mark[] = { 0xef, 0xbb, 0xbf };
	size_t i = 0;

	while (c->bom >= 0 && i < n) {
		if (p[i] != mark[c->bom]) {
			/* No mark, but bytes that begin as one. */
			buf_add(&c->text, mark, (size_t)c->bom);
			c->state = c->bom > 0 ? PLAIN : START;
			c->bom = -1;
		} else {
			i++;
			if (++c->bom == sizeof(mark))
				c->bom = -1;
		}
	}
	return (i);
}

static int
parse_text(struct csv *c, const void *p, size_t n)
{
	const uint8_t *at = p, *end = at + n;
	size_t len;
	int rc = 0;

	at += skip_bom(c, at, n);
	while (at < end && rc == 0) {
		if (c->state == BROKEN)
			return (-1);
		len = plain_run(c, at, (size_t)(end - at));
		if (len > 0) {
			c->cr = 0;
			buf_add(&c->text, at, len);
			at += len;
		} else
			rc = parse_byte(c, *at++);
		if (c->text.len > c->row_max)
			return (csv_broken(c, c->row_line,
			    "a row is longer than a transaction may be"));
	}
	return (rc);
}

static int
decode_text(struct csv *c, const void *p, size_t n)
{
	if (c->charset == NULL)
		return (parse_text(c, p, n));
	buf_clear(&c->decoded);
	if (charset_decode(c->charset, p, n, &c->decoded) == -1)
		return (csv_broken(c, c->line, "what follows is no text in the encoding"));
	return (parse_text(c, c->decoded.data, c->decoded.len));
}

/* The first two bytes are those of UTF-16, or nobody's. */
static int
begin_text(struct csv *c, const uint8_t *p, size_t n)
{
	uint8_t two[2] = { c->mark, p[0] };
	int rc = 0;

	if (c->mark == 0 && (p[0] == 0xff || p[0] == 0xfe)) {
		c->mark = p[0];
		return (n > 1 ? begin_text(c, p + 1, n - 1) : 0);
	}
	c->begun = 1;
	if (c->mark != 0 && (two[0] ^ two[1]) == 1)
		c->charset = charset_new(CHARSET_UTF16);
	if (c->mark != 0)
		rc = decode_text(c, two, 1);
	return (rc == 0 ? decode_text(c, p, n) : rc);
}

int
csv_feed(struct csv *c, const void *p, size_t n)
{
	if (n == 0)
		return (0);
	if (c->state == BROKEN)
		return (-1);
	return (c->begun ? decode_text(c, p, n) : begin_text(c, p, n));
}

int
csv_end(struct csv *c)
{
	int rc = 0;

	if (!c->begun && c->mark != 0 && (rc = decode_text(c, &c->mark, 1)) != 0)
		return (rc);
	if (c->state == BROKEN)
		return (-1);
	if (c->state == QUOTED)
		return (csv_broken(c, c->row_line, "a quoted cell has no end"));
	if (c->charset != NULL && charset_end(c->charset) == -1)
		return (csv_broken(c, c->line, "half a character at the end"));
	if (c->bom > 0)
		return (csv_broken(c, 1, "half a mark of byte order"));
	if (c->state == START && c->n == 0)
		return (0);
	return (end_row(c));
}
