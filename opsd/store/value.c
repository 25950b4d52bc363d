#include "config.h"

#include "value.h"

#include <float.h>
#include <math.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Writing is msgpack-c's.  Reading is our own: its reader allocates what a
 * broken length claims and ends at 32 levels, and a search would build a tree
 * only to print it.
 */
enum kind { NIL, FALSE, TRUE, INTEGER, REAL, TEXT, ARRAY, MAP };

struct token {
	enum kind	 kind;
	int64_t		 i;
	double		 d;
	const char	*s;	/* TEXT */
	uint32_t	 n;	/* length, items or pairs */
	int		 foreign;	/* value_pack does not make it */
};

#define MAX_REAL_AS_INTEGER	1e15	/* below, %.0f is the shortest form */

static int
depth_ok(const json_t *v, int left)
{
	const char	*key;
	json_t		*e;
	size_t		 i;

	if ((json_is_array(v) || json_is_object(v)) && left == 0)
		return (0);
	json_array_foreach(v, i, e)
		if (!depth_ok(e, left - 1))
			return (0);
	json_object_foreach((json_t *)(uintptr_t)v, key, e)
		if (!depth_ok(e, left - 1))
			return (0);
	return (1);
}

int
value_depth_ok(const json_t *v)
{
	return (depth_ok(v, VALUE_MAX_DEPTH));
}

/* Length of the character at s, 0 when it is none. */
static size_t
utf8_char(const uint8_t *s, size_t n)
{
	uint8_t		first = s[0];
	size_t		len = first < 0xc2 || first > 0xf4 ? 0 : first < 0xe0 ? 2 :
	    first < 0xf0 ? 3 : 4;
	uint32_t	c;

	if (len == 0 || n < len)
		return (0);
	c = first & (0xff >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return (0);
		c = c << 6 | (s[i] & 0x3f);
	}
	if ((len == 3 && c < 0x800) || (len == 4 && (c < 0x10000 || c > 0x10ffff)) ||
	    (c >= 0xd800 && c <= 0xdfff))
		return (0);
	return (len);
}

int
value_utf8(const char *s, size_t n)
{
	const uint8_t	*p = (const uint8_t *)s;
	size_t		 len;

	while (n > 0) {
		len = p[0] < 0x80 ? 1 : utf8_char(p, n);
		if (len == 0)
			return (0);
		p += len;
		n -= len;
	}
	return (1);
}

static int
value_write_cb(void *arg, const char *p, size_t n)
{
	buf_add(arg, p, n);
	return (0);
}

static void pack(msgpack_packer *pk, const json_t *v);

static void
pack_object(msgpack_packer *pk, const json_t *v)
{
	const char	*key;
	json_t		*e;

	msgpack_pack_map(pk, json_object_size(v));
	json_object_foreach((json_t *)(uintptr_t)v, key, e) {
		msgpack_pack_str_with_body(pk, key, strlen(key));
		pack(pk, e);
	}
}

static void
pack(msgpack_packer *pk, const json_t *v)
{
	json_t	*e;
	size_t	 i;

	switch (json_typeof(v)) {
	case JSON_TRUE:
		msgpack_pack_true(pk);
		return;
	case JSON_FALSE:
		msgpack_pack_false(pk);
		return;
	case JSON_INTEGER:
		msgpack_pack_int64(pk, json_integer_value(v));
		return;
	case JSON_REAL:
		if (isfinite(json_real_value(v)))
			msgpack_pack_double(pk, json_real_value(v));
		else
			msgpack_pack_nil(pk);
		return;
	case JSON_STRING:
		msgpack_pack_str_with_body(pk, json_string_value(v), json_string_length(v));
		return;
	case JSON_ARRAY:
		msgpack_pack_array(pk, json_array_size(v));
		json_array_foreach(v, i, e)
			pack(pk, e);
		return;
	case JSON_OBJECT:
		pack_object(pk, v);
		return;
	default:
		msgpack_pack_nil(pk);
	}
}

void
value_pack(struct buf *b, const json_t *v)
{
	msgpack_packer	pk;

	msgpack_packer_init(&pk, b, value_write_cb);
	pack(&pk, v);
}

void
value_pack_map(struct buf *b, size_t n)
{
	msgpack_packer	pk;

	msgpack_packer_init(&pk, b, value_write_cb);
	msgpack_pack_map(&pk, n);
}

