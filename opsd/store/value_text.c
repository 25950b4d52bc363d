#include "config.h"

#include "opsd/store/value.h"

#include <math.h>
#include <string.h>

#include "common/base/words.h"
#include "opsd/store/packed.h"

#define MAX_REAL_AS_INTEGER 1e15 /* below, %.0f is the shortest form */

static void
text_integer(struct buf *out, int64_t i)
{
	char digits[24], *p = digits + sizeof(digits);
	uint64_t u = i < 0 ? -(uint64_t)i : (uint64_t)i;

	do
		*--p = (char)('0' + u % 10);
	while ((u /= 10) > 0);
	if (i < 0)
		*--p = '-';
	buf_add(out, p, (size_t)(digits + sizeof(digits) - p));
}

void
value_text_real(struct buf *out, double d)
{
	char text[WORDS_REAL];

	if (!isfinite(d)) {
		buf_add(out, "null", 4);
		return;
	}
	if (d == 0 && signbit(d)) {
		buf_add(out, "-0.0", 4);
		return;
	}
	if (fabs(d) < MAX_REAL_AS_INTEGER && d == trunc(d)) {
		text_integer(out, (int64_t)d);
		return;
	}
	buf_add(out, text, (size_t)words_real(text, d));
}

static void
text_escaped(struct buf *out, uint8_t c)
{
	static const char plain[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
	const char *at = c != 0 ? strchr(plain, c) : NULL;

	if (at != NULL) {
		buf_u8(out, '\\');
		buf_u8(out, (uint8_t)letter[at - plain]);
	} else
		buf_addf(out, "\\u%04x", c);
}

void
value_text_string(struct buf *out, const char *s, size_t n)
{
	size_t i, from = 0;

	buf_reserve(out, n + 2);
	buf_u8(out, '"');
	for (i = 0; i < n; i++) {
		uint8_t c = (uint8_t)s[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		buf_add(out, s + from, i - from);
		text_escaped(out, c);
		from = i + 1;
	}
	buf_add(out, s + from, n - from);
	buf_u8(out, '"');
}

static int text_value(struct buf *out, struct rd *r, int left);

static int
text_items(struct buf *out, struct rd *r, const struct packed *t, int left)
{
	struct packed name;
	uint32_t i;

	if (left == 0)
		return (-1);
	buf_u8(out, t->kind == PACKED_MAP ? '{' : '[');
	for (i = 0; i < t->n; i++) {
		if (i > 0)
			buf_u8(out, ',');
		if (t->kind == PACKED_MAP) {
			if (packed_name(r, &name) == -1)
				return (-1);
			value_text_string(out, name.s, name.n);
			buf_u8(out, ':');
		}
		if (text_value(out, r, left - 1) == -1)
			return (-1);
	}
	buf_u8(out, t->kind == PACKED_MAP ? '}' : ']');
	return (0);
}

static int
text_value(struct buf *out, struct rd *r, int left)
{
	struct packed t;

	if (packed_next(r, &t) == -1)
		return (-1);
	switch (t.kind) {
	case PACKED_NIL:
		buf_add(out, "null", 4);
		return (0);
	case PACKED_FALSE:
		buf_add(out, "false", 5);
		return (0);
	case PACKED_TRUE:
		buf_add(out, "true", 4);
		return (0);
	case PACKED_INTEGER:
		text_integer(out, t.i);
		return (0);
	case PACKED_REAL:
		value_text_real(out, t.d);
		return (0);
	case PACKED_TEXT:
		value_text_string(out, t.s, t.n);
		return (0);
	default:
		return (text_items(out, r, &t, left));
	}
}

void
value_text(struct buf *out, const uint8_t *p, size_t n)
{
	struct rd r = rd_init(p, n);
	size_t at = out->len;

	if (text_value(out, &r, VALUE_MAX_DEPTH) == -1 || !rd_done(&r)) {
		out->len = at;
		buf_add(out, "null", 4);
	}
}

static void
text_json_items(struct buf *out, const json_t *v)
{
	const char *key;
	json_t *e;
	size_t i;
	int n = 0;

	buf_u8(out, json_is_array(v) ? '[' : '{');
	json_array_foreach(v, i, e) {
		if (n++ > 0)
			buf_u8(out, ',');
		value_text_json(out, e);
	}
	json_object_foreach((json_t *)(uintptr_t)v, key, e) {
		if (n++ > 0)
			buf_u8(out, ',');
		value_text_string(out, key, strlen(key));
		buf_u8(out, ':');
		value_text_json(out, e);
	}
	buf_u8(out, json_is_array(v) ? ']' : '}');
}

void
value_text_json(struct buf *out, const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_NULL:
		buf_add(out, "null", 4);
		return;
	case JSON_FALSE:
		buf_add(out, "false", 5);
		return;
	case JSON_TRUE:
		buf_add(out, "true", 4);
		return;
	case JSON_INTEGER:
		text_integer(out, json_integer_value(v));
		return;
	case JSON_REAL:
		value_text_real(out, json_real_value(v));
		return;
	case JSON_STRING:
		value_text_string(out, json_string_value(v), json_string_length(v));
		return;
	default:
		text_json_items(out, v);
	}
}

void
value_text_scalar(struct buf *out, const struct scalar *sc)
{
	int64_t i;

	if (sc->rank == RANK_TEXT)
		value_text_string(out, sc->s, sc->n);
	else if (sc->rank == RANK_NUMBER && scalar_is_integer(sc, &i))
		text_integer(out, i);
	else if (sc->rank == RANK_NUMBER)
		value_text_real(out, sc->d);
	else if (sc->rank == RANK_TRUE || sc->rank == RANK_FALSE)
		buf_addf(out, "%s", sc->rank == RANK_TRUE ? "true" : "false");
	else
		buf_add(out, "null", 4);
}
