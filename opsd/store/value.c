#include "config.h"

#include "opsd/store/value.h"

#include <math.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#include "opsd/store/packed.h"

static int
depth_ok(const json_t *v, int left)
{
	const char *key;
	json_t *e;
	size_t i;

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
	uint8_t first = s[0];
	size_t len = first < 0xc2 || first > 0xf4 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	uint32_t c;

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
	const uint8_t *p = (const uint8_t *)s;
	size_t len;

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

static void pack_value(msgpack_packer *pk, const json_t *v);

static void
pack_object(msgpack_packer *pk, const json_t *v)
{
	const char *key;
	json_t *e;

	msgpack_pack_map(pk, json_object_size(v));
	json_object_foreach((json_t *)(uintptr_t)v, key, e) {
		msgpack_pack_str_with_body(pk, key, strlen(key));
		pack_value(pk, e);
	}
}

static void
pack_value(msgpack_packer *pk, const json_t *v)
{
	json_t *e;
	size_t i;

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
			pack_value(pk, e);
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
	msgpack_packer pk;

	msgpack_packer_init(&pk, b, value_write_cb);
	pack_value(&pk, v);
}

void
value_pack_map(struct buf *b, size_t n)
{
	msgpack_packer pk;

	msgpack_packer_init(&pk, b, value_write_cb);
	msgpack_pack_map(&pk, n);
}

void
value_pack_scalar(struct buf *b, const struct scalar *sc)
{
	msgpack_packer pk;
	int64_t i;

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

static int
check_packed(struct rd *r, int left)
{
	struct packed t, name;
	uint32_t i;

	if (packed_next(r, &t) == -1)
		return (-1);
	if (t.kind == PACKED_TEXT)
		return (value_utf8(t.s, t.n) ? 0 : -1);
	if (t.kind != PACKED_ARRAY && t.kind != PACKED_MAP)
		return (0);
	if (left == 0)
		return (-1);
	for (i = 0; i < t.n; i++) {
		if (t.kind == PACKED_MAP &&
		    (packed_name(r, &name) == -1 || !value_utf8(name.s, name.n)))
			return (-1);
		if (check_packed(r, left - 1) == -1)
			return (-1);
	}
	return (0);
}

int
value_valid(const uint8_t *p, size_t n)
{
	struct rd r = rd_init(p, n);

	return (check_packed(&r, VALUE_MAX_DEPTH) == 0 && rd_done(&r));
}

static json_t *read_packed(struct rd *r, int left, int others);

static json_t *
read_array(struct rd *r, uint32_t n, int left, int others)
{
	json_t *a = json_array(), *e;

	while (n-- > 0) {
		if ((e = read_packed(r, left, others)) == NULL) {
			json_decref(a);
			return (NULL);
		}
		json_array_append_new(a, e);
	}
	return (a);
}

static json_t *
read_packed_object(struct rd *r, uint32_t n, int left, int others)
{
	json_t *o = json_object(), *e;
	struct packed t;
	char *name;
	int rc;

	while (n-- > 0) {
		if (packed_name(r, &t) == -1 || (e = read_packed(r, left, others)) == NULL) {
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
read_packed(struct rd *r, int left, int others)
{
	struct packed t;

	if ((others ? packed_any(r, &t) : packed_next(r, &t)) == -1)
		return (NULL);
	switch (t.kind) {
	case PACKED_NIL:
		return (json_null());
	case PACKED_FALSE:
		return (json_false());
	case PACKED_TRUE:
		return (json_true());
	case PACKED_INTEGER:
		return (json_integer(t.i));
	case PACKED_REAL:
		return (json_real(t.d));
	case PACKED_TEXT:
		return (json_stringn(t.s, t.n));
	case PACKED_ARRAY:
		return (left > 0 ? read_array(r, t.n, left - 1, others) : NULL);
	default:
		return (left > 0 ? read_packed_object(r, t.n, left - 1, others) : NULL);
	}
}

static json_t *
read_packed_whole(const uint8_t *p, size_t n, int max_depth, int others)
{
	struct rd r = rd_init(p, n);
	json_t *v = read_packed(&r, max_depth, others);

	if (v != NULL && !rd_done(&r)) {
		json_decref(v);
		v = NULL;
	}
	return (v);
}

json_t *
value_to_json(const uint8_t *p, size_t n)
{
	return (read_packed_whole(p, n, VALUE_MAX_DEPTH, 0));
}

json_t *
value_from_others(const uint8_t *p, size_t n, int max_depth)
{
	return (read_packed_whole(p, n, max_depth, 1));
}

int
value_scalar(struct scalar *sc, const uint8_t *p, size_t n)
{
	static const uint8_t ranks[] = {
		[PACKED_NIL] = RANK_NULL,
		[PACKED_FALSE] = RANK_FALSE,
		[PACKED_TRUE] = RANK_TRUE,
		[PACKED_TEXT] = RANK_TEXT,
	};
	struct rd r = rd_init(p, n);
	struct packed t;

	if (packed_next(&r, &t) == -1 || t.kind == PACKED_ARRAY || t.kind == PACKED_MAP ||
	    !rd_done(&r))
		return (-1);
	if (t.kind == PACKED_INTEGER)
		scalar_integer(sc, t.i);
	else if (t.kind == PACKED_REAL)
		scalar_real(sc, t.d);
	else
		*sc = (struct scalar){ .rank = ranks[t.kind], .s = t.s, .n = t.n };
	return (0);
}