void
value_pack_scalar(struct buf *b, const struct scalar *sc)
{
	msgpack_packer	pk;
	int64_t		i;

	msgpack_packer_init(&pk, b, value_write_cb);
	if (sc->rank == RANK_TEXT)
		msgpack_pack_str_with_body(&pk, sc->s, sc->n);
	else if (sc->rank == RANK_NUMBER && scalar_is_integer(sc, &i))
		msgpack_pack_int64(&pk, i);
	else if (sc->rank == RANK_NUMBER)
		msgpack_pack_double(&pk, sc->d);
	else if (sc->rank == RANK_TRUE)
		msgpack_pack_true(&pk);
	else if (sc->rank == RANK_FALSE)
		msgpack_pack_false(&pk);
	else
		msgpack_pack_nil(&pk);
}

static uint64_t
read_be(struct rd *r, size_t n)
{
	uint64_t	v = 0;

	while (n-- > 0)
		v = v << 8 | rd_u8(r);
	return (v);
}

static int
token_sized(struct rd *r, struct token *t, enum kind kind, size_t n)
{
	t->kind = kind;
	t->n = (uint32_t)n;
	/* Each item takes a byte at least: a length beyond that is a lie. */
	if (rd_left(r) / (kind == MAP ? 2 : 1) < n)
		return (-1);
	if (kind == TEXT)
		t->s = (const char *)rd_bytes(r, n);
	return (rd_ok(r) ? 0 : -1);
}

static int
token_integer(struct rd *r, struct token *t, int64_t i)
{
	t->kind = INTEGER;
	t->i = i;
	return (rd_ok(r) ? 0 : -1);
}

static int
token_real(struct rd *r, struct token *t)
{
	uint64_t	bits = read_be(r, 8);

	t->kind = REAL;
	memcpy(&t->d, &bits, sizeof(t->d));
	if (!isfinite(t->d)) {
		t->kind = NIL;
		t->foreign = 1;
	}
	return (rd_ok(r) ? 0 : -1);
}

static int
token_single(struct rd *r, struct token *t)
{
	uint32_t	bits = (uint32_t)read_be(r, 4);
	float		f;

	memcpy(&f, &bits, sizeof(f));
	t->kind = isfinite(f) ? REAL : NIL;
	t->d = (double)f;
	t->foreign = 1;
	return (rd_ok(r) ? 0 : -1);
}

static int
token_unsigned(struct rd *r, struct token *t)
{
	uint64_t	u = read_be(r, 8);

	if (u <= INT64_MAX)
		return (token_integer(r, t, (int64_t)u));
	t->kind = REAL;
	t->d = (double)u;
	t->foreign = 1;
	return (rd_ok(r) ? 0 : -1);
}

/* Forms with a byte of their own, from c0. */
static int
token_long(struct rd *r, struct token *t, uint8_t c)
{
	switch (c) {
	case 0xc0:
		t->kind = NIL;
		return (0);
	case 0xc2:
	case 0xc3:
		t->kind = c == 0xc3 ? TRUE : FALSE;
		return (0);
	case 0xca:
		return (token_single(r, t));
	case 0xcb:
		return (token_real(r, t));
	case 0xcc:
		return (token_integer(r, t, rd_u8(r)));
	case 0xcd:
		return (token_integer(r, t, (int64_t)read_be(r, 2)));
	case 0xce:
		return (token_integer(r, t, (int64_t)read_be(r, 4)));
	case 0xcf:
		return (token_unsigned(r, t));
	case 0xd3:
		return (token_integer(r, t, (int64_t)read_be(r, 8)));
	case 0xd0:
		return (token_integer(r, t, (int8_t)rd_u8(r)));
	case 0xd1:
		return (token_integer(r, t, (int16_t)read_be(r, 2)));
	case 0xd2:
		return (token_integer(r, t, (int32_t)read_be(r, 4)));
	case 0xd9:
		return (token_sized(r, t, TEXT, rd_u8(r)));
	case 0xda:
	case 0xdb:
		return (token_sized(r, t, TEXT, read_be(r, c == 0xda ? 2 : 4)));
	case 0xdc:
	case 0xdd:
		return (token_sized(r, t, ARRAY, read_be(r, c == 0xdc ? 2 : 4)));
	case 0xde:
	case 0xdf:
		return (token_sized(r, t, MAP, read_be(r, c == 0xde ? 2 : 4)));
	default:
		return (-1);	/* binary, extensions */
	}
}

