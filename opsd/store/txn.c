#include "config.h"

#include "opsd/store/txn.h"

#include <string.h>

#include "common/base/mem.h"
#include "opsd/store/key.h"
#include "opsd/store/value.h"

/* u8 format, u8 kind, 16 bytes origin */
#define STAMP_AT (2 + NODE_ID_LEN)

static const char *op_names[] = { NULL, "insert", "update", "upsert", "delete" };

const char *
txn_op_name(uint8_t op)
{
	return (op >= TXN_INSERT && op <= TXN_DELETE ? op_names[op] : NULL);
}

size_t
txn_begin(struct buf *b, enum txn_kind kind, enum txn_op op, const uint8_t *origin,
    const char *user, const char *database, const char *table, const char *key)
{
	size_t at = b->len;

	buf_u8(b, TXN_FORMAT);
	buf_u8(b, (uint8_t)kind);
	buf_add(b, origin, NODE_ID_LEN);
	buf_u64(b, 0);
	buf_str(b, user != NULL ? user : "");
	buf_u8(b, (uint8_t)op);
	buf_u8(b, 1);
	buf_str(b, database);
	buf_str(b, table);
	buf_str(b, key);
	if (kind == TXN_WRITE)
		buf_u32(b, 0);
	return (at);
}

void
txn_set_stamp(struct buf *b, size_t at, uint64_t time)
{
	buf_put_u64(b, at + STAMP_AT, time);
}

void
txn_set_count(struct buf *b, size_t at, uint32_t count)
{
	struct txn t;

	if (txn_read(&t, b->data + at, b->len - at) == 0)
		buf_put_u32(b, (size_t)(t.body.p - b->data) - 4, count);
}

int
txn_read(struct txn *t, const void *p, size_t n)
{
	struct rd r = rd_init(p, n);
	const uint8_t *origin;

	memset(t, 0, sizeof(*t));
	if (rd_u8(&r) != TXN_FORMAT)
		return (-1);
	t->kind = rd_u8(&r);
	origin = rd_bytes(&r, NODE_ID_LEN);
	t->stamp.time = rd_u64(&r);
	t->user = rd_strn(&r, &t->user_len);
	t->op = rd_u8(&r);
	if (rd_u8(&r) != 1)
		return (-1);
	t->database = rd_strn(&r, &t->database_len);
	t->table = rd_strn(&r, &t->table_len);
	t->key = rd_strn(&r, &t->key_len);
	if (t->kind == TXN_WRITE)
		t->count = rd_u32(&r);
	if (!rd_ok(&r) || t->kind < TXN_WRITE || t->kind > TXN_PURGE ||
	    (t->kind == TXN_WRITE && txn_op_name(t->op) == NULL) ||
	    t->stamp.time >= STAMP_TIME_MAX || t->database_len == 0 || t->table_len == 0 ||
	    t->key_len == 0)
		return (-1);
	memcpy(t->origin, origin, NODE_ID_LEN);
	t->stamp.node = stamp_node(t->origin);
	t->body = r;
	return (0);
}

static int
read_txn_attrs(struct txn *t, struct row *row)
{
	uint32_t n = rd_u32(&t->body);

	for (uint32_t i = 0; i < n; i++) {
		uint8_t nlen = rd_u8(&t->body);
		const char *name = (const char *)rd_bytes(&t->body, nlen);
		size_t vlen;
		const uint8_t *value = rd_blob(&t->body, &vlen);
		const struct attr *last = row->n > 0 ? &row->attrs[row->n - 1] : NULL;
		struct attr *a;

		if (!rd_ok(&t->body) || nlen == 0 || !value_valid(value, vlen))
			return (-1);
		if (last != NULL && mem_order(last->name, last->nlen, name, nlen) >= 0)
			return (-1);
		a = row_add(row, name, nlen);
		a->value = value;
		a->vlen = (uint32_t)vlen;
		a->stamp = t->stamp;
	}
	return (0);
}

int
txn_next(struct txn *t, struct txn_record *rec)
{
	struct rd *r = &t->body;
	size_t n;
	const uint8_t *p;

	if (t->count == 0)
		return (rd_done(r) ? 0 : -1);
	t->count--;
	rec->form = rd_u8(r);
	rec->key = (const uint8_t *)rd_strn(r, &rec->klen);
	if (!rd_ok(r) || rec->klen == 0 || key_len(rec->key, rec->klen) != rec->klen)
		return (-1);
	if (rec->form == REC_STATE) {
		p = rd_blob(r, &n);
		if (!rd_ok(r) || n == 0 || row_decode(&rec->row, p, n) == -1)
			return (-1);
		return (1);
	}
	if (rec->form & ~(REC_CREATED | REC_CLEARED))
		return (-1);
	row_clear(&rec->row);
	if (rec->form & REC_CREATED)
		rec->row.created = t->stamp;
	if (rec->form & REC_CLEARED)
		rec->row.cleared = t->stamp;
	return (read_txn_attrs(t, &rec->row) == -1 ? -1 : 1);
}

char *
txn_fault(const void *p, size_t n)
{
	const uint8_t *format = p;

	if (n > 0 && *format != TXN_FORMAT)
		return (
		    xasprintf("a transaction is of format %u, and this version (" PACKAGE_VERSION
			      ") reads format %u",
			*format, TXN_FORMAT));
	return (xstrdup("a transaction cannot be read"));
}
