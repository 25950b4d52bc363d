#include "config.h"

#include "opsd/job/forget.h"

#include <stdlib.h>
#include <string.h>

#include "opsd/cluster/replication.h"
#include "opsd/job/job.h"
#include "opsd/store/group.h"
#include "opsd/store/row.h"
#include "opsd/store/txn.h"

#define PER_JOB       1000 /* rows in one commit */
#define PER_JOB_BYTES (1u << 20)

struct forgetting {
	struct commit_job commit; /* first */
	struct job *job;
	uint32_t table;
	const char *user;
	struct stamp before;
	struct buf keys; /* u16-counted */
	uint32_t n;
	size_t bytes; /* of their rows */
};

/* 1 when the row went; into the audit entry with what it was. */
static int
forget_row(struct group *g, struct forgetting *f, struct table *t, const uint8_t *key, size_t klen,
    struct buf *payload, struct buf *before)
{
	struct group_row *gr = group_row(g, t, key, klen);
	struct row row = { 0 };
	int goes;

	if (gr == NULL || row_load(&row, gr->now.data, gr->now.len) == -1) {
		group_broken(g);
		row_free(&row);
		return (0);
	}
	/* The row may have been removed and inserted again meanwhile. */
	goes = row_visible(&row) && stamp_cmp(row_created(&row), f->before) < 0;
	if (goes) {
		buf_u8(payload, REC_CLEARED);
		buf_strn(payload, key, klen);
		buf_u32(payload, 0);
		buf_strn(before, key, klen);
		buf_blob(before, gr->now.data, gr->now.len);
		group_row_forget(gr);
	}
	row_free(&row);
	return (goes);
}

static void
remember_horizon(struct group *g, struct table *t, struct stamp before)
{
	t = group_edit(g, t);
	t->forgotten = stamp_max(t->forgotten, before);
	t->forgot = group_stamp(g);
	t->changed = 1;
}

static void
remove_run(struct group *g, struct commit_job *j)
{
	struct forgetting *f = (struct forgetting *)j;
	struct table *t = group_table(g, f->table);
	struct buf payload = { 0 }, before = { 0 };
	struct job_counts c = { 0 };
	struct rd r = rd_init(f->keys.data, f->keys.len);
	struct stamp s;
	size_t at;

	if (t == NULL) {
		commit_fail(j, 404, "The table was dropped meanwhile");
		return;
	}
	remember_horizon(g, t, f->before);
	t = group_table(g, f->table);
	at = txn_begin(&payload, TXN_WRITE, TXN_DELETE, group_data(g)->node_id, f->user,
	    t->database, t->name, t->primary_key);
	for (uint32_t i = 0; i < f->n; i++) {
		size_t klen;
		const uint8_t *key = (const uint8_t *)rd_strn(&r, &klen);

		c.did += (uint64_t)forget_row(g, f, t, key, klen, &payload, &before);
	}
	if (c.did > 0) {
		s = group_stamp(g);
		txn_set_stamp(&payload, at, s.time);
		txn_set_count(&payload, at, (uint32_t)c.did);
		group_audit(g, t, s, 0, payload.data, payload.len, &before);
	}
	c.records = f->n;
	c.skipped = c.records - c.did;
	job_progress_in(f->job, g, &c);
	buf_free(&payload);
	buf_free(&before);
}

static int
is_full(const struct forgetting *f)
{
	return (f->n >= PER_JOB || f->bytes >= PER_JOB_BYTES);
}

/* Keys of the next rows that are to go, perhaps none. */
static void
gather_old(struct forgetting *f, struct store_iter *it)
{
	struct row row = { 0 };

	buf_clear(&f->keys);
	f->n = 0;
	f->bytes = 0;
	for (; store_iter_valid(it) && !is_full(f); store_iter_next(it)) {
		size_t klen, n;
		const uint8_t *key = store_iter_key(it, &klen), *p = store_iter_value(it, &n);

		if (row_load(&row, p, n) == -1 || !row_visible(&row) ||
		    stamp_cmp(row_created(&row), f->before) >= 0)
			continue;
		buf_strn(&f->keys, key + 4, klen - 4);
		f->n++;
		f->bytes += n;
	}
	row_free(&row);
	f->commit.cost = f->bytes;
}

/* The status; a failure is the job's. */
static int
commit_run(struct forgetting *f)
{
	int status = commit_wait(job_rep(f->job)->data->commit, &f->commit);

	if (status != 200)
		job_fail(f->job, "%s", f->commit.error != NULL ? f->commit.error : "not written");
	return (status);
}

static void
remove_gathered(struct forgetting *f)
{
	struct store_iter *it = store_iter_rows(job_rep(f->job)->data->store, f->table);

	do
		gather_old(f, it);
	while (f->n > 0 && commit_run(f) == 200 && !job_stopped(f->job));
	if (store_iter_failed(it) && !job_failed(f->job))
		job_fail(f->job, "the store cannot be read");
	store_iter_free(it);
}

void
forget_rows(struct job *t, const struct table *table, const char *user, uint64_t before_ms)
{
	struct forgetting f = {
		.commit.run = remove_run,
		.job = t,
		.table = table->id,
		.user = user,
		.before = { before_ms << 16, 0 },
	};
	struct job_counts c;

	/* First without rows: what arrives from then on is dropped, what came before is seen. */
	if (commit_run(&f) == 200)
		remove_gathered(&f);
	if (!job_failed(t)) {
		c = job_counts(t);
		job_message(t, "%llu of %llu %s successfully deleted", (unsigned long long)c.did,
		    (unsigned long long)c.records, c.records == 1 ? "record" : "records");
	}
	buf_free(&f.keys);
	free(f.commit.error);
}
