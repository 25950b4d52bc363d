#include "config.h"

#include "opsd/cluster/apply.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/logbrake.h"
#include "common/base/mem.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/flows.h"
#include "opsd/cluster/merge.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/replication.h"
#include "opsd/store/group_priv.h"
#include "opsd/store/key.h"

#define RETRY_US	1000000
#define OTHER_LOG	"the peer was put back from an older copy: its log begins anew"

static void frame_run(struct group *g, struct job *j);
static void answer_run(struct group *g, struct job *j);

/* Flows are the commit thread's, which alone writes them; others copy them with the lock held. */

static void
ask_later(struct flows *f, struct flow *fl)
{
	flows_lock(f);
	fl->retry_us = mono_us() + RETRY_US;
	flows_unlock(f);
}

static void
count_dropped(struct flows *f, struct flow *fl, uint64_t n)
{
	flows_lock(f);
	fl->dropped += n;
	flows_unlock(f);
}

struct apply *
apply_frame_new(const uint8_t *peer, uint64_t stream_seq, const void *p, size_t n)
{
	struct apply *a = xcalloc(1, sizeof(*a));

	a->job.run = frame_run;
	a->job.remote = 1;
	a->job.cost = n;
	memcpy(a->peer, peer, NODE_ID_LEN);
	a->stream_seq = stream_seq;
	buf_add(&a->bytes, p, n);
	return (a);
}

struct apply *
apply_answer_new(const uint8_t *peer, uint32_t table, enum pull_kind kind, const void *p, size_t n)
{
	struct apply *a = apply_frame_new(peer, 0, p, n);

	a->job.run = answer_run;
	a->table = table;
	a->kind = kind;
	a->answered = p != NULL;
	return (a);
}

void
apply_free(struct apply *a)
{
	if (a == NULL)
		return;
	buf_free(&a->bytes);
	free(a->job.error);
	free(a);
}

/* 0 fit, 1 too far ahead, -1 broken. */
static int
check_txn(struct group *g, const struct log_entry *e)
{
	struct txn t;
	struct txn_record rec = { 0 };
	int rc = 0, ahead = 0;

	if (txn_read(&t, e->payload, e->len) == -1)
		return (-1);
	ahead = merge_too_new(g, t.stamp);
	if (t.kind == TXN_WRITE)
		while ((rc = txn_next(&t, &rec)) == 1)
			ahead |= merge_too_new(g, row_newest(&rec.row));
	row_free(&rec.row);
	return (rc == -1 ? -1 : ahead);
}

/* -1: the flow has failed. */
static int
apply_write(struct group *g, struct flow *fl, struct txn *t, const struct log_entry *e)
{
	struct table *table = group_table_named(g, t->database, t->database_len, t->table,
	    t->table_len);
	struct txn_record rec = { 0 };
	struct buf before = { 0 };
	int changed = 0, rc;

	if (table == NULL) {
		count_dropped(replication_of(g)->flows, fl, 1);	/* dropped here: local by definition */
		return (0);
	}
	/* From before it was dropped here: nothing of it would stay, whatever its key. */
	if (stamp_cmp(t->stamp, table->floor) > 0 &&
	    flow_other_key(g, fl, table, t->key, t->key_len))
		return (-1);
	while ((rc = txn_next(t, &rec)) == 1) {
		/* The table may get a new version while its rows bring attributes. */
		table = group_table(g, table->id);
		if (merge_row(g, table, rec.key, rec.klen, &rec.row, table->horizon, &before) == 1)
			changed = 1;
	}
	row_free(&rec.row);
	table = group_table(g, table->id);
	group_audit(g, table, t->stamp, 1, e->payload, e->len, &before);
	buf_free(&before);
	if (changed && group_data(g)->live.republish)
		group_log(g, table, e->payload, e->len);
	return (0);
}

/* -1 when the definition cannot stand beside ours: the flow has failed. */
static int
apply_define(struct group *g, struct flow *fl, struct txn *t, const struct log_entry *e)
{
	size_t n;
	const uint8_t *p = rd_blob(&t->body, &n);
	json_t *def = rd_ok(&t->body) ? json_loadb((const char *)p, n, 0, NULL) : NULL;
	const char *key = json_string_value(json_object_get(def, "primary_key"));
	json_t *attrs = json_object_get(def, "attributes");
	struct table *table = group_table_named(g, t->database, t->database_len, t->table,
	    t->table_len);
	char *db = xstrndup(t->database, t->database_len);
	char *name = xstrndup(t->table, t->table_len);
	const char *why;
	int rc = 0;

	if (key == NULL || key[0] == '\0') {
		flow_set(g, fl, FLOW_FAILED, "a definition cannot be read");
		rc = -1;
	} else if (table == NULL && !json_is_true(json_object_get(def, "part")) &&
	    !group_database_dropped(g, db) && stamp_cmp(group_dropped(g, db, name), t->stamp) < 0) {
		if (group_create_table(g, db, name, key, def, "", &why) == NULL) {
			flow_set(g, fl, FLOW_FAILED, "a definition with a name that cannot be");
			rc = -1;
		}
	} else if (table != NULL && flow_other_key(g, fl, table, key, strlen(key))) {
		rc = -1;
	} else if (table != NULL) {
		if (group_add_attrs(g, table, attrs) && group_data(g)->live.republish)
			group_log(g, table, e->payload, e->len);
	}
	json_decref(def);
	free(db);
	free(name);
	return (rc);
}

