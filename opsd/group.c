#include "config.h"

#include "group.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "clock.h"
#include "group_priv.h"
#include "key.h"
#include "log.h"
#include "mem.h"
#include "ops.h"
#include "value.h"

struct held_row {
	struct group_row	 row;	/* first */
	uint8_t			*rkey;	/* table id + key */
	size_t			 rlen;
	UT_hash_handle		 hh;
};

struct held_table {		/* its stat goes into the batch */
	uint32_t		 id;
	struct table		*table;
	uint64_t		 head, head_ms;	/* of this group, not durable yet; 0: none */
	int			 changed;	/* its definition */
	UT_hash_handle		 hh;
};

struct after {
	void		(*fn)(struct ops *, void *);
	void		*arg;
	struct after	*next;
};

struct group {
	struct ops		*ops;
	struct store_batch	*batch;
	struct held_row		*rows;
	struct held_table	*tables;
	struct after		*after, **after_tail;
	struct hlc		*clock;
	struct buf		 scratch;
	uint64_t		 wall;
	size_t			 bytes;
	int			 broken;
};

struct group *
group_open(struct ops *ops, struct hlc *clock)
{
	struct group *g = xcalloc(1, sizeof(*g));

	g->ops = ops;
	g->clock = clock;
	g->batch = store_batch_new(ops->store);
	g->after_tail = &g->after;
	g->wall = wall_ms();
	return (g);
}

struct ops *
group_ops(struct group *g)
{
	return (g->ops);
}

uint64_t
group_wall_ms(const struct group *g)
{
	return (g->wall);
}

uint64_t
group_node(const struct group *g)
{
	return (g->clock->node);
}

uint64_t
group_clock(const struct group *g)
{
	return (g->clock->time);
}

struct store_batch *
group_batch(struct group *g)
{
	return (g->batch);
}

void
group_broken(struct group *g)
{
	g->broken = 1;
}

size_t
group_bytes(const struct group *g)
{
	return (g->bytes);
}

static struct held_table *
hold(struct group *g, struct table *t)
{
	struct held_table *h;

	HASH_FIND(hh, g->tables, &t->id, sizeof(t->id), h);
	if (h == NULL) {
		h = xcalloc(1, sizeof(*h));
		h->id = t->id;
		h->table = table_ref(t);
		HASH_ADD(hh, g->tables, id, sizeof(h->id), h);
	}
	return (h);
}

struct table *
group_table(struct group *g, uint32_t id)
{
	struct table *t = catalog_by_id(g->ops->catalog, id);
	struct held_table *h;

	if (t == NULL)
		return (NULL);
	h = hold(g, t);
	if (h->table != t) {
		table_unref(h->table);
		h->table = t;
	} else
		table_unref(t);
	return (h->table);
}

struct table *
group_table_named(struct group *g, const char *db, size_t dblen, const char *t, size_t tlen)
{
	struct table *found = catalog_getn(g->ops->catalog, db, dblen, t, tlen);
	uint32_t id;

	if (found == NULL)
		return (NULL);
	id = found->id;
	table_unref(found);
	return (group_table(g, id));
}

struct group_row *
group_row(struct group *g, struct table *t, const uint8_t *key, size_t klen)
{
	struct held_row *h;
	int rc;

	buf_clear(&g->scratch);
	key_row(&g->scratch, t->id, key, klen);
	HASH_FIND(hh, g->rows, g->scratch.data, g->scratch.len, h);
	if (h != NULL)
		return (&h->row);
	h = xcalloc(1, sizeof(*h));
	h->rlen = g->scratch.len;
	h->rkey = xmemdup(g->scratch.data, h->rlen);
	rc = store_get(g->ops->store, NULL, CF_ROWS, h->rkey, h->rlen, &h->row.before);
	if (rc == -1) {
		g->broken = 1;
		free(h->rkey);
		free(h);
		return (NULL);
	}
	h->row.table = table_ref(hold(g, t)->table);
	h->row.key = h->rkey + 4;
	h->row.klen = klen;
	buf_add(&h->row.now, h->row.before.data, h->row.before.len);
	HASH_ADD_KEYPTR(hh, g->rows, h->rkey, h->rlen, h);
	return (&h->row);
}

void
group_row_set(struct group *g, struct group_row *gr, const struct row *r)
{
	struct buf now = { 0 };
	struct table_stat *stat = gr->table->stat;
	uint64_t updated = row_newest(r).time;

	row_encode(r, &now);	/* r borrows from gr->now: encode aside first */
	buf_free(&gr->now);
	gr->now = now;
	gr->changed = 1;
	g->bytes += now.len;
	if (updated > stat->updated)
		stat->updated = updated;
}

