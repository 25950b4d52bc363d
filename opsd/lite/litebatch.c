#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/lite/lite_priv.h"
#include "opsd/store/queue.h"
#include "opsd/store/row.h"
#include "opsd/store/txn.h"

/*
 * What an application changed is what its row has otherwise than the file had when it was last as
 * the store (queue.h), not otherwise than the store: that may have news which are not in the file yet, and
 * those are not taken back.
 */

/* Below these a stamp of the same millisecond is one of the node's own clock. */
#define COUNTER_FROM 0x8000

#define BATCH_BYTES (1u << 20)

/* A row that changes. */
struct lite_taken {
	const struct literow *r;
	struct group_row *gr;
	struct buf base; /* as the file had it */
	struct row was, delta;
	int form;
};

static void batch_run(struct group *g, struct commit_job *j);

void
litebatch_begin(struct litebatch *b, struct litefile *f, int take)
{
	*b = (struct litebatch){ .f = f, .take = take };
	b->job.run = batch_run;
}

void
litebatch_free(struct litebatch *b)
{
	free(b->rows);
	free(b->job.error);
	buf_free(&b->bytes);
}

static struct literow *
batch_row(struct litebatch *b, const struct litetable *t, const struct buf *key)
{
	struct literow *r;

	if (b->n == b->cap) {
		b->cap = b->cap == 0 ? 64 : b->cap * 2;
		b->rows = xrealloc(b->rows, b->cap * sizeof(*b->rows));
	}
	r = &b->rows[b->n++];
	*r = (struct literow){ .table = t->number, .key_at = b->bytes.len, .klen = key->len };
	buf_add(&b->bytes, key->data, key->len);
	return (r);
}

static size_t
row_most(const struct litebatch *b)
{
	return (b->f->data->live.max_transaction / 2);
}

int
litebatch_full(const struct litebatch *b)
{
	size_t most = row_most(b);

	return (b->bytes.len > (most < BATCH_BYTES ? most : BATCH_BYTES));
}

/* At least so many bytes, before any is copied. */
static size_t
bytes_at_least(const struct litetable *t, sqlite3_stmt *s)
{
	size_t n = 0;

	for (int i = 0; i < t->nattrs; i++) {
		int type = sqlite3_column_type(s, t->attrs[i]);

		if (type == SQLITE_TEXT || type == SQLITE_BLOB)
			n += (size_t)sqlite3_column_bytes(s, t->attrs[i]);
	}
	return (n);
}

/* What was said of the row when it could not be taken. */
static void
forget_untaken(struct litefile *f, const struct litetable *t, const struct buf *key)
{
	const struct literefused *r = litefill_refused(f, t, key->data, key->len);

	if (r != NULL && r->newest == 0)
		litefill_forget(f, t, key->data, key->len);
}

void
litebatch_add_row(struct litebatch *b, const struct litetable *t, sqlite3_stmt *s,
    const struct buf *key)
{
	size_t at = b->bytes.len, most = row_most(b), n = bytes_at_least(t, s);
	struct literow *r;

	if (n <= most) {
		r = batch_row(b, t, key);
		r->present = 1;
		r->attrs_at = b->bytes.len;
		litetable_pack(t, s, &b->bytes);
		r->alen = b->bytes.len - r->attrs_at;
		n = b->bytes.len - at;
		if (n <= most) {
			forget_untaken(b->f, t, key);
			return;
		}
		b->n--;
		b->bytes.len = at;
	}
	/* It stays in the file as it is. */
	litefill_refuse(b->f, t, key->data, key->len, 0,
	    "it is larger than half of clustering.maxTransaction");
}

int
litebatch_add(struct litebatch *b, struct litetable *t, const struct litevalue *key,
    const struct buf *bytes)
{
	sqlite3_stmt *s;
	int rc = litetable_select(t, b->f->db, key, &s);

	if (rc == SQLITE_ROW)
		litebatch_add_row(b, t, s, bytes);
	else if (rc == SQLITE_DONE) {
		batch_row(b, t, bytes);
		forget_untaken(b->f, t, bytes);
	}
	sqlite3_reset(s);
	return (rc);
}

int
litebatch_commit(struct litebatch *b)
{
	if (b->n == 0)
		return (200);
	if (lite_stopping(b->f)) {
		commit_fail(&b->job, 503, "the node is stopping");
		return (503);
	}
	b->job.cost = b->bytes.len;
	return (commit_wait(b->f->data->commit, &b->job));
}