/* One entry that chains.  -1: the flow was stopped. */
static int
apply_entry(struct group *g, struct flow *fl, const struct log_entry *e)
{
	struct flows *f = replication_of(g)->flows;
	struct txn t;
	int rc = check_txn(g, e);

	if (rc == 1)
		flow_set(g, fl, FLOW_CLOCK, "it has transactions of times that are ahead of this "
		    "node's clock by more than clustering.maxClockSkew: a clock is wrong, or was when "
		    "they were written. They are applied when it is that time");
	else if (rc == -1)
		flow_set(g, fl, FLOW_FAILED, "a transaction cannot be read");
	if (rc != 0)
		return (-1);
	txn_read(&t, e->payload, e->len);
	group_observe(g, t.stamp.time);
	if (t.kind == TXN_DEFINE)
		rc = apply_define(g, fl, &t, e);
	else if (t.kind == TXN_WRITE)
		rc = apply_write(g, fl, &t, e);
	if (rc == -1)
		return (-1);
	flows_lock(f);
	fl->seq = e->seq;
	fl->mark = e->mark;
	fl->ms = fl->applied_ms = e->ms;
	flows_unlock(f);
	return (0);
}

enum chain { CHAIN_OK, CHAIN_GAP, CHAIN_STOPPED, CHAIN_OTHER };

static enum chain
apply_entries(struct group *g, struct flow *fl, struct rd *r, uint32_t count)
{
	struct log_entry e;

	for (uint32_t i = 0; i < count; i++) {
		if (log_entry_read(r, &e) == -1)
			return (CHAIN_GAP);
		switch (log_step(fl->seq, fl->mark, &e)) {
		case LOG_SEEN:
			continue;
		case LOG_GAP:
			return (CHAIN_GAP);
		case LOG_OTHER:
			return (CHAIN_OTHER);
		case LOG_NEXT:
			if (apply_entry(g, fl, &e) == -1)
				return (CHAIN_STOPPED);
		}
	}
	return (CHAIN_OK);
}

/* The flow of a table that was not known before: subscribed, and newer than one of its name. */
static struct flow *
new_flow(struct group *g, const uint8_t *id, const struct frame *fr, struct rd r)
{
	struct replication *rep = replication_of(g);
	struct peer *p = nodes_by_id(rep->nodes, id);
	const struct entry *entry;
	struct flow *fl = NULL, *old;
	struct log_entry e;
	struct txn t;
	char *db, *name;

	if (p == NULL || log_entry_read(&r, &e) == -1 || txn_read(&t, e.payload, e.len) == -1)
		goto out;
	entry = peer_effective(p, t.database, t.database_len, t.table, t.table_len);
	if (entry == NULL || !entry->subscribe)
		goto out;
	old = flows_find_named(rep->flows, id, t.database, t.database_len, t.table, t.table_len);
	if (old != NULL && old->state != FLOW_RECOVER) {
		if (old->table > fr->table && old->incarnation >= fr->incarnation)
			goto out;	/* late: of a table that was dropped there */
		flows_remove(g, old);
	}
	db = xstrndup(t.database, t.database_len);
	name = xstrndup(t.table, t.table_len);
	fl = flows_add(g, id, fr->table, db, name);
	flows_lock(rep->flows);
	fl->incarnation = fr->incarnation;
	flows_unlock(rep->flows);
	if (e.prev == 0)
		flow_set(g, fl, FLOW_LIVE, NULL);
	else
		flow_copy_anew(g, fl, 0);
	free(db);
	free(name);
out:
	peer_free(p);
	return (fl);
}

