#include "config.h"

#include "opsd/store/key.h"

#include <math.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/store/value.h"

#define NUMBER_LEN 17
#define BIAS       (UINT64_C(1) << 63)
#define TWO63      9223372036854775808.0

void
scalar_integer(struct scalar *sc, int64_t i)
{
	*sc = (struct scalar){ .rank = RANK_NUMBER, .d = (double)i };
	sc->miss = (int64_t)((__int128)i - (__int128)sc->d);
}

void
scalar_real(struct scalar *sc, double d)
{
	/* There is one zero. */
	*sc = (struct scalar){ .rank = RANK_NUMBER, .d = d == 0 ? 0 : d };
}

int
scalar_from_json(struct scalar *sc, const json_t *v)
{
	*sc = (struct scalar){ 0 };
	switch (json_typeof(v)) {
	case JSON_NULL:
		sc->rank = RANK_NULL;
		return (0);
	case JSON_FALSE:
		sc->rank = RANK_FALSE;
		return (0);
	case JSON_TRUE:
		sc->rank = RANK_TRUE;
		return (0);
	case JSON_INTEGER:
		scalar_integer(sc, json_integer_value(v));
		return (0);
	case JSON_REAL:
		scalar_real(sc, json_real_value(v));
		return (0);
	case JSON_STRING:
		sc->rank = RANK_TEXT;
		sc->s = json_string_value(v);
		sc->n = json_string_length(v);
		return (0);
	default:
		return (-1);
	}
}

int
scalar_cmp(const struct scalar *a, const struct scalar *b)
{
	if (a->rank != b->rank)
		return (a->rank < b->rank ? -1 : 1);
	if (a->rank == RANK_NUMBER) {
		if (a->d != b->d)
			return (a->d < b->d ? -1 : 1);
		return (a->miss < b->miss ? -1 : a->miss > b->miss);
	}
	if (a->rank != RANK_TEXT)
		return (0);
	return (mem_order(a->s, a->n, b->s, b->n));
}

static void
add_number(struct buf *b, double d, int64_t miss)
{
	uint64_t bits;

	memcpy(&bits, &d, sizeof(bits));
	buf_be64(b, bits & BIAS ? ~bits : bits | BIAS);
	buf_be64(b, (uint64_t)miss ^ BIAS);
}

static void
add_escaped(struct buf *b, const char *s, size_t n)
{
	const char *nul;
	size_t part;

	while ((nul = memchr(s, 0, n)) != NULL) {
		part = (size_t)(nul - s) + 1;
		buf_add(b, s, part);
		buf_u8(b, 0xff);
		s += part;
		n -= part;
	}
	buf_add(b, s, n);
	buf_u8(b, 0);
}

void
key_from_scalar(struct buf *b, const struct scalar *sc)
{
	buf_u8(b, sc->rank);
	if (sc->rank == RANK_NUMBER)
		add_number(b, sc->d, sc->miss);
	else if (sc->rank == RANK_TEXT)
		add_escaped(b, sc->s, sc->n);
}

int
key_bound(struct buf *b, const struct scalar *sc)
{
	struct scalar cut = *sc;

	if (cut.n > KEY_TEXT_MAX)
		cut.n = KEY_TEXT_MAX;
	key_from_scalar(b, &cut);
	return (cut.n != sc->n);
}

int
key_from_json(struct buf *b, const json_t *v)
{
	struct scalar sc;

	if (scalar_from_json(&sc, v) == -1 || sc.n > KEY_TEXT_MAX)
		return (-1);
	key_from_scalar(b, &sc);
	return (0);
}

int
key_from_string(struct buf *b, const char *s, size_t n)
{
	struct scalar sc = { .rank = RANK_TEXT, .s = s, .n = n };

	if (n > KEY_TEXT_MAX)
		return (-1);
	key_from_scalar(b, &sc);
	return (0);
}

/* Numbers have exactly one form: anything else would be a second key for one value. */
static int
read_number(const uint8_t *p, struct scalar *sc)
{
	struct rd r = rd_init(p, NUMBER_LEN - 1);
	uint64_t bits = rd_be64(&r);
	double d;
	__int128 sum;

	sc->rank = RANK_NUMBER;
	sc->miss = (int64_t)(rd_be64(&r) ^ BIAS);
	bits = bits & BIAS ? bits & ~BIAS : ~bits;
	memcpy(&d, &bits, sizeof(d));
	sc->d = d;
	if (!isfinite(d) || (d == 0 && signbit(d)))
		return (-1);
	if (sc->miss == 0)
		return (0);
	if (d < -TWO63 || d > TWO63 || d != trunc(d))
		return (-1);
	sum = (__int128)d + sc->miss;
	if (sum < INT64_MIN || sum > INT64_MAX || (double)(int64_t)sum != d)
		return (-1);
	return (0);
}

/* Length of the text's encoding, rank and end included; 0 when broken. */
static size_t
text_span(const uint8_t *p, size_t n, size_t *nuls)
{
	const uint8_t *q = p + 1, *end = p + n;

	*nuls = 0;
	for (;;) {
		q = q < end ? memchr(q, 0, (size_t)(end - q)) : NULL;
		if (q == NULL)
			return (0);
		if (end - q < 2 || q[1] != 0xff)
			break;
		++*nuls;
		q += 2;
	}
	if ((size_t)(q - p) - 1 - *nuls > KEY_TEXT_MAX)
		return (0);
	return ((size_t)(q - p) + 1);
}

