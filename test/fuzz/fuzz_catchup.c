#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "opsd/cluster/catchup.h"
#include "opsd/store/row.h"
#include "opsd/store/txn.h"
#include "test/fuzz/sealed.h"

/*
 * What nodes ask each other for and answer, as it comes and with the seal put right.  The
 * first byte is the kind of the question; the rest is read as the answer to it, with all its
 * items, and as a question, which comes out of the writer unchanged.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
ask(const uint8_t *data, size_t n)
{
	struct catchup_question q, *list;
	struct buf b = { 0 };
	uint32_t tables = 0;

	if (catchup_question_read(&q, data, n) == -1)
		return;
	list = xcalloc(q.tables, sizeof(*list));
	do
		list[tables++] = q;
	while (catchup_question_next(&q));
	catchup_questions_write(&b, list, tables);
	free(list);
	if (tables != q.tables || b.len != n || memcmp(b.data, data, n) != 0)
		abort();
	buf_free(&b);
}

static void
take_txn(const struct log_entry *e)
{
	struct txn t;
	struct txn_record rec = { 0 };

	if (txn_read(&t, e->payload, e->len) == 0 && t.kind == TXN_WRITE)
		while (txn_next(&t, &rec) == 1)
			;
	row_free(&rec.row);
}

/* One entry, row or range; -1: there is none. */
static int
take_item(struct rd *items, enum catchup_kind kind)
{
	struct log_entry e;
	struct row row = { 0 };
	const uint8_t *state;
	size_t klen, len;

	if (kind == CATCHUP_LOG) {
		if (log_entry_read(items, &e) == -1)
			return (-1);
		take_txn(&e);
		return (0);
	}
	rd_strn(items, &klen);
	if (kind == CATCHUP_SUMS) {
		rd_u32(items);
		rd_bytes(items, 32);
	} else {
		state = rd_blob(items, &len);
		if (rd_ok(items))
			row_decode(&row, state, len);
		row_free(&row);
	}
	return (rd_ok(items) ? 0 : -1);
}

static void
answer(enum catchup_kind kind, const uint8_t *data, size_t n)
{
	struct catchup_answer a;

	if (catchup_answer_read(&a, kind, data, n) == -1 || (a.status != 200 && a.tables == 0))
		return;
	while (catchup_answer_next(&a))
		;
	for (uint32_t i = 0; i < a.count && take_item(&a.items, kind) == 0; i++)
		;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	enum catchup_kind kind;
	uint8_t *right;

	if (n == 0)
		return (0);
	kind = CATCHUP_LOG + data[0] % 3;
	right = sealed(data + 1, n - 1);
	ask(data + 1, n - 1);
	answer(kind, data + 1, n - 1);
	if (right != NULL) {
		ask(right, n - 1);
		answer(kind, right, n - 1);
	}
	free(right);
	return (0);
}
