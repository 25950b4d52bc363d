#include "config.h"

#include "opsd/cluster/merge.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/logbrake.h"
#include "opsd/auth/peerrow.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/replication.h"
#include "opsd/store/group.h"
#include "opsd/store/key.h"
#include "opsd/store/sysrow.h"

/* Components that this node decided to forget locally do not come back. */
static void
forget_merged(struct row *r, const struct table *t)
{
	uint32_t n = 0;

	row_floor(r, t->floor);
	for (uint32_t i = 0; i < r->n; i++) {
		const struct attribute *a = table_attr(t, r->attrs[i].name, r->attrs[i].nlen);

		if (a == NULL || stamp_cmp(r->attrs[i].stamp, a->dropped) > 0)
			r->attrs[n++] = r->attrs[i];
	}
	r->n = n;
}

/* Of a row that was removed here alone, for its age, and has not been made again. */
static int
is_forgotten(const struct table *t, const struct row *here, const struct row *with)
{
	struct stamp made = row_created(with);

	if (stamp_none(t->forgotten) || row_visible(here))
		return (0);
	return (stamp_cmp(stamp_none(made) ? row_newest(with) : made, t->forgotten) < 0);
}

int
merge_row(struct group *g, struct table *t, const uint8_t *key, size_t klen, struct row *with,
    struct stamp floor, struct buf *before)
{
	struct group_row *gr = group_row(g, t, key, klen);
	struct row row = { 0 };
	int changed;

	if (gr == NULL || row_load(&row, gr->now.data, gr->now.len) == -1) {
		row_free(&row);
		group_broken(g);
		return (-1);
	}
	group_observe(g, row_newest(with).time);
	if (is_forgotten(t, &row, with)) {
		row_free(&row);
		return (0);
	}
	row_floor(with, floor);
	forget_merged(with, t);
	if (before != NULL) {
		buf_strn(before, key, klen);
		buf_blob(before, gr->now.data, gr->now.len);
	}
	changed = row_merge(&row, with);
	if (changed) {
		group_row_set(g, gr, &row);
		group_see_attrs(g, t, with);
		if (t->id == SYS_USER && !row_visible(&row))
			sysrow_forget_own(g, t->id, key, klen);
	}
	row_free(&row);
	return (changed);
}

int
merge_refuses(struct group *g, const struct table *t, const uint8_t *peer, const uint8_t *key,
    size_t klen, const struct row *row)
{
	static struct log_brake brake = { .most = 10 };
	char *why = t->id < TABLE_USER_FIRST ? peerrow_fault(t->id, key, klen, row) : NULL;
	char *name;

	if (why == NULL)
		return (0);
	name = nodes_shown(replication_of(g)->nodes, peer);
	log_braked(&brake, LOG_WARN, "a row of %s.%s that node %s brings is refused: %s",
	    t->database, t->name, name, why);
	free(name);
	free(why);
	return (1);
}

int
merge_too_new(struct group *g, struct stamp s)
{
	return (stamp_ms(s) > group_wall_ms(g) + group_data(g)->live.max_skew_ms);
}

struct copied {
	const uint8_t *key, *state;
	size_t klen, len;
};

/* The next row of an answer: 0, or as merge_rows. */
static int
read_copied(struct group *g, struct rd *items, struct copied *c, struct row *row)
{
	c->key = (const uint8_t *)rd_strn(items, &c->klen);
	c->state = rd_blob(items, &c->len);
	if (!rd_ok(items) || c->klen == 0 || key_len(c->key, c->klen) != c->klen ||
	    row_decode(row, c->state, c->len) == -1)
		return (-1);
	return (merge_too_new(g, row_newest(row)));
}

/*
 * What others are to get of a row that changed here: a relay gives all of it; else own writes
 * that came back, since others may lack them and no log has them.  1 when there is something.
 */
static int
goes_on(struct group *g, const struct buf *before, struct row *row)
{
	struct rd r = rd_init(before->data, before->len);
	struct row was = { 0 };
	const uint8_t *state;
	size_t n;
	int news;

	if (group_data(g)->live.republish)
		return (1);
	rd_strn(&r, &n);
	state = rd_blob(&r, &n);
	row_only_node(row, group_node(g));
	news = row_load(&was, state, n) == 0 && row_merge(&was, row);
	row_free(&was);
	return (news);
}

static void
add_record(struct group *g, const struct copied *c, const struct row *row, struct buf *payload)
{
	struct buf own = { 0 };

	buf_u8(payload, REC_STATE);
	buf_strn(payload, c->key, c->klen);
	if (group_data(g)->live.republish)
		buf_blob(payload, c->state, c->len);
	else {
		row_encode(row, &own);
		buf_blob(payload, own.data, own.len);
	}
	buf_free(&own);
}

/* As one transaction. */
static void
relay_row(struct group *g, struct table *t, struct buf *payload, size_t at, struct stamp newest,
    uint32_t records)
{
	if (records == 0)
		return;
	txn_set_stamp(payload, at, newest.time);
	txn_set_count(payload, at, records);
	group_log(g, group_table(g, t->id), payload->data, payload->len);
}

int
merge_rows(struct group *g, struct table *t, struct rd *items, uint32_t count,
    const struct merge_how *how, struct merged *sum)
{
	const struct stamp none = { 0, 0 };
	struct stamp newest = none;
	struct buf payload = { 0 }, before = { 0 };
	struct row row = { 0 };
	size_t at = txn_begin(&payload, TXN_WRITE, TXN_UPSERT, group_data(g)->node_id, "",
	    t->database, t->name, t->primary_key);
	struct copied c;
	uint32_t records = 0;
	int rc = 0;

	for (uint32_t i = 0; i < count && (rc = read_copied(g, items, &c, &row)) == 0; i++) {
		sum->seen++;
		if (how->own)
			row_only_node(&row, group_node(g));
		if (row_newest(&row).time < how->from_ms << 16)
			continue;
		t = group_table(g, t->id);
		if (merge_refuses(g, t, how->peer, c.key, c.klen, &row))
			continue;
		buf_clear(&before);
		if (merge_row(g, t, c.key, c.klen, &row, none, &before) != 1)
			continue;
		sum->changed++;
		if (!goes_on(g, &before, &row))
			continue;
		newest = stamp_max(newest, row_newest(&row));
		add_record(g, &c, &row, &payload);
		records++;
	}
	relay_row(g, t, &payload, at, newest, records);
	buf_free(&before);
	row_free(&row);
	buf_free(&payload);
	return (rc);
}
