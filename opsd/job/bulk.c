#include "config.h"

#include "opsd/job/bulk.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/tls/crypto.h"
#include "opsd/auth/user.h"
#include "opsd/cluster/replication.h"
#include "opsd/format/csv.h"
#include "opsd/job/columns.h"
#include "opsd/job/job.h"
#include "opsd/store/attrtype.h"
#include "opsd/store/group.h"
#include "opsd/store/key.h"
#include "opsd/store/keygen.h"
#include "opsd/store/record.h"
#include "opsd/store/value.h"

#define ROWS      1000 /* of a transaction; other writes wait for SLOTS of them */
#define BYTES     (1u << 20)
#define SLOTS     2
#define HEAD_ROOM (1024 + 3) /* of a transaction, as write_add counts it */
#define AS_TEXT   6          /* times that a value is longer as text than it is stored */

/* A transaction on its way. */
struct slot {
	struct commit_job commit; /* first */
	struct bulk *bulk;
	struct write *write; /* NULL: the slot is free */
	uint64_t bytes;      /* of CSV */
	int done;
};

struct bulk {
	struct job *job;
	struct table *table;
	enum txn_op op;
	const struct user *user;
	size_t max;   /* bytes of a transaction, and of one that has */
	size_t batch; /* more than a record */
	struct csv *csv;
	int strict;
	uint64_t wide;         /* rows with more cells than the header */
	uint64_t fed, counted; /* bytes of CSV: read, in transactions */
	struct columns cols;   /* the header; its names are NULL before it */
	int counts;            /* then keys are numbers */
	struct buf attrs;      /* of a row */
	struct write *write;   /* being filled */
	pthread_mutex_t lock;  /* the slots' done */
	pthread_cond_t more;
	struct slot slots[SLOTS];
	int turn; /* the slot that was given longest ago */
};

static csv_row_fn on_row;

struct bulk *
bulk_new(struct job *t, struct table *table, enum txn_op op, const struct user *user,
    const struct csv_options *o)
{
	struct bulk *b = xcalloc(1, sizeof(*b));

	b->job = t;
	b->table = table;
	b->op = op;
	b->user = user;
	b->max = job_rep(t)->data->live.max_transaction;
	b->batch = b->max / 2 < BYTES ? b->max / 2 : BYTES;
	b->strict = o->strict;
	b->csv = csv_new(o, b->max * AS_TEXT, on_row, b);
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->more, NULL);
	return (b);
}

/* ---- transactions ---- */

static void
slot_run(struct group *g, struct commit_job *j)
{
	struct slot *s = (struct slot *)j;
	struct write *w = s->write;
	struct job_counts c = { .records = w->n, .bytes = s->bytes };

	w->job.status = 200;
	w->job.run(g, &w->job);
	j->status = w->job.status;
	if (j->status != 200) {
		j->error = xstrdup(w->job.error);
		return;
	}
	for (uint32_t i = 0; i < w->n; i++)
		c.did += w->recs[i].applied;
	c.skipped = c.records - c.did;
	job_progress_in(s->bulk->job, g, &c);
}

static void
slot_done(struct commit_job *j)
{
	struct slot *s = (struct slot *)j;

	pthread_mutex_lock(&s->bulk->lock);
	s->done = 1;
	pthread_cond_signal(&s->bulk->more);
	pthread_mutex_unlock(&s->bulk->lock);
}

/* Wait until it is free; -1 when what it carried was refused. */
static int
slot_wait(struct slot *s)
{
	struct bulk *b = s->bulk;
	int rc;

	if (s->write == NULL)
		return (0);
	pthread_mutex_lock(&b->lock);
	while (!s->done)
		pthread_cond_wait(&b->more, &b->lock);
	pthread_mutex_unlock(&b->lock);
	rc = s->commit.status == 200 ? 0 : -1;
	if (rc == -1 && !job_failed(b->job))
		job_fail(b->job, "%s", s->commit.error != NULL ? s->commit.error : "not written");
	write_free(s->write);
	free(s->commit.error);
	memset(s, 0, sizeof(*s));
	return (rc);
}

/* Hand over what was gathered; -1 when the job has failed. */
static int
flush_rows(struct bulk *b)
{
	struct slot *s = &b->slots[b->turn];

	if (b->write == NULL)
		return (0);
	if (slot_wait(s) == -1)
		return (-1);
	b->turn = (b->turn + 1) % SLOTS;
	s->bulk = b;
	s->write = b->write;
	s->bytes = b->fed - b->counted;
	s->commit.run = slot_run;
	s->commit.done = slot_done;
	s->commit.cost = b->write->job.cost;
	b->counted = b->fed;
	b->write = NULL;
	commit_submit(job_rep(b->job)->data->commit, &s->commit);
	return (0);
}