/* As it was packed, or as the column would keep it. */
static int
same_value(const struct litecolumn *c, const struct attr *a, const uint8_t *p, size_t n)
{
	struct litevalue here, there;
	int same;

	if (a->vlen == n && memcmp(a->value, p, n) == 0)
		return (1);
	if (litevalue_read(&here, a->value, a->vlen) == -1)
		return (0);
	litevalue_read(&there, p, n);
	litevalue_fit(&here, c->affinity);
	same = litevalue_same(&here, &there);
	litevalue_free(&here);
	litevalue_free(&there);
	return (same);
}

/* The next of the attributes as litetable_pack made them, with the column that it is. */
static const struct litecolumn *
next_attr(const struct litetable *t, struct rd *r, int i, struct attr *a)
{
	size_t n;

	a->nlen = rd_u8(r);
	a->name = (const char *)rd_bytes(r, a->nlen);
	a->value = rd_blob(r, &n);
	a->vlen = (uint32_t)n;
	return (&t->cols[t->attrs[i]]);
}

int
litebatch_same(const struct litetable *t, const struct row *row, const uint8_t *attrs, size_t n)
{
	struct rd r = rd_init(attrs, n);
	int count = (int)rd_u32(&r);
	struct attr a;

	for (int i = 0; i < count; i++) {
		const struct litecolumn *c = next_attr(t, &r, i, &a);
		const struct attr *has = row_attr(row, a.name, a.nlen);

		if (has != NULL && row_counts(row, has) && !same_value(c, has, a.value, a.vlen))
			return (0);
	}
	return (1);
}

static void
add_attr(struct row *row, const struct attr *a)
{
	struct attr *to = row_add(row, a->name, a->nlen);

	to->value = a->value;
	to->vlen = a->vlen;
}

/* A column that is new in the file has what it was made with, which is nothing that the application wrote. */
static int
is_preset(const struct litecolumn *c, const struct attr *a)
{
	struct attr preset = { .value = c->preset.data, .vlen = (uint32_t)c->preset.len };

	return (c->fresh && same_value(c, &preset, a->value, a->vlen));
}

/* Columns that are others than the file had; all of them when `all`. */
static void
choose_attrs(struct litebatch *b, const struct litetable *t, struct lite_taken *k,
    const struct row *now, int all)
{
	struct rd r = rd_init(b->bytes.data + k->r->attrs_at, k->r->alen);
	int count = (int)rd_u32(&r);
	struct attr a;

	row_clear(&k->delta);
	for (int i = 0; i < count; i++) {
		const struct litecolumn *c = next_attr(t, &r, i, &a);
		const struct attr *was = row_attr(&k->was, a.name, a.nlen);
		const struct attr *has = row_attr(now, a.name, a.nlen);

		if (!all && was != NULL && row_counts(&k->was, was) &&
		    (same_value(c, was, a.value, a.vlen) || is_preset(c, &a)))
			continue;
		if (!all && has != NULL && row_counts(now, has) &&
		    same_value(c, has, a.value, a.vlen))
			continue;
		add_attr(&k->delta, &a);
	}
}

/*
 * What columns that are new in the file have, as renamed ones do, where the node has nothing: 1, or 0 for
 * nothing.
 */
static int
choose_fresh(struct litebatch *b, const struct litetable *t, struct lite_taken *k)
{
	struct rd r = rd_init(b->bytes.data + k->r->attrs_at, k->r->alen);
	struct row now = { 0 };
	struct attr a;
	int count;

	row_load(&k->was, k->base.data, k->base.len);
	row_load(&now, k->gr->now.data, k->gr->now.len);
	count = k->r->present && row_visible(&k->was) && row_visible(&now) ? (int)rd_u32(&r) : 0;
	for (int i = 0; i < count; i++) {
		const struct litecolumn *c = next_attr(t, &r, i, &a);
		const struct attr *has = row_attr(&now, a.name, a.nlen);

		if (c->fresh && !is_preset(c, &a) && (has == NULL || !row_counts(&now, has)))
			add_attr(&k->delta, &a);
	}
	row_free(&now);
	return (k->delta.n > 0);
}

