#include "config.h"

#include "opsd/cluster/catchup.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/seal.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/firstcopy.h"
#include "opsd/cluster/incarnation.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/sums.h"
#include "opsd/store/key.h"
#include "opsd/store/row.h"

#define SERVE_MAX    (1u << 20)  /* bytes of an answer, one item at least */
#define SERVE_SCAN   (64u << 20) /* bytes of log looked at for one answer */
#define SERVE_SUMMED (8u << 20)  /* bytes of rows, for their sums */

void
catchup_question_write(struct buf *b, const struct catchup_question *q)
{
	size_t at = seal_begin(b);

	buf_u8(b, (uint8_t)q->kind);
	buf_u8(b, q->recovering != 0);
	buf_add(b, q->asker, NODE_ID_LEN);
	buf_u32(b, q->table);
	buf_strn(b, q->database, q->dblen);
	buf_strn(b, q->name, q->nlen);
	buf_u64(b, q->incarnation);
	buf_u64(b, q->seq);
	buf_u64(b, q->mark);
	buf_u64(b, q->after);
	buf_u64(b, q->from_ms);
	buf_blob(b, q->key, q->klen);
	buf_blob(b, q->last, q->llen);
	buf_u32(b, q->max);
	seal_end(b, at, b->len - at);
}

int
catchup_question_read(struct catchup_question *q, const void *p, size_t n)
{
	struct rd r = rd_init(p, n);
	const uint8_t *asker;

	memset(q, 0, sizeof(*q));
	if (seal_open(&r) == -1)
		return (-1);
	q->kind = rd_u8(&r);
	q->recovering = rd_u8(&r);
	asker = rd_bytes(&r, NODE_ID_LEN);
	q->table = rd_u32(&r);
	q->database = rd_strn(&r, &q->dblen);
	q->name = rd_strn(&r, &q->nlen);
	q->incarnation = rd_u64(&r);
	q->seq = rd_u64(&r);
	q->mark = rd_u64(&r);
	q->after = rd_u64(&r);
	q->from_ms = rd_u64(&r);
	q->key = rd_blob(&r, &q->klen);
	q->last = rd_blob(&r, &q->llen);
	q->max = rd_u32(&r);
	if (!rd_done(&r) || q->kind < CATCHUP_LOG || q->kind > CATCHUP_SUMS || q->recovering > 1 ||
	    q->incarnation > INCARNATION_MAX)
		return (-1);
	memcpy(q->asker, asker, NODE_ID_LEN);
	return (0);
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
	a->primary = rd_strn(&r, &a->primary_len);
	a->head.seq = rd_u64(&r);
	a->head.mark = rd_u64(&r);
	a->head.ms = rd_u64(&r);
	if (kind == CATCHUP_LOG)
		a->upto = rd_u64(&r);
	a->done = rd_u8(&r);
	if (kind == CATCHUP_ROWS)
		a->next_key = rd_blob(&r, &a->next_len);
	if (kind == CATCHUP_ROWS)
		a->positions = rd_blob(&r, &a->positions_len);
	if (kind == CATCHUP_SUMS)
		a->definition = rd_blob(&r, &a->definition_len);
	a->count = rd_u32(&r);
	a->items = r;
	return (rd_ok(&r) ? 0 : -1);
}

/* All but the seal, which the rest of it needs. */
static void
answer_head(struct replication *rep, struct buf *out, uint16_t status, uint32_t table)
{
	buf_u16(out, status);
	buf_u64(out, rep->data->log.incarnation);
	buf_u32(out, table);
}

/* Its head, when it is one that was hoped for. */
static void
answer_begin(struct replication *rep, struct buf *out, const struct table *t, struct log_pos head)
{
	answer_head(rep, out, 200, t->id);
	buf_str(out, t->primary_key);
	buf_u64(out, head.seq);
	buf_u64(out, head.mark);
	buf_u64(out, head.ms);
}

/*
 * Whether the log holds everything that was written from the start time on.  Of rows whose
 * tombstones are gone it still has what was before, and perhaps not that they were deleted.
 */
static int
log_reaches(struct replication *rep, const struct catchup_question *q, const struct table *t)
{
	uint64_t oldest;

	if (q->from_ms == 0)
		return (1); /* the asker sees it by the first entry's prev */
	if (q->from_ms <= rep->data->log.unlogged_ms || q->from_ms <= stamp_ms(t->horizon))
		return (0);
	if (rep->data->log.trimmed == 0)
		return (1);
	oldest = txlog_ms(&rep->data->log, 0);
	return (oldest != 0 && oldest <= q->from_ms);
}

