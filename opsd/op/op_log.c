#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/conf/settings.h"
#include "opsd/op/node.h"
#include "opsd/op/op_table.h"
#include "opsd/op/reading.h"
#include "opsd/store/key.h"
#include "opsd/store/value.h"

/*
 * read_transaction_log: what this node sends to others (CF_LOG).  read_audit_log:
 * who changed what here, with the rows before (CF_AUDIT).
 */
#define VALUES_MAX 1000

/* ---- the transaction log ---- */

/*
 * The first entry that was committed at `ms` or later.  Transactions of others were
 * committed here after they were stamped there, but for what clocks may differ by.
 */
static uint64_t
first_seq(struct ops *ops, uint64_t ms)
{
	struct store_iter *it = store_iter_new(ops->data.store, NULL, CF_LOG, NULL, 0, NULL, 0);
	uint64_t low = ops->data.log.trimmed + 1, high = ops->data.log.last + 1;

	while (low < high) {
		uint64_t mid = low + (high - low) / 2;
		struct buf key = { 0 };
		struct log_entry e = { 0 };
		const uint8_t *p;
		struct rd r;
		size_t n;

		buf_be64(&key, mid);
		store_iter_seek(it, key.data, key.len);
		buf_free(&key);
		if (!store_iter_valid(it)) {
			high = mid;
			continue;
		}
		p = store_iter_value(it, &n);
		r = rd_init(p, n);
		if (log_entry_read(&r, &e) == 0 && e.ms < ms)
			low = e.seq + 1;
		else
			high = mid;
	}
	store_iter_free(it);
	return (low);
}

static void
log_list(struct reading *g)
{
	uint64_t from = (uint64_t)g->from, skew = g->ops->data.live.max_skew_ms;
	struct buf key = { 0 };

	buf_be64(&key, from > skew ? first_seq(g->ops, from - skew) : 0);
	g->it = store_iter_new(g->ops->data.store, NULL, CF_LOG, key.data, key.len, NULL, 0);
	buf_free(&key);
}

static int
log_entry_text(struct reading *g)
{
	struct log_entry e;
	struct txn txn;
	size_t len;
	const uint8_t *p = store_iter_value(g->it, &len);
	struct rd r = rd_init(p, len);

	if (log_entry_read(&r, &e) == -1 || e.table != g->t->id ||
	    txn_read(&txn, e.payload, e.len) == -1 || txn.kind != TXN_WRITE ||
	    !reading_in_span(g, &txn))
		return (0);
	reading_text_head(&g->out, &txn, "user");
	buf_addf(&g->out, txn.op == TXN_DELETE ? ",\"hash_values\":" : ",\"records\":");
	reading_text_records(g, txn, txn.op == TXN_DELETE);
	buf_u8(&g->out, '}');
	return (1);
}

static void
op_read_transaction_log(struct request *r)
{
	struct faults f = { 0 };
	struct reading *g = xcalloc(1, sizeof(*g));

	reading_span(&f, json_object_get(r->body, "from"), "from", json_object_get(r->body, "to"),
	    "to", g);
	reading_limit(&f, r->body, g);
	g->list = log_list;
	g->entry = log_entry_text;
	g->t = op_table(r, &f, 400, 404);
	if (g->t == NULL) {
		reading_free(g);
	} else if (!r->ops->data.live.replicates) {
		reading_free(g);
		reply_error(r, 400, "Clustering is not enabled: there is no transaction log");
	} else
		reading_start(r, g);
}

/* ---- the audit log ---- */

static void
text_before(struct reading *g, const uint8_t *p, size_t n)
{
	struct rd r = rd_init(p, n);
	struct row row = { 0 };
	struct buf *out = &g->out;
	int count = 0;

	buf_u8(out, '[');
	while (rd_left(&r) > 0 && rd_ok(&r)) {
		size_t klen, vlen;
		const uint8_t *key = (const uint8_t *)rd_strn(&r, &klen);
		const uint8_t *v = rd_blob(&r, &vlen);

		if (!rd_ok(&r) || !reading_wants(g, key, klen) || row_load(&row, v, vlen) == -1 ||
		    !row_visible(&row))
			continue;
		if (count++ > 0)
			buf_u8(out, ',');
		reading_text_row(out, g->t, key, klen, &row);
	}
	buf_u8(out, ']');
	row_free(&row);
}

static void
text_audit(struct reading *g, const struct txn *txn, int remote, const uint8_t *before, size_t blen)
{
	struct buf *out = &g->out;
	char origin[NODE_HEX_LEN];

	reading_text_head(out, txn, "user_name");
	buf_addf(out, ",\"hash_values\":");
	reading_text_records(g, *txn, 1);
	if (txn->op != TXN_DELETE) {
		buf_addf(out, ",\"records\":");
		reading_text_records(g, *txn, 0);
	}
	if (txn->op != TXN_INSERT) {
		buf_addf(out, ",\"original_records\":");
		text_before(g, before, blen);
	}
	if (remote) {
		node_id_hex(txn->origin, origin);
		buf_addf(out, ",\"origin\":\"%s\"", origin);
	}
	buf_u8(out, '}');
}

static int
has_wanted(const struct reading *g, struct txn txn)
{
	struct txn_record rec = { 0 };
	int found = 0;

	while (!found && txn_next(&txn, &rec) == 1)
		found = reading_wants(g, rec.key, rec.klen);
	row_free(&rec.row);
	return (found);
}