/* All of it, and wait for it; -1 when the job has failed. */
static int
settle_rows(struct bulk *b)
{
	int rc = job_failed(b->job) ? -1 : flush_rows(b);

	for (int i = 0; i < SLOTS; i++)
		if (slot_wait(&b->slots[i]) == -1)
			rc = -1;
	return (rc);
}

/* ---- rows ---- */

/* A line that is no record: what was before it is loaded.  Takes why; gives -1. */
static int
bad_line(struct bulk *b, uint64_t line, char *why)
{
	struct job_counts c;

	if (settle_rows(b) == 0) {
		c = job_counts(b->job);
		job_fail(b->job, "line %llu: %s; of %llu records before it %llu had been loaded",
		    (unsigned long long)line, why, (unsigned long long)c.records,
		    (unsigned long long)c.did);
	}
	free(why);
	return (-1);
}

static int
take_header(struct bulk *b, const struct csv_cell *cells, size_t n, uint64_t line)
{
	char *wrong = columns_read(&b->cols, b->table, job_rep(b->job)->data->live.max_attributes,
	    b->op, cells, n);
	json_t *why;

	if (wrong != NULL)
		return (bad_line(b, line, wrong));
	b->counts = keygen_counts(job_rep(b->job)->data, b->table);
	if ((why = columns_refusal(&b->cols, b->table, b->op, b->user)) != NULL)
		job_fail_json(b->job, why);
	return (why == NULL ? 0 : -1);
}

/*
 * An attribute that the row has not: short rows end before it.  An empty cell is null, but for a
 * new row of a table with declared attributes, whose rows may lack some.
 */
static int
is_absent(const struct bulk *b, const struct csv_cell *cells, size_t n, size_t cell)
{
	if (cell >= n || csv_absent(&cells[cell]))
		return (1);
	return (b->op == TXN_INSERT && b->table->declared && cells[cell].n == 0 &&
	    !cells[cell].quoted);
}

/* That the value is none of the type; NULL: it is one. */
static char *
type_fault(const char *name, const char *type, const json_t *v)
{
	char *must = attrtype_fault(type, v), *why;

	if (must == NULL)
		return (NULL);
	why = xasprintf("'%s' %s: it is declared %s", name, must, type);
	free(must);
	return (why);
}

/* The row's attributes, packed; NULL or what is wrong. */
static char *
pack_row(struct bulk *b, const struct csv_cell *cells, size_t n)
{
	uint32_t count = 0;
	size_t at;
	char *why = NULL;
	json_t *v;

	buf_clear(&b->attrs);
	buf_u32(&b->attrs, 0);
	for (size_t i = 0; i < b->cols.n && why == NULL; i++) {
		const struct column *c = &b->cols.list[i];

		if (is_absent(b, cells, n, c->cell))
			continue;
		v = columns_value(&cells[c->cell], c->type);
		why = type_fault(c->name, c->type, v);
		buf_u8(&b->attrs, (uint8_t)strlen(c->name));
		buf_add(&b->attrs, c->name, strlen(c->name));
		at = b->attrs.len;
		buf_u32(&b->attrs, 0);
		value_pack(&b->attrs, v);
		buf_put_u32(&b->attrs, at, (uint32_t)(b->attrs.len - at - 4));
		json_decref(v);
		count++;
	}
	buf_put_u32(&b->attrs, 0, count);
	return (why);
}

/* Rows have no key, or this one has empty text. */
static int
is_keyless(const struct bulk *b, const struct csv_cell *cells, size_t n)
{
	size_t cell = (size_t)b->cols.key_cell;

	return (b->cols.key_cell == -1 ||
	    (b->op != TXN_UPDATE && cell < n && cells[cell].quoted && cells[cell].n == 0));
}

/* With null as key the commit makes one. */
static json_t *
made_key(struct bulk *b)
{
	char uuid[37];

	if (b->counts)
		return (json_null());
	crypto_uuid(uuid);
	return (json_string(uuid));
}

/* The row's key; with empty text, or without a column for it one is made, null for the table's next number.  NULL with *why. */
static json_t *
row_key(struct bulk *b, const struct csv_cell *cells, size_t n, char **why)
{
	size_t cell = (size_t)b->cols.key_cell;
	json_t *key;

	if (is_keyless(b, cells, n))
		key = made_key(b);
	else {
		key = cell < n ? columns_value(&cells[cell], b->cols.key_type) : json_null();
		*why = record_key_fault(key);
	}
	if (*why == NULL)
		*why = type_fault(b->table->primary_key, b->cols.key_type, key);
	if (*why == NULL)
		return (key);
	json_decref(key);
	return (NULL);
}