static void
frame_into(struct group *g, struct flow *fl, const struct frame *fr, struct rd *r)
{
	int fetching = fl->state == FLOW_FETCH || fl->state == FLOW_CLOCK;
	enum chain c;

	if (fl->state == FLOW_FAILED || fl->state == FLOW_RECOVER ||
	    fr->incarnation < fl->incarnation || (fetching && fl->from_ms != 0) ||
	    (fl->state == FLOW_COPY && fl->chunks == 0) || commit_disk_full(group_data(g)->commit)) {
		count_dropped(replication_of(g)->flows, fl, fr->count);
		if (fl->state == FLOW_LIVE)
			flow_set(g, fl, FLOW_FETCH, NULL);
		return;
	}
	if (fr->incarnation > fl->incarnation) {
		flow_copy_anew(g, fl, 0);
		return;
	}
	if (fr->last < fl->seq)
		return;
	c = apply_entries(g, fl, r, fr->count);
	if ((c == CHAIN_GAP || c == CHAIN_OTHER) && fl->state == FLOW_LIVE)
		/* In another life's log the peer does not find what we have: it must know that. */
		flow_set(g, fl, FLOW_FETCH, c == CHAIN_GAP ? "a gap" : OTHER_LOG);
	else if (c == CHAIN_OK && fetching)
		flow_set(g, fl, FLOW_LIVE, NULL);
	flow_save(g, fl);
}

/* It heals by itself: the next frame of its table shows the gap. */
static void
log_broken(struct replication *rep, const struct apply *a)
{
	static struct log_brake brake = { .most = 10 };
	char *peer = nodes_shown(rep->nodes, a->peer);

	log_braked(&brake, LOG_WARN, "frame at %llu of the stream of node %s cannot be read: dropped",
	    (unsigned long long)a->stream_seq, peer);
	free(peer);
}

static void
frame_run(struct group *g, struct job *j)
{
	struct apply *a = (struct apply *)j;
	struct replication *rep = replication_of(g);
	struct rd r = rd_init(a->bytes.data, a->bytes.len);
	struct flow *fl;
	struct frame fr;

	if (!frame_valid(a->bytes.data, a->bytes.len) || frame_read(&r, &fr) == -1)
		log_broken(rep, a);
	else if (memcmp(fr.node, a->peer, NODE_ID_LEN) == 0) {	/* else: who had its name before */
		fl = flows_find(rep->flows, a->peer, fr.table);
		if (fl == NULL)
			fl = new_flow(g, a->peer, &fr, r);
		if (fl != NULL)
			frame_into(g, fl, &fr, &r);
	}
	flows_set_stream_seq(g, a->peer, a->stream_seq);
}

/* Entries that were asked for. */
static void
take_log(struct group *g, struct flow *fl, struct answer *an)
{
	struct flows *f = replication_of(g)->flows;
	struct log_entry e;
	struct rd peek = an->items;
	enum chain c;

	if (fl->state != FLOW_FETCH && fl->state != FLOW_CLOCK && fl->state != FLOW_FAILED)
		return;
	if (an->incarnation != fl->incarnation && fl->incarnation != 0) {
		flow_copy_anew(g, fl, 0);
		return;
	}
	if (fl->from_ms != 0 && (an->count > 0 || an->done)) {
		/* The first entry from the start time, or the head when there is none. */
		int some = an->count > 0 && log_entry_read(&peek, &e) == 0;

		flows_lock(f);
		fl->seq = some ? e.prev : an->head.seq;
		fl->mark = some ? e.prev_mark : an->head.mark;
		fl->ms = 0;
		fl->from_ms = 0;
		flows_unlock(f);
	}
	flows_lock(f);
	fl->incarnation = an->incarnation;
	flows_unlock(f);
	c = apply_entries(g, fl, &an->items, an->count);
	if (c == CHAIN_STOPPED) {
		flow_save(g, fl);
		return;
	}
	if (c != CHAIN_OK || (an->done && fl->from_ms == 0 && fl->seq < an->head.seq)) {
		flow_copy_anew(g, fl, 0);
		return;
	}
	if (an->done)
		flow_set(g, fl, FLOW_LIVE, NULL);
	else
		flow_save(g, fl);
	flows_lock(f);
	fl->fetched = an->upto;
	flows_unlock(f);
}

/* A copy that recovered own writes is whole. */
static void
recovered(struct group *g, struct flow *fl)
{
	struct replication *rep = replication_of(g);

	flows_lock(rep->flows);
	fl->recovering = 0;
	flows_unlock(rep->flows);
	/* Others may have copied from here meanwhile: they must look again. */
	if (!cluster_recovering(rep->cluster))
		rep->data->log.incarnation++;
}

static void
log_copied(struct replication *rep, const struct flow *fl)
{
	static struct log_brake brake = { .most = 1000 };
	char *peer = nodes_shown(rep->nodes, fl->peer);

	log_braked(&brake, LOG_INFO, "copy of %s.%s from node %s is whole: %llu rows seen", fl->database, fl->name, peer,
	    (unsigned long long)fl->copied);
	free(peer);
}