static void
serve_log(struct replication *rep, const struct catchup_question *q, struct table *t,
    struct buf *out)
{
	struct buf entries = { 0 };
	struct log_pos head = table_head(t);
	uint64_t upto;
	uint32_t max = q->max < SERVE_MAX ? q->max : SERVE_MAX;
	int n;

	if (!log_reaches(rep, q, t)) {
		answer_head(rep, out, 410, t->id);
		return;
	}
	n = txlog_read_table(&rep->data->log, t->id, q->after, q->from_ms, max, SERVE_SCAN,
	    &entries, &upto);
	if (n == -1) {
		answer_head(rep, out, 500, t->id);
	} else {
		answer_begin(rep, out, t, head);
		buf_u64(out, upto);
		buf_u8(out, upto >= head.seq);
		buf_u32(out, (uint32_t)n);
		buf_add(out, entries.data, entries.len);
	}
	buf_free(&entries);
}

struct served_row {
	const uint8_t *key, *row;
	size_t klen, len;
};

/* Only what the asker wrote itself; 0 when there is nothing of it in the row. */
static int
add_own_row(struct buf *rows, const struct catchup_question *q, const struct served_row *from)
{
	struct row row = { 0 };
	struct buf own = { 0 };
	int is = row_decode(&row, from->row, from->len) == 0;

	if (is) {
		row_only_node(&row, stamp_node(q->asker));
		is = !stamp_none(row_newest(&row));
	}
	if (is) {
		row_encode(&row, &own);
		buf_strn(rows, from->key, from->klen);
		buf_blob(rows, own.data, own.len);
	}
	buf_free(&own);
	row_free(&row);
	return (is);
}

static int
add_row(struct buf *rows, const struct catchup_question *q, const struct served_row *from,
    int own_only)
{
	if (own_only)
		return (add_own_row(rows, q, from));
	buf_strn(rows, from->key, from->klen);
	buf_blob(rows, from->row, from->len);
	return (1);
}

static void
serve_rows(struct replication *rep, const struct catchup_question *q, struct table *t, int own_only,
    struct buf *out)
{
	struct buf rows = { 0 }, last = { 0 }, positions = { 0 };
	uint32_t max = q->max < SERVE_MAX ? q->max : SERVE_MAX, n = 0;
	/* The head before the rows: what comes later, frames bring.  The positions as well. */
	struct log_pos head = table_head(t);
	struct store_iter *it;
	size_t looked = 0;
	int done;

	if (q->klen == 0)
		firstcopy_positions(rep, t, &positions);
	it = sums_rows(rep->data->store, t->id, q->key, q->klen, q->last, q->llen);
	for (; store_iter_valid(it) && rows.len < max && looked < SERVE_SCAN; store_iter_next(it)) {
		size_t klen, vlen;
		const uint8_t *k = store_iter_key(it, &klen), *v = store_iter_value(it, &vlen);
		const struct served_row row = { k + 4, v, klen - 4, vlen };

		n += (uint32_t)add_row(&rows, q, &row, own_only);
		looked += klen + vlen;
		buf_clear(&last);
		buf_add(&last, k + 4, klen - 4);
	}
	done = !store_iter_valid(it);
	if (store_iter_failed(it)) {
		answer_head(rep, out, 500, t->id);
	} else {
		answer_begin(rep, out, t, head);
		buf_u8(out, (uint8_t)done);
		buf_blob(out, last.data, last.len);
		buf_blob(out, positions.data, positions.len);
		buf_u32(out, n);
		buf_add(out, rows.data, rows.len);
	}
	store_iter_free(it);
	buf_free(&rows);
	buf_free(&last);
	buf_free(&positions);
}

static void
serve_definition(const struct catchup_question *q, const struct table *t, struct buf *out)
{
	json_t *def = q->klen == 0 ? table_definition(t) : NULL;
	char *text = def != NULL ? json_dumps(def, JSON_COMPACT) : xstrdup("");

	buf_blob(out, text, strlen(text));
	free(text);
	json_decref(def);
}

static void
serve_sums(struct replication *rep, const struct catchup_question *q, struct table *t,
    struct buf *out)
{
	struct store_iter *it = sums_rows(rep->data->store, t->id, q->key, q->klen, q->last,
	    q->llen);
	struct log_pos head = table_head(t);
	struct buf ranges = { 0 };
	uint32_t n = 0;
	size_t bytes = 0;