void
group_row_forget(struct group_row *gr)
{
	buf_clear(&gr->now);
	gr->changed = gr->before.len > 0;
}

void
group_observe(struct group *g, uint64_t time)
{
	hlc_observe(g->clock, time);
}

struct stamp
group_stamp(struct group *g)
{
	return (hlc_next(g->clock, g->wall));
}

uint64_t
group_log(struct group *g, struct table *t, const void *payload, size_t len)
{
	struct log_entry e = { .table = t->id, .ms = g->wall, .payload = payload,
	    .len = (uint32_t)len };
	struct buf k = { 0 }, v = { 0 };
	struct txlog *l = &g->ops->log;
	struct held_table *h;

	if (t->id < TABLE_USER_FIRST || !g->ops->live.clustering)
		return (0);
	h = hold(g, t);
	e.seq = ++l->last;
	e.prev = h->head != 0 ? h->head : (uint64_t)h->table->stat->head;
	buf_be64(&k, e.seq);
	log_entry_write(&v, &e);
	store_batch_put(g->batch, CF_LOG, k.data, k.len, v.data, v.len);
	g->bytes += v.len;
	h->head = e.seq;
	h->head_ms = e.ms;
	buf_free(&k);
	buf_free(&v);
	return (e.seq);
}

void
group_audit(struct group *g, struct table *t, struct stamp stamp, int remote,
    const void *payload, size_t len, const struct buf *before)
{
	struct buf k = { 0 }, v = { 0 };

	if (!g->ops->live.audit || !t->audit || t->id < TABLE_USER_FIRST)
		return;
	buf_be32(&k, t->id);
	buf_be64(&k, stamp.time);
	buf_be64(&k, stamp.node);
	buf_u8(&v, (uint8_t)remote);
	buf_blob(&v, payload, len);
	buf_blob(&v, before->data, before->len);
	store_batch_put(g->batch, CF_AUDIT, k.data, k.len, v.data, v.len);
	buf_free(&k);
	buf_free(&v);
}

static void
store_table(struct group *g, struct table *t)
{
	struct buf k = { 0 }, v = { 0 };

	buf_u8(&k, 'T');
	buf_be32(&k, t->id);
	table_encode(t, &v);
	store_batch_put(g->batch, CF_META, k.data, k.len, v.data, v.len);
	buf_clear(&v);
	buf_u32(&v, t->id);
	store_batch_put(g->batch, CF_META, "I", 1, v.data, v.len);
	buf_free(&k);
	buf_free(&v);
}

void
group_put_table(struct group *g, struct table *t)
{
	table_ref(t);
	catalog_put(g->ops->catalog, t);
	group_table(g, t->id);
	hold(g, t)->changed = 1;
	table_unref(t);
}

void
group_see_attrs(struct group *g, struct table *t, const struct row *r)
{
	struct table *copy = NULL;

	t = hold(g, t)->table;
	for (uint32_t i = 0; i < r->n; i++) {
		const struct attr *a = &r->attrs[i];
		const struct attribute *known = table_attr(t, a->name, a->nlen);

		if (known != NULL && !known->hidden)
			continue;
		/* One new version for all of them. */
		if (copy == NULL)
			copy = table_copy(t);
		table_add_attr(copy, a->name, a->nlen)->hidden = 0;
	}
	if (copy != NULL)
		group_put_table(g, copy);
}

/* Everything below the table's id in a column family. */
static void
delete_prefix(struct group *g, enum store_cf cf, uint32_t id)
{
	struct buf from = { 0 }, to = { 0 };

	buf_be32(&from, id);
	key_table_end(&to, id);
	store_batch_delete_range(g->batch, cf, from.data, from.len, to.data, to.len);
	buf_free(&from);
	buf_free(&to);
}

static void
floor_key(struct buf *k, const char *db, const char *name)
{
	buf_u8(k, 'X');
	buf_strn(k, db, strlen(db));
	buf_strn(k, name, strlen(name));
}