/* What the application did to the row: 1, or 0 for nothing. */
static int
choose_change(struct litebatch *b, const struct litetable *t, struct lite_taken *k)
{
	struct row now = { 0 };
	int visible;

	row_load(&k->was, k->base.data, k->base.len);
	row_load(&now, k->gr->now.data, k->gr->now.len);
	visible = row_visible(&k->was);
	if (!k->r->present)
		k->form = visible ? REC_CLEARED : -1;
	else {
		choose_attrs(b, t, k, &now, !visible);
		k->form = !visible ? REC_CREATED | REC_CLEARED : k->delta.n > 0 ? 0 : -1;
		/* Somebody removed it meanwhile, which is not in the file yet. */
		if (k->form == 0 && !row_visible(&now)) {
			choose_attrs(b, t, k, &now, 1);
			k->form = REC_CREATED | REC_CLEARED;
		}
	}
	row_free(&now);
	return (k->form != -1);
}

static uint64_t
later_of(uint64_t a, uint64_t b)
{
	return (a > b ? a : b);
}

/*
 * When the application wrote, so that what was written while the node was down is as old as it is;
 * but after all that it knew of by then.
 */
static struct stamp
window_stamp(struct group *g, struct litebatch *b, const struct table *t,
    const struct lite_taken *k, size_t n)
{
	uint64_t wall = group_wall_ms(g);
	uint64_t at = b->at_ms < wall ? b->at_ms : wall;
	struct stamp s = { .time = at << 16 | COUNTER_FROM, .node = group_node(g) };

	s.time = later_of(s.time, b->f->last_stamp + 1);
	s.time = later_of(s.time, t->floor.time + 1);
	s.time = later_of(s.time, t->horizon.time + 1);
	for (size_t i = 0; i < n; i++)
		s.time = later_of(s.time, row_newest(&k[i].was).time + 1);
	b->f->last_stamp = s.time;
	group_observe(g, s.time);
	return (s);
}

static void
take_row(struct group *g, struct lite_taken *k, struct stamp s, struct buf *payload,
    struct buf *before)
{
	struct row now = { 0 };
	struct buf file = { 0 };

	k->delta.created = k->form & REC_CREATED ? s : k->delta.created;
	k->delta.cleared = k->form & REC_CLEARED ? s : k->delta.cleared;
	for (uint32_t i = 0; i < k->delta.n; i++)
		k->delta.attrs[i].stamp = s;
	row_load(&now, k->gr->now.data, k->gr->now.len);
	buf_strn(before, k->gr->key, k->gr->klen);
	buf_blob(before, k->gr->now.data, k->gr->now.len);
	if (row_merge(&now, &k->delta)) {
		group_see_attrs(g, k->gr->table, &k->delta);
		group_row_set(g, k->gr, &now);
	}
	row_free(&now);
	/* A node that let the row go for its age needs all of it. */
	if (k->gr->table->expiration != 0) {
		buf_u8(payload, REC_STATE);
		buf_strn(payload, k->gr->key, k->gr->klen);
		buf_blob(payload, k->gr->now.data, k->gr->now.len);
	} else {
		buf_u8(payload, (uint8_t)k->form);
		buf_strn(payload, k->gr->key, k->gr->klen);
		buf_u32(payload, k->delta.n);
		for (uint32_t i = 0; i < k->delta.n; i++) {
			buf_u8(payload, k->delta.attrs[i].nlen);
			buf_add(payload, k->delta.attrs[i].name, k->delta.attrs[i].nlen);
			buf_blob(payload, k->delta.attrs[i].value, k->delta.attrs[i].vlen);
		}
	}
	row_merge(&k->was, &k->delta);
	row_encode(&k->was, &file);
	queue_said(k->gr, file.data, file.len);
	buf_free(&file);
}

/* What is done to all of them, by its name in logs. */
static enum txn_op
name_op(const struct lite_taken *k, size_t n, int removed)
{
	size_t made = 0;

	if (removed)
		return (TXN_DELETE);
	for (size_t i = 0; i < n; i++)
		made += k[i].form != 0;
	return (made == n ? TXN_INSERT : made == 0 ? TXN_UPDATE : TXN_UPSERT);
}

