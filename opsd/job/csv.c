#include "config.h"

#include "csv.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define CELLS_MAX	10000

enum state {
	START,		/* of a cell */
	PLAIN,
	QUOTED,
	QUOTE,		/* after a quote in a quoted cell: its end, or half of one */
	BROKEN
};

struct csv {
	csv_row_fn		*row;
	void			*arg;
	size_t			 row_max;
	enum state		 state;
	int			 bom;		/* bytes of it seen; -1: that is over */
	int			 cr;		/* an LF now belongs to the CR before it */
	uint64_t		 line, row_line, error_line;
	struct buf		 text;		/* of the row's cells */
	struct csv_cell		*cells;		/* while a row is read, p is not set */
	size_t			 n, cap;
	size_t			 cell_at;
	int			 quoted;
	const char		*error;
};

struct csv *
csv_new(size_t row_max, csv_row_fn *row, void *arg)
{
	struct csv	*c = xcalloc(1, sizeof(*c));

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
csv_line(const struct csv *c)
{
	return (c->error_line);
}

static int
broken(struct csv *c, const char *error, uint64_t line)
{
	c->state = BROKEN;
	c->error = error;
	c->error_line = line;
	return (-1);
}

static int
end_cell(struct csv *c)
{
	if (c->n == CELLS_MAX)
		return (broken(c, "a row has more than 10000 columns", c->row_line));
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

static int
end_row(struct csv *c)
{
	size_t	at = 0;
	int	rc = 0;

	if (end_cell(c) == -1)
		return (-1);
	for (size_t i = 0; i < c->n; at += c->cells[i++].n)
		c->cells[i].p = at < c->text.len ? (const char *)c->text.data + at : "";
	if (c->n > 1 || c->cells[0].n > 0 || c->cells[0].quoted)
		rc = c->row(c->cells, c->n, c->row_line, c->arg) != 0;
	c->n = 0;
	c->cell_at = 0;
	buf_clear(&c->text);
	return (rc);
}

/* What ends a cell does so in any state but QUOTED. */
static int
part(struct csv *c, uint8_t ch)
{
	int	rc;

	if (ch == ',')
		return (end_cell(c));
	rc = end_row(c);
	c->row_line = ++c->line;
	c->cr = ch == '\r';
	return (rc);
}

static int
one(struct csv *c, uint8_t ch)
{
	if (c->cr && ch == '\n') {
		c->cr = 0;
		return (0);
	}
	c->cr = 0;
	if (ch == '\0')
		return (broken(c, "a NUL byte", c->line));
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
	if (ch == ',' || ch == '\n' || ch == '\r')
		return (part(c, ch));
	if (c->state == QUOTE)
		return (broken(c, "text after the closing quote of a cell", c->line));
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
run(const struct csv *c, const uint8_t *p, size_t n)
{
	const uint8_t	*q = p, *end = p + n;

	if (c->state == QUOTED)
		while (q < end && *q != '"' && *q != '\n' && *q != '\0')
			q++;
	else if (c->state == PLAIN)
		while (q < end && *q != ',' && *q != '\n' && *q != '\r' && *q != '\0')
			q++;
	return ((size_t)(q - p));
}

static size_t
skip_bom(struct csv *c, const uint8_t *p, size_t n)
{
	static const uint8_t	mark[] = { 0xef, 0xbb, 0xbf };
	size_t			i = 0;

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

int
csv_feed(struct csv *c, const void *p, size_t n)
{
	const uint8_t	*at = p, *end = at + n;
	size_t		 len;
	int		 rc = 0;

	at += skip_bom(c, at, n);
	while (at < end && rc == 0) {
		if (c->state == BROKEN)
			return (-1);
		len = run(c, at, (size_t)(end - at));
		if (len > 0) {
			c->cr = 0;
			buf_add(&c->text, at, len);
			at += len;
		} else
			rc = one(c, *at++);
		if (c->text.len > c->row_max)
			return (broken(c, "a row is longer than a transaction may be",
			    c->row_line));
	}
	return (rc);
}

int
csv_end(struct csv *c)
{
	if (c->state == BROKEN)
		return (-1);
	if (c->state == QUOTED)
		return (broken(c, "a quoted cell has no end", c->row_line));
	if (c->bom > 0)
		return (broken(c, "half a mark of byte order", 1));
	if (c->state == START && c->n == 0)
		return (0);
	return (end_row(c));
}