/* Whether the entry answers the value that the list is of. */
static int
entry_matches(const struct reading *g, const struct txn *txn)
{
	const json_t *value = json_array_get(g->values, g->at);
	const char *name = json_string_value(value);

	if (!reading_in_span(g, txn))
		return (0);
	if (g->by == BY_USER)
		return (name != NULL && strlen(name) == txn->user_len &&
		    memcmp(name, txn->user, txn->user_len) == 0);
	return (g->by == BY_TIME || (g->key.len > 0 && has_wanted(g, *txn)));
}

/* What is older than it is kept goes some time later: it is not shown. */
static void
audit_list(struct reading *g)
{
	struct conf *conf = data_conf(&g->ops->data);
	double kept = (double)wall_ms() - 1000.0 * (double)conf_int(conf, LOGGING_AUDIT_RETENTION);
	struct buf from = { 0 }, to = { 0 };

	conf_free(conf);
	buf_be32(&from, g->t->id);
	buf_be64(&from, (uint64_t)fmax(fmax(g->from, kept), 0) << 16);
	buf_be32(&to, g->t->id);
	buf_be64(&to, ((uint64_t)fmin(g->to, 1e14) + 1) << 16);
	g->it = store_iter_new(g->ops->data.store, NULL, CF_AUDIT, from.data, from.len, to.data,
	    to.len);
	buf_free(&from);
	buf_free(&to);
}

static int
audit_entry_text(struct reading *g)
{
	size_t len, plen, blen;
	const uint8_t *v = store_iter_value(g->it, &len), *payload, *before;
	struct rd r = rd_init(v, len);
	int remote = rd_u8(&r);
	struct txn txn;

	payload = rd_blob(&r, &plen);
	before = rd_blob(&r, &blen);
	if (!rd_done(&r) || txn_read(&txn, payload, plen) == -1 || !entry_matches(g, &txn))
		return (0);
	text_audit(g, &txn, remote, before, blen);
	return (1);
}

static const struct {
	const char *name;
	enum reading_by by;
} searches[] = { { "hash_value", BY_KEY }, { "timestamp", BY_TIME }, { "username", BY_USER } };

/*
 * The answer has a list under the text of each value: one that is repeated counts once,
 * and a number and a text that read the same cannot both be.
 */
static void
read_distinct(struct faults *f, const struct reading *g)
{
	json_t *seen = json_object();

	for (size_t i = 0; i < json_array_size(g->values);) {
		json_t *v = json_array_get(g->values, i), *same;
		char *text = json_is_string(v) ? xstrdup(json_string_value(v)) :
						 json_dumps(v, JSON_ENCODE_ANY);

		same = json_object_get(seen, text);
		if (same != NULL && !json_equal(same, v))
			fault(f, "'search_values' must not have %s both as a number and as text",
			    text);
		if (same == NULL) {
			json_object_set(seen, text, v);
			i++;
		} else
			json_array_remove((json_t *)g->values, i);
		free(text);
	}
	json_decref(seen);
}

static void
read_values(struct faults *f, struct reading *g)
{
	const json_t *v;
	size_t i;

	if (json_array_size(g->values) > VALUES_MAX)
		fault(f, "'search_values' must contain less than or equal to %d items", VALUES_MAX);
	json_array_foreach(g->values, i, v)
		if (!json_is_string(v) && (g->by == BY_USER || !json_is_number(v)))
			fault(f, "'search_values[%zu]' must be a %s", i,
			    g->by == BY_USER ? "string" : "string or a number");
	if (f->n == 0)
		read_distinct(f, g);
}

/* A time, or the first and the last. */
static void
read_times(struct faults *f, struct reading *g)
{
	if (json_array_size(g->values) > 2)
		fault(f, "'search_values' must contain less than or equal to 2 items");
	reading_span(f, json_array_get(g->values, 0), "search_values[0]",
	    json_array_get(g->values, 1), "search_values[1]", g);
	g->values = NULL;
}

static void
read_log_search(struct faults *f, const json_t *body, struct reading *g)
{
	const char *type = field_string(f, body, "search_type", 0);
	int known = type == NULL;

	g->by = BY_TIME;
	g->values = field_array(f, body, "search_values", 0);
	for (size_t i = 0; type != NULL && i < sizeof(searches) / sizeof(searches[0]); i++)
		if (strcmp(type, searches[i].name) == 0) {
			g->by = searches[i].by;
			known = 1;
		}
	if (!known)
		fault(f, "'search_type' must be one of [hash_value, timestamp, username]");
	else if (g->by == BY_TIME)
		read_times(f, g);
	else if (json_object_get(body, "search_values") == NULL)
		fault(f, "'search_values' is required");
	else {
		g->to = 1e15;
		read_values(f, g);
	}
}

static void
op_read_audit_log(struct request *r)
{
	struct faults f = { 0 };
	struct reading *g = xcalloc(1, sizeof(*g));

	read_log_search(&f, r->body, g);
	reading_limit(&f, r->body, g);
	g->list = audit_list;
	g->entry = audit_entry_text;
	g->t = op_table(r, &f, 400, 404);
	if (g->t == NULL) {
		reading_free(g);
	} else if (!r->ops->data.live.audit || !g->t->audit) {
		reading_free(g);
		reply_error(r, 400,
		    "To use this operation audit log must be enabled in "
		    "hubleaf.yaml");
	} else
		reading_start(r, g);
}

const struct op ops_log[] = {
	{ "read_transaction_log", "readTransactionLog", RIGHT_SUPER, ON_HTTP,
	    op_read_transaction_log },
	{ "read_audit_log", "readAuditLog", RIGHT_SUPER, ON_HTTP, op_read_audit_log },
	{ 0 },
};
