#include "config.h"

#include "opsd/lite/litekey.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/tls/crypto.h"
#include "opsd/store/key.h"
#include "opsd/store/value.h"

#define MARK_BLOB "$b64:"
#define MARK_TEXT "$text:"

static int
text_begins(const char *p, size_t n, const char *with)
{
	return (n >= strlen(with) && memcmp(p, with, strlen(with)) == 0);
}

static const char *
key_value_fault(const struct litevalue *v)
{
	if (v->type == SQLITE_NULL)
		return ("its key is NULL");
	if (v->type == SQLITE_FLOAT && !isfinite(v->d))
		return ("its key is infinite");
	if (v->type == SQLITE_TEXT && !value_utf8(v->p, v->n))
		return ("its key is not UTF-8");
	return (NULL);
}

static const char *
add_text(struct buf *out, const struct buf *text)
{
	struct scalar sc = { .rank = RANK_TEXT, .s = (const char *)text->data, .n = text->len };

	if (text->len > KEY_TEXT_MAX)
		return ("its key is longer than 1024 bytes");
	if (text->len == 0)
		sc.s = "";
	key_from_scalar(out, &sc);
	return (NULL);
}

static const char *
make_single(struct buf *out, const struct litevalue *v)
{
	struct buf text = { 0 };
	struct scalar sc;
	const char *why;
	char *coded;

	if (v->type == SQLITE_INTEGER || v->type == SQLITE_FLOAT) {
		if (v->type == SQLITE_INTEGER)
			scalar_integer(&sc, v->i);
		else
			scalar_real(&sc, v->d);
		key_from_scalar(out, &sc);
		return (NULL);
	}
	if (v->type == SQLITE_BLOB) {
		coded = crypto_base64(v->p, v->n);
		buf_addf(&text, MARK_BLOB "%s", coded);
		free(coded);
	} else {
		if (text_begins(v->p, v->n, MARK_BLOB) || text_begins(v->p, v->n, MARK_TEXT))
			buf_addf(&text, MARK_TEXT);
		buf_add(&text, v->p, v->n);
	}
	why = add_text(out, &text);
	buf_free(&text);
	return (why);
}

/* {"$b64": and so on are as in rows: their text is that of the packed value. */
static void
add_part(struct buf *text, const struct litevalue *v)
{
	struct buf packed = { 0 };

	litevalue_pack(&packed, v);
	value_text(text, packed.data, packed.len);
	buf_free(&packed);
}

const char *
litekey_make(struct buf *out, const struct litevalue *values, int n)
{
	struct buf text = { 0 };
	const char *why = NULL;

	for (int i = 0; i < n && why == NULL; i++)
		why = key_value_fault(&values[i]);
	if (why != NULL)
		return (why);
	if (n == 1)
		return (make_single(out, values));
	for (int i = 0; i < n; i++) {
		buf_u8(&text, i == 0 ? '[' : ',');
		add_part(&text, &values[i]);
	}
	buf_u8(&text, ']');
	why = add_text(out, &text);
	buf_free(&text);
	return (why);
}

static void
own_text(struct litevalue *v, const char *p, size_t n)
{
	v->type = SQLITE_TEXT;
	v->p = v->owned = xmemdup(n > 0 ? p : "", n > 0 ? n : 1);
	v->n = n;
}

static const char *
read_key_text(struct litevalue *v, const char *p, size_t n)
{
	if (text_begins(p, n, MARK_BLOB)) {
		p += strlen(MARK_BLOB);
		n -= strlen(MARK_BLOB);
		v->type = SQLITE_BLOB;
		v->p = "";
		if (n == 0)
			return (NULL);
		v->owned = (char *)crypto_base64_read(p, n, n, &v->n);
		v->p = v->owned;
		return (v->owned == NULL ? "its key is \"$b64:\" and no base64" : NULL);
	}
	if (text_begins(p, n, MARK_TEXT)) {
		p += strlen(MARK_TEXT);
		n -= strlen(MARK_TEXT);
	}
	own_text(v, p, n);
	return (NULL);
}

static const char *
read_single(struct litevalue *v, const struct scalar *sc)
{
	if (sc->rank == RANK_TEXT)
		return (read_key_text(v, sc->s, sc->n));
	if (sc->rank != RANK_NUMBER)
		return ("its key is neither text nor a number");
	if (scalar_is_integer(sc, &v->i))
		v->type = SQLITE_INTEGER;
	else {
		v->type = SQLITE_FLOAT;
		v->d = sc->d;
	}
	return (NULL);
}

static const char *
read_parts(struct litevalue *values, int n, const struct scalar *sc)
{
	json_t *list = sc->rank == RANK_TEXT ?
	    json_loadb(sc->s, sc->n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL) :
	    NULL;
	struct litevalue v;
	struct buf packed = { 0 };
	const char *why = NULL;

	if (!json_is_array(list) || json_array_size(list) != (size_t)n)
		why = "its key is not the text of a list with a value for each column of the key";
	for (int i = 0; i < n && why == NULL; i++) {
		buf_clear(&packed);
		value_pack(&packed, json_array_get(list, (size_t)i));
		litevalue_read(&v, packed.data, packed.len);
		values[i] = v;
		why = key_value_fault(&v);
		if (v.owned == NULL && v.type == SQLITE_TEXT)
			own_text(&values[i], v.p, v.n);
	}
	buf_free(&packed);
	json_decref(list);
	return (why);
}

const char *
litekey_read(struct litevalue *values, int n, const uint8_t *key, size_t klen)
{
	struct buf scratch = { 0 };
	struct scalar sc;
	const char *why;

	for (int i = 0; i < n; i++)
		values[i] = (struct litevalue){ .type = SQLITE_NULL };
	if (scalar_from_key(&sc, key, klen, &scratch) == -1)
		why = "its key is broken";
	else
		why = n == 1 ? read_single(values, &sc) : read_parts(values, n, &sc);
	buf_free(&scratch);
	return (why);
}