/* As one transaction. */
static void
take_changes(struct group *g, struct litebatch *b, uint32_t table, struct lite_taken *k, size_t n,
    int removed)
{
	struct table *t = group_table(g, table);
	struct buf payload = { 0 }, before = { 0 };
	struct stamp s;
	size_t at;

	if (n == 0)
		return;
	s = window_stamp(g, b, t, k, n);
	at = txn_begin(&payload, TXN_WRITE, name_op(k, n, removed), group_data(g)->node_id,
	    "sqlite", t->database, t->name, t->primary_key);
	txn_set_stamp(&payload, at, s.time);
	txn_set_count(&payload, at, (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		take_row(g, &k[i], s, &payload, &before);
	t = group_table(g, table);
	group_log(g, t, payload.data, payload.len);
	group_audit(g, t, s, 0, payload.data, payload.len, &before);
	buf_free(&payload);
	buf_free(&before);
	b->different += n;
}

static void
taken_free(struct lite_taken *k)
{
	buf_free(&k->base);
	row_free(&k->was);
	row_free(&k->delta);
}

static void
take_file_table(struct group *g, struct litebatch *b, const struct litetable *lt)
{
	struct table *t = group_table(g, lt->id);
	struct lite_taken *k = xcalloc(b->n + 1, sizeof(*k));
	size_t n;

	for (int removed = 1; t != NULL && removed >= 0; removed--) {
		n = 0;
		for (size_t i = 0; i < b->n; i++) {
			const struct literow *r = &b->rows[i];

			if (r->table != lt->number || r->present == removed)
				continue;
			k[n] = (struct lite_taken){ .r = r };
			k[n].gr = group_row(g, t, b->bytes.data + r->key_at, r->klen);
			if (k[n].gr == NULL)
				continue;
			queue_file_state(g, k[n].gr, &k[n].base);
			if (b->fresh ? choose_fresh(b, lt, &k[n]) : choose_change(b, lt, &k[n]))
				n++;
			else
				taken_free(&k[n]);
		}
		take_changes(g, b, lt->id, k, n, removed);
		for (size_t i = 0; i < n; i++)
			taken_free(&k[i]);
	}
	free(k);
}

/* The row as the file has it, for the queue; of the same life as the one that is here. */
static void
file_state(const struct litebatch *b, const struct litetable *t, const struct literow *r,
    const struct row *here, struct buf *out)
{
	const struct stamp first = row_visible(here) ? here->created : (struct stamp){ 1, 0 };
	struct rd in = rd_init(b->bytes.data + r->attrs_at, r->alen);
	struct row row = { .created = first, .cleared = row_visible(here) ? here->cleared : first };
	struct attr a;
	int count;

	if (!r->present)
		return;
	count = (int)rd_u32(&in);
	for (int i = 0; i < count; i++) {
		next_attr(t, &in, i, &a);
		add_attr(&row, &a);
		row.attrs[row.n - 1].stamp = first;
	}
	row_encode(&row, out);
	row_free(&row);
}

static void
follow_row(struct group *g, struct litebatch *b, struct table *t, const struct litetable *lt,
    const struct literow *r)
{
	struct group_row *gr = group_row(g, t, b->bytes.data + r->key_at, r->klen);
	struct row row = { 0 };
	struct buf state = { 0 };
	int visible;

	if (gr == NULL || queue_differs(g, gr) || row_load(&row, gr->now.data, gr->now.len) == -1) {
		row_free(&row);
		return;
	}
	visible = row_visible(&row);
	if (visible != r->present ||
	    (visible && !litebatch_same(lt, &row, b->bytes.data + r->attrs_at, r->alen))) {
		b->missing += visible && !r->present;
		b->extra += !visible && r->present;
		b->different += visible && r->present;
		file_state(b, lt, r, &row, &state);
		if (b->take == 0)
			queue_said(gr, state.data, state.len);
	}
	buf_free(&state);
	row_free(&row);
}

static void
batch_run(struct group *g, struct commit_job *j)
{
	struct litebatch *b = (struct litebatch *)j;
	struct litefile *f = b->f;
	struct litetable *lt;
	struct table *t;

	if (b->take == 1 && commit_disk_full(f->data->commit)) {
		commit_fail(j, 507, "there is less free disk than storage.reserve");
		return;
	}
	for (size_t i = 0; b->take == 1 && i < f->ntables; i++)
		take_file_table(g, b, &f->tables[i]);
	for (size_t i = 0; b->take != 1 && i < b->n; i++)
		if ((lt = liteopen_table(f, b->rows[i].table)) != NULL &&
		    (t = group_table(g, lt->id)) != NULL)
			follow_row(g, b, t, lt, &b->rows[i]);
}
