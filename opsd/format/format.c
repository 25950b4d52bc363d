#include "config.h"

#include "opsd/format/format.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/mem.h"
#include "opsd/format/csv.h"
#include "opsd/format/jcbor.h"
#include "opsd/store/value.h"

/* The first of each is what answers say. */
static const struct {
	const char *type;
	enum format format;
} types[] = {
	{ "application/json", FORMAT_JSON },
	{ "application/cbor", FORMAT_CBOR },
	{ "application/x-msgpack", FORMAT_MSGPACK },
	{ "application/msgpack", FORMAT_MSGPACK },
	{ "application/vnd.msgpack", FORMAT_MSGPACK },
	{ "text/csv", FORMAT_CSV },
};
#define TYPES (sizeof(types) / sizeof(types[0]))

/* ---- which ---- */

const char *
format_type(enum format f)
{
	size_t i = 0;

	while (types[i].format != f)
		i++;
	return (types[i].type);
}

/* Bytes of a media type before its parameters. */
static size_t
type_length(const char *s)
{
	return (strcspn(s, " \t;,"));
}

enum format
format_of(const char *content_type)
{
	size_t n = content_type != NULL ? type_length(content_type) : 0;

	for (size_t i = 0; i < TYPES; i++)
		if (types[i].format != FORMAT_CSV && strlen(types[i].type) == n &&
		    strncasecmp(types[i].type, content_type, n) == 0)
			return (types[i].format);
	return (FORMAT_JSON);
}

/* How narrowly a range such as text/... names the type: 0 not, 3 exactly. */
static int
range_names(const char *range, size_t n, const char *type)
{
	size_t family = strcspn(type, "/") + 1;

	if (n == strlen(type) && strncasecmp(range, type, n) == 0)
		return (3);
	if (n == family + 1 && range[family] == '*' && strncasecmp(range, type, family) == 0)
		return (2);
	return (n == 3 && strncmp(range, "*/*", 3) == 0);
}

/* "0.25", in thousandths */
static int
quality_number(const char *s)
{
	int q = 0, digit = 1000;

	for (; digit > 0 && ((*s >= '0' && *s <= '9') || *s == '.'); s++)
		if (*s != '.') {
			q += (*s - '0') * digit;
			digit /= 10;
		}
	return (q > 1000 ? 1000 : q);
}

/* The q of a range's parameters in thousandths; 1000 without. */
static int
range_quality(const char *params, const char *end)
{
	for (; params < end; params++)
		if (*params == ';') {
			params += 1 + strspn(params + 1, " \t");
			if ((params[0] | 32) != 'q' || params[1] != '=')
				continue;
			return (quality_number(params + 2));
		}
	return (1000);
}

/* How much a type is wanted: its quality first, then how narrowly it is named. */
static int
type_wanted(const char *accept, const char *type)
{
	int best = 0, want = 0, how;

	while (*accept != '\0') {
		const char *end = accept + strcspn(accept, ",");

		accept += strspn(accept, " \t");
		how = range_names(accept, type_length(accept), type);
		if (how > best) {
			int q = range_quality(accept, end);

			best = how;
			want = q > 0 ? q * 4 + how : 0;
		}
		accept = *end != '\0' ? end + 1 : end;
	}
	return (want);
}

enum format
format_wanted(const char *accept, int rows)
{
	enum format f = FORMAT_JSON;
	int most = 0, n;

	if (accept == NULL)
		return (FORMAT_JSON);
	for (size_t i = 0; i < TYPES; i++) {
		if (types[i].format == FORMAT_CSV && !rows)
			continue;
		if ((n = type_wanted(accept, types[i].type)) > most) {
			most = n;
			f = types[i].format;
		}
	}
	return (f);
}

/* ---- reading ---- */

/* "line 2, column 7" of a place in a text, counted in characters. */
static char *
text_place(const char *p, size_t at)
{
	size_t line = 1, column = 1;

	for (size_t i = 0; i < at; i++)
		if (p[i] == '\n') {
			line++;
			column = 1;
		} else
			column += ((unsigned char)p[i] & 0xc0) != 0x80;
	return (xasprintf("line %zu, column %zu", line, column));
}

