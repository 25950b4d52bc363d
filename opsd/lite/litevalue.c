#include "config.h"

#include "opsd/lite/litevalue.h"

#include <errno.h>
#include <math.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/mem.h"
#include "common/tls/crypto.h"
#include "opsd/store/packed.h"
#include "opsd/store/value.h"

void
litevalue_free(struct litevalue *v)
{
	free(v->owned);
	*v = (struct litevalue){ .type = SQLITE_NULL };
}

void
litevalue_column(struct litevalue *v, sqlite3_stmt *s, int column)
{
	*v = (struct litevalue){ .type = sqlite3_column_type(s, column) };
	if (v->type == SQLITE_INTEGER)
		v->i = sqlite3_column_int64(s, column);
	else if (v->type == SQLITE_FLOAT)
		v->d = sqlite3_column_double(s, column);
	else if (v->type == SQLITE_TEXT)
		v->p = (const char *)sqlite3_column_text(s, column);
	else if (v->type == SQLITE_BLOB)
		v->p = sqlite3_column_blob(s, column);
	if (v->type == SQLITE_TEXT || v->type == SQLITE_BLOB)
		v->n = (size_t)sqlite3_column_bytes(s, column);
}

int
litevalue_bind(const struct litevalue *v, sqlite3_stmt *s, int parameter)
{
	switch (v->type) {
	case SQLITE_INTEGER:
		return (sqlite3_bind_int64(s, parameter, v->i));
	case SQLITE_FLOAT:
		return (sqlite3_bind_double(s, parameter, v->d));
	case SQLITE_TEXT:
		return (sqlite3_bind_text64(s, parameter, v->n > 0 ? v->p : "", v->n, SQLITE_STATIC,
		    SQLITE_UTF8));
	case SQLITE_BLOB:
		return (v->n == 0 ? sqlite3_bind_zeroblob(s, parameter, 0) :
				    sqlite3_bind_blob64(s, parameter, v->p, v->n, SQLITE_STATIC));
	default:
		return (sqlite3_bind_null(s, parameter));
	}
}

static int
pack_bytes_cb(void *arg, const char *p, size_t n)
{
	buf_add(arg, p, n);
	return (0);
}

static void
pack_marked(msgpack_packer *pk, const char *mark, const char *text)
{
	msgpack_pack_map(pk, 1);
	msgpack_pack_str_with_body(pk, mark, strlen(mark));
	msgpack_pack_str_with_body(pk, text, strlen(text));
}

static void
pack_base64(msgpack_packer *pk, const char *mark, const struct litevalue *v)
{
	char *text = crypto_base64(v->p, v->n);

	pack_marked(pk, mark, text);
	free(text);
}

void
litevalue_pack(struct buf *b, const struct litevalue *v)
{
	msgpack_packer pk;

	msgpack_packer_init(&pk, b, pack_bytes_cb);
	if (v->type == SQLITE_INTEGER)
		msgpack_pack_int64(&pk, v->i);
	else if (v->type == SQLITE_FLOAT && isfinite(v->d))
		msgpack_pack_double(&pk, v->d);
	else if (v->type == SQLITE_FLOAT)
		pack_marked(&pk, "$real", v->d > 0 ? "inf" : "-inf");
	else if (v->type == SQLITE_TEXT && value_utf8(v->p, v->n))
		msgpack_pack_str_with_body(&pk, v->n > 0 ? v->p : "", v->n);
	else if (v->type == SQLITE_TEXT)
		pack_base64(&pk, "$text64", v);
	else if (v->type == SQLITE_BLOB)
		pack_base64(&pk, "$b64", v);
	else
		msgpack_pack_nil(&pk);
}

static int
packed_text_is(const struct packed *t, const char *text)
{
	return (t->kind == PACKED_TEXT && t->n == strlen(text) && memcmp(t->s, text, t->n) == 0);
}

static int
read_base64(struct litevalue *v, int type, const struct packed *t)
{
	uint8_t *bytes;

	if (t->n == 0) {
		v->type = type;
		v->p = "";
		return (1);
	}
	bytes = crypto_base64_read(t->s, t->n, t->n, &v->n);
	if (bytes == NULL)
		return (0);
	v->type = type;
	v->p = v->owned = (char *)bytes;
	return (1);
}

/* One of the objects that stand for what rows have no kind for; 0: it is another. */
static int
read_marked(struct litevalue *v, const uint8_t *p, size_t n)
{
	struct rd r = rd_init(p, n);
	struct packed map, mark, t;

	if (packed_next(&r, &map) == -1 || map.kind != PACKED_MAP || map.n != 1 ||
	    packed_name(&r, &mark) == -1 || packed_next(&r, &t) == -1 || t.kind != PACKED_TEXT ||
	    !rd_done(&r))
		return (0);
	if (packed_text_is(&mark, "$b64"))
		return (read_base64(v, SQLITE_BLOB, &t));
	if (packed_text_is(&mark, "$text64"))
		return (read_base64(v, SQLITE_TEXT, &t));
	if (!packed_text_is(&mark, "$real") ||
	    (!packed_text_is(&t, "inf") && !packed_text_is(&t, "-inf")))
		return (0);
	v->type = SQLITE_FLOAT;
	v->d = t.s[0] == '-' ? -HUGE_VAL : HUGE_VAL;
	return (1);
}

