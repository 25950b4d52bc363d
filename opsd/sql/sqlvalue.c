#include "config.h"

#include "opsd/sql/sqlvalue.h"

#include "opsd/sql/sqltext.h"
#include "opsd/store/attrtype.h"
#include "opsd/store/packed.h"
#include "opsd/store/value.h"

#define SUBTYPE_JSON    'J' /* SQLite's own, of json() and its like */
#define SUBTYPE_BOOLEAN 'B'
#define DEEP_END        '\r'

/* ---- from rows ---- */

static void
result_boolean(sqlite3_context *to, int yes, unsigned *seen)
{
	*seen |= SEEN_BOOLEAN;
	sqlite3_result_int(to, yes);
	sqlite3_result_subtype(to, SUBTYPE_BOOLEAN);
}

static void
result_integer(sqlite3_context *to, int64_t i, unsigned *seen)
{
	if (i == 0 || i == 1)
		*seen |= SEEN_BIT;
	sqlite3_result_int64(to, i);
}

static void
result_text(sqlite3_context *to, const char *s, size_t n)
{
	sqlite3_result_text64(to, s, n, SQLITE_TRANSIENT, SQLITE_UTF8);
}

static void
result_deep(sqlite3_context *to, const struct attr *a, unsigned *seen)
{
	struct buf text = { 0 };

	*seen |= SEEN_DEEP;
	value_text(&text, a->value, a->vlen);
	buf_u8(&text, DEEP_END);
	result_text(to, (const char *)text.data, text.len);
	sqlite3_result_subtype(to, SUBTYPE_JSON);
	buf_free(&text);
}

static void
result_stored(sqlite3_context *to, const struct attr *a, unsigned *seen)
{
	struct rd r = rd_init(a->value, a->vlen);
	struct packed p;

	if (packed_any(&r, &p) == -1) {
		sqlite3_result_error(to, "a stored row cannot be read", -1);
		return;
	}
	switch (p.kind) {
	case PACKED_NIL:
		sqlite3_result_null(to);
		return;
	case PACKED_FALSE:
	case PACKED_TRUE:
		result_boolean(to, p.kind == PACKED_TRUE, seen);
		return;
	case PACKED_INTEGER:
		result_integer(to, p.i, seen);
		return;
	case PACKED_REAL:
		sqlite3_result_double(to, p.d);
		return;
	case PACKED_TEXT:
		result_text(to, p.s, p.n);
		return;
	case PACKED_ARRAY:
	case PACKED_MAP:
		result_deep(to, a, seen);
	}
}

/* Keys and times. */
static void
result_scalar(sqlite3_context *to, const struct scalar *sc, unsigned *seen)
{
	int64_t i;

	if (sc->rank == RANK_TEXT)
		result_text(to, sc->s, sc->n);
	else if (sc->rank != RANK_NUMBER)
		sqlite3_result_null(to);
	else if (scalar_is_integer(sc, &i))
		result_integer(to, i, seen);
	else
		sqlite3_result_double(to, sc->d);
}

void
sqlvalue_result(sqlite3_context *to, const struct field *f, struct row_view *v, unsigned *seen)
{
	const struct attr *a;
	struct scalar sc;

	if (f->attr == NULL)
		return;
	if (f->kind == FIELD_ATTR) {
		if ((a = field_attr(f, v)) != NULL)
			result_stored(to, a, seen);
	} else if (field_scalar(f, v, &sc) == -1)
		sqlite3_result_error(to, "a stored row cannot be read", -1);
	else
		result_scalar(to, &sc, seen);
}

/* ---- to look for ---- */

int
sqlvalue_scalar(struct scalar *sc, sqlite3_value *v)
{
	*sc = (struct scalar){ .rank = RANK_NULL };
	switch (sqlite3_value_type(v)) {
	case SQLITE_INTEGER:
		scalar_integer(sc, sqlite3_value_int64(v));
		return (0);
	case SQLITE_FLOAT:
		scalar_real(sc, sqlite3_value_double(v));
		return (0);
	case SQLITE_TEXT:
		sc->rank = RANK_TEXT;
		sc->s = (const char *)sqlite3_value_text(v);
		sc->n = (size_t)sqlite3_value_bytes(v);
		return (0);
	case SQLITE_BLOB:
		return (-1);
	default:
		return (0);
	}
}

