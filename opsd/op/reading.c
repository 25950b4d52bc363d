#include "config.h"

#include "opsd/op/reading.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "opsd/auth/user.h"
#include "opsd/op/node.h"
#include "opsd/store/key.h"
#include "opsd/store/value.h"

#define ANSWER_MAX (64u << 20) /* bytes of JSON text */
#define SLICE_US   5000        /* then others have their turn */
#define LOOK_EACH  32          /* entries between looks at the clock, or */
#define LOOK_BYTES 65536       /* of text */

void
reading_free(struct reading *g)
{
	store_iter_free(g->it);
	buf_free(&g->key);
	buf_free(&g->out);
	table_unref(g->t);
	free(g);
}

static double
field_ms(struct faults *f, const json_t *v, const char *name, double absent)
{
	const char *text = json_string_value(v);
	char *end = NULL;
	double ms = text != NULL ? strtod(text, &end) : json_number_value(v);

	if (v == NULL)
		return (absent);
	if (text != NULL ? end == text || *end != '\0' || isnan(ms) : !json_is_number(v))
		fault(f, "'%s' must be a number", name);
	else if (ms < 0 || ms > 1e15)
		fault(f, "'%s' must be between 0 and 1e15", name);
	return (ms);
}

void
reading_span(struct faults *f, const json_t *from, const char *from_name, const json_t *to,
    const char *to_name, struct reading *g)
{
	g->from = field_ms(f, from, from_name, 0);
	g->to = field_ms(f, to, to_name, 1e15);
	if (f->n == 0 && g->from > g->to)
		fault(f, "'%s' must be greater than or equal to '%s'", to_name, from_name);
}

void
reading_limit(struct faults *f, const json_t *body, struct reading *g)
{
	const json_t *limit = json_object_get(body, "limit");

	g->limit = INT64_MAX;
	if (limit != NULL && !json_is_number(limit))
		fault(f, "'limit' must be a number");
	else if (limit != NULL && !json_is_integer(limit))
		fault(f, "'limit' must be an integer");
	else if (limit != NULL && json_integer_value(limit) < 1)
		fault(f, "'limit' must be greater than or equal to 1");
	else if (limit != NULL)
		g->limit = json_integer_value(limit);
}

int
reading_in_span(const struct reading *g, const struct txn *txn)
{
	double ms = stamp_user(txn->stamp);

	return (ms >= g->from && ms <= g->to);
}

/* ---- a slice at a time, on the request's thread ---- */

/* The list at hand to its end; 0: not yet. */
static int
read_slice(struct reading *g, uint64_t end)
{
	unsigned looked = 0;
	size_t at = g->out.len;

	for (; store_iter_valid(g->it) && g->n < g->limit; store_iter_next(g->it)) {
		size_t was = g->out.len;

		if (g->n > 0)
			buf_u8(&g->out, ',');
		if (g->entry(g))
			g->n++;
		else
			g->out.len = was;
		if (++looked < LOOK_EACH && g->out.len - at < LOOK_BYTES)
			continue;
		looked = 0;
		at = g->out.len;
		if (at > ANSWER_MAX || mono_us() > end) {
			store_iter_next(g->it);
			return (0);
		}
	}
	return (1);
}

static void
end_list(struct reading *g)
{
	store_iter_free(g->it);
	g->it = NULL;
	buf_u8(&g->out, ']');
}

static void
begin_list(struct reading *g)
{
	const json_t *v = json_array_get(g->values, g->at);
	char *text;

	if (g->by != BY_TIME) {
		text = json_is_string(v) ? xstrdup(json_string_value(v)) :
					   json_dumps(v, JSON_ENCODE_ANY);
		if (g->at > 0)
			buf_u8(&g->out, ',');
		value_text_string(&g->out, text, strlen(text));
		buf_u8(&g->out, ':');
		free(text);
		buf_clear(&g->key);
		if (g->by == BY_KEY && key_from_json(&g->key, v) == -1)
			buf_clear(&g->key);
	}
	buf_u8(&g->out, '[');
	g->n = 0;
	g->list(g);
	store_iter_first(g->it);
}

