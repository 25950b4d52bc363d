#include "config.h"

#include "opsd/cluster/apply_priv.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/mem.h"
#include "common/conf/settings.h"
#include "opsd/cluster/merge.h"
#include "opsd/cluster/nodes.h"
#include "opsd/cluster/replication.h"
#include "opsd/cluster/take.h"
#include "opsd/store/group_priv.h"

/* Entries of peers' logs, on their way into the rows. */

struct entries_in {
	struct group *g;
	const struct apply *a;
	struct cursor *cur;
	uint32_t applied;
};

void
apply_free(struct apply *a)
{
	if (a == NULL)
		return;
	buf_free(&a->bytes);
	free(a->job.error);
	free(a);
}

/* -1: the rest of the entries does not come in now. */
static int
stop_at(struct entries_in *s, struct cursor_event e)
{
	e.count = s->applied;
	cursors_on(s->g, s->cur, &e);
	return (-1);
}

static int
stop_unfit(struct entries_in *s, const char *why)
{
	return (stop_at(s, (struct cursor_event){ .kind = ON_UNFIT, .why = why }));
}

int
apply_other_key(const struct table *t, const char *key, size_t n, struct cursor_event *e)
{
	if (strlen(t->primary_key) == n && memcmp(t->primary_key, key, n) == 0)
		return (0);
	e->kind = ON_OTHER_KEY;
	e->key = key;
	e->key_len = n;
	e->own_key = t->primary_key;
	return (1);
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

static int
apply_write(struct entries_in *s, struct txn *t, const struct log_entry *e)
{
	struct group *g = s->g;
	struct table *table = group_table_named(g, t->database, t->database_len, t->table,
	    t->table_len);
	struct txn_record rec = { 0 };
	struct cursor_event other = { 0 };
	struct buf before = { 0 };
	int changed = 0, rc;

	if (table == NULL)
		return (0); /* dropped here: local by definition */
	/* From before it was dropped here: nothing of it would stay, whatever its key. */
	if (stamp_cmp(t->stamp, table->floor) > 0 &&
	    apply_other_key(table, t->key, t->key_len, &other))
		return (stop_at(s, other));
	while ((rc = txn_next(t, &rec)) == 1) {
		/* The table may get a new version while its rows bring attributes. */
		table = group_table(g, table->id);
		if (merge_refuses(g, table, s->a->peer, rec.key, rec.klen, &rec.row))
			continue;
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

/* A table that there is none of here, unless it is one that was dropped here. */
static int
make_peers_table(struct entries_in *s, const struct txn *t, const char *key, const json_t *def)
{
	char *db = xstrndup(t->database, t->database_len);
	char *name = xstrndup(t->table, t->table_len);
	const char *why;
	int rc = 0;

	if (!json_is_true(json_object_get(def, "part")) && !group_database_dropped(s->g, db) &&
	    stamp_cmp(group_dropped(s->g, db, name), t->stamp) < 0 &&
	    take_has_room(s->g, db, name) &&
	    group_create_table(s->g, db, name, key, def, "", &why) == NULL)
		rc = stop_unfit(s, "a definition with a name that cannot be");
	free(db);
	free(name);
	return (rc);
}

/* 1 when something was new.  What a SQLite file here has counts more than what one there has. */
static int
merge_definition(struct group *g, struct table *table, const json_t *def, struct stamp then)
{
	int news = group_add_attrs(g, table, json_object_get(def, "attributes"), then);

	if (table->stat->file == 0)
		news |= group_set_sqlite(g, group_table(g, table->id),
		    json_object_get(def, "sqlite"));
	return (news);
}

/* -1 when the definition cannot stand beside ours. */
static int
apply_define(struct entries_in *s, struct txn *t, const struct log_entry *e)
{
	size_t n;
	const uint8_t *p = rd_blob(&t->body, &n);
	json_t *def = rd_ok(&t->body) ? json_loadb((const char *)p, n, 0, NULL) : NULL;
	const char *key = json_string_value(json_object_get(def, "primary_key"));
	struct table *table = group_table_named(s->g, t->database, t->database_len, t->table,
	    t->table_len);
	struct cursor_event other = { 0 };
	int rc = 0;

	if (key == NULL || key[0] == '\0')
		rc = stop_unfit(s, "a definition cannot be read");
	else if (table == NULL)
		rc = make_peers_table(s, t, key, def);
	else if (table->id < TABLE_USER_FIRST)
		; /* is as each node has it */
	else if (apply_other_key(table, key, strlen(key), &other))
		rc = stop_at(s, other);
	else if (merge_definition(s->g, table, def, t->stamp) && group_data(s->g)->live.republish)
		group_log(s->g, group_table(s->g, table->id), e->payload, e->len);
	json_decref(def);
	return (rc);
}

/* ---- whose it is ---- */

static int
is_of_table(const struct txn *t, const struct cursor_view *v)
{
	return (strlen(v->name) == t->table_len && memcmp(v->name, t->table, t->table_len) == 0 &&
	    strlen(v->database) == t->database_len &&
	    memcmp(v->database, t->database, t->database_len) == 0);
}

/* Whether the peer may bring what others wrote: replication.relays. */
static int
is_relay(struct replication *rep, const uint8_t *id)
{
	struct peer *p = nodes_by_id(rep->nodes, id);
	struct conf *conf = data_conf(rep->data);
	const json_t *list = conf_list(conf, REP_RELAYS), *name;
	int yes = 0;
	size_t i;

	json_array_foreach(list, i, name)
		yes |= strcmp(json_string_value(name), "*") == 0 ||
		    (p != NULL && p->hostname != NULL &&
			strcasecmp(json_string_value(name), p->hostname) == 0);
	conf_free(conf);
	peer_free(p);
	return (yes);
}

/* Why the transaction is not the peer's to bring; NULL: it is.  Caller frees. */
static char *
foreign_fault(const struct entries_in *s, const struct txn *t)
{
	char origin[2 * NODE_ID_LEN + 1];

	if (!is_of_table(t, cursor_view(s->cur)))
		return (xstrdup("it brings a transaction of another table in this one's log"));
	if (!s->a->vouched || memcmp(t->origin, s->a->peer, NODE_ID_LEN) == 0 ||
	    is_relay(replication_of(s->g), s->a->peer))
		return (NULL);
	node_id_hex(t->origin, origin);
	return (xasprintf("it brings a transaction that node %s wrote: if it is to pass on what "
			  "others write, name it in replication.relays on this node",
	    origin));
}

/* One entry that chains.  -1: the cursor was stopped. */
static int
apply_entry(struct entries_in *s, const struct log_entry *e)
{
	struct cursor_event applied = { .kind = ON_ENTRY, .at = { e->seq, e->mark, e->ms } };
	struct txn t;
	int rc = check_txn(s->g, e);
	char *why;

	if (rc == 1)
		return (stop_at(s, (struct cursor_event){ .kind = ON_AHEAD }));
	if (rc == -1) {
		why = txn_fault(e->payload, e->len);
		stop_unfit(s, why);
		free(why);
		return (-1);
	}
	txn_read(&t, e->payload, e->len);
	if ((why = foreign_fault(s, &t)) != NULL) {
		stop_unfit(s, why);
		free(why);
		return (-1);
	}
	group_observe(s->g, t.stamp.time);
	if (t.kind == TXN_DEFINE)
		rc = apply_define(s, &t, e);
	else if (t.kind == TXN_WRITE)
		rc = apply_write(s, &t, e);
	if (rc == -1)
		return (-1);
	s->applied++;
	cursors_on(s->g, s->cur, &applied);
	return (0);
}

enum apply_end
apply_entries(struct group *g, const struct apply *a, struct cursor *cur, struct rd *r,
    uint32_t count, uint32_t *applied)
{
	struct entries_in s = { g, a, cur, 0 };
	const struct cursor_view *v = cursor_view(cur);
	enum apply_end end = APPLY_CHAINED;
	struct log_entry e;

	for (uint32_t i = 0; i < count && end == APPLY_CHAINED; i++) {
		enum log_step step = log_entry_read(r, &e) == -1 ? LOG_GAP :
								   log_step(v->seq, v->mark, &e);

		if (step == LOG_GAP)
			end = APPLY_GAP;
		else if (step == LOG_OTHER)
			end = APPLY_OTHER;
		else if (step == LOG_NEXT && apply_entry(&s, &e) == -1)
			end = APPLY_STOPPED;
	}
	*applied = s.applied;
	return (end);
}
