#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "common/base/mem.h"
#include "opsd/store/data.h"
#include "opsd/store/group_priv.h"
#include "opsd/store/key.h"
#include "opsd/store/keygen.h"
#include "opsd/store/value.h"

#define NOT_SAME UINT32_MAX

struct key_seen {
	uint8_t *key;
	uint32_t first;
	UT_hash_handle hh;
};

static void write_run(struct group *g, struct commit_job *j);

struct write *
write_new(struct table *t, enum txn_op op, const char *user)
{
	struct write *w = xcalloc(1, sizeof(*w));

	w->job.run = write_run;
	w->table = table_ref(t);
	w->op = op;
	w->user = xstrdup(user);
	return (w);
}

void
write_free(struct write *w)
{
	struct key_seen *k, *tmp;

	if (w == NULL)
		return;
	HASH_ITER(hh, w->seen, k, tmp) {
		HASH_DEL(w->seen, k);
		free(k->key);
		free(k);
	}
	table_unref(w->table);
	free(w->user);
	free(w->recs);
	free(w->job.error);
	buf_free(&w->bytes);
	free(w);
}

static int
by_packed_name(const void *a, const void *b)
{
	return (strcmp(*(const char *const *)a, *(const char *const *)b));
}

/* u32 count, {u8 name length, name, u32 length, value}: as in a transaction. */
static void
add_attrs(struct write *w, const json_t *record)
{
	const char *stack[64], **names = stack, *name;
	size_t n = 0;
	json_t *v;

	if (json_object_size(record) > 64)
		names = xcalloc(json_object_size(record), sizeof(*names));
	json_object_foreach((json_t *)record, name, v)
		if (strcmp(name, w->table->primary_key) != 0 &&
		    strcmp(name, "__createdtime__") != 0 && strcmp(name, "__updatedtime__") != 0)
			names[n++] = name;
	qsort(names, n, sizeof(*names), by_packed_name);
	buf_u32(&w->bytes, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		size_t nlen = strlen(names[i]), at;

		buf_u8(&w->bytes, (uint8_t)nlen);
		buf_add(&w->bytes, names[i], nlen);
		at = w->bytes.len;
		buf_u32(&w->bytes, 0);
		value_pack(&w->bytes, json_object_get(record, names[i]));
		buf_put_u32(&w->bytes, at, (uint32_t)(w->bytes.len - at - 4));
	}
	if (names != stack)
		free(names);
}

static int
read_record_attrs(const struct write *w, const struct write_record *rec, struct stamp s,
    struct row *row)
{
	struct rd r = rd_init(w->bytes.data + rec->attrs_at, rec->attrs_len);
	uint32_t n = rd_u32(&r);

	for (uint32_t i = 0; i < n; i++) {
		uint8_t nlen = rd_u8(&r);
		const char *name = (const char *)rd_bytes(&r, nlen);
		size_t vlen;
		const uint8_t *value = rd_blob(&r, &vlen);
		struct attr *a = row_add(row, name, nlen);

		a->value = value;
		a->vlen = (uint32_t)vlen;
		a->stamp = s;
	}
	return (rd_done(&r) ? 0 : -1);
}

/* Both attribute lists as one, the newer's values winning; appended to bytes. */
static void
join_attrs(struct write *w, struct write_record *into, const struct write_record *newer)
{
	struct row a = { 0 }, b = { 0 };
	struct buf out = { 0 };

	read_record_attrs(w, into, (struct stamp){ 1, 0 }, &a);
	read_record_attrs(w, newer, (struct stamp){ 2, 0 }, &b);
	row_merge(&a, &b);
	buf_u32(&out, a.n);
	for (uint32_t i = 0; i < a.n; i++) {
		buf_u8(&out, a.attrs[i].nlen);
		buf_add(&out, a.attrs[i].name, a.attrs[i].nlen);
		buf_blob(&out, a.attrs[i].value, a.attrs[i].vlen);
	}
	into->attrs_at = w->bytes.len;
	into->attrs_len = out.len;
	buf_add(&w->bytes, out.data, out.len);
	buf_free(&out);
	row_free(&a);
	row_free(&b);
}

/* One key twice in one request is one change: fold it into the first. */
static void
fold_record(struct write *w, uint32_t i)
{
	struct write_record *rec = &w->recs[i];
	const uint8_t *key = w->bytes.data + rec->key_at;
	struct key_seen *k;

	HASH_FIND(hh, w->seen, key, rec->key_len, k);
	if (k == NULL) {
		k = xcalloc(1, sizeof(*k));
		k->key = xmemdup(key, rec->key_len);
		k->first = i;
		HASH_ADD_KEYPTR(hh, w->seen, k->key, rec->key_len, k);
		return;
	}
	rec->same_as = k->first;
	if (w->op == TXN_UPDATE || w->op == TXN_UPSERT)
		join_attrs(w, &w->recs[k->first], rec);
}