void
group_drop_table(struct group *g, struct table *t)
{
	struct held_row *h, *tmp;
	struct held_table *ht;
	struct buf k = { 0 }, v = { 0 };

	/* Rows of it that this group changed must not be written after the range is gone. */
	HASH_ITER(hh, g->rows, h, tmp)
		if (h->row.table->id == t->id)
			h->row.changed = 0;
	delete_prefix(g, CF_ROWS, t->id);
	delete_prefix(g, CF_INDEX, t->id);
	delete_prefix(g, CF_AUDIT, t->id);
	buf_u8(&k, 'T');
	buf_be32(&k, t->id);
	store_batch_delete(g->batch, CF_META, k.data, k.len);
	k.data[0] = 'C';
	store_batch_delete(g->batch, CF_META, k.data, k.len);
	/* A table made again under this name starts above everything dropped now. */
	buf_clear(&k);
	floor_key(&k, t->database, t->name);
	stamp_write(&v, group_stamp(g));
	store_batch_put(g->batch, CF_META, k.data, k.len, v.data, v.len);
	buf_free(&k);
	buf_free(&v);
	ht = hold(g, t);
	catalog_drop(g->ops->catalog, t->id);
	HASH_DEL(g->tables, ht);
	table_unref(ht->table);
	free(ht);
}

void
group_put_database(struct group *g, const char *name)
{
	struct buf k = { 0 };

	if (catalog_has_database(g->ops->catalog, name))
		return;
	buf_u8(&k, 'B');
	buf_add(&k, name, strlen(name));
	store_batch_put(g->batch, CF_META, k.data, k.len, "", 0);
	buf_free(&k);
	catalog_put_database(g->ops->catalog, name);
}

void
group_drop_database(struct group *g, const char *name)
{
	struct buf k = { 0 };

	buf_u8(&k, 'B');
	buf_add(&k, name, strlen(name));
	store_batch_delete(g->batch, CF_META, k.data, k.len);
	buf_free(&k);
	catalog_drop_database(g->ops->catalog, name);
}

void
group_log_define(struct group *g, struct table *t, const char *user)
{
	struct buf b = { 0 };
	json_t *def = table_definition(t);
	char *text = json_dumps(def, JSON_COMPACT);
	size_t at = txn_begin(&b, TXN_DEFINE, 0, g->ops->node_id, user, t->database, t->name);

	txn_set_stamp(&b, at, group_stamp(g).time);
	buf_blob(&b, text, strlen(text));
	group_log(g, t, b.data, b.len);
	buf_free(&b);
	free(text);
	json_decref(def);
}

/* Attributes of a definition, by "name" or "attribute". 1 when something is new. */
static int
define_attrs(struct table *t, const json_t *attributes)
{
	const json_t *a;
	size_t i;
	int changed = 0;

	json_array_foreach((json_t *)attributes, i, a) {
		const char *name = json_string_value(json_object_get(a, "name"));
		const char *type = json_string_value(json_object_get(a, "type"));
		struct attribute *attr;

		if (name == NULL)
			name = json_string_value(json_object_get(a, "attribute"));
		if (name == NULL || name[0] == '\0' || strlen(name) > 250)
			continue;
		if (table_attr(t, name, strlen(name)) == NULL)
			changed = 1;
		attr = table_add_attr(t, name, strlen(name));
		if (type != NULL && attr->type == NULL) {
			attr->type = xstrdup(type);
			changed = 1;
		}
		/* An index on rows that are there already would have holes. */
		if (json_is_true(json_object_get(a, "indexed")) && t->stat->count == 0 &&
		    !attr->indexed) {
			attr->indexed = 1;
			changed = 1;
		}
		changed |= attr->hidden;
		attr->hidden = 0;
	}
	return (changed);
}

int
group_add_attrs(struct group *g, struct table *t, const json_t *attributes)
{
	struct table *copy = table_copy(t);

	if (!define_attrs(copy, attributes)) {
		table_unref(copy);
		return (0);
	}
	group_put_table(g, copy);
	return (1);
}

struct stamp
group_dropped(struct group *g, const char *db, const char *name)
{
	struct buf k = { 0 }, v = { 0 };
	struct stamp s = { 0, 0 };
	struct rd r;

	floor_key(&k, db, name);
	if (store_get(g->ops->store, NULL, CF_META, k.data, k.len, &v) == 1) {
		r = rd_init(v.data, v.len);
		s = stamp_read(&r);
	}
	buf_free(&k);
	buf_free(&v);
	return (s);
}

struct table *
group_create_table(struct group *g, const char *db, const char *name, const char *primary_key,
    const json_t *definition, const char *user, const char **err)
{
	const json_t *attributes = json_object_get(definition, "attributes");
	json_int_t expiration = json_integer_value(json_object_get(definition, "expiration"));
	struct table *t = group_table_named(g, db, strlen(db), name, strlen(name));

	if (t != NULL) {
		*err = "exists";
		return (NULL);
	}
	group_put_database(g, db);
	t = table_new(db, name, primary_key);
	t->id = catalog_new_id(g->ops->catalog);
	t->declared = json_array_size(attributes) > 0;
	define_attrs(t, attributes);
	if (expiration > 0 && expiration <= EXPIRATION_MAX)
		t->expiration = (uint32_t)expiration;
	t->floor = group_dropped(g, db, name);
	group_put_table(g, t);
	t = group_table(g, t->id);
	group_log_define(g, t, user);
	return (t);
}