static void
take_rows(struct group *g, struct flow *fl, struct answer *an)
{
	struct flows *f = replication_of(g)->flows;
	struct table *t = group_table_named(g, fl->database, strlen(fl->database), fl->name,
	    strlen(fl->name));
	struct merge_how how = { .from_ms = fl->from_ms, .own = fl->state == FLOW_RECOVER };
	struct merged copied = { 0 };
	int rc;

	if (fl->state != FLOW_COPY && fl->state != FLOW_RECOVER)
		return;
	if (fl->chunks > 0 && an->incarnation != fl->incarnation) {
		flow_copy_anew(g, fl, 0);
		return;
	}
	if (fl->chunks == 0) {
		flows_lock(f);
		fl->incarnation = an->incarnation;
		fl->seq = an->head.seq;
		fl->mark = an->head.mark;
		fl->ms = an->head.ms;
		flows_unlock(f);
	}
	rc = t == NULL ? 0 : merge_rows(g, t, &an->items, an->count, &how, &copied);
	if (rc == 1) {
		/* The same chunk again, until time has caught up. */
		flow_set(g, fl, fl->state, "the peer has rows of times that are ahead of this "
		    "node's clock by more than clustering.maxClockSkew: a clock is wrong, or was when "
		    "they were written");
		flows_lock(f);
		fl->ahead = 1;
		flows_unlock(f);
		ask_later(f, fl);
		return;
	}
	if (rc == -1) {
		flow_set(g, fl, FLOW_FAILED, "a copied row cannot be read");
		return;
	}
	if (fl->ahead)
		flow_set(g, fl, fl->state, NULL);
	flows_lock(f);
	fl->copied += copied.seen;
	fl->chunks++;
	flows_unlock(f);
	flow_set_key(g, fl, an->next_key, an->next_len);
	if (!an->done && t != NULL) {
		flow_save(g, fl);
		return;
	}
	log_copied(replication_of(g), fl);
	flow_set_key(g, fl, NULL, 0);
	flows_lock(f);
	fl->from_ms = 0;
	flows_unlock(f);
	if (fl->recovering)
		recovered(g, fl);
	if (fl->state == FLOW_RECOVER)
		flows_remove(g, fl);
	else
		flow_set(g, fl, FLOW_FETCH, NULL);
}

static void
refused(struct group *g, struct flow *fl, uint16_t status)
{
	if (status == 410)
		flow_copy_anew(g, fl, 0);
	else if (status == 404 && fl->state == FLOW_RECOVER)
		flows_remove(g, fl);
	else if (status == 404)
		flow_set(g, fl, FLOW_FAILED, "the table does not exist on the peer");
	else if (status == 409) {
		flow_set(g, fl, fl->state, OTHER_LOG);
		ask_later(replication_of(g)->flows, fl);
	}
	else if (status == 403) {
		/* It may not have the entry yet; if it ended it, comparing entries ends the flow. */
		flow_set(g, fl, fl->state, "the peer has no subscription for it");
		ask_later(replication_of(g)->flows, fl);
	}
}

/* What was answered is of a table with another primary key. */
static int
of_other_key(struct group *g, struct flow *fl, const struct answer *an)
{
	struct table *t = group_table_named(g, fl->database, strlen(fl->database), fl->name,
	    strlen(fl->name));

	if (t == NULL)
		return (0);
	if (fl->state != FLOW_RECOVER)
		return (flow_other_key(g, fl, t, an->primary, an->primary_len));
	if (strlen(t->primary_key) == an->primary_len &&
	    memcmp(t->primary_key, an->primary, an->primary_len) == 0)
		return (0);
	flows_remove(g, fl);	/* own writes are of the table as it is here: none can be there */
	return (1);
}

static void
answer_run(struct group *g, struct job *j)
{
	struct apply *a = (struct apply *)j;
	struct replication *rep = replication_of(g);
	struct flow *fl = flows_find(rep->flows, a->peer, a->table);
	struct answer an = { 0 };

	if (fl == NULL)
		return;
	flows_lock(rep->flows);
	fl->pulling = 0;
	fl->retry_us = 0;	/* flow_set may set it */
	flows_unlock(rep->flows);
	if (!a->answered || commit_disk_full(rep->data->commit) ||
	    answer_read(&an, a->kind, a->bytes.data, a->bytes.len) == -1 ||
	    an.status == 503 || an.status == 500) {
		ask_later(rep->flows, fl);
		return;
	}
	if (an.status != 200)
		refused(g, fl, an.status);
	else if (of_other_key(g, fl, &an))
		return;
	else if (a->kind == PULL_LOG)
		take_log(g, fl, &an);
	else
		take_rows(g, fl, &an);
}