/* A record with its key, to be completed; NULL when that is none. */
static struct write_record *
record_begin(struct write *w, const json_t *key)
{
	struct write_record *rec;

	if (w->n == w->cap) {
		w->cap = w->cap == 0 ? 4 : w->cap * 2;
		w->recs = xrealloc(w->recs, w->cap * sizeof(*w->recs));
	}
	rec = &w->recs[w->n];
	memset(rec, 0, sizeof(*rec));
	rec->same_as = NOT_SAME;
	rec->key_at = w->bytes.len;
	if (key != NULL && key_from_json(&w->bytes, key) == -1)
		return (NULL);
	rec->key_len = w->bytes.len - rec->key_at;
	rec->attrs_at = w->bytes.len;
	return (rec);
}

static int
record_end(struct write *w, struct write_record *rec, size_t max)
{
	rec->attrs_len = w->bytes.len - rec->attrs_at;
	if (rec->key_len > 0)
		fold_record(w, w->n);
	w->n++;
	/* Per record a form and a length travel too; the head is small. */
	if (w->bytes.len + 3 * (size_t)w->n + 1024 > max)
		return (-1);
	w->job.cost = w->bytes.len;
	return (0);
}

int
write_add(struct write *w, const json_t *record, size_t max)
{
	struct write_record *rec = record_begin(w,
	    json_is_object(record) ? json_object_get(record, w->table->primary_key) : record);

	if (rec == NULL)
		return (-1);
	if (json_is_object(record))
		add_attrs(w, record);
	else
		buf_u32(&w->bytes, 0);
	return (record_end(w, rec, max));
}

int
write_add_packed(struct write *w, const json_t *key, const struct buf *attrs, size_t max)
{
	struct write_record *rec = record_begin(w, key);

	if (rec == NULL)
		return (-1);
	buf_add(&w->bytes, attrs->data, attrs->len);
	return (record_end(w, rec, max));
}

/* What the record does to the row as it is: the form, or -1 to skip. */
static int
resolve_op(enum txn_op op, const struct row *row)
{
	int visible = row_visible(row);

	switch (op) {
	case TXN_INSERT:
		return (visible ? -1 : REC_CREATED | REC_CLEARED);
	case TXN_UPDATE:
		return (visible ? 0 : -1);
	case TXN_UPSERT:
		return (visible ? REC_CREATED : REC_CREATED | REC_CLEARED);
	case TXN_DELETE:
		return (visible ? REC_CLEARED : -1);
	}
	return (-1);
}

static int
write_refused(struct group *g, struct write *w)
{
	struct data *data = group_data(g);
	uint64_t ahead = (group_clock(g) >> 16);

	if (w->internal)
		return (0);
	if (commit_disk_full(data->commit)) {
		commit_fail(&w->job, 507,
		    "Not enough disk space: writes are refused below storage.reserve");
		return (1);
	}
	if (ahead > group_wall_ms(g) + data->live.max_skew_ms) {
		commit_fail(&w->job, 503,
		    "The clock of this node is %llu ms behind transactions that it "
		    "holds, more than clustering.maxClockSkew: set the clock right, or, if it is "
		    "right now and was ahead when they were written, wait or raise "
		    "clustering.maxClockSkew",
		    (unsigned long long)(ahead - group_wall_ms(g)));
		return (1);
	}
	return (0);
}

/* A record that applies, its row and its form. */
struct touched {
	struct group_row *gr;
	uint32_t rec;
	int form;
};

/*
 * A change of a row that is there travels as what it gives.  Not in a table with an expiration: a
 * peer that had no news of the row for so long has let it go, and would be left with a part of it.
 */
static int
travels_whole(struct group *g, const struct write *w, const struct touched *t,
    const struct buf *payload)
{
	size_t others = w->bytes.len + 3 * (size_t)w->n + 1024;

	return (t->gr->table->expiration != 0 && !(t->form & REC_CLEARED) &&
	    payload->len + t->gr->now.len + others <= group_data(g)->live.max_transaction);
}

static void
write_record(struct group *g, struct write *w, struct touched *t, struct stamp s,
    struct buf *payload, struct buf *before)
{
	const struct write_record *rec = &w->recs[t->rec];
	struct group_row *gr = t->gr;
	struct row row = { 0 }, delta = { 0 };

