#include "config.h"

#include "opsd/job/resync.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "opsd/cluster/catchup.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/compat.h"
#include "opsd/cluster/firstcopy.h"
#include "opsd/cluster/merge.h"
#include "opsd/cluster/replication.h"
#include "opsd/cluster/sums.h"
#include "opsd/store/group.h"
#include "opsd/store/key.h"

#define TRIES_MAX    30 /* a second after each other, while the peer does not answer */
#define ANSWER_BYTES (1u << 20)

struct resync {
	LIST_ENTRY(resync) link;
	struct replication *rep;
	struct job *job;
	char *node, *database, *table, *user;
	uint8_t peer[NODE_ID_LEN];
	uint32_t there, here;    /* the table's ids; 0: not known yet */
	struct buf ranges, rows; /* what was answered */
	struct buf from;         /* the last key that was compared */
	_Atomic uint64_t compared, copied, only_here;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(, resync) running = LIST_HEAD_INITIALIZER(running);

/* ---- those that there are ---- */

static int
is_of(const struct resync *r, const uint8_t *peer)
{
	return (memcmp(r->peer, peer, NODE_ID_LEN) == 0);
}

struct resync *
resync_new(struct replication *rep, const struct peer *p, const char *database, const char *table,
    const char *user)
{
	struct resync *r;

	pthread_mutex_lock(&lock);
	LIST_FOREACH(r, &running, link)
		if (is_of(r, p->id) && strcmp(r->database, database) == 0 &&
		    strcmp(r->table, table) == 0)
			break;
	if (r == NULL) {
		r = xcalloc(1, sizeof(*r));
		r->rep = rep;
		r->node = xstrdup(p->name);
		r->database = xstrdup(database);
		r->table = xstrdup(table);
		r->user = xstrdup(user);
		memcpy(r->peer, p->id, NODE_ID_LEN);
		LIST_INSERT_HEAD(&running, r, link);
	} else
		r = NULL;
	pthread_mutex_unlock(&lock);
	return (r);
}

void
resync_free(void *resync)
{
	struct resync *r = resync;

	pthread_mutex_lock(&lock);
	LIST_REMOVE(r, link);
	pthread_mutex_unlock(&lock);
	free(r->node);
	free(r->database);
	free(r->table);
	free(r->user);
	buf_free(&r->ranges);
	buf_free(&r->rows);
	buf_free(&r->from);
	free(r);
}

json_t *
resyncs_of(const uint8_t *peer)
{
	json_t *list = json_array();
	const struct resync *r;

	pthread_mutex_lock(&lock);
	LIST_FOREACH(r, &running, link)
		if (is_of(r, peer))
			json_array_append_new(list,
			    json_pack("{s:s, s:s, s:s, s:I, s:I, s:I}", "schema", r->database,
				"database", r->database, "table", r->table, "records",
				(json_int_t)r->compared, "copied", (json_int_t)r->copied,
				"only_here", (json_int_t)r->only_here));
	pthread_mutex_unlock(&lock);
	return (list);
}

/* ---- questions ---- */

/* An answer that will not be another one later: 1, and the job has failed. */
static int
peer_refused(struct resync *r, uint16_t status)
{
	if (status == 403)
		job_fail(r->job, "Node '%s' has no subscription of '%s.%s' with this node", r->node,
		    r->database, r->table);
	else if (status == 404)
		job_fail(r->job, "Table '%s.%s' does not exist on node '%s'", r->database, r->table,
		    r->node);
	else if (status == 400)
		job_fail(r->job,
		    "Node '%s' does not understand the question: it is of another "
		    "version",
		    r->node);
	else
		return (0);
	return (1);
}

/* -1: there is none that can be used. */
static int
read_usable(struct resync *r, enum catchup_kind kind, const struct buf *bytes,
    struct catchup_answer *an)
{
	if (catchup_answer_read(an, kind, bytes->data, bytes->len) == 0)
		return (0);
	broken_note(r->rep, BROKEN_ANSWER, r->peer, "for resync", bytes->data, bytes->len);
	return (-1);
}

/* 0 with an answer of 200; -1: the job has failed. */
static int
ask_question(struct resync *r, enum catchup_kind kind, const struct buf *last, struct buf *bytes,
    struct catchup_answer *an)
{
	struct catchup_question q = {
		.kind = kind,
		.table = r->there,
		.database = r->database,
		.dblen = strlen(r->database),
		.name = r->table,
		.nlen = strlen(r->table),
		.key = r->from.data,
		.klen = r->from.len,
		.last = last->data,
		.llen = last->len,
		.max = ANSWER_BYTES,
	};
	char *why;

