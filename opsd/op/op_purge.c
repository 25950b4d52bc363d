#include "config.h"

#include "opsd/op/op_cluster.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "opsd/auth/user.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/nodes.h"
#include "opsd/op/node.h"
#include "opsd/op/op_table.h"
#include "opsd/store/group.h"

/*
 * purge_stream: transactions of a table leave the log.  Definitions stay, so that
 * whoever begins anew finds the table, and a marker follows.  Then their messages
 * leave the stream, but for one that holds a transaction that stays, too.  While the
 * leaf server is away they stay; the next call takes them along.
 */
#define CHUNK     4096 /* entries removed by one commit */
#define REPORT_US 1000000

static pthread_mutex_t purging = PTHREAD_MUTEX_INITIALIZER;

struct purging {
	struct commit_job job; /* first */
	uint32_t table;
	const char *user;
	uint64_t upto;
	uint64_t seqs[CHUNK];
	size_t n;
	int marked;
};

struct purge_limits {
	uint64_t keep;      /* so many of the newest stay */
	uint64_t below;     /* only sequences below; UINT64_MAX: all */
	uint64_t before_ms; /* only what was committed before; UINT64_MAX: all */
	int force;
};

static uint64_t
field_limit(struct faults *f, const json_t *options, const char *name, uint64_t absent)
{
	const json_t *v = json_object_get(options, name);

	if (v == NULL)
		return (absent);
	if (!json_is_number(v))
		fault(f, "'options.%s' must be a number", name);
	else if (!json_is_integer(v))
		fault(f, "'options.%s' must be an integer", name);
	else if (json_integer_value(v) < 0)
		fault(f, "'options.%s' must be greater than or equal to 0", name);
	else
		return ((uint64_t)json_integer_value(v));
	return (absent);
}

static void
read_purge_limits(struct faults *f, const json_t *body, struct purge_limits *l)
{
	json_t *options = json_object_get(body, "options"), *v;
	const char *key;

	if (options != NULL && !json_is_object(options)) {
		fault(f, "'options' must be of type object");
		options = NULL;
	}
	json_object_foreach(options, key, v)
		if (strcmp(key, "keep") != 0 && strcmp(key, "seq") != 0 &&
		    strcmp(key, "force") != 0)
			fault(f, "'options.%.100s' is not allowed", key);
	if (json_object_get(options, "keep") != NULL && json_object_get(options, "seq") != NULL)
		fault(f, "'options' contains a conflict between exclusive peers [keep, seq]");
	l->keep = field_limit(f, options, "keep", 0);
	l->below = field_limit(f, options, "seq", UINT64_MAX);
	l->before_ms = UINT64_MAX;
	v = json_object_get(options, "force");
	if (v != NULL && !json_is_boolean(v))
		fault(f, "'options.force' must be a boolean");
	l->force = json_is_true(v) || field_bool(f, body, "force", 0) == 1;
}

static int
is_write(const struct log_entry *e)
{
	struct txn t;

	return (txn_read(&t, e->payload, e->len) == 0 && t.kind == TXN_WRITE);
}

/* The newest transaction of the table to go, along its chain; 0: none. */
static uint64_t
newest_to_go(struct replication *rep, const struct table *t, const struct purge_limits *l)
{
	struct buf k = { 0 }, v = { 0 };
	struct log_entry e;
	struct rd r;
	uint64_t seq = t->stat->head, keep = l->keep, found = 0;

	while (seq != 0 && found == 0) {
		buf_clear(&k);
		buf_be64(&k, seq);
		if (store_get(rep->data->store, NULL, CF_LOG, k.data, k.len, &v) != 1)
			break; /* gone before: so is all that precedes it */
		r = rd_init(v.data, v.len);
		if (log_entry_read(&r, &e) == -1 || e.prev >= seq)
			break;
		if (seq < l->below && e.ms < l->before_ms && is_write(&e) && keep-- == 0)
			found = seq;
		seq = e.prev;
	}
	buf_free(&k);
	buf_free(&v);
	return (found);
}