	row_load(&row, gr->now.data, gr->now.len);
	if (t->form & REC_CREATED)
		delta.created = s;
	if (t->form & REC_CLEARED)
		delta.cleared = s;
	read_record_attrs(w, rec, s, &delta);
	buf_strn(before, gr->key, gr->klen);
	buf_blob(before, gr->now.data, gr->now.len);
	row_merge(&row, &delta);
	group_see_attrs(g, gr->table, &delta);
	group_row_set(g, gr, &row);
	if (travels_whole(g, w, t, payload)) {
		buf_u8(payload, REC_STATE);
		buf_strn(payload, gr->key, gr->klen);
		buf_blob(payload, gr->now.data, gr->now.len);
	} else {
		buf_u8(payload, (uint8_t)t->form);
		buf_strn(payload, gr->key, gr->klen);
		buf_add(payload, w->bytes.data + rec->attrs_at, rec->attrs_len);
	}
	row_free(&row);
	row_free(&delta);
}

/* The next number that neither a row of this group nor another record has; -1: there is none. */
static int
next_number(struct group *g, struct write *w, struct table *t, struct write_record *rec)
{
	const struct group_row *gr;
	const uint8_t *key;
	struct key_seen *k;
	struct scalar sc;
	int64_t next;

	do {
		if ((next = keygen_next(g, t)) == 0) {
			commit_fail(&w->job, 400, "Table '%s.%s' has no number left for a key",
			    t->database, t->name);
			return (-1);
		}
		w->bytes.len = rec->key_len > 0 ? rec->key_at : w->bytes.len;
		rec->key_at = w->bytes.len;
		scalar_integer(&sc, next);
		key_from_scalar(&w->bytes, &sc);
		rec->key_len = w->bytes.len - rec->key_at;
		key = w->bytes.data + rec->key_at;
		if ((gr = group_row(g, t, key, rec->key_len)) == NULL)
			return (-1);
		HASH_FIND(hh, w->seen, key, rec->key_len, k);
	} while (gr->now.len > 0 || k != NULL);
	return (0);
}

/* Which records apply; every stamp in their rows moves the clock. */
static uint32_t
choose_records(struct group *g, struct write *w, struct table *t, struct touched *touched)
{
	struct row row = { 0 };
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->n; i++) {
		struct write_record *rec = &w->recs[i];
		struct group_row *gr;
		int form;

		if (rec->same_as != NOT_SAME) {
			rec->applied = (w->op == TXN_UPDATE || w->op == TXN_UPSERT) &&
			    w->recs[rec->same_as].applied;
			continue;
		}
		if (rec->key_len == 0 && next_number(g, w, t, rec) == -1)
			break;
		gr = group_row(g, t, w->bytes.data + rec->key_at, rec->key_len);
		if (gr == NULL)
			break;
		if (row_load(&row, gr->now.data, gr->now.len) == -1) {
			group_broken(g);
			break;
		}
		group_observe(g, row_newest(&row).time);
		form = resolve_op(w->op, &row);
		rec->applied = form != -1;
		if (form == -1)
			continue;
		touched[n].gr = gr;
		touched[n].rec = i;
		touched[n++].form = form;
	}
	row_free(&row);
	return (n);
}

static void
write_run(struct group *g, struct commit_job *j)
{
	struct write *w = (struct write *)j;
	struct table *t = group_table(g, w->table->id);
	struct touched *touched;
	struct buf payload = { 0 }, before = { 0 };
	struct stamp s;
	size_t at;
	uint32_t n;

	if (write_refused(g, w))
		return;
	if (t == NULL) {
		commit_fail(j, 400, "Table '%s.%s' does not exist", w->table->database,
		    w->table->name);
		return;
	}
	touched = xcalloc(w->n + 1, sizeof(*touched));
	n = choose_records(g, w, t, touched);
	if (n > 0) {
		group_observe(g, t->floor.time);
		s = group_stamp(g);
		at = txn_begin(&payload, TXN_WRITE, w->op, group_data(g)->node_id, w->user,
		    t->database, t->name, t->primary_key);
		txn_set_stamp(&payload, at, s.time);
		txn_set_count(&payload, at, n);
		for (uint32_t i = 0; i < n; i++)
			write_record(g, w, &touched[i], s, &payload, &before);
		t = group_table(g, t->id);
		group_log(g, t, payload.data, payload.len);
		group_audit(g, t, s, 0, payload.data, payload.len, &before);
	}
	free(touched);
	buf_free(&payload);
	buf_free(&before);
}