static int
token_any(struct rd *r, struct token *t)
{
	uint8_t	c = rd_u8(r);

	*t = (struct token){ 0 };
	if (!rd_ok(r))
		return (-1);
	if (c < 0x80 || c >= 0xe0)
		return (token_integer(r, t, (int8_t)c));
	if (c < 0x90)
		return (token_sized(r, t, MAP, c & 0x0f));
	if (c < 0xa0)
		return (token_sized(r, t, ARRAY, c & 0x0f));
	if (c < 0xc0)
		return (token_sized(r, t, TEXT, c & 0x1f));
	return (token_long(r, t, c));
}

/* Of what value_pack makes. */
static int
token_next(struct rd *r, struct token *t)
{
	return (token_any(r, t) == -1 || t->foreign ? -1 : 0);
}

/* A name in an object: no NUL, as JSON objects here cannot hold one. */
static int
token_name(struct rd *r, struct token *t)
{
	if (token_next(r, t) == -1 || t->kind != TEXT || memchr(t->s, 0, t->n) != NULL)
		return (-1);
	return (0);
}

static int
check(struct rd *r, int left)
{
	struct token	t, name;
	uint32_t	i;

	if (token_next(r, &t) == -1)
		return (-1);
	if (t.kind == TEXT)
		return (value_utf8(t.s, t.n) ? 0 : -1);
	if (t.kind != ARRAY && t.kind != MAP)
		return (0);
	if (left == 0)
		return (-1);
	for (i = 0; i < t.n; i++) {
		if (t.kind == MAP &&
		    (token_name(r, &name) == -1 || !value_utf8(name.s, name.n)))
			return (-1);
		if (check(r, left - 1) == -1)
			return (-1);
	}
	return (0);
}

int
value_valid(const uint8_t *p, size_t n)
{
	struct rd	r = rd_init(p, n);

	return (check(&r, VALUE_MAX_DEPTH) == 0 && rd_done(&r));
}

static json_t *read_json(struct rd *r, int left, int others);

static json_t *
read_array(struct rd *r, uint32_t n, int left, int others)
{
	json_t	*a = json_array(), *e;

	while (n-- > 0) {
		if ((e = read_json(r, left, others)) == NULL) {
			json_decref(a);
			return (NULL);
		}
		json_array_append_new(a, e);
	}
	return (a);
}

static json_t *
read_object(struct rd *r, uint32_t n, int left, int others)
{
	json_t		*o = json_object(), *e;
	struct token	 t;
	char		*name;
	int		 rc;

	while (n-- > 0) {
		if (token_name(r, &t) == -1 || (e = read_json(r, left, others)) == NULL) {
			json_decref(o);
			return (NULL);
		}
		name = strndup(t.s, t.n);
		rc = name != NULL ? json_object_set_new(o, name, e) : -1;
		free(name);
		if (rc == -1) {
			json_decref(o);
			return (NULL);
		}
	}
	return (o);
}

static json_t *
read_json(struct rd *r, int left, int others)
{
	struct token	t;

	if ((others ? token_any(r, &t) : token_next(r, &t)) == -1)
		return (NULL);
	switch (t.kind) {
	case NIL:
		return (json_null());
	case FALSE:
		return (json_false());
	case TRUE:
		return (json_true());
	case INTEGER:
		return (json_integer(t.i));
	case REAL:
		return (json_real(t.d));
	case TEXT:
		return (json_stringn(t.s, t.n));
	case ARRAY:
		return (left > 0 ? read_array(r, t.n, left - 1, others) : NULL);
	default:
		return (left > 0 ? read_object(r, t.n, left - 1, others) : NULL);
	}
}

static json_t *
read_whole(const uint8_t *p, size_t n, int max_depth, int others)
{
	struct rd	 r = rd_init(p, n);
	json_t		*v = read_json(&r, max_depth, others);

	if (v != NULL && !rd_done(&r)) {
		json_decref(v);
		v = NULL;
	}
	return (v);
}

