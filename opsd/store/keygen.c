#include "config.h"

#include "opsd/store/keygen.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/store/attrtype.h"
#include "opsd/store/data.h"
#include "opsd/store/group_priv.h"
#include "opsd/store/key.h"
#include "opsd/store/value.h"

/* The table's last key before `bound`, or of all: 1 with *sc when it is a number, -1 a fault. */
static int
last_number(struct data *data, const struct table *t, const struct buf *bound, struct scalar *sc)
{
	struct buf from = { 0 }, to = { 0 };
	struct store_iter *it;
	const uint8_t *p;
	int rc = 0;
	size_t n;

	buf_be32(&from, t->id);
	key_table_end(&to, t->id);
	if (bound != NULL) {
		buf_clear(&to);
		buf_add(&to, bound->data, bound->len);
	}
	it = store_iter_new(data->store, NULL, CF_ROWS, from.data, from.len, to.data, to.len);
	store_iter_last(it);
	if (store_iter_valid(it)) {
		p = store_iter_key(it, &n);
		rc = n > 4 && key_is_number(p + 4) && scalar_from_key(sc, p + 4, n - 4, NULL) == 0;
	}
	if (store_iter_failed(it))
		rc = -1;
	store_iter_free(it);
	buf_free(&from);
	buf_free(&to);
	return (rc);
}

int
keygen_counts(struct data *data, const struct table *t)
{
	const struct attribute *a = table_attr(t, t->primary_key, strlen(t->primary_key));
	struct scalar sc = { 0 };
	int numbers = last_number(data, t, NULL, &sc);

	if (numbers == 0 && a != NULL)
		numbers = attrtype_is_number(a->type);
	return (numbers == 1 && sc.d < (double)KEYGEN_MAX &&
	    !data->hooks.shares(data->hooks.arg, t));
}

int64_t
keygen_next(struct group *g, const struct table *t)
{
	struct buf text = { 0 };
	struct scalar sc;
	int64_t next = 1;
	int rc;

	/* Strings sort after all numbers. */
	buf_be32(&text, t->id);
	buf_u8(&text, RANK_TEXT);
	rc = last_number(group_data(g), t, &text, &sc);
	buf_free(&text);
	if (rc == -1)
		return (0);
	if (rc == 1 && sc.d >= (double)KEYGEN_MAX)
		return (0);
	if (rc == 1 && sc.d >= 1)
		next = (int64_t)floor(sc.d) + 1;
	/* What this and earlier transactions of the group took is not in the store yet. */
	if (t->stat->counted >= next)
		next = t->stat->counted + 1;
	if (next > KEYGEN_MAX)
		return (0);
	t->stat->counted = next;
	return (next);
}

/* Whether the primary key is the names of attributes, joined by commas. */
static int
is_joined(const struct table *t)
{
	const char *s = t->primary_key;
	size_t n;

	if (t->sqlite == NULL || strchr(s, ',') == NULL)
		return (0);
	for (;; s += n + 1) {
		n = strcspn(s, ",");
		if (table_attr(t, s, n) == NULL)
			return (0);
		if (s[n] == '\0')
			return (1);
	}
}

json_t *
keygen_joined(const struct table *t, const json_t *record, char **missing)
{
	struct buf text = { 0 };
	const char *s = t->primary_key;
	json_t *key = NULL;
	size_t n;

	*missing = NULL;
	if (!is_joined(t))
		return (NULL);
	for (;; s += n + 1) {
		char *name = xstrndup(s, n = strcspn(s, ","));
		const json_t *v = json_object_get(record, name);

		if (v == NULL || json_is_null(v)) {
			*missing = name;
			break;
		}
		free(name);
		buf_u8(&text, text.len == 0 ? '[' : ',');
		value_text_json(&text, v);
		if (s[n] == '\0')
			break;
	}
	buf_u8(&text, ']');
	if (*missing == NULL)
		key = json_stringn((const char *)text.data, text.len);
	buf_free(&text);
	return (key);
}