/* ---- as JSON ---- */

/* The array or object that the text is; NULL: it is none. */
static json_t *
deep_value(sqlite3_value *v)
{
	const char *s = (const char *)sqlite3_value_text(v);
	size_t n = (size_t)sqlite3_value_bytes(v);

	if (n == 0 || (s[0] != '[' && s[0] != '{'))
		return (NULL);
	return (json_loadb(s, n, JSON_REJECT_DUPLICATES, NULL));
}

/* Ends as only arrays and objects of rows do. */
static int
is_deep_text(sqlite3_value *v)
{
	const char *s = (const char *)sqlite3_value_text(v);
	size_t n = (size_t)sqlite3_value_bytes(v);

	return (n > 0 && s[n - 1] == DEEP_END);
}

static json_t *
text_json(sqlite3_value *v, const char *type, unsigned seen)
{
	json_t *deep = NULL;

	if (is_deep_text(v) || (seen & SEEN_DEEP) != 0 || attrtype_is_deep(type) ||
	    sqlite3_value_subtype(v) == SUBTYPE_JSON)
		deep = deep_value(v);
	if (deep != NULL)
		return (deep);
	return (json_stringn((const char *)sqlite3_value_text(v), (size_t)sqlite3_value_bytes(v)));
}

/* A 0 or 1 that was a boolean, or is to be one. */
static int
is_truth(sqlite3_value *v, const char *type, unsigned seen)
{
	int64_t i = sqlite3_value_int64(v);

	if (i != 0 && i != 1)
		return (0);
	return (sqlite3_value_subtype(v) == SUBTYPE_BOOLEAN || attrtype_is_boolean(type) ||
	    (seen & (SEEN_BOOLEAN | SEEN_BIT)) == SEEN_BOOLEAN);
}

static json_t *
blob_json(sqlite3_value *v)
{
	const uint8_t *p = sqlite3_value_blob(v);

	if (sqlite3_value_bytes(v) != 1 || (*p != SQLTEXT_TRUE_BYTE && *p != SQLTEXT_FALSE_BYTE))
		return (NULL);
	return (json_boolean(*p == SQLTEXT_TRUE_BYTE));
}

json_t *
sqlvalue_json(sqlite3_value *v, const char *type, unsigned seen)
{
	switch (sqlite3_value_type(v)) {
	case SQLITE_INTEGER:
		if (is_truth(v, type, seen))
			return (json_boolean(sqlite3_value_int64(v)));
		return (json_integer(sqlite3_value_int64(v)));
	case SQLITE_FLOAT:
		return (json_real(sqlite3_value_double(v)));
	case SQLITE_TEXT:
		return (text_json(v, type, seen));
	case SQLITE_BLOB:
		return (blob_json(v));
	default:
		return (json_null());
	}
}

/* ---- as part of an answer ---- */

static void
format_text(enum format f, struct buf *out, sqlite3_value *v)
{
	json_t *deep = is_deep_text(v) ? deep_value(v) : NULL;
	struct scalar sc;

	if (deep != NULL)
		format_json(f, out, deep);
	else {
		sqlvalue_scalar(&sc, v);
		format_scalar(f, out, &sc);
	}
	json_decref(deep);
}

int
sqlvalue_format(enum format f, struct buf *out, sqlite3_value *v, unsigned seen)
{
	struct scalar sc;

	if (sqlvalue_scalar(&sc, v) == -1)
		return (-1);
	if (sqlite3_value_type(v) == SQLITE_INTEGER && seen != 0 && is_truth(v, NULL, seen))
		sc = (struct scalar){
			.rank = sqlite3_value_int64(v) == 1 ? RANK_TRUE : RANK_FALSE,
		};
	if (sc.rank == RANK_TEXT)
		format_text(f, out, v);
	else
		format_scalar(f, out, &sc);
	return (0);
}