json_t *
value_to_json(const uint8_t *p, size_t n)
{
	return (read_whole(p, n, VALUE_MAX_DEPTH, 0));
}

json_t *
value_from_others(const uint8_t *p, size_t n, int max_depth)
{
	return (read_whole(p, n, max_depth, 1));
}

static void
text_integer(struct buf *out, int64_t i)
{
	char		 digits[24], *p = digits + sizeof(digits);
	uint64_t	 u = i < 0 ? -(uint64_t)i : (uint64_t)i;

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
	char	text[40];
	int	digits, n = 0;

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
	/* Those below DBL_MIN have fewer digits. */
	for (digits = fabs(d) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
		n = snprintf(text, sizeof(text), "%.*g", digits, d);
		if (strtod(text, NULL) == d)
			break;
	}
	buf_add(out, text, (size_t)n);
}

static void
text_escaped(struct buf *out, uint8_t c)
{
	static const char	 plain[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
	const char		*at = c != 0 ? strchr(plain, c) : NULL;

	if (at != NULL) {
		buf_u8(out, '\\');
		buf_u8(out, (uint8_t)letter[at - plain]);
	} else
		buf_addf(out, "\\u%04x", c);
}

void
value_text_string(struct buf *out, const char *s, size_t n)
{
	size_t	i, from = 0;

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
text_items(struct buf *out, struct rd *r, const struct token *t, int left)
{
	struct token	name;
	uint32_t	i;

	if (left == 0)
		return (-1);
	buf_u8(out, t->kind == MAP ? '{' : '[');
	for (i = 0; i < t->n; i++) {
		if (i > 0)
			buf_u8(out, ',');
		if (t->kind == MAP) {
			if (token_name(r, &name) == -1)
				return (-1);
			value_text_string(out, name.s, name.n);
			buf_u8(out, ':');
		}
		if (text_value(out, r, left - 1) == -1)
			return (-1);
	}
	buf_u8(out, t->kind == MAP ? '}' : ']');
	return (0);
}

static int
text_value(struct buf *out, struct rd *r, int left)
{
	struct token	t;

	if (token_next(r, &t) == -1)
		return (-1);
	switch (t.kind) {
	case NIL:
		buf_add(out, "null", 4);
		return (0);
	case FALSE:
		buf_add(out, "false", 5);
		return (0);
	case TRUE:
		buf_add(out, "true", 4);
		return (0);
	case INTEGER:
		text_integer(out, t.i);
		return (0);
	case REAL:
		value_text_real(out, t.d);
		return (0);
	case TEXT:
		value_text_string(out, t.s, t.n);
		return (0);
	default:
		return (text_items(out, r, &t, left));
	}
}

void
value_text(struct buf *out, const uint8_t *p, size_t n)
{
	struct rd	r = rd_init(p, n);
	size_t		at = out->len;

	if (text_value(out, &r, VALUE_MAX_DEPTH) == -1 || !rd_done(&r)) {
		out->len = at;
		buf_add(out, "null", 4);
	}
}

static void
text_json_items(struct buf *out, const json_t *v)
{
	const char	*key;
	json_t		*e;
	size_t		 i;
	int		 n = 0;

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
	int64_t	i;

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

int
value_scalar(struct scalar *sc, const uint8_t *p, size_t n)
{
	static const uint8_t	ranks[] = { [NIL] = RANK_NULL, [FALSE] = RANK_FALSE,
	    [TRUE] = RANK_TRUE, [TEXT] = RANK_TEXT };
	struct rd		r = rd_init(p, n);
	struct token		t;

	if (token_next(&r, &t) == -1 || t.kind == ARRAY || t.kind == MAP || !rd_done(&r))
		return (-1);
	if (t.kind == INTEGER)
		scalar_integer(sc, t.i);
	else if (t.kind == REAL)
		scalar_real(sc, t.d);
	else
		*sc = (struct scalar){ .rank = ranks[t.kind], .s = t.s, .n = t.n };
	return (0);
}

int
value_key(struct buf *b, const uint8_t *p, size_t n)
{
	struct scalar	sc;

	if (value_scalar(&sc, p, n) == -1)
		return (-1);
	if (sc.n > KEY_TEXT_MAX)
		sc.n = KEY_TEXT_MAX;
	key_from_scalar(b, &sc);
	return (0);
}
