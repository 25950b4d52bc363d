#include "config.h"

#include "opsd/cli/toml_priv.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

#include "common/base/buf.h"

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
		toml_blanks(t);
	while (toml_newline(t));
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
	if (toml_take(t, "u"))
		take_unicode(t, b, 4);
	else if (toml_take(t, "U"))
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
		(void)toml_newline(t);
	for (;;) {
		if (t->err != NULL)
			return;
		if (toml_next(t, quote) && !(lines && t->end - t->p > 3 && t->p[3] == *quote))
			break;
		if (t->p == t->end || (!lines && *t->p == '\n')) {
			toml_fault(t, "a text does not end");
			return;
		}
		if (escapes && toml_take(t, "\\")) {
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

json_t *
toml_quoted(struct toml *t, int lines)
{
	static const struct {
		const char *quote;
		int lines, escapes;
	} kinds[] = { { "\"\"\"", 1, 1 }, { "'''", 1, 0 }, { "\"", 0, 1 }, { "'", 0, 0 } };
	struct buf b = { 0 };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if ((kinds[i].lines && !lines) || !toml_take(t, kinds[i].quote))
			continue;
		take_quoted(t, &b, kinds[i].quote, kinds[i].escapes);
		return (text_of(t, &b));
	}
	return (NULL);
}
