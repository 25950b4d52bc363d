#include "config.h"

#include "opsd/search/condition.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/mem.h"
#include "opsd/store/value.h"

int
compare_find(const char *word)
{
	static const struct {
		const char *word;
		enum compare compare;
	} words[] = {
		{ "equals", CMP_EQUALS },
		{ "eq", CMP_EQUALS },
		{ "not_equal", CMP_NOT_EQUAL },
		{ "ne", CMP_NOT_EQUAL },
		{ "contains", CMP_CONTAINS },
		{ "starts_with", CMP_STARTS_WITH },
		{ "ends_with", CMP_ENDS_WITH },
		{ "greater_than", CMP_GREATER },
		{ "gt", CMP_GREATER },
		{ "greater_than_equal", CMP_GREATER_EQUAL },
		{ "ge", CMP_GREATER_EQUAL },
		{ "gte", CMP_GREATER_EQUAL },
		{ "lte", CMP_LESS_EQUAL },
		{ "less_than", CMP_LESS },
		{ "lt", CMP_LESS },
		{ "less_than_equal", CMP_LESS_EQUAL },
		{ "le", CMP_LESS_EQUAL },
		{ "between", CMP_BETWEEN },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(words[i].word, word) == 0)
			return (words[i].compare);
	return (-1);
}

static int
is_text_compare(enum compare c)
{
	return (c == CMP_CONTAINS || c == CMP_STARTS_WITH || c == CMP_ENDS_WITH);
}

/* Text to look for: the value itself, or its JSON text. */
static json_t *
value_as_text(const json_t *v)
{
	struct buf b = { 0 };
	json_t *text;

	if (json_is_string(v))
		return (json_stringn(json_string_value(v), json_string_length(v)));
	value_text_json(&b, v);
	text = json_stringn((const char *)b.data, b.len);
	buf_free(&b);
	return (text);
}

struct condition *
condition_leaf(const struct field *f, enum compare compare, json_t *value)
{
	struct condition *c = xcalloc(1, sizeof(*c));
	const json_t *first = value, *second = value;

	c->kind = COND_LEAF;
	c->field = *f;
	c->compare = compare;
	c->value = json_incref(value);
	if (is_text_compare(compare))
		first = second = c->text = value_as_text(value);
	if (compare == CMP_BETWEEN) {
		first = json_array_get(value, 0);
		second = json_array_get(value, 1);
	}
	if (scalar_from_json(&c->a, first) == -1 || scalar_from_json(&c->b, second) == -1)
		c->deep = 1;
	return (c);
}

struct condition *
condition_wildcard(const struct field *f, json_t *value)
{
	const char *s = json_string_value(value);
	size_t n = json_string_length(value), from, to;
	struct condition *c;
	enum compare compare;
	json_t *inner;

	if (s == NULL || n == 0 || (s[0] != '*' && s[n - 1] != '*'))
		return (condition_leaf(f, CMP_EQUALS, value));
	if (n == 1)
		return (condition_leaf(f, CMP_ANY, value));
	from = s[0] == '*';
	to = n - (s[n - 1] == '*');
	compare = from == 0 ? CMP_STARTS_WITH : to == n ? CMP_ENDS_WITH : CMP_CONTAINS;
	inner = json_stringn(s + from, to - from);
	c = condition_leaf(f, compare, inner);
	json_decref(inner);
	return (c);
}

struct condition *
condition_group(enum condition_kind kind)
{
	struct condition *c = xcalloc(1, sizeof(*c));

	c->kind = kind;
	return (c);
}

void
condition_add(struct condition *group, struct condition *kid)
{
	group->kids = xrealloc(group->kids, (group->nkids + 1) * sizeof(struct condition *));
	group->kids[group->nkids++] = kid;
}

void
condition_free(struct condition *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->nkids; i++)
		condition_free(c->kids[i]);
	free(c->kids);
	json_decref(c->value);
	json_decref(c->text);
	free(c);
}

static int
deep_equal(const struct condition *c, const struct row_view *v)
{
	const struct attr *a = field_attr(&c->field, v);
	json_t *j;
	int same;

	if (a == NULL)
		return (0);
	j = value_to_json(a->value, a->vlen);
	same = j != NULL && json_equal(j, c->value);
	json_decref(j);
	return (same);
}

static int
text_match(const struct condition *c, const struct scalar *s)
{
	const struct scalar *what = &c->a;

	if (s->rank != RANK_TEXT || s->n < what->n)
		return (0);
	switch (c->compare) {
	case CMP_STARTS_WITH:
		return (memcmp(s->s, what->s, what->n) == 0);
	case CMP_ENDS_WITH:
		return (memcmp(s->s + s->n - what->n, what->s, what->n) == 0);
	default:
		return (memmem(s->s, s->n, what->s, what->n) != NULL);
	}
}