	if ((why = compat_refused(r->rep->cluster, r->peer)) != NULL) {
		job_fail(r->job, "%s", why);
		free(why);
		return (-1);
	}
	memcpy(q.asker, r->rep->data->node_id, NODE_ID_LEN);
	for (int tries = 0; tries < TRIES_MAX; tries++) {
		buf_clear(bytes);
		if (cluster_catch_up(r->rep->cluster, r->node, &q, bytes) == 200 &&
		    read_usable(r, kind, bytes, an) == 0) {
			if (an->status == 200)
				return (0);
			if (peer_refused(r, an->status))
				return (-1);
		}
		if (job_stopped(r->job))
			return (-1);
		sleep(1);
	}
	job_fail(r->job,
	    "Node '%s' did not answer; %llu records had been compared, and what "
	    "differed was copied",
	    r->node, (unsigned long long)r->compared);
	return (-1);
}

/* ---- what is done here ---- */

struct begin {
	struct commit_job commit; /* first */
	struct resync *r;
	const struct catchup_answer *an;
};

static struct table *
own_table(struct group *g, const struct resync *r)
{
	return (group_table_named(g, r->database, strlen(r->database), r->table, strlen(r->table)));
}

/* Makes the table if it is not there, and takes its marks away. */
static void
begin_run(struct group *g, struct commit_job *j)
{
	struct begin *b = (struct begin *)j;
	struct resync *r = b->r;
	const struct catchup_answer *an = b->an;
	json_t *def = json_loadb((const char *)an->definition, an->definition_len, 0, NULL);
	char *key = xstrndup(an->primary, an->primary_len);
	struct table *t = own_table(g, r);
	const char *why;

	if (t == NULL && def != NULL)
		t = group_create_table(g, r->database, r->table, key, def, r->user, &why);
	if (t == NULL)
		commit_fail(j, 502, "The answer of node '%s' makes no sense", r->node);
	else if (strcmp(t->primary_key, key) != 0)
		commit_fail(j, 400,
		    "Primary keys of '%s.%s' differ: '%s' here and '%s' on node '%s'", r->database,
		    r->table, t->primary_key, key, r->node);
	else {
		r->here = t->id;
		if (group_recall(g, &t, STAMP_LAST))
			firstcopy_recalled(g, t->database, t->name);
		group_add_attrs(g, t, json_object_get(def, "attributes"), STAMP_LAST);
	}
	json_decref(def);
	free(key);
}

struct arrival {
	struct commit_job commit; /* first */
	struct resync *r;
	const struct catchup_answer *an;
	uint32_t changed;
};

static void
arrival_run(struct group *g, struct commit_job *j)
{
	struct arrival *a = (struct arrival *)j;
	struct table *t = group_table(g, a->r->here);
	const struct merge_how all = { .peer = a->r->peer };
	struct merged sum = { 0 };
	struct job_counts c = { 0 };
	struct rd items = a->an->items;
	int rc;

	if (t == NULL) {
		commit_fail(j, 404, "The table was dropped meanwhile");
		return;
	}
	if (commit_disk_full(group_data(g)->commit)) {
		commit_fail(j, 507,
		    "Not enough disk space: writes are refused below storage.reserve");
		return;
	}
	rc = merge_rows(g, t, &items, a->an->count, &all, &sum);
	c.did = a->changed = sum.changed;
	if (rc == 0)
		job_progress_in(a->r->job, g, &c);
	else
		commit_fail(j, 502,
		    rc == 1 ? "Node '%s' has rows of times that are ahead of this node's "
			      "clock by more than clustering.maxClockSkew" :
			      "A row of node '%s' cannot be read",
		    a->r->node);
}

/* Waits; -1: the job has failed. */
static int
commit_rows(struct resync *r, struct commit_job *j)
{
	int status;

	j->remote = 1;
	status = commit_wait(r->rep->data->commit, j);
	if (status != 200)
		job_fail(r->job, "%s", j->error != NULL ? j->error : "not written");
	free(j->error);
	return (status == 200 ? 0 : -1);
}

static int
begin_compare(struct resync *r, const struct catchup_answer *an)
{
	struct begin b = { .commit.run = begin_run, .r = r, .an = an };

	r->there = an->table;
	return (commit_rows(r, &b.commit));
}

/* ---- comparing ---- */

/* The key that the answer's next row has; none at its end. */
static const uint8_t *
next_key(struct rd *items, uint32_t *left, size_t *klen)
{
	const uint8_t *key = NULL;
	size_t n;

	*klen = 0;
	if (*left > 0) {
		(*left)--;
		key = (const uint8_t *)rd_strn(items, klen);
		rd_blob(items, &n);
	}
	return (rd_ok(items) ? key : NULL);
}

/* Rows here, up to `last`, that the answer has not. */
static uint64_t
count_only_here(struct resync *r, const struct catchup_answer *an, const struct buf *last)
{
	struct store_iter *it = sums_rows(r->rep->data->store, r->here, r->from.data, r->from.len,
	    last->data, last->len);
	struct rd items = an->items;
	uint32_t left = an->count;
	size_t klen, n;
	const uint8_t *key = next_key(&items, &left, &klen);
	struct sum s = { .n = 0 };

	while (store_iter_valid(it)) {
		const uint8_t *mine = store_iter_key(it, &n) + 4;
		int d = key == NULL ? -1 : mem_order(mine, n - 4, key, klen);

		if (d >= 0)
			key = next_key(&items, &left, &klen);
		if (d < 0)
			sum_add(&s, it);
		else if (d == 0)
			store_iter_next(it);
	}
	store_iter_free(it);
	sum_free(&s);
	return (s.visible);
}

static int
rows_into(struct resync *r, const struct catchup_answer *an, const struct buf *last)
{
	struct arrival a = { .commit.run = arrival_run,
		.commit.cost = r->rows.len,
		.r = r,
		.an = an };
	uint64_t only = count_only_here(r, an, last);

	if (commit_rows(r, &a.commit) == -1)
		return (-1);
	r->only_here += only;
	r->copied += a.changed;
	return (0);
}

/* It goes on: else it would be asked for again and again.  0, or -1: the job has failed. */
static int
check_next(struct resync *r, const void *key, size_t n)
{
	if (n > 0 && n <= KEY_MAX && mem_order(key, n, r->from.data, r->from.len) > 0)
		return (0);
	job_fail(r->job, "The answer of node '%s' makes no sense: it does not go on", r->node);
	return (-1);
}

/* The rows after `from`, up to `last`: in several answers if they are many. */
static int
copy_range(struct resync *r, const struct buf *last)
{
	struct buf next = { 0 };
	struct catchup_answer an;
	int rc;

	do {
		if ((rc = ask_question(r, CATCHUP_ROWS, last, &r->rows, &an)) == -1 ||
		    (!an.done && (rc = check_next(r, an.next_key, an.next_len)) == -1))
			break;
		buf_clear(&next);
		buf_add(&next, an.done ? last->data : an.next_key,
		    an.done ? last->len : an.next_len);
		rc = rows_into(r, &an, &next);
		buf_clear(&r->from);
		buf_add(&r->from, next.data, next.len);
	} while (rc == 0 && !an.done && !job_stopped(r->job));
	buf_free(&next);
	return (rc == 0 && !job_failed(r->job) ? 0 : -1);
}

/* Whether the rows here, from where the iterator is up to `last`, have that sum; moves beyond them. */
static int
is_same(struct store_iter *it, const struct buf *last, const uint8_t *sum)
{
	struct sum s = { .n = 0 };
	int same;

	while (store_iter_valid(it)) {
		size_t n;
		const uint8_t *key = store_iter_key(it, &n) + 4;

		if (last->len > 0 && mem_order(key, n - 4, last->data, last->len) > 0)
			break;
		sum_add(&s, it);
	}
	same = memcmp(s.sum, sum, sizeof(s.sum)) == 0;
	sum_free(&s);
	return (same);
}

/* The next of the ranges, which may be the one to the end: 0; -1: the job has failed. */
static int
compare_range(struct resync *r, struct store_iter *it, struct rd *items, struct buf *last,
    int may_end)
{
	struct job_counts c = { 0 };
	size_t n;
	const char *key = rd_strn(items, &n);
	const uint8_t *sum;

	c.records = rd_u32(items);
	sum = rd_bytes(items, sizeof(((struct sum *)0)->sum));
	if (!rd_ok(items)) {
		job_fail(r->job, "The answer of node '%s' makes no sense", r->node);
		return (-1);
	}
	if ((n > 0 || !may_end) && check_next(r, key, n) == -1)
		return (-1);
	buf_clear(last);
	buf_add(last, key, n);
	if (!is_same(it, last, sum) && copy_range(r, last) == -1)
		return (-1);
	buf_clear(&r->from);
	buf_add(&r->from, last->data, last->len);
	r->compared += c.records;
	job_progress(r->job, &c);
	return (0);
}

static int
compare_sums(struct resync *r, const struct catchup_answer *an)
{
	struct store_iter *it = sums_rows(r->rep->data->store, r->here, r->from.data, r->from.len,
	    NULL, 0);
	struct rd items = an->items;
	struct buf last = { 0 };
	int rc = an->count > 0 || an->done ? 0 : check_next(r, NULL, 0);

	for (uint32_t i = 0; i < an->count && rc == 0; i++)
		rc = job_stopped(r->job) ?
		    -1 :
		    compare_range(r, it, &items, &last, an->done && i + 1 == an->count);
	if (rc == 0 && store_iter_failed(it)) {
		job_fail(r->job, "the store cannot be read");
		rc = -1;
	}
	store_iter_free(it);
	buf_free(&last);
	return (rc);
}

void
resync_run(struct job *t, void *resync)
{
	struct resync *r = resync;
	const struct buf end = { 0 };
	struct catchup_answer an;
	int rc;

	r->job = t;
	do {
		rc = ask_question(r, CATCHUP_SUMS, &end, &r->ranges, &an);
		if (rc == 0 && r->here == 0)
			rc = begin_compare(r, &an);
		if (rc == 0)
			rc = compare_sums(r, &an);
	} while (rc == 0 && !an.done);
	if (rc == 0)
		job_message(t,
		    "%llu records of '%s.%s' compared with those of node '%s': %llu copied, "
		    "%llu are only here",
		    (unsigned long long)r->compared, r->database, r->table, r->node,
		    (unsigned long long)r->copied, (unsigned long long)r->only_here);
}
