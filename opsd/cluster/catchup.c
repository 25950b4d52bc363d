#include "config.h"

#include "opsd/cluster/catchup.h"

#include <string.h>

#include "common/base/seal.h"
#include "opsd/store/txlog.h"

/* The two sides of catchup.h as bytes; catchup_serve.c answers. */

/* ---- questions ---- */

static void
write_table(struct buf *b, const struct catchup_question *q)
{
	buf_u32(b, q->table);
	buf_strn(b, q->database, q->dblen);
	buf_strn(b, q->name, q->nlen);
	buf_u64(b, q->incarnation);
	buf_u64(b, q->seq);
	buf_u64(b, q->mark);
	buf_u64(b, q->after);
	buf_u64(b, q->from_ms);
}

/* From the rest; -1: broken. */
static int
read_table(struct catchup_question *q)
{
	struct rd *r = &q->rest;

	q->table = rd_u32(r);
	q->database = rd_strn(r, &q->dblen);
	q->name = rd_strn(r, &q->nlen);
	q->incarnation = rd_u64(r);
	q->seq = rd_u64(r);
	q->mark = rd_u64(r);
	q->after = rd_u64(r);
	q->from_ms = rd_u64(r);
	q->more--;
	return (rd_ok(r) && q->incarnation <= INCARNATION_MAX ? 0 : -1);
}

void
catchup_questions_write(struct buf *b, const struct catchup_question *list, uint32_t n)
{
	size_t at = seal_begin(b);

	buf_u8(b, (uint8_t)list->kind);
	buf_u8(b, list->recovering != 0);
	buf_add(b, list->asker, NODE_ID_LEN);
	buf_u32(b, list->max);
	buf_u32(b, n);
	for (uint32_t i = 0; i < n; i++)
		write_table(b, &list[i]);
	if (list->kind != CATCHUP_LOG) {
		buf_blob(b, list->key, list->klen);
		buf_blob(b, list->last, list->llen);
	}
	seal_end(b, at, b->len - at);
}

void
catchup_question_write(struct buf *b, const struct catchup_question *q)
{
	catchup_questions_write(b, q, 1);
}

/* All but the tables; -1: broken. */
static int
read_question(struct catchup_question *q, struct rd *r)
{
	const uint8_t *asker;

	q->kind = rd_u8(r);
	q->recovering = rd_u8(r);
	asker = rd_bytes(r, NODE_ID_LEN);
	q->max = rd_u32(r);
	q->tables = q->more = rd_u32(r);
	if (!rd_ok(r) || q->kind < CATCHUP_LOG || q->kind > CATCHUP_SUMS || q->recovering > 1 ||
	    q->tables == 0 || (q->kind != CATCHUP_LOG && q->tables > 1))
		return (-1);
	memcpy(q->asker, asker, NODE_ID_LEN);
	q->rest = *r;
	return (0);
}

int
catchup_question_read(struct catchup_question *q, const void *p, size_t n)
{
	struct rd r = rd_init(p, n);
	struct catchup_question all;

	memset(q, 0, sizeof(*q));
	if (seal_open(&r) == -1 || read_question(q, &r) == -1)
		return (-1);
	all = *q;
	while (all.more > 0)
		if (read_table(&all) == -1)
			return (-1);
	if (q->kind != CATCHUP_LOG) {
		q->key = rd_blob(&all.rest, &q->klen);
		q->last = rd_blob(&all.rest, &q->llen);
	}
	return (rd_done(&all.rest) ? read_table(q) : -1);
}

int
catchup_question_next(struct catchup_question *q)
{
	return (q->more > 0 && read_table(q) == 0);
}

/* ---- answers ---- */

static void
read_table_head(struct catchup_answer *a, struct rd *r)
{
	a->primary = rd_strn(r, &a->primary_len);
	a->head.seq = rd_u64(r);
	a->head.mark = rd_u64(r);
	a->head.ms = rd_u64(r);
	a->done = rd_u8(r);
}

/* From the rest; -1: broken. */
static int
read_table_line(struct catchup_answer *a)
{
	a->status = rd_u16(&a->rest);
	a->table = rd_u32(&a->rest);
	if (a->status == 200)
		read_table_head(a, &a->rest);
	a->more--;
	return (rd_ok(&a->rest) ? 0 : -1);
}

static int
read_log_answer(struct catchup_answer *a, struct rd *r)
{
	struct catchup_answer all;

	a->from = rd_u64(r);
	a->upto = rd_u64(r);
	a->tables = a->more = rd_u32(r);
	a->rest = *r;
	if (!rd_ok(r) || a->tables == 0)
		return (-1);
	all = *a;
	while (all.more > 0)
		if (read_table_line(&all) == -1)
			return (-1);
	a->count = rd_u32(&all.rest);
	a->items = all.rest;
	return (rd_ok(&all.rest) ? read_table_line(a) : -1);
}

int
catchup_answer_read(struct catchup_answer *a, enum catchup_kind kind, const void *p, size_t n)
{
	struct rd r = rd_init(p, n);

	memset(a, 0, sizeof(*a));
	if (seal_open(&r) == -1)
		return (-1);
	a->status = rd_u16(&r);
	a->incarnation = rd_u64(&r);
	a->table = rd_u32(&r);
	if (a->status != 200)
		return (rd_ok(&r) ? 0 : -1);
	if (kind == CATCHUP_LOG)
		return (read_log_answer(a, &r));
	read_table_head(a, &r);
	if (kind == CATCHUP_ROWS) {
		a->next_key = rd_blob(&r, &a->next_len);
		a->positions = rd_blob(&r, &a->positions_len);
	} else
		a->definition = rd_blob(&r, &a->definition_len);
	a->count = rd_u32(&r);
	a->items = r;
	return (rd_ok(&r) ? 0 : -1);
}

int
catchup_answer_next(struct catchup_answer *a)
{
	return (a->more > 0 && read_table_line(a) == 0);
}