/* A subscriber that has not said that it has everything up to there: its name, or NULL. */
static char *
who_lacks(struct replication *rep, const struct table *t, uint64_t upto)
{
	struct peer **all;
	size_t n;
	char *name = NULL;

	all = nodes_all(rep->nodes, &n);
	for (size_t i = 0; i < n; i++) {
		const struct subscription *e = peer_effective_for(all[i], t);
		struct peer_view v;

		if (name == NULL && subscription_gives(e)) {
			cluster_view(rep->cluster, all[i]->id, &v);
			if (peer_view_has(&v, t->id, NULL) < upto)
				name = xstrdup(all[i]->name);
			peer_view_clear(&v);
		}
		peer_free(all[i]);
	}
	free(all);
	return (name);
}

/*
 * Subscribers say every clustering.statusInterval what they have: one that is there
 * gets the time to say it.
 */
static char *
who_still_lacks(struct replication *rep, const struct table *t, uint64_t upto)
{
	struct conf *conf = data_conf(rep->data);
	uint64_t end = mono_us() + REPORT_US + (uint64_t)conf_int(conf, CL_STATUS_INTERVAL) * 1000;
	const struct timespec pause = { 0, 50000000 };
	char *name;

	conf_free(conf);
	while ((name = who_lacks(rep, t, upto)) != NULL && mono_us() < end &&
	    cluster_reachable(rep->cluster, name)) {
		free(name);
		nanosleep(&pause, NULL);
	}
	return (name);
}

static void
log_marker(struct group *g, struct table *t, const struct purging *p)
{
	struct buf b = { 0 };
	size_t at = txn_begin(&b, TXN_PURGE, 0, group_data(g)->node_id, p->user, t->database,
	    t->name, t->primary_key);

	txn_set_stamp(&b, at, group_stamp(g).time);
	buf_u64(&b, p->upto);
	group_log(g, t, b.data, b.len);
	buf_free(&b);
}

static void
purge_job_run(struct group *g, struct commit_job *j)
{
	struct purging *p = (struct purging *)j;
	struct table *t = group_table(g, p->table);
	struct buf k = { 0 };

	if (t == NULL) {
		commit_fail(j, 404, "The table was dropped meanwhile");
		return;
	}
	for (size_t i = 0; i < p->n; i++) {
		buf_clear(&k);
		buf_be64(&k, p->seqs[i]);
		store_batch_delete(group_batch(g), CF_LOG, k.data, k.len);
	}
	txlog_forget(&group_data(g)->log);
	buf_free(&k);
	if (!p->marked && p->n > 0) {
		if (p->upto > t->stat->purged)
			t->stat->purged = p->upto;
		log_marker(g, t, p);
		p->marked = 1;
	}
}

/* Oldest first: a crash in between leaves no hole.  How many, or -1 with p's error. */
static int64_t
purge_log(struct replication *rep, struct purging *p)
{
	struct buf from = { 0 }, to = { 0 };
	struct store_iter *it;
	int64_t n = 0;
	int more = 1, status = 200;

	buf_be64(&from, 0);
	buf_be64(&to, p->upto + 1);
	it = store_iter_new(rep->data->store, NULL, CF_LOG, from.data, from.len, to.data, to.len);
	store_iter_first(it);
	while (more && status == 200) {
		p->n = 0;
		for (; store_iter_valid(it) && p->n < CHUNK; store_iter_next(it)) {
			struct log_entry e;
			size_t len;
			const uint8_t *v = store_iter_value(it, &len);
			struct rd r = rd_init(v, len);

			if (log_entry_read(&r, &e) == 0 && e.table == p->table && is_write(&e))
				p->seqs[p->n++] = e.seq;
		}
		more = store_iter_valid(it);
		if (p->n > 0)
			status = commit_wait(rep->data->commit, &p->job);
		if (status == 200)
			n += (int64_t)p->n;
	}
	store_iter_free(it);
	buf_free(&from);
	buf_free(&to);
	return (status == 200 ? n : -1);
}

