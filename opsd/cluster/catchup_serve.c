#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/seal.h"
#include "opsd/cluster/broken.h"
#include "opsd/cluster/catchup_priv.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/firstcopy.h"
#include "opsd/cluster/incarnation.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/sums.h"
#include "opsd/store/key.h"
#include "opsd/store/row.h"

/* What peers ask for (catchup.h): who may have it, and rows and sums; catchup_log.c has the log. */

#define SERVE_SUMMED (8u << 20) /* bytes of rows, for their sums */

/* All but the seal, which the rest of it needs. */
void
catchup_begin(struct replication *rep, struct buf *out, uint16_t status, uint32_t table)
{
	buf_u16(out, status);
	buf_u64(out, rep->data->log.incarnation);
	buf_u32(out, table);
}

void
catchup_head(struct buf *out, const struct table *t, struct log_pos head)
{
	buf_str(out, t->primary_key);
	buf_u64(out, head.seq);
	buf_u64(out, head.mark);
	buf_u64(out, head.ms);
}

/* An answer that was hoped for. */
static void
answer_begin(struct replication *rep, struct buf *out, const struct table *t, struct log_pos head)
{
	catchup_begin(rep, out, 200, t->id);
	catchup_head(out, t, head);
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

/* An answer is one message. */
uint32_t
catchup_most(const struct replication *rep, const struct catchup_question *q)
{
	uint64_t most = rep->data->live.max_transaction;

	most = most < CATCHUP_MAX ? most : CATCHUP_MAX;
	return (q->max < most ? q->max : (uint32_t)most);
}

static void
serve_rows(struct replication *rep, const struct catchup_question *q, struct table *t, int own_only,
    struct buf *out)
{
	struct buf rows = { 0 }, last = { 0 }, positions = { 0 };
	uint32_t max = catchup_most(rep, q), n = 0;
	/* The head before the rows: what comes later, frames bring.  The positions as well. */
	struct log_pos head = table_head(t);
	struct store_iter *it;
	size_t looked = 0;
	int done;

	if (q->klen == 0)
		firstcopy_positions(rep, t, &positions);
	it = sums_rows(rep->data->store, t->id, q->key, q->klen, q->last, q->llen);
	for (; store_iter_valid(it) && rows.len < max && looked < CATCHUP_SCAN;
	     store_iter_next(it)) {
		size_t klen, vlen;
		const uint8_t *k = store_iter_key(it, &klen), *v = store_iter_value(it, &vlen);
		const struct served_row row = { k + 4, v, klen - 4, vlen };
		size_t before = rows.len;
		int added = add_row(&rows, q, &row, own_only);

		/* The next answer begins with it: this one has to fit into a message. */
		if (before > 0 && rows.len > max) {
			rows.len = before;
			break;
		}
		n += (uint32_t)added;
		looked += klen + vlen;
		buf_clear(&last);
		buf_add(&last, k + 4, klen - 4);
	}
	done = !store_iter_valid(it);
	if (store_iter_failed(it)) {
		catchup_begin(rep, out, 500, t->id);
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
	} while (store_iter_valid(it) && bytes < SERVE_SUMMED && ranges.len < CATCHUP_MAX);
	if (store_iter_failed(it)) {
		catchup_begin(rep, out, 500, t->id);
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

/* Whether what is asked for can be had now: 200, or why not. */
static uint16_t
check_asked(struct replication *rep, struct catchup_asker *asker, const struct catchup_question *q,
    const struct table *t)
{
	if (t == NULL)
		return (404);
	if (!txlog_has(&rep->data->log, t, q->incarnation, q->seq, q->mark)) {
		if (q->incarnation > asker->claimed)
			asker->claimed = q->incarnation;
		return (409);
	}
	if (q->kind != CATCHUP_LOG && !q->recovering && cluster_recovering(rep->cluster))
		return (503); /* two that recover would wait for each other */
	return (200);
}

uint16_t
catchup_table(struct replication *rep, struct catchup_asker *asker,
    const struct catchup_question *q, enum pull *may, struct table **t)
{
	*may = may_pull(asker->peer, asker->who, q);
	*t = *may != PULL_NONE ? table_asked(rep, q) : NULL;
	return (*may != PULL_NONE ? check_asked(rep, asker, q, *t) : 403);
}

static void
serve_table(struct replication *rep, struct catchup_asker *asker, const struct catchup_question *q,
    struct buf *out)
{
	enum pull may;
	struct table *t;
	uint16_t status = catchup_table(rep, asker, q, &may, &t);

	if (status != 200)
		catchup_begin(rep, out, status, q->table);
	else if (q->kind == CATCHUP_SUMS)
		serve_sums(rep, q, t, out);
	else
		serve_rows(rep, q, t, may == PULL_OWN, out);
	table_unref(t);
}

static void
serve_question(struct replication *rep, const uint8_t *who, struct catchup_question *q,
    struct buf *out)
{
	struct catchup_asker asker = { .who = who };

	if (who == NULL || memcmp(who, q->asker, NODE_ID_LEN) == 0)
		asker.peer = nodes_by_id(rep->nodes, q->asker);
	if (q->kind == CATCHUP_LOG)
		catchup_serve_log(rep, &asker, q, out);
	else
		serve_table(rep, &asker, q, out);
	if (asker.claimed != 0 && cluster_may_claim(rep->cluster, who, asker.claimed))
		commit_submit(rep->data->commit, incarnation_job(asker.claimed, asker.peer->name));
	peer_free(asker.peer);
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
		catchup_begin(rep, out, seal_damaged(p, n) ? 503 : 400, 0);
	}
	seal_end(out, at, out->len - at);
}

void
catchup_refuse(struct replication *rep, struct buf *out)
{
	size_t at = seal_begin(out);

	catchup_begin(rep, out, 503, 0);
	seal_end(out, at, out->len - at);
}