/* NULL, or that the record alone is too much. */
static char *
size_fault(const struct bulk *b, const json_t *key)
{
	struct buf k = { 0 };
	size_t size;

	if (!json_is_null(key))
		key_from_json(&k, key);
	size = k.len + b->attrs.len + HEAD_ROOM;
	buf_free(&k);
	return (size <= b->max ?
		NULL :
		xasprintf("the record exceeds the transaction limit of %zu bytes", b->max));
}

static int
take_record(struct bulk *b, const struct csv_cell *cells, size_t n, uint64_t line)
{
	char *why = NULL;
	json_t *key;

	if (n > b->cols.width && b->strict)
		return (bad_line(b, line,
		    xasprintf("%zu cells, the header has %zu", n, b->cols.width)));
	b->wide += n > b->cols.width;
	if ((key = row_key(b, cells, n, &why)) == NULL)
		return (bad_line(b, line, why));
	if ((why = pack_row(b, cells, n)) != NULL || (why = size_fault(b, key)) != NULL) {
		json_decref(key);
		return (bad_line(b, line, why));
	}
	if (b->write != NULL &&
	    (b->write->n == ROWS || b->write->bytes.len + b->attrs.len > b->batch) &&
	    flush_rows(b) == -1) {
		json_decref(key);
		return (-1);
	}
	if (b->write == NULL)
		b->write = write_new(b->table, b->op, b->user->name);
	/* It fits: a transaction holds a batch, or this record alone. */
	write_add_packed(b->write, json_is_null(key) ? NULL : key, &b->attrs, SIZE_MAX);
	json_decref(key);
	return (0);
}

static int
on_row(const struct csv_cell *cells, size_t n, uint64_t line, void *arg)
{
	struct bulk *b = arg;

	if (b->cols.names == NULL)
		return (take_header(b, cells, n, line));
	return (take_record(b, cells, n, line));
}

/* What the parser says, as the job's end. */
static int
parse_ended(struct bulk *b, int rc)
{
	if (rc == -1)
		bad_line(b, csv_line(b->csv), xstrdup(csv_error(b->csv)));
	return (rc == 0 ? 0 : -1);
}

int
bulk_stopped(struct bulk *b)
{
	/* Rows read before the end are loaded and counted. */
	if (job_stopping(b->job) && settle_rows(b) == 0)
		job_stopped(b->job);
	return (job_failed(b->job));
}

int
bulk_feed(struct bulk *b, const void *p, size_t n)
{
	if (bulk_stopped(b))
		return (-1);
	b->fed += n;
	return (parse_ended(b, csv_feed(b->csv, p, n)));
}

/* What was made of cells that were not as they should be; empty: of none. */
static void
text_mended(const struct bulk *b, struct buf *out)
{
	uint64_t cells = csv_mended(b->csv);

	if (b->wide > 0)
		buf_addf(out, "; cells beyond the header were left out of %llu record%s",
		    (unsigned long long)b->wide, b->wide == 1 ? "" : "s");
	if (cells > 0)
		buf_addf(out, "; %llu cell%s not UTF-8 and read as windows-1252",
		    (unsigned long long)cells, cells == 1 ? " was" : "s were");
	buf_u8(out, '\0');
}

int
bulk_end(struct bulk *b)
{
	struct buf mended = { 0 };

	struct job_counts c;

	if (parse_ended(b, csv_end(b->csv)) == -1)
		return (-1);
	if (b->cols.names == NULL)
		return (bad_line(b, 1, xstrdup("there is no header")));
	if (settle_rows(b) == -1)
		return (-1);
	c = job_counts(b->job);
	text_mended(b, &mended);
	job_message(b->job, "successfully loaded %llu of %llu records%s", (unsigned long long)c.did,
	    (unsigned long long)c.records, (char *)mended.data);
	buf_free(&mended);
	return (0);
}

void
bulk_free(struct bulk *b)
{
	if (b == NULL)
		return;
	for (int i = 0; i < SLOTS; i++)
		slot_wait(&b->slots[i]);
	write_free(b->write);
	csv_free(b->csv);
	columns_free(&b->cols);
	buf_free(&b->attrs);
	pthread_cond_destroy(&b->more);
	pthread_mutex_destroy(&b->lock);
	free(b);
}