static char *
json_fault(const char *p, size_t n, size_t at, const char *why)
{
	char *where, *text;

	if (n == 0)
		return (xstrdup("Invalid JSON."));
	where = text_place(p, at);
	text = xasprintf("Invalid JSON at %s: %s", where, why);
	free(where);
	return (text);
}

static char *
scan_text_fault(enum format f, const struct scan *s, const char *p, size_t n, size_t at)
{
	const char *why = s->why;
	char deep[64];

	if (s->too_many)
		return (
		    xasprintf("the body has more values than operationsApi.network.maxBodyValues "
			      "(%llu)",
			(unsigned long long)s->most.values));
	if (strcmp(why, "nested too deep") == 0) {
		snprintf(deep, sizeof(deep), "nested more than %d levels deep", s->most.depth);
		why = deep;
	}
	if (f == FORMAT_JSON)
		return (json_fault(p, n, at, why));
	return (xasprintf("Invalid %s: %s", f == FORMAT_CBOR ? "CBOR" : "MessagePack", why));
}

int
format_scan(enum format f, struct scan *s, char *p, size_t n, char **err)
{
	static char nothing[1]; /* a body that is empty may be NULL */
	size_t at = 0;

	if (n == 0)
		p = nothing;
	if (f == FORMAT_CBOR)
		scan_cbor(s, (uint8_t *)p, n);
	else if (f == FORMAT_MSGPACK)
		scan_packed(s, (uint8_t *)p, n);
	else
		scan_json(s, p, n, &at);
	if (s->why == NULL)
		return (0);
	*err = scan_text_fault(f, s, p, n, at);
	return (s->too_many ? 413 : 400);
}

/* Characters of the number at p. */
static size_t
number_span(const char *p, size_t n)
{
	size_t len = 0;

	while (len < n && p[len] != '\0' && strchr("0123456789+-.eE", p[len]) != NULL)
		len++;
	return (len);
}

/* A whole number that 64 bits cannot hold. */
static int
too_long(const char *number, size_t n)
{
	char text[24];

	for (size_t i = 0; i < n; i++)
		if (strchr(".eE", number[i]) != NULL)
			return (0);
	if (n >= sizeof(text))
		return (1);
	memcpy(text, number, n);
	text[n] = '\0';
	errno = 0;
	(void)strtoll(text, NULL, 10);
	return (errno == ERANGE);
}

/*
 * Integers beyond 64 bits are read as doubles, as most clients read them; the
 * parser takes them for such when they have an exponent.
 */
static json_t *
read_long_integers(const char *p, size_t n)
{
	struct buf text = { 0 };
	int quoted = 0;
	size_t len;
	json_t *v;

	for (size_t i = 0; i < n; i += len) {
		int number = !quoted && (p[i] == '-' || (p[i] >= '0' && p[i] <= '9'));

		len = number                            ? number_span(p + i, n - i) :
		    quoted && p[i] == '\\' && i + 1 < n ? 2 :
							  1;
		if (p[i] == '"')
			quoted = !quoted;
		buf_add(&text, p + i, len);
		if (number && too_long(p + i, len))
			buf_add(&text, "e0", 2);
	}
	v = json_loadb((const char *)text.data, text.len, JSON_ALLOW_NUL, NULL);
	buf_free(&text);
	return (v);
}

static json_t *
format_from_json(const char *p, size_t n, char **err)
{
	json_error_t why;
	json_t *v = json_loadb(p, n, JSON_ALLOW_NUL, &why);

	if (v == NULL && json_error_code(&why) == json_error_numeric_overflow)
		v = read_long_integers(p, n);
	if (v == NULL)
		*err = n == 0 ? xstrdup("Invalid JSON.") :
				xasprintf("Invalid JSON at line %d, "
					  "column %d: %s",
				    why.line, why.column, why.text);
	return (v);
}

json_t *
format_read(enum format f, const char *p, size_t n, int max_depth, char **err)
{
	const char *why = NULL;
	json_t *v;

	if (n == 0)
		p = ""; /* a body that is empty may be NULL */
	if (f == FORMAT_CBOR) {
		if ((v = jcbor_read(p, n, max_depth, &why)) == NULL)
			*err = xasprintf("Invalid CBOR: %s", why);
	} else if (f == FORMAT_MSGPACK) {
		if ((v = value_from_others((const uint8_t *)p, n, max_depth)) == NULL)
			*err =
			    xasprintf("Invalid MessagePack: it is broken, has bytes or extensions, "
				      "or is nested more than %d levels deep",
				max_depth);
	} else
		v = format_from_json(p, n, err);
	return (v);
}