static int
name_order(const void *a, const void *b)
{
	return (strcmp(*(const char *const *)a, *(const char *const *)b));
}

/* The object's attributes at stamp s, sorted; values are packed into `values`. */
static void
object_attrs(struct row *r, const struct table *t, const json_t *object, struct stamp s,
    struct buf *values)
{
	const char **names = xcalloc(json_object_size(object) + 1, sizeof(*names)), *name;
	size_t *at = xcalloc(json_object_size(object) + 1, sizeof(*at)), n = 0;
	json_t *v;

	json_object_foreach((json_t *)object, name, v)
		if (strcmp(name, t->primary_key) != 0)
			names[n++] = name;
	qsort(names, n, sizeof(*names), name_order);
	for (size_t i = 0; i < n; i++) {
		at[i] = values->len;
		value_pack(values, json_object_get(object, names[i]));
	}
	at[n] = values->len;
	for (size_t i = 0; i < n; i++) {
		struct attr *a = row_add(r, names[i], strlen(names[i]));

		a->value = values->data + at[i];
		a->vlen = (uint32_t)(at[i + 1] - at[i]);
		a->stamp = s;
	}
	free(names);
	free(at);
}

void
group_system_put(struct group *g, enum system_table id, const json_t *object)
{
	struct table *t = group_table(g, id);
	struct row r = { 0 };
	struct buf key = { 0 }, values = { 0 };
	struct stamp s = group_stamp(g), created = s;
	struct group_row *gr;

	key_from_json(&key, json_object_get(object, t->primary_key));
	gr = group_row(g, t, key.data, key.len);
	if (gr != NULL) {
		if (row_load(&r, gr->now.data, gr->now.len) == 0 && row_visible(&r))
			created = r.cleared;
		row_clear(&r);
		r.created = s;
		r.cleared = created;
		object_attrs(&r, t, object, s, &values);
		group_row_set(g, gr, &r);
		group_see_attrs(g, t, &r);
	}
	row_free(&r);
	buf_free(&key);
	buf_free(&values);
}

void
group_system_delete(struct group *g, enum system_table id, const char *key)
{
	struct table *t = group_table(g, id);
	struct buf k = { 0 };
	struct row r = { 0 };
	struct group_row *gr;

	key_from_string(&k, key, strlen(key));
	gr = group_row(g, t, k.data, k.len);
	if (gr != NULL) {
		r.cleared = group_stamp(g);
		group_row_set(g, gr, &r);
	}
	row_free(&r);
	buf_free(&k);
}

void
group_after(struct group *g, void (*fn)(struct ops *, void *), void *arg)
{
	struct after *a = xcalloc(1, sizeof(*a));

	a->fn = fn;
	a->arg = arg;
	*g->after_tail = a;
	g->after_tail = &a->next;
}

/* Rows that are not visible are also listed by the time they were cleared. */
static void
write_tombstone(struct group *g, const struct table *t, const struct group_row *gr,
    const struct row *before, const struct row *now)
{
	int had = gr->before.len > 0 && !row_visible(before);
	int has = gr->now.len > 0 && !row_visible(now);
	struct buf k = { 0 };

	if (t->id < TABLE_USER_FIRST || (had && has &&
	    stamp_cmp(before->cleared, now->cleared) == 0))
		return;
	if (had) {
		key_tombstone(&k, t->id, before->cleared.time, gr->key, gr->klen);
		store_batch_delete(g->batch, CF_INDEX, k.data, k.len);
	}
	if (has) {
		buf_clear(&k);
		key_tombstone(&k, t->id, now->cleared.time, gr->key, gr->klen);
		store_batch_put(g->batch, CF_INDEX, k.data, k.len, "", 0);
	}
	buf_free(&k);
}

