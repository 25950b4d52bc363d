#include "config.h"

#include "opsd/cluster/apply.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/logbrake.h"
#include "common/base/mem.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/cursors.h"
#include "opsd/cluster/merge.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/replication.h"
#include "opsd/store/group_priv.h"
#include "opsd/store/key.h"

#define RETRY_US	1000000
#define OTHER_LOG	"the peer was put back from an older copy: its log begins anew"

static void frame_run(struct group *g, struct commit_job *j);
static void answer_run(struct group *g, struct commit_job *j);

/* Cursors are the commit thread's, which alone writes them; others copy them with the lock held. */

static void
ask_later(struct cursors *f, struct cursor *cur)
{
	cursors_lock(f);
	cur->retry_us = mono_us() + RETRY_US;
	cursors_unlock(f);
}

static void
count_dropped(struct cursors *f, struct cursor *cur, uint64_t n)
{
	cursors_lock(f);
	cur->dropped += n;
	cursors_unlock(f);
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
apply_answer_new(const uint8_t *peer, uint32_t table, enum catchup_kind kind, const void *p, size_t n)
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

/* -1: the cursor has failed. */
static int
apply_write(struct group *g, struct cursor *cur, struct txn *t, const struct log_entry *e)
{
	struct table *table = group_table_named(g, t->database, t->database_len, t->table,
	    t->table_len);
	struct txn_record rec = { 0 };
	struct buf before = { 0 };
	int changed = 0, rc;

	if (table == NULL) {
		/* dropped here: local by definition */
		count_dropped(replication_of(g)->cursors, cur, 1);
		return (0);
	}
	/* From before it was dropped here: nothing of it would stay, whatever its key. */
	if (stamp_cmp(t->stamp, table->floor) > 0 &&
	    cursor_other_key(g, cur, table, t->key, t->key_len))
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

/* -1 when the definition cannot stand beside ours: the cursor has failed. */
static int
apply_define(struct group *g, struct cursor *cur, struct txn *t, const struct log_entry *e)
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
		cursor_set(g, cur, CURSOR_FAILED, "a definition cannot be read");
		rc = -1;
	} else if (table == NULL && !json_is_true(json_object_get(def, "part")) &&
	    !group_database_dropped(g, db) && stamp_cmp(group_dropped(g, db, name), t->stamp) < 0) {
		if (group_create_table(g, db, name, key, def, "", &why) == NULL) {
			cursor_set(g, cur, CURSOR_FAILED, "a definition with a name that cannot be");
			rc = -1;
		}
	} else if (table != NULL && cursor_other_key(g, cur, table, key, strlen(key))) {
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

/* One entry that chains.  -1: the cursor was stopped. */
static int
apply_entry(struct group *g, struct cursor *cur, const struct log_entry *e)
{
	struct cursors *f = replication_of(g)->cursors;
	struct txn t;
	int rc = check_txn(g, e);

	if (rc == 1)
		cursor_set(g, cur, CURSOR_CLOCK, "it has transactions of times that are ahead of this "
		    "node's clock by more than clustering.maxClockSkew: a clock is wrong, or was when "
		    "they were written. They are applied when it is that time");
	else if (rc == -1)
		cursor_set(g, cur, CURSOR_FAILED, "a transaction cannot be read");
	if (rc != 0)
		return (-1);
	txn_read(&t, e->payload, e->len);
	group_observe(g, t.stamp.time);
	if (t.kind == TXN_DEFINE)
		rc = apply_define(g, cur, &t, e);
	else if (t.kind == TXN_WRITE)
		rc = apply_write(g, cur, &t, e);
	if (rc == -1)
		return (-1);
	cursors_lock(f);
	cur->seq = e->seq;
	cur->mark = e->mark;
	cur->ms = cur->applied_ms = e->ms;
	cursors_unlock(f);
	return (0);
}

enum chain { CHAIN_OK, CHAIN_GAP, CHAIN_STOPPED, CHAIN_OTHER };

static enum chain
apply_entries(struct group *g, struct cursor *cur, struct rd *r, uint32_t count)
{
	struct log_entry e;

	for (uint32_t i = 0; i < count; i++) {
		if (log_entry_read(r, &e) == -1)
			return (CHAIN_GAP);
		switch (log_step(cur->seq, cur->mark, &e)) {
		case LOG_SEEN:
			continue;
		case LOG_GAP:
			return (CHAIN_GAP);
		case LOG_OTHER:
			return (CHAIN_OTHER);
		case LOG_NEXT:
			if (apply_entry(g, cur, &e) == -1)
				return (CHAIN_STOPPED);
		}
	}
	return (CHAIN_OK);
}

/* The cursor of a table that was not known before: subscribed, and newer than one of its name. */
static struct cursor *
new_cursor(struct group *g, const uint8_t *id, const struct frame *fr, struct rd r)
{
	struct replication *rep = replication_of(g);
	struct peer *p = nodes_by_id(rep->nodes, id);
	const struct subscription *entry;
	struct cursor *cur = NULL, *old;
	struct log_entry e;
	struct txn t;
	char *db, *name;

	if (p == NULL || log_entry_read(&r, &e) == -1 || txn_read(&t, e.payload, e.len) == -1)
		goto out;
	entry = subscriptions_effective(&p->subs, t.database, t.database_len, t.table, t.table_len);
	if (entry == NULL || !entry->subscribe)
		goto out;
	old = cursors_find_named(rep->cursors, id, t.database, t.database_len, t.table, t.table_len);
	if (old != NULL && old->state != CURSOR_RECOVER) {
		if (old->table > fr->table && old->incarnation >= fr->incarnation)
			goto out;	/* late: of a table that was dropped there */
		cursors_remove(g, old);
	}
	db = xstrndup(t.database, t.database_len);
	name = xstrndup(t.table, t.table_len);
	cur = cursors_add(g, id, fr->table, db, name);
	cursors_lock(rep->cursors);
	cur->incarnation = fr->incarnation;
	cursors_unlock(rep->cursors);
	if (e.prev == 0)
		cursor_set(g, cur, CURSOR_LIVE, NULL);
	else
		cursor_copy_anew(g, cur, 0);
	free(db);
	free(name);
out:
	peer_free(p);
	return (cur);
}

static void
frame_into(struct group *g, struct cursor *cur, const struct frame *fr, struct rd *r)
{
	int fetching = cur->state == CURSOR_FETCH || cur->state == CURSOR_CLOCK;
	enum chain c;

	if (cur->state == CURSOR_FAILED || cur->state == CURSOR_RECOVER ||
	    fr->incarnation < cur->incarnation || (fetching && cur->from_ms != 0) ||
	    (cur->state == CURSOR_COPY && cur->chunks == 0) || commit_disk_full(group_data(g)->commit)) {
		count_dropped(replication_of(g)->cursors, cur, fr->count);
		if (cur->state == CURSOR_LIVE)
			cursor_set(g, cur, CURSOR_FETCH, NULL);
		return;
	}
	if (fr->incarnation > cur->incarnation) {
		cursor_copy_anew(g, cur, 0);
		return;
	}
	if (fr->last < cur->seq)
		return;
	c = apply_entries(g, cur, r, fr->count);
	if ((c == CHAIN_GAP || c == CHAIN_OTHER) && cur->state == CURSOR_LIVE)
		/* In another life's log the peer does not find what we have: it must know that. */
		cursor_set(g, cur, CURSOR_FETCH, c == CHAIN_GAP ? "a gap" : OTHER_LOG);
	else if (c == CHAIN_OK && fetching)
		cursor_set(g, cur, CURSOR_LIVE, NULL);
	cursor_save(g, cur);
}

static void
drop_frame(struct replication *rep, const struct apply *a)
{
	char *which = xasprintf("%llu in its stream", (unsigned long long)a->stream_seq);

	broken_note(rep, BROKEN_FRAME, a->peer, which, a->bytes.data, a->bytes.len);
	free(which);
}

static void
frame_run(struct group *g, struct commit_job *j)
{
	struct apply *a = (struct apply *)j;
	struct replication *rep = replication_of(g);
	struct rd r = rd_init(a->bytes.data, a->bytes.len);
	struct cursor *cur;
	struct frame fr;

	if (frame_open(&r, &fr) == -1)
		drop_frame(rep, a);
	else if (memcmp(fr.node, a->peer, NODE_ID_LEN) == 0) {	/* else: who had its name before */
		cur = cursors_find(rep->cursors, a->peer, fr.table);
		if (cur == NULL)
			cur = new_cursor(g, a->peer, &fr, r);
		if (cur != NULL)
			frame_into(g, cur, &fr, &r);
	}
	cursors_set_stream_seq(g, a->peer, a->stream_seq);
}

/* Entries that were asked for. */
static void
take_log(struct group *g, struct cursor *cur, struct catchup_answer *an)
{
	struct cursors *f = replication_of(g)->cursors;
	struct log_entry e;
	struct rd peek = an->items;
	enum chain c;

	if (cur->state != CURSOR_FETCH && cur->state != CURSOR_CLOCK && cur->state != CURSOR_FAILED)
		return;
	if (an->incarnation != cur->incarnation && cur->incarnation != 0) {
		cursor_copy_anew(g, cur, 0);
		return;
	}
	if (cur->from_ms != 0 && (an->count > 0 || an->done)) {
		/* The first entry from the start time, or the head when there is none. */
		int some = an->count > 0 && log_entry_read(&peek, &e) == 0;

		cursors_lock(f);
		cur->seq = some ? e.prev : an->head.seq;
		cur->mark = some ? e.prev_mark : an->head.mark;
		cur->ms = 0;
		cur->from_ms = 0;
		cursors_unlock(f);
	}
	cursors_lock(f);
	cur->incarnation = an->incarnation;
	cursors_unlock(f);
	c = apply_entries(g, cur, &an->items, an->count);
	if (c == CHAIN_STOPPED) {
		cursor_save(g, cur);
		return;
	}
	if (c != CHAIN_OK || (an->done && cur->from_ms == 0 && cur->seq < an->head.seq)) {
		cursor_copy_anew(g, cur, 0);
		return;
	}
	if (an->done)
		cursor_set(g, cur, CURSOR_LIVE, NULL);
	else
		cursor_save(g, cur);
	cursors_lock(f);
	cur->fetched = an->upto;
	cursors_unlock(f);
}

/* The peer has no more own writes for us: the copy is whole, or there is none. */
static void
recovered(struct group *g, struct cursor *cur)
{
	struct replication *rep = replication_of(g);

	cursors_lock(rep->cursors);
	cur->recovering = 0;
	cursors_unlock(rep->cursors);
	/* Others may have copied from here meanwhile: they must look again. */
	if (!cluster_recovering(rep->cluster))
		rep->data->log.incarnation++;
}

static void
log_copied(struct replication *rep, const struct cursor *cur)
{
	static struct log_brake brake = { .most = 1000 };
	char *peer = nodes_shown(rep->nodes, cur->peer);

	log_braked(&brake, LOG_INFO, "copy of %s.%s from node %s is whole: %llu rows seen", cur->database, cur->name, peer,
	    (unsigned long long)cur->copied);
	free(peer);
}

static void
take_rows(struct group *g, struct cursor *cur, struct catchup_answer *an)
{
	struct cursors *f = replication_of(g)->cursors;
	struct table *t = group_table_named(g, cur->database, strlen(cur->database), cur->name,
	    strlen(cur->name));
	struct merge_how how = { .from_ms = cur->from_ms, .own = cur->state == CURSOR_RECOVER };
	struct merged copied = { 0 };
	int rc;

	if (cur->state != CURSOR_COPY && cur->state != CURSOR_RECOVER)
		return;
	if (cur->chunks > 0 && an->incarnation != cur->incarnation) {
		cursor_copy_anew(g, cur, 0);
		return;
	}
	if (cur->chunks == 0) {
		cursors_lock(f);
		cur->incarnation = an->incarnation;
		cur->seq = an->head.seq;
		cur->mark = an->head.mark;
		cur->ms = an->head.ms;
		cursors_unlock(f);
	}
	rc = t == NULL ? 0 : merge_rows(g, t, &an->items, an->count, &how, &copied);
	if (rc == 1) {
		/* The same chunk again, until time has caught up. */
		cursor_set(g, cur, cur->state, "the peer has rows of times that are ahead of this "
		    "node's clock by more than clustering.maxClockSkew: a clock is wrong, or was when "
		    "they were written");
		cursors_lock(f);
		cur->ahead = 1;
		cursors_unlock(f);
		ask_later(f, cur);
		return;
	}
	if (rc == -1) {
		cursor_set(g, cur, CURSOR_FAILED, "a copied row cannot be read");
		return;
	}
	if (cur->ahead)
		cursor_set(g, cur, cur->state, NULL);
	cursors_lock(f);
	cur->copied += copied.seen;
	cur->chunks++;
	cursors_unlock(f);
	cursor_set_key(g, cur, an->next_key, an->next_len);
	if (!an->done && t != NULL) {
		cursor_save(g, cur);
		return;
	}
	log_copied(replication_of(g), cur);
	cursor_set_key(g, cur, NULL, 0);
	cursors_lock(f);
	cur->from_ms = 0;
	cursors_unlock(f);
	if (cur->recovering)
		recovered(g, cur);
	if (cur->state == CURSOR_RECOVER)
		cursors_remove(g, cur);
	else
		cursor_set(g, cur, CURSOR_FETCH, NULL);
}

static void
refused(struct group *g, struct cursor *cur, uint16_t status)
{
	if (status == 404 && cur->recovering)
		recovered(g, cur);
	if (status == 410)
		cursor_copy_anew(g, cur, 0);
	else if (status == 404 && cur->state == CURSOR_RECOVER)
		cursors_remove(g, cur);
	else if (status == 404)
		cursor_set(g, cur, CURSOR_FAILED, "the table does not exist on the peer");
	else if (status == 409) {
		cursor_set(g, cur, cur->state, OTHER_LOG);
		ask_later(replication_of(g)->cursors, cur);
	}
	else if (status == 403) {
		/* It may not have the entry yet; if it ended it, comparing entries ends the cursor. */
		cursor_set(g, cur, cur->state, "the peer has no subscription for it");
		ask_later(replication_of(g)->cursors, cur);
	}
}

/* What was answered is of a table with another primary key. */
static int
of_other_key(struct group *g, struct cursor *cur, const struct catchup_answer *an)
{
	struct table *t = group_table_named(g, cur->database, strlen(cur->database), cur->name,
	    strlen(cur->name));

	if (t == NULL || (strlen(t->primary_key) == an->primary_len &&
	    memcmp(t->primary_key, an->primary, an->primary_len) == 0))
		return (0);
	/* Own writes are of the table as it is here: none can be there. */
	if (cur->recovering)
		recovered(g, cur);
	if (cur->state == CURSOR_RECOVER)
		cursors_remove(g, cur);
	else
		cursor_other_key(g, cur, t, an->primary, an->primary_len);
	return (1);
}

/* -1: there is none that can be used. */
static int
open_answer(struct replication *rep, const struct apply *a, const struct cursor *cur,
    struct catchup_answer *an)
{
	char *which;
	int broken;

	if (!a->answered)
		return (-1);
	broken = catchup_answer_read(an, a->kind, a->bytes.data, a->bytes.len) == -1;
	cluster_pulled(rep->cluster, a->peer, broken);
	if (!broken)
		return (0);
	which = xasprintf("%s of table '%s.%s'", a->kind == CATCHUP_LOG ? "transactions" : "rows",
	    cur->database, cur->name);
	broken_note(rep, BROKEN_ANSWER, a->peer, which, a->bytes.data, a->bytes.len);
	free(which);
	return (-1);
}

static void
answer_run(struct group *g, struct commit_job *j)
{
	struct apply *a = (struct apply *)j;
	struct replication *rep = replication_of(g);
	struct cursor *cur = cursors_find(rep->cursors, a->peer, a->table);
	struct catchup_answer an = { 0 };

	if (cur == NULL)
		return;
	cursors_lock(rep->cursors);
	cur->pulling = 0;
	cur->retry_us = 0;	/* cursor_set may set it */
	cursors_unlock(rep->cursors);
	if (commit_disk_full(rep->data->commit) || open_answer(rep, a, cur, &an) == -1 ||
	    an.status == 503 || an.status == 500 || an.status == 400) {
		ask_later(rep->cursors, cur);
		return;
	}
	if (an.status != 200)
		refused(g, cur, an.status);
	else if (of_other_key(g, cur, &an))
		return;
	else if (a->kind == CATCHUP_LOG)
		take_log(g, cur, &an);
	else
		take_rows(g, cur, &an);
}