/* ---- writing ---- */

static void cbor_json(struct buf *out, const json_t *v);

static void
cbor_items(struct buf *out, const json_t *v)
{
	const char *name;
	json_t *e;
	size_t i;

	if (json_is_array(v))
		jcbor_array(out, json_array_size(v));
	else
		jcbor_map(out, json_object_size(v));
	json_array_foreach(v, i, e)
		cbor_json(out, e);
	json_object_foreach((json_t *)(uintptr_t)v, name, e) {
		jcbor_text(out, name, strlen(name));
		cbor_json(out, e);
	}
}

static void
cbor_json(struct buf *out, const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_TRUE:
	case JSON_FALSE:
		jcbor_bool(out, json_is_true(v));
		return;
	case JSON_INTEGER:
		jcbor_integer(out, json_integer_value(v));
		return;
	case JSON_REAL:
		jcbor_real(out, json_real_value(v));
		return;
	case JSON_STRING:
		jcbor_text(out, json_string_value(v), json_string_length(v));
		return;
	case JSON_ARRAY:
	case JSON_OBJECT:
		cbor_items(out, v);
		return;
	default:
		jcbor_null(out);
	}
}

void
format_json(enum format f, struct buf *out, const json_t *v)
{
	if (f == FORMAT_CBOR)
		cbor_json(out, v);
	else if (f == FORMAT_MSGPACK)
		value_pack(out, v);
	else if (f == FORMAT_CSV)
		csv_write(out, v);
	else
		value_text_json(out, v);
}

static void
cbor_scalar(struct buf *out, const struct scalar *sc)
{
	int64_t i;

	if (sc->rank == RANK_TEXT)
		jcbor_text(out, sc->s, sc->n);
	else if (sc->rank == RANK_NUMBER && scalar_is_integer(sc, &i))
		jcbor_integer(out, i);
	else if (sc->rank == RANK_NUMBER)
		jcbor_real(out, sc->d);
	else if (sc->rank == RANK_TRUE || sc->rank == RANK_FALSE)
		jcbor_bool(out, sc->rank == RANK_TRUE);
	else
		jcbor_null(out);
}

static void
csv_scalar(struct buf *out, const struct scalar *sc)
{
	if (sc->rank == RANK_TEXT)
		csv_write_text(out, sc->s, sc->n);
	else if (sc->rank != RANK_NULL)
		value_text_scalar(out, sc);
}

void
format_scalar(enum format f, struct buf *out, const struct scalar *sc)
{
	if (f == FORMAT_CBOR)
		cbor_scalar(out, sc);
	else if (f == FORMAT_MSGPACK)
		value_pack_scalar(out, sc);
	else if (f == FORMAT_CSV)
		csv_scalar(out, sc);
	else
		value_text_scalar(out, sc);
}

/* A scalar is for comparing, and has one zero; what is stored has two. */
static int
is_negative_zero(const uint8_t *p, size_t n)
{
	static const uint8_t packed[] = { 0xcb, 0x80, 0, 0, 0, 0, 0, 0, 0 };

	return (n == sizeof(packed) && memcmp(p, packed, n) == 0);
}

void
format_stored(enum format f, struct buf *out, const uint8_t *p, size_t n)
{
	struct scalar sc;
	json_t *v;

	if (f == FORMAT_JSON)
		value_text(out, p, n);
	else if (f == FORMAT_MSGPACK)
		buf_add(out, p, n);
	else if (!is_negative_zero(p, n) && value_scalar(&sc, p, n) == 0)
		format_scalar(f, out, &sc);
	else {
		if ((v = value_to_json(p, n)) == NULL)
			v = json_null();
		format_json(f, out, v);
		json_decref(v);
	}
}

void
format_name(enum format f, struct buf *out, const char *s, size_t n)
{
	struct scalar sc = { .rank = RANK_TEXT, .s = s, .n = n };

	if (f == FORMAT_CSV)
		csv_write_name(out, s, n);
	else
		format_scalar(f, out, &sc);
	if (f == FORMAT_JSON)
		buf_u8(out, ':');
}