/* Index entries that the row had and has not, and the other way round. */
static void
write_index(struct group *g, const struct table *t, const struct group_row *gr,
    const struct row *before, const struct row *now)
{
	struct buf k = { 0 }, old = { 0 }, new = { 0 };

	for (size_t i = 0; i < t->nattrs; i++) {
		const struct attribute *ta = &t->attrs[i];
		const struct attr *a;
		int had, has;

		if (!ta->indexed)
			continue;
		buf_clear(&old);
		buf_clear(&new);
		a = row_visible(before) ? row_attr(before, ta->name, ta->nlen) : NULL;
		had = a != NULL && row_counts(before, a) && value_key(&old, a->value, a->vlen) == 0;
		a = row_visible(now) ? row_attr(now, ta->name, ta->nlen) : NULL;
		has = a != NULL && row_counts(now, a) && value_key(&new, a->value, a->vlen) == 0;
		if (had == has && (!had || (old.len == new.len &&
		    memcmp(old.data, new.data, old.len) == 0)))
			continue;
		if (had) {
			buf_clear(&k);
			key_index(&k, t->id, ta->id, old.data, old.len, gr->key, gr->klen);
			store_batch_delete(g->batch, CF_INDEX, k.data, k.len);
		}
		if (has) {
			buf_clear(&k);
			key_index(&k, t->id, ta->id, new.data, new.len, gr->key, gr->klen);
			store_batch_put(g->batch, CF_INDEX, k.data, k.len, "", 0);
		}
	}
	buf_free(&k);
	buf_free(&old);
	buf_free(&new);
}

static void
write_rows(struct group *g)
{
	struct row before = { 0 }, now = { 0 };
	struct held_row *h;
	struct held_table *ht;

	for (h = g->rows; h != NULL; h = h->hh.next) {
		struct group_row *gr = &h->row;

		if (!gr->changed)
			continue;
		HASH_FIND(hh, g->tables, &gr->table->id, sizeof(gr->table->id), ht);
		if (ht == NULL)
			continue;
		row_load(&before, gr->before.data, gr->before.len);
		row_load(&now, gr->now.data, gr->now.len);
		write_index(g, ht->table, gr, &before, &now);
		write_tombstone(g, ht->table, gr, &before, &now);
		ht->table->stat->count += row_visible(&now) - row_visible(&before);
		if (gr->now.len > 0)
			store_batch_put(g->batch, CF_ROWS, h->rkey, h->rlen, gr->now.data,
			    gr->now.len);
		else
			store_batch_delete(g->batch, CF_ROWS, h->rkey, h->rlen);
	}
	row_free(&before);
	row_free(&now);
}

/* Definitions, as they are at the end: each may have had many versions. */
static void
write_tables(struct group *g)
{
	struct held_table *h;

	for (h = g->tables; h != NULL; h = h->hh.next)
		if (h->changed)
			store_table(g, h->table);
}

static void
write_stats(struct group *g)
{
	struct buf k = { 0 }, v = { 0 };
	struct held_table *h;

	for (h = g->tables; h != NULL; h = h->hh.next) {
		const struct table_stat *s = h->table->stat;

		buf_clear(&k);
		buf_clear(&v);
		buf_u8(&k, 'C');
		buf_be32(&k, h->id);
		buf_u64(&v, (uint64_t)s->count);
		buf_u64(&v, s->updated);
		buf_u64(&v, h->head != 0 ? h->head : (uint64_t)s->head);
		buf_u64(&v, h->head != 0 ? h->head_ms : (uint64_t)s->head_ms);
		buf_u64(&v, s->purged);
		store_batch_put(g->batch, CF_META, k.data, k.len, v.data, v.len);
	}
	buf_free(&k);
	buf_free(&v);
}

int
group_write(struct group *g)
{
	struct txlog *l = &g->ops->log;
	struct held_table *h;

	if (g->broken)
		return (-1);
	write_rows(g);
	write_tables(g);
	if (store_batch_empty(g->batch))
		return (0);
	write_stats(g);
	txlog_save(l, g->batch, g->clock->time);
	if (store_write(g->ops->store, g->batch, !g->ops->live.write_async) == -1)
		return (-1);
	l->durable = (uint64_t)l->last;
	for (h = g->tables; h != NULL; h = h->hh.next)
		if (h->head != 0)
			table_set_head(h->table, h->head, h->head_ms);
	return (0);
}

void
group_close(struct group *g, int run_after)
{
	struct held_row *h, *htmp;
	struct held_table *t, *ttmp;
	struct after *a;

	while ((a = g->after) != NULL) {
		g->after = a->next;
		if (run_after)
			a->fn(g->ops, a->arg);
		free(a);
	}
	HASH_ITER(hh, g->rows, h, htmp) {
		HASH_DEL(g->rows, h);
		table_unref(h->row.table);
		buf_free(&h->row.before);
		buf_free(&h->row.now);
		free(h->rkey);
		free(h);
	}
	HASH_ITER(hh, g->tables, t, ttmp) {
		HASH_DEL(g->tables, t);
		table_unref(t->table);
		free(t);
	}
	store_batch_free(g->batch);
	buf_free(&g->scratch);
	free(g);
}