static int
same_kind(const struct scalar *a, const struct scalar *b)
{
	int a_bool = a->rank == RANK_FALSE || a->rank == RANK_TRUE;
	int b_bool = b->rank == RANK_FALSE || b->rank == RANK_TRUE;

	return (a->rank == b->rank || (a_bool && b_bool));
}

static int
order_match(const struct condition *c, const struct scalar *s)
{
	int d;

	if (c->deep || !same_kind(s, &c->a) || !same_kind(s, &c->b))
		return (0);
	d = scalar_cmp(s, &c->a);
	switch (c->compare) {
	case CMP_GREATER:
		return (d > 0);
	case CMP_GREATER_EQUAL:
		return (d >= 0);
	case CMP_LESS:
		return (d < 0);
	case CMP_LESS_EQUAL:
		return (d <= 0);
	default:
		return (d >= 0 && scalar_cmp(s, &c->b) <= 0);
	}
}

static int
leaf_match(const struct condition *c, struct row_view *v)
{
	struct scalar s;
	int equal;

	if (c->compare == CMP_ANY)
		return (1);
	if (c->deep && (c->compare == CMP_EQUALS || c->compare == CMP_NOT_EQUAL))
		return (deep_equal(c, v) == (c->compare == CMP_EQUALS));
	if (field_scalar(&c->field, v, &s) == -1)
		return (c->compare == CMP_NOT_EQUAL);
	if (is_text_compare(c->compare))
		return (text_match(c, &s));
	if (c->compare != CMP_EQUALS && c->compare != CMP_NOT_EQUAL)
		return (order_match(c, &s));
	equal = scalar_cmp(&s, &c->a) == 0;
	return (equal == (c->compare == CMP_EQUALS));
}

int
condition_match(const struct condition *c, struct row_view *v)
{
	if (c->kind == COND_LEAF)
		return (leaf_match(c, v));
	for (size_t i = 0; i < c->nkids; i++)
		if (condition_match(c->kids[i], v) == (c->kind == COND_OR))
			return (c->kind == COND_OR);
	return (c->kind == COND_AND);
}

/* After all entries of the key: a longer text goes on with 00 FF, a row's key with a rank. */
static void
skip_key(struct buf *b)
{
	buf_u8(b, 0xff);
}

/* The first bytes that do not begin with b; b begins with a rank, so there are some. */
static void
next_prefix(struct buf *b)
{
	while (b->len > 0 && b->data[b->len - 1] == 0xff)
		b->len--;
	if (b->len > 0)
		b->data[b->len - 1]++;
}

static void
kind_lower(struct buf *b, uint8_t rank)
{
	buf_u8(b, rank == RANK_TRUE ? RANK_FALSE : rank);
}

static void
kind_upper(struct buf *b, uint8_t rank)
{
	buf_u8(b, (uint8_t)(rank == RANK_FALSE ? RANK_TRUE + 1 : rank + 1));
}

/* All texts that begin so: the key without its end. */
static void
prefix_bounds(const struct scalar *sc, struct buf *lower, struct buf *upper)
{
	key_bound(lower, sc);
	lower->len--;
	buf_add(upper, lower->data, lower->len);
	next_prefix(upper);
}

/* Null is also what is missing, arrays and objects are one: whole indexes have them. */
static int
in_keys(const struct condition *c)
{
	if (c->kind != COND_LEAF || !field_indexed(&c->field))
		return (0);
	if (c->deep || c->a.rank == RANK_NULL)
		return (c->field.kind != FIELD_KEY && c->field.attr->whole);
	return (1);
}

static int
deep_bounds(const struct condition *c, struct buf *lower, struct buf *upper)
{
	if (c->compare != CMP_EQUALS)
		return (-1);
	buf_u8(lower, RANK_DEEP);
	buf_u8(upper, RANK_DEEP + 1);
	return (0);
}

int
condition_bounds(const struct condition *c, struct buf *lower, struct buf *upper)
{
	if (!in_keys(c))
		return (-1);
	if (c->deep)
		return (deep_bounds(c, lower, upper));
	if (!same_kind(&c->a, &c->b))
		return (-1);
	switch (c->compare) {
	case CMP_STARTS_WITH:
		prefix_bounds(&c->a, lower, upper);
		return (0);
	case CMP_EQUALS:
	case CMP_BETWEEN:
		key_bound(lower, &c->a);
		key_bound(upper, &c->b);
		skip_key(upper);
		return (0);
	case CMP_GREATER:
	case CMP_GREATER_EQUAL:
		if (key_bound(lower, &c->a) == 0 && c->compare == CMP_GREATER)
			skip_key(lower);
		kind_upper(upper, c->a.rank);
		return (0);
	case CMP_LESS:
	case CMP_LESS_EQUAL:
		kind_lower(lower, c->a.rank);
		if (key_bound(upper, &c->a) == 1 || c->compare == CMP_LESS_EQUAL)
			skip_key(upper);
		return (0);
	default:
		return (-1);
	}
}