static void
read_again_cb(struct request *r, void *arg)
{
	struct reading *g = arg;
	uint64_t end = mono_us() + SLICE_US;
	size_t lists = g->by == BY_TIME ? 1 : json_array_size(g->values);

	if (request_gone(r)) {
		reading_free(g);
		reply_abort(r);
		return;
	}
	while (g->at < lists && mono_us() <= end) {
		if (g->it == NULL)
			begin_list(g);
		if (g->out.len > ANSWER_MAX || !read_slice(g, end))
			break;
		if (store_iter_failed(g->it)) {
			reply_error(r, 500, "the log cannot be read");
			reading_free(g);
			return;
		}
		end_list(g);
		g->at++;
	}
	if (g->out.len > ANSWER_MAX) {
		reply_error(r, 400,
		    "The answer would be larger than %u bytes, ask for less: with "
		    "'limit', or times",
		    ANSWER_MAX);
		reading_free(g);
	} else if (g->at < lists)
		request_again(r, read_again_cb, g);
	else {
		if (g->by != BY_TIME)
			buf_u8(&g->out, '}');
		reply_text(r, 200, &g->out);
		reading_free(g);
	}
}

void
reading_start(struct request *r, struct reading *g)
{
	g->ops = r->ops;
	if (g->by != BY_TIME)
		buf_u8(&g->out, '{');
	read_again_cb(r, g);
}

/* ---- entries as JSON ---- */

/* "k":value pairs of a row; the key first. */
void
reading_text_row(struct buf *out, const struct table *t, const uint8_t *key, size_t klen,
    const struct row *row)
{
	struct rd r = rd_init(key, klen);
	json_t *k = key_to_json(&r);

	buf_u8(out, '{');
	value_text_string(out, t->primary_key, strlen(t->primary_key));
	buf_u8(out, ':');
	value_text_json(out, k);
	for (uint32_t i = 0; i < row->n; i++) {
		const struct attr *a = &row->attrs[i];

		if (user_hidden_attribute(t->id, a->name, a->nlen))
			continue;
		buf_u8(out, ',');
		value_text_string(out, a->name, a->nlen);
		buf_u8(out, ':');
		value_text(out, a->value, a->vlen);
	}
	buf_u8(out, '}');
	json_decref(k);
}

static void
text_key(struct buf *out, const uint8_t *key, size_t klen)
{
	struct rd r = rd_init(key, klen);
	json_t *k = key_to_json(&r);

	value_text_json(out, k);
	json_decref(k);
}

int
reading_wants(const struct reading *g, const uint8_t *key, size_t klen)
{
	return (g->by != BY_KEY || (klen == g->key.len && memcmp(key, g->key.data, klen) == 0));
}

void
reading_text_records(struct reading *g, struct txn txn, int keys)
{
	struct txn_record rec = { 0 };
	struct buf *out = &g->out;
	int n = 0;

	buf_u8(out, '[');
	while (txn_next(&txn, &rec) == 1) {
		if (!reading_wants(g, rec.key, rec.klen))
			continue;
		if (n++ > 0)
			buf_u8(out, ',');
		if (keys)
			text_key(out, rec.key, rec.klen);
		else
			reading_text_row(out, g->t, rec.key, rec.klen, &rec.row);
	}
	buf_u8(out, ']');
	row_free(&rec.row);
}

void
reading_text_head(struct buf *out, const struct txn *txn, const char *user_field)
{
	buf_addf(out, "{\"operation\":\"%s\",\"%s\":", txn_op_name(txn->op), user_field);
	value_text_string(out, txn->user, txn->user_len);
	buf_addf(out, ",\"timestamp\":");
	value_text_real(out, stamp_user(txn->stamp));
}
