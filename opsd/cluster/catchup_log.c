#include "config.h"

#include <stdlib.h>

#include "common/base/mem.h"
#include "opsd/cluster/catchup_priv.h"

/* The log for tables that lack something of it: one walk through it serves all that a question names. */

struct log_table {
	struct table *t; /* NULL: it is refused */
	uint32_t id;
	uint16_t status;
	struct log_pos head;
	uint64_t after, from_ms;
};

struct log_tables {
	struct log_table *list, **by_id; /* those that are served, in the order of their ids */
	size_t n, served;
	uint64_t from; /* nobody lacks anything before */
};

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
ask_table(struct replication *rep, struct catchup_asker *asker, const struct catchup_question *q,
    struct log_table *one)
{
	enum pull may;

	*one = (struct log_table){ .id = q->table, .after = q->after, .from_ms = q->from_ms };
	one->status = catchup_table(rep, asker, q, &may, &one->t);
	if (one->status == 200 && !log_reaches(rep, q, one->t))
		one->status = 410;
	if (one->status != 200) {
		table_unref(one->t);
		one->t = NULL;
		return;
	}
	one->id = one->t->id;
	one->head = table_head(one->t);
}

static int
compare_ids(const void *a, const void *b)
{
	const struct log_table *const *x = a, *const *y = b;

	return ((*x)->id < (*y)->id ? -1 : (*x)->id > (*y)->id);
}

static void
collect_tables(struct replication *rep, struct catchup_asker *asker, struct catchup_question *q,
    struct log_tables *all)
{
	struct log_table *one;

	all->list = xcalloc(q->tables, sizeof(*all->list));
	all->by_id = xcalloc(q->tables, sizeof(struct log_table *));
	all->from = UINT64_MAX;
	do {
		one = &all->list[all->n++];
		ask_table(rep, asker, q, one);
		if (one->t == NULL)
			continue;
		all->by_id[all->served++] = one;
		if (one->after < all->from)
			all->from = one->after;
	} while (catchup_question_next(q));
	qsort(all->by_id, all->served, sizeof(struct log_table *), compare_ids);
}

static int
is_lacking(const struct log_entry *e, void *arg)
{
	const struct log_tables *all = arg;
	struct log_table key = { .id = e->table };
	const struct log_table *pkey = &key;
	struct log_table *const *found = bsearch(&pkey, all->by_id, all->served,
	    sizeof(struct log_table *), compare_ids);

	return (found != NULL && e->seq > (*found)->after && e->ms >= (*found)->from_ms);
}

static void
write_line(struct buf *out, const struct log_table *one, uint64_t upto)
{
	uint64_t at = one->after > upto ? one->after : upto;

	buf_u16(out, one->status);
	buf_u32(out, one->id);
	if (one->t == NULL)
		return;
	catchup_head(out, one->t, one->head);
	buf_u8(out, at >= one->head.seq);
}

void
catchup_serve_log(struct replication *rep, struct catchup_asker *asker, struct catchup_question *q,
    struct buf *out)
{
	struct log_tables all = { 0 };
	struct log_read read = { .scan = CATCHUP_SCAN, .wants = is_lacking, .arg = &all };
	struct buf entries = { 0 };
	int n = 0;

	collect_tables(rep, asker, q, &all);
	read.max = catchup_most(rep, q);
	read.after = read.upto = all.served > 0 ? all.from : 0;
	if (all.served > 0)
		n = txlog_read_entries(&rep->data->log, &read, &entries);
	catchup_begin(rep, out, n == -1 ? 500 : 200, q->table);
	if (n != -1) {
		buf_u64(out, read.after);
		buf_u64(out, read.upto);
		buf_u32(out, (uint32_t)all.n);
		for (size_t i = 0; i < all.n; i++)
			write_line(out, &all.list[i], read.upto);
		buf_u32(out, (uint32_t)n);
		buf_add(out, entries.data, entries.len);
	}
	for (size_t i = 0; i < all.n; i++)
		table_unref(all.list[i].t);
	free(all.list);
	free(all.by_id);
	buf_free(&entries);
}