	do {
		struct sum s = { .n = 0 };

		while (store_iter_valid(it) && s.bytes < SUMS_RANGE)
			sum_add(&s, it);
		buf_strn(&ranges, s.last.data, store_iter_valid(it) ? s.last.len : 0);
		buf_u32(&ranges, s.visible);
		buf_add(&ranges, s.sum, sizeof(s.sum));
		bytes += s.bytes;
		n++;
		sum_free(&s);
	} while (store_iter_valid(it) && bytes < SERVE_SUMMED && ranges.len < SERVE_MAX);
	if (store_iter_failed(it)) {
		answer_head(rep, out, 500, t->id);
	} else {
		answer_begin(rep, out, t, head);
		buf_u8(out, (uint8_t)!store_iter_valid(it));
		serve_definition(q, t, out);
		buf_u32(out, n);
		buf_add(out, ranges.data, ranges.len);
	}
	store_iter_free(it);
	buf_free(&ranges);
}

enum pull { PULL_NONE, PULL_OWN, PULL_ALL };

/*
 * What of the table the asker may have.  Whoever is in the mesh is believed that it needs it, but
 * gets no users.
 */
static enum pull
may_pull(const struct peer *asker, const uint8_t *who, const struct catchup_question *q)
{
	const struct subscription *s = asker == NULL ?
	    NULL :
	    peer_effective_n(asker, q->database, q->dblen, q->name, q->nlen);

	if (who == NULL && scope_is_system(q->database, q->dblen))
		return (PULL_NONE);
	if (subscription_gives(s) || (who == NULL && s != NULL))
		return (PULL_ALL);
	return (subscription_brings(s) && q->recovering && q->kind == CATCHUP_ROWS ? PULL_OWN :
										     PULL_NONE);
}

/* A reference, or NULL. */
static struct table *
table_asked(struct replication *rep, const struct catchup_question *q)
{
	struct table *t = q->table != 0 ?
	    catalog_by_id(rep->data->catalog, q->table) :
	    catalog_getn(rep->data->catalog, q->database, q->dblen, q->name, q->nlen);

	if (t != NULL && strlen(t->database) == q->dblen && strlen(t->name) == q->nlen &&
	    memcmp(t->database, q->database, q->dblen) == 0 &&
	    memcmp(t->name, q->name, q->nlen) == 0)
		return (t);
	table_unref(t);
	return (NULL);
}

/* A status, or 0: it is answered. */
static uint16_t
refuse_asked(struct replication *rep, const uint8_t *who, const struct peer *asker,
    const struct catchup_question *q, const struct table *t)
{
	if (t == NULL)
		return (404);
	if (!txlog_has(&rep->data->log, t, q->incarnation, q->seq, q->mark)) {
		if (cluster_may_claim(rep->cluster, who, q->incarnation))
			commit_submit(rep->data->commit,
			    incarnation_job(q->incarnation, asker->name));
		return (409);
	}
	if (q->kind != CATCHUP_LOG && !q->recovering && cluster_recovering(rep->cluster))
		return (503); /* two that recover would wait for each other */
	return (0);
}

static void
serve_question(struct replication *rep, const uint8_t *who, const struct catchup_question *q,
    struct buf *out)
{
	struct peer *asker = who == NULL || memcmp(who, q->asker, NODE_ID_LEN) == 0 ?
	    nodes_by_id(rep->nodes, q->asker) :
	    NULL;
	enum pull may = may_pull(asker, who, q);
	struct table *t = may != PULL_NONE ? table_asked(rep, q) : NULL;
	uint16_t refuse = may != PULL_NONE ? refuse_asked(rep, who, asker, q, t) : 403;

	if (refuse != 0)
		answer_head(rep, out, refuse, q->table);
	else if (q->kind == CATCHUP_LOG)
		serve_log(rep, q, t, out);
	else if (q->kind == CATCHUP_SUMS)
		serve_sums(rep, q, t, out);
	else
		serve_rows(rep, q, t, may == PULL_OWN, out);
	table_unref(t);
	peer_free(asker);
}

void
catchup_serve(struct replication *rep, const uint8_t *who, const void *p, size_t n, struct buf *out)
{
	struct catchup_question q;
	size_t at = seal_begin(out);

	if (catchup_question_read(&q, p, n) == 0)
		serve_question(rep, who, &q, out);
	else {
		broken_note(rep, BROKEN_QUESTION, who, "for rows or transactions", p, n);
		answer_head(rep, out, seal_damaged(p, n) ? 503 : 400, 0);
	}
	seal_end(out, at, out->len - at);
}

void
catchup_refuse(struct replication *rep, struct buf *out)
{
	size_t at = seal_begin(out);

	answer_head(rep, out, 503, 0);
	seal_end(out, at, out->len - at);
}