/* Messages that left the stream with them, -1 while the leaf server is away. */
static int64_t
purge_messages(struct replication *rep, const struct table *t)
{
	uint64_t upto = t->stat->purged;

	return (upto == 0 ? 0 : cluster_purge(rep->cluster, t->database, t->name, upto));
}

/* How many transactions went, or -1 with the status and *err. */
static int64_t
purge_upto(struct replication *rep, const struct table *t, const char *user, uint64_t upto,
    int *status, char **err)
{
	struct purging *p = xcalloc(1, sizeof(*p));
	int64_t n = 0;

	p->job.run = purge_job_run;
	p->table = t->id;
	p->user = user;
	p->upto = upto;
	if (upto != 0)
		n = purge_log(rep, p);
	if (n == -1) {
		*status = p->job.status;
		*err = xstrdup(p->job.error != NULL ? p->job.error : "not written");
	}
	free(p->job.error);
	free(p);
	return (n);
}

/* As purge_upto.  Whoever lacks some of it holds it back, unless forced. */
static int64_t
purge_now(struct replication *rep, const struct table *t, const char *user,
    const struct purge_limits *l, int *status, char **err)
{
	uint64_t upto = newest_to_go(rep, t, l);
	char *lacks = upto == 0 || l->force ? NULL : who_still_lacks(rep, t, upto);

	if (lacks == NULL)
		return (purge_upto(rep, t, user, upto, status, err));
	*status = 409;
	*err =
	    xasprintf("Node '%s' has not received all of '%s.%s' up to sequence %llu: with "
		      "\"force\": true it is purged anyway and the node gets a copy of the table",
		lacks, t->database, t->name, (unsigned long long)upto);
	free(lacks);
	return (-1);
}

int64_t
op_purge_before(struct replication *rep, const struct table *t, const char *user, uint64_t ms,
    int force, char **err)
{
	struct purge_limits l = { .below = UINT64_MAX, .before_ms = ms, .force = force };
	int64_t n;
	int status;

	pthread_mutex_lock(&purging);
	n = purge_now(rep, t, user, &l, &status, err);
	if (n > 0)
		purge_messages(rep, t);
	pthread_mutex_unlock(&purging);
	return (n);
}

static void
purge_table(struct request *r, const struct table *t, const struct purge_limits *l)
{
	char *err = NULL;
	int status;
	int64_t messages, n = purge_now(&r->ops->rep, t, r->user->name, l, &status, &err);

	if (n == -1) {
		reply_error(r, status, "%s", err);
		free(err);
		return;
	}
	messages = purge_messages(&r->ops->rep, t);
	reply_json(r, 200,
	    json_pack("{s:o, s:I, s:o}", "message",
		json_sprintf("Successfully purged %lld messages from stream '%s.%s'", (long long)n,
		    t->database, t->name),
		"purged", (json_int_t)n, "stream_messages",
		messages != -1 ? json_integer((json_int_t)messages) : json_null()));
}

void
op_purge_stream(struct request *r)
{
	struct faults f = { 0 };
	struct purge_limits l;
	const char *db;
	struct table *t;

	read_purge_limits(&f, r->body, &l);
	db = json_string_value(field_either(r->body, "database", "schema"));
	if (db != NULL && strcmp(db, "system") == 0)
		fault(&f, "'database' invalid database name, 'system' name is reserved");
	t = op_table(r, &f, 400, 404);
	if (t == NULL)
		return;
	if (pthread_mutex_trylock(&purging) == 0) {
		purge_table(r, t, &l);
		pthread_mutex_unlock(&purging);
	} else
		reply_error(r, 503, "Another stream is being purged, please try again later");
	table_unref(t);
}
