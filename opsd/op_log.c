#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "key.h"
#include "mem.h"
#include "op.h"
#include "op_table.h"
#include "ops.h"
#include "settings.h"
#include "txn.h"
#include "value.h"

/*
 * read_transaction_log: what this node sends to others (CF_LOG).  read_audit_log:
 * who changed what here, with the rows before (CF_AUDIT).
 */
#define ANSWER_MAX	(256u << 20)	/* bytes of JSON text */

/* "k":value pairs of a row; the key first. */
static void
text_row(struct buf *out, const struct table *t, const uint8_t *key, size_t klen,
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

/* The records of a transaction: whole, or just their keys. */
static void
text_records(struct buf *out, const struct table *t, struct txn txn, int keys)
{
	struct txn_record rec = { 0 };
	int n = 0;

	buf_u8(out, '[');
	while (txn_next(&txn, &rec) == 1) {
		if (n++ > 0)
			buf_u8(out, ',');
		if (keys)
			text_key(out, rec.key, rec.klen);
		else
			text_row(out, t, rec.key, rec.klen, &rec.row);
	}
	buf_u8(out, ']');
	row_free(&rec.row);
}

static void
text_head(struct buf *out, const struct txn *txn, const char *user_field)
{
	buf_addf(out, "{\"operation\":\"%s\",\"%s\":", txn_op_name(txn->op), user_field);
	value_text_string(out, txn->user, txn->user_len);
	buf_addf(out, ",\"timestamp\":");
	value_text_real(out, stamp_user(txn->stamp));
}

struct span {
	double	from, to;
	int64_t	limit;
};

static void
read_span(struct faults *f, const json_t *body, struct span *s)
{
	const json_t *from = json_object_get(body, "from"), *to = json_object_get(body, "to");
	const json_t *limit = json_object_get(body, "limit");

	s->from = 0;
	s->to = 1e18;
	s->limit = INT64_MAX;
	if (from != NULL && !json_is_number(from))
		fault(f, "'from' must be a number");
	else if (from != NULL)
		s->from = json_number_value(from);
	if (to != NULL && !json_is_number(to))
		fault(f, "'to' must be a number");
	else if (to != NULL)
		s->to = json_number_value(to);
	if (limit != NULL && (!json_is_integer(limit) || json_integer_value(limit) < 1))
		fault(f, "'limit' must be greater than or equal to 1");
	else if (limit != NULL)
		s->limit = json_integer_value(limit);
}

static void
log_entries(struct ops *ops, const struct table *t, const struct span *s, struct buf *out)
{
	struct store_iter *it = store_iter_new(ops->store, NULL, CF_LOG, NULL, 0, NULL, 0);
	int64_t n = 0;

	for (store_iter_first(it); store_iter_valid(it) && n < s->limit && out->len < ANSWER_MAX;
	    store_iter_next(it)) {
		struct log_entry e;
		struct txn txn;
		size_t len;
		const uint8_t *p = store_iter_value(it, &len);
		struct rd r = rd_init(p, len);

		if (log_entry_read(&r, &e) == -1 || e.table != t->id ||
		    txn_read(&txn, e.payload, e.len) == -1 || txn.kind != TXN_WRITE ||
		    stamp_user(txn.stamp) < s->from || stamp_user(txn.stamp) > s->to)
			continue;
		if (n++ > 0)
			buf_u8(out, ',');
		text_head(out, &txn, "user");
		buf_addf(out, txn.op == TXN_DELETE ? ",\"hash_values\":" : ",\"records\":");
		text_records(out, t, txn, txn.op == TXN_DELETE);
		buf_u8(out, '}');
	}
	store_iter_free(it);
}

static void
op_read_transaction_log(struct request *r)
{
	struct faults f = { 0 };
	struct buf out = { 0 };
	struct span s;
	struct table *t;

	read_span(&f, r->body, &s);
	t = op_table(r, &f, 400, 404);
	if (t == NULL)
		return;
	if (!r->ops->live.clustering) {
		reply_error(r, 400, "Clustering is not enabled: there is no transaction log");
	} else {
		buf_u8(&out, '[');
		log_entries(r->ops, t, &s, &out);
		buf_u8(&out, ']');
		reply_text(r, 200, &out);
	}
	buf_free(&out);
	table_unref(t);
}

/* What a search of the audit log looks for. */
enum by { BY_TIME, BY_KEY, BY_USER };

struct looking {
	const struct table	*t;
	enum by			 by;
	const json_t		*values;	/* or NULL: all */
};

static void
text_before(struct buf *out, const struct table *t, const uint8_t *p, size_t n)
{
	struct rd r = rd_init(p, n);
	struct row row = { 0 };
	int count = 0;

	buf_u8(out, '[');
	while (rd_left(&r) > 0 && rd_ok(&r)) {
		size_t klen, vlen;
		const uint8_t *key = (const uint8_t *)rd_strn(&r, &klen);
		const uint8_t *v = rd_blob(&r, &vlen);

		if (!rd_ok(&r) || row_load(&row, v, vlen) == -1 || !row_visible(&row))
			continue;
		if (count++ > 0)
			buf_u8(out, ',');
		text_row(out, t, key, klen, &row);
	}
	buf_u8(out, ']');
	row_free(&row);
}

static void
text_audit(struct buf *out, const struct looking *l, const struct txn *txn, int remote,
    const uint8_t *before, size_t blen)
{
	char origin[NODE_HEX_LEN];

	text_head(out, txn, "user_name");
	buf_addf(out, ",\"hash_values\":");
	text_records(out, l->t, *txn, 1);
	if (txn->op != TXN_DELETE) {
		buf_addf(out, ",\"records\":");
		text_records(out, l->t, *txn, 0);
	}
	if (txn->op != TXN_INSERT) {
		buf_addf(out, ",\"original_records\":");
		text_before(out, l->t, before, blen);
	}
	if (remote) {
		node_id_hex(txn->origin, origin);
		buf_addf(out, ",\"origin\":\"%s\"", origin);
	}
	buf_u8(out, '}');
}

static int
has_key(struct txn txn, const uint8_t *key, size_t klen)
{
	struct txn_record rec = { 0 };
	int found = 0;

	while (!found && txn_next(&txn, &rec) == 1)
		found = rec.klen == klen && memcmp(rec.key, key, klen) == 0;
	row_free(&rec.row);
	return (found);
}

/* Whether the entry answers the value that is asked for (NULL: by time, or all). */
static int
matches(const struct looking *l, const struct txn *txn, const json_t *value)
{
	const char *name = json_string_value(value);
	struct buf k = { 0 };
	size_t i;
	json_t *v;
	int yes = 0;

	switch (l->by) {
	case BY_TIME:
		if (l->values == NULL)
			return (1);
		json_array_foreach((json_t *)l->values, i, v)
			yes |= json_number_value(v) == stamp_user(txn->stamp);
		return (yes);
	case BY_USER:
		return (name != NULL && strlen(name) == txn->user_len &&
		    memcmp(name, txn->user, txn->user_len) == 0);
	case BY_KEY:
		yes = key_from_json(&k, value) == 0 && has_key(*txn, k.data, k.len);
		buf_free(&k);
		return (yes);
	}
	return (0);
}

static void
audit_list(struct ops *ops, const struct looking *l, const json_t *value, struct buf *out)
{
	struct buf from = { 0 }, to = { 0 };
	struct store_iter *it;
	int n = 0;

	buf_be32(&from, l->t->id);
	key_table_end(&to, l->t->id);
	it = store_iter_new(ops->store, NULL, CF_AUDIT, from.data, from.len, to.data, to.len);
	buf_u8(out, '[');
	for (store_iter_first(it); store_iter_valid(it) && out->len < ANSWER_MAX;
	    store_iter_next(it)) {
		size_t len, plen, blen;
		const uint8_t *v = store_iter_value(it, &len), *payload, *before;
		struct rd r = rd_init(v, len);
		int remote = rd_u8(&r);
		struct txn txn;

		payload = rd_blob(&r, &plen);
		before = rd_blob(&r, &blen);
		if (!rd_done(&r) || txn_read(&txn, payload, plen) == -1 || !matches(l, &txn, value))
			continue;
		if (n++ > 0)
			buf_u8(out, ',');
		text_audit(out, l, &txn, remote, before, blen);
	}
	buf_u8(out, ']');
	store_iter_free(it);
	buf_free(&from);
	buf_free(&to);
}

static void
audit_by_value(struct ops *ops, const struct looking *l, struct buf *out)
{
	json_t *v;
	size_t i;

	buf_u8(out, '{');
	json_array_foreach((json_t *)l->values, i, v) {
		char *text = json_is_string(v) ? xstrdup(json_string_value(v)) :
		    json_dumps(v, JSON_ENCODE_ANY);

		if (i > 0)
			buf_u8(out, ',');
		value_text_string(out, text, strlen(text));
		buf_u8(out, ':');
		audit_list(ops, l, v, out);
		free(text);
	}
	buf_u8(out, '}');
}

static void
op_read_audit_log(struct request *r)
{
	struct faults f = { 0 };
	struct buf out = { 0 };
	struct looking l = { .by = BY_TIME };
	const char *type = field_string(&f, r->body, "search_type", 0);
	struct table *t;

	l.values = field_array(&f, r->body, "search_values", 0);
	if (type != NULL && strcmp(type, "hash_value") == 0)
		l.by = BY_KEY;
	else if (type != NULL && strcmp(type, "username") == 0)
		l.by = BY_USER;
	else if (type != NULL && strcmp(type, "timestamp") != 0)
		fault(&f, "'search_type' must be one of [hash_value, timestamp, username]");
	if (l.by != BY_TIME && l.values == NULL)
		fault(&f, "'search_values' is required");
	t = op_table(r, &f, 400, 404);
	if (t == NULL)
		return;
	l.t = t;
	if (!r->ops->live.audit || !t->audit) {
		reply_error(r, 400, "To use this operation audit log must be enabled in hubleaf.yaml");
	} else {
		if (l.by == BY_TIME)
			audit_list(r->ops, &l, NULL, &out);
		else
			audit_by_value(r->ops, &l, &out);
		reply_text(r, 200, &out);
	}
	buf_free(&out);
	table_unref(t);
}

const struct op ops_log[] = {
	{ "read_transaction_log", "readTransactionLog", RIGHT_SUPER, ON_WORKER,
	    op_read_transaction_log },
	{ "read_audit_log", "readAuditLog", RIGHT_SUPER, ON_WORKER, op_read_audit_log },
	{ 0 }
};