size_t
key_span(const uint8_t *p, size_t n)
{
	struct scalar sc;
	size_t nuls;

	if (n == 0)
		return (0);
	switch (p[0]) {
	case RANK_NULL:
	case RANK_FALSE:
	case RANK_TRUE:
		return (1);
	case RANK_NUMBER:
		return (n >= NUMBER_LEN && read_number(p + 1, &sc) == 0 ? NUMBER_LEN : 0);
	case RANK_TEXT:
		return (text_span(p, n, &nuls));
	default:
		return (0);
	}
}

static void
add_unescaped(struct buf *out, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_u8(out, p[i]);
		if (p[i] == 0)
			i++;
	}
}

int
scalar_from_key(struct scalar *sc, const uint8_t *p, size_t n, struct buf *scratch)
{
	size_t len, nuls;

	*sc = (struct scalar){ 0 };
	if (n == 0 || p[0] > RANK_TEXT)
		return (-1);
	if (p[0] == RANK_NUMBER)
		return (n >= NUMBER_LEN ? read_number(p + 1, sc) : -1);
	if (p[0] != RANK_TEXT) {
		sc->rank = p[0];
		return (key_span(p, n) == 1 ? 0 : -1);
	}
	if ((len = text_span(p, n, &nuls)) == 0)
		return (-1);
	sc->rank = RANK_TEXT;
	sc->s = (const char *)p + 1;
	sc->n = len - 2;
	if (nuls > 0) {
		buf_clear(scratch);
		add_unescaped(scratch, p + 1, len - 2);
		sc->s = (const char *)scratch->data;
		sc->n = scratch->len;
	}
	return (0);
}

size_t
key_len(const uint8_t *p, size_t n)
{
	struct buf scratch = { 0 };
	struct scalar sc;
	size_t len = key_span(p, n);

	if (len == 0 || p[0] != RANK_TEXT)
		return (len);
	if (scalar_from_key(&sc, p, len, &scratch) == -1 || !value_utf8(sc.s, sc.n))
		len = 0;
	buf_free(&scratch);
	return (len);
}

int
scalar_is_integer(const struct scalar *sc, int64_t *i)
{
	if (sc->d != trunc(sc->d) || sc->d < -TWO63 || sc->d > TWO63 ||
	    (sc->d == TWO63 && sc->miss == 0))
		return (0);
	*i = (int64_t)((__int128)sc->d + sc->miss);
	return (1);
}

static json_t *
number_to_json(const struct scalar *sc)
{
	int64_t i;

	return (scalar_is_integer(sc, &i) ? json_integer(i) : json_real(sc->d));
}

static json_t *
scalar_to_json(const struct scalar *sc)
{
	switch (sc->rank) {
	case RANK_NULL:
		return (json_null());
	case RANK_FALSE:
		return (json_false());
	case RANK_TRUE:
		return (json_true());
	case RANK_NUMBER:
		return (number_to_json(sc));
	default:
		return (json_stringn(sc->s, sc->n));
	}
}

json_t *
key_to_json(struct rd *r)
{
	struct buf scratch = { 0 };
	struct scalar sc;
	size_t len = key_span(r->p, rd_left(r));
	const uint8_t *p = rd_bytes(r, len);
	json_t *v = NULL;

	/* json_stringn gives NULL for what is not UTF-8. */
	if (len > 0 && p != NULL && scalar_from_key(&sc, p, len, &scratch) == 0)
		v = scalar_to_json(&sc);
	if (v == NULL)
		r->bad = 1;
	buf_free(&scratch);
	return (v);
}

int
key_is_cut(const uint8_t *p, size_t n, struct buf *scratch)
{
	struct scalar sc;

	return (p[0] == RANK_TEXT && n >= KEY_TEXT_MAX &&
	    scalar_from_key(&sc, p, n, scratch) == 0 && sc.n >= KEY_TEXT_MAX);
}

int
key_is_number(const uint8_t *p)
{
	return (p[0] == RANK_NUMBER);
}

void
key_row(struct buf *b, uint32_t table, const uint8_t *key, size_t klen)
{
	buf_be32(b, table);
	buf_add(b, key, klen);
}

void
key_index(struct buf *b, uint32_t table, uint16_t attr, const uint8_t *value, size_t vlen,
    const uint8_t *key, size_t klen)
{
	buf_be32(b, table);
	buf_u8(b, (uint8_t)(attr >> 8));
	buf_u8(b, (uint8_t)attr);
	buf_add(b, value, vlen);
	buf_add(b, key, klen);
}

void
key_tombstone(struct buf *b, uint32_t table, uint64_t time, const uint8_t *key, size_t klen)
{
	struct buf when = { 0 };

	buf_be64(&when, time);
	key_index(b, table, 0, when.data, when.len, key, klen);
	buf_free(&when);
}

void
key_table_end(struct buf *b, uint32_t table)
{
	buf_be32(b, table + 1);
}