static void
read_nested(struct litevalue *v, const uint8_t *p, size_t n)
{
	struct buf text = { 0 };

	if (read_marked(v, p, n))
		return;
	value_text(&text, p, n);
	v->type = SQLITE_TEXT;
	v->p = v->owned = (char *)buf_take(&text, &v->n);
}

int
litevalue_read(struct litevalue *v, const uint8_t *p, size_t n)
{
	struct rd r = rd_init(p, n);
	struct packed t;

	*v = (struct litevalue){ .type = SQLITE_NULL };
	if (packed_next(&r, &t) == -1)
		return (-1);
	switch (t.kind) {
	case PACKED_NIL:
		return (0);
	case PACKED_FALSE:
	case PACKED_TRUE:
		v->type = SQLITE_INTEGER;
		v->i = t.kind == PACKED_TRUE;
		return (0);
	case PACKED_INTEGER:
		v->type = SQLITE_INTEGER;
		v->i = t.i;
		return (0);
	case PACKED_REAL:
		v->type = SQLITE_FLOAT;
		v->d = t.d;
		return (0);
	case PACKED_TEXT:
		v->type = SQLITE_TEXT;
		v->p = t.s;
		v->n = t.n;
		return (0);
	default:
		read_nested(v, p, n);
		return (0);
	}
}

int
litevalue_same(const struct litevalue *a, const struct litevalue *b)
{
	if (a->type != b->type)
		return (0);
	if (a->type == SQLITE_INTEGER)
		return (a->i == b->i);
	if (a->type == SQLITE_FLOAT)
		return (memcmp(&a->d, &b->d, sizeof(a->d)) == 0);
	if (a->type == SQLITE_NULL)
		return (1);
	return (a->n == b->n && (a->n == 0 || memcmp(a->p, b->p, a->n) == 0));
}

static int
has_word(const char *text, const char *word)
{
	for (; *text != '\0'; text++)
		if (strncasecmp(text, word, strlen(word)) == 0)
			return (1);
	return (0);
}

/* SQLite's own rules, in their order. */
enum lite_affinity
litevalue_affinity(const char *declared)
{
	if (declared == NULL || declared[0] == '\0')
		return (AFFINITY_NONE);
	if (has_word(declared, "INT"))
		return (AFFINITY_NUMERIC);
	if (has_word(declared, "CHAR") || has_word(declared, "CLOB") || has_word(declared, "TEXT"))
		return (AFFINITY_TEXT);
	if (has_word(declared, "BLOB") || strcasecmp(declared, "ANY") == 0)
		return (AFFINITY_NONE);
	if (has_word(declared, "REAL") || has_word(declared, "FLOA") || has_word(declared, "DOUB"))
		return (AFFINITY_REAL);
	return (AFFINITY_NUMERIC);
}

static void
fit_text(struct litevalue *v)
{
	char *text;

	if (v->type != SQLITE_INTEGER && v->type != SQLITE_FLOAT)
		return;
	text = v->type == SQLITE_INTEGER ? sqlite3_mprintf("%lld", (long long)v->i) :
					   sqlite3_mprintf("%!.15g", v->d);
	v->type = SQLITE_TEXT;
	v->p = v->owned = xstrdup(text);
	v->n = strlen(v->p);
	sqlite3_free(text);
}

/* Text that is all of a number becomes it. */
static void
fit_number(struct litevalue *v)
{
	char text[64], *end;
	long long i;
	double d;

	if (v->type != SQLITE_TEXT || v->n == 0 || v->n >= sizeof(text))
		return;
	memcpy(text, v->p, v->n);
	text[v->n] = '\0';
	if (strspn(text, "0123456789+-.eE \t\n") < v->n)
		return;
	errno = 0;
	i = strtoll(text, &end, 10);
	end += strspn(end, " \t\n");
	if (*end == '\0' && errno == 0) {
		litevalue_free(v);
		*v = (struct litevalue){ .type = SQLITE_INTEGER, .i = i };
		return;
	}
	d = strtod(text, &end);
	end += strspn(end, " \t\n");
	if (*end == '\0' && end != text) {
		litevalue_free(v);
		*v = (struct litevalue){ .type = SQLITE_FLOAT, .d = d };
	}
}

void
litevalue_fit(struct litevalue *v, enum lite_affinity affinity)
{
	if (affinity == AFFINITY_NONE)
		return;
	if (affinity == AFFINITY_TEXT) {
		fit_text(v);
		return;
	}
	fit_number(v);
	if (affinity == AFFINITY_REAL && v->type == SQLITE_INTEGER)
		*v = (struct litevalue){ .type = SQLITE_FLOAT, .d = (double)v->i };
	else if (affinity == AFFINITY_REAL && v->type == SQLITE_FLOAT && v->d == 0)
		v->d = 0; /* without a sign */
	else if (affinity == AFFINITY_NUMERIC && v->type == SQLITE_FLOAT && v->d > -9.2e18 &&
	    v->d < 9.2e18 && v->d == (double)(int64_t)v->d)
		*v = (struct litevalue){ .type = SQLITE_INTEGER, .i = (int64_t)v->d };
}
