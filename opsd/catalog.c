#include "config.h"

#include "catalog.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "clock.h"
#include "mem.h"

/*
 * CF_META: "T" + big-endian table id -> JSON of the table; "B" + name -> empty,
 * a database; "I" -> u32 last table id; "C" + id -> stat (group.c writes it).
 */
struct named {
	char		*key;		/* "database\0table" */
	size_t		 klen;
	struct table	*table;
	UT_hash_handle	 hh;
};

struct database {
	char		*name;
	UT_hash_handle	 hh;
};

struct catalog {
	pthread_rwlock_t lock;
	struct named	*tables;
	struct table	**by_id;
	size_t		 nby_id;
	struct database	*databases;
	uint32_t	 last_id;
};

static const struct {
	uint32_t	 id;
	const char	*name, *key, *attrs[10];
} system_tables[] = {
	{ SYS_USER, "hdb_user", "username", { "password", "role", "active" } },
	{ SYS_ROLE, "hdb_role", "id", { "role", "permission" } },
	{ SYS_NODES, "hdb_nodes", "name", { "node_id", "subscriptions", "system_info" } },
	{ SYS_JOB, "hdb_job", "id", { "user", "type", "status", "start_datetime", "end_datetime",
	    "message", "created_datetime", "request", "progress" } },
	{ SYS_CERTIFICATE, "hdb_certificate", "name", { "uses", "certificate", "is_authority",
	    "private_key_name", "details", "is_self_signed" } },
	{ SYS_INFO, "hdb_info", "info_id", { "data_version_num", "hdb_version_num" } },
};

static int
name_cmp(const char *a, size_t alen, const char *b, size_t blen)
{
	int d = memcmp(a, b, alen < blen ? alen : blen);

	return (d != 0 ? d : alen < blen ? -1 : alen > blen);
}

/* Where `name` is, or would be. */
static size_t
attr_place(const struct table *t, const char *name, size_t nlen, int *found)
{
	size_t lo = 0, hi = t->nattrs;

	*found = 0;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int d = name_cmp(name, nlen, t->attrs[mid].name, t->attrs[mid].nlen);

		if (d == 0) {
			*found = 1;
			return (mid);
		}
		if (d < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return (lo);
}

const struct attribute *
table_attr(const struct table *t, const char *name, size_t nlen)
{
	int found;
	size_t at = attr_place(t, name, nlen, &found);

	return (found ? &t->attrs[at] : NULL);
}

struct attribute *
table_add_attr(struct table *t, const char *name, size_t nlen)
{
	int found;
	size_t at = attr_place(t, name, nlen, &found);
	struct attribute *a;

	if (found)
		return (&t->attrs[at]);
	t->attrs = xrealloc(t->attrs, (t->nattrs + 1) * sizeof(*t->attrs));
	memmove(&t->attrs[at + 1], &t->attrs[at], (t->nattrs - at) * sizeof(*t->attrs));
	t->nattrs++;
	a = &t->attrs[at];
	memset(a, 0, sizeof(*a));
	a->name = xstrndup(name, nlen);
	a->nlen = (uint8_t)nlen;
	a->id = t->next_attr++;
	return (a);
}

struct table *
table_new(const char *database, const char *name, const char *primary_key)
{
	struct table *t = xcalloc(1, sizeof(*t));

	t->database = xstrdup(database);
	t->name = xstrdup(name);
	t->primary_key = xstrdup(primary_key);
	t->next_attr = 1;
	t->created_ms = wall_ms();
	t->audit = 1;
	t->refs = 1;
	t->stat = xcalloc(1, sizeof(*t->stat));
	t->stat->refs = 1;
	table_add_attr(t, primary_key, strlen(primary_key));
	table_add_attr(t, "__createdtime__", 15);
	table_add_attr(t, "__updatedtime__", 15);
	return (t);
}

struct table *
table_copy(const struct table *t)
{
	struct table *c = xcalloc(1, sizeof(*c));

	*c = *t;
	c->database = xstrdup(t->database);
	c->name = xstrdup(t->name);
	c->primary_key = xstrdup(t->primary_key);
	c->attrs = xmemdup(t->attrs, t->nattrs * sizeof(*t->attrs));
	for (size_t i = 0; i < c->nattrs; i++) {
		c->attrs[i].name = xstrdup(t->attrs[i].name);
		c->attrs[i].type = xstrdup(t->attrs[i].type);
	}
	c->refs = 1;
	atomic_fetch_add(&c->stat->refs, 1);
	return (c);
}

struct table *
table_ref(struct table *t)
{
	atomic_fetch_add(&t->refs, 1);
	return (t);
}

void
table_unref(struct table *t)
{
	if (t == NULL || atomic_fetch_sub(&t->refs, 1) != 1)
		return;
	for (size_t i = 0; i < t->nattrs; i++) {
		free(t->attrs[i].name);
		free(t->attrs[i].type);
	}
	free(t->attrs);
	free(t->database);
	free(t->name);
	free(t->primary_key);
	if (atomic_fetch_sub(&t->stat->refs, 1) == 1)
		free(t->stat);
	free(t);
}

uint64_t
table_head(const struct table *t, uint64_t *ms)
{
	struct table_stat *s = t->stat;
	unsigned turn;
	uint64_t head;

	do {
		turn = s->turn;
		head = s->head;
		*ms = s->head_ms;
	} while ((turn & 1) || turn != s->turn);
	return (head);
}

void
table_set_head(struct table *t, uint64_t head, uint64_t ms)
{
	struct table_stat *s = t->stat;

	s->turn++;
	s->head = head;
	s->head_ms = ms;
	s->turn++;
}

static json_t *
stamp_json(struct stamp s)
{
	return (json_pack("[I,I]", (json_int_t)s.time, (json_int_t)s.node));
}

static struct stamp
stamp_from_json(const json_t *j)
{
	struct stamp s = { 0, 0 };

	s.time = (uint64_t)json_integer_value(json_array_get(j, 0));
	s.node = (uint64_t)json_integer_value(json_array_get(j, 1));
	return (s);
}

void
table_encode(const struct table *t, struct buf *b)
{
	json_t *attrs = json_array(), *o;
	char *text;

	for (size_t i = 0; i < t->nattrs; i++) {
		const struct attribute *a = &t->attrs[i];

		o = json_pack("{s:s, s:i, s:b, s:b}", "name", a->name, "id", (int)a->id,
		    "indexed", a->indexed, "hidden", a->hidden);
		if (a->type != NULL)
			json_object_set_new(o, "type", json_string(a->type));
		if (!stamp_none(a->dropped))
			json_object_set_new(o, "dropped", stamp_json(a->dropped));
		json_array_append_new(attrs, o);
	}
	o = json_pack("{s:s, s:s, s:s, s:o, s:i, s:b, s:b, s:o, s:o, s:I}", "database", t->database,
	    "table", t->name, "primary_key", t->primary_key, "attributes", attrs, "next",
	    (int)t->next_attr, "audit", t->audit, "declared", t->declared, "floor",
	    stamp_json(t->floor), "horizon", stamp_json(t->horizon), "created", (json_int_t)t->created_ms);
	if (t->expiration != 0)
		json_object_set_new(o, "expiration", json_integer(t->expiration));
	if (!stamp_none(t->forgotten))
		json_object_set_new(o, "forgotten", stamp_json(t->forgotten));
	text = json_dumps(o, JSON_COMPACT);
	buf_add(b, text, strlen(text));
	free(text);
	json_decref(o);
}

static struct table *
table_decode(uint32_t id, const void *p, size_t n)
{
	json_t *o = json_loadb(p, n, 0, NULL), *attr;
	const char *database, *name, *key;
	struct table *t;
	size_t i;

	if (o == NULL || json_unpack(o, "{s:s, s:s, s:s}", "database", &database, "table", &name,
	    "primary_key", &key) == -1) {
		json_decref(o);
		return (NULL);
	}
	t = table_new(database, name, key);
	t->id = id;
	json_array_foreach(json_object_get(o, "attributes"), i, attr) {
		const char *an = json_string_value(json_object_get(attr, "name"));
		struct attribute *a;

		if (an == NULL)
			continue;
		a = table_add_attr(t, an, strlen(an));
		a->id = (uint16_t)json_integer_value(json_object_get(attr, "id"));
		a->indexed = json_is_true(json_object_get(attr, "indexed"));
		a->hidden = json_is_true(json_object_get(attr, "hidden"));
		a->type = xstrdup(json_string_value(json_object_get(attr, "type")));
		a->dropped = stamp_from_json(json_object_get(attr, "dropped"));
	}
	t->next_attr = (uint16_t)json_integer_value(json_object_get(o, "next"));
	t->audit = json_is_true(json_object_get(o, "audit"));
	t->declared = json_is_true(json_object_get(o, "declared"));
	t->expiration = (uint32_t)json_integer_value(json_object_get(o, "expiration"));
	t->floor = stamp_from_json(json_object_get(o, "floor"));
	t->horizon = stamp_from_json(json_object_get(o, "horizon"));
	t->forgotten = stamp_from_json(json_object_get(o, "forgotten"));
	t->created_ms = (uint64_t)json_integer_value(json_object_get(o, "created"));
	json_decref(o);
	return (t);
}

json_t *
table_definition(const struct table *t)
{
	json_t *attrs = json_array(), *o;

	for (size_t i = 0; i < t->nattrs; i++) {
		const struct attribute *a = &t->attrs[i];

		if (a->hidden)
			continue;
		o = json_pack("{s:s}", "attribute", a->name);
		if (a->type != NULL)
			json_object_set_new(o, "type", json_string(a->type));
		if (a->indexed)
			json_object_set_new(o, "indexed", json_true());
		if (strcmp(a->name, t->primary_key) == 0)
			json_object_set_new(o, "is_primary_key", json_true());
		json_array_append_new(attrs, o);
	}
	o = json_pack("{s:s, s:o}", "primary_key", t->primary_key, "attributes", attrs);
	if (t->expiration != 0)
		json_object_set_new(o, "expiration", json_integer(t->expiration));
	return (o);
}

static void
put_table(struct catalog *c, struct table *t)
{
	size_t dlen = strlen(t->database), klen = dlen + 1 + strlen(t->name);
	char *key = xmalloc(klen + 1);
	struct named *e;

	memcpy(key, t->database, dlen + 1);
	strcpy(key + dlen + 1, t->name);
	HASH_FIND(hh, c->tables, key, klen, e);
	if (e == NULL) {
		e = xcalloc(1, sizeof(*e));
		e->key = key;
		e->klen = klen;
		HASH_ADD_KEYPTR(hh, c->tables, e->key, e->klen, e);
	} else
		free(key);
	table_unref(e->table);
	e->table = t;
	if (t->id >= c->nby_id) {
		size_t n = t->id + 64;

		c->by_id = xrealloc(c->by_id, n * sizeof(*c->by_id));
		memset(c->by_id + c->nby_id, 0, (n - c->nby_id) * sizeof(*c->by_id));
		c->nby_id = n;
	}
	c->by_id[t->id] = t;
	if (t->id > c->last_id)
		c->last_id = t->id;
}

static void
put_database(struct catalog *c, const char *name)
{
	struct database *d;

	HASH_FIND_STR(c->databases, name, d);
	if (d != NULL)
		return;
	d = xcalloc(1, sizeof(*d));
	d->name = xstrdup(name);
	HASH_ADD_KEYPTR(hh, c->databases, d->name, strlen(d->name), d);
}

static int
load_stat(struct store *s, struct table *t)
{
	struct buf key = { 0 }, val = { 0 };
	struct rd r;
	int rc;

	buf_u8(&key, 'C');
	buf_be32(&key, t->id);
	rc = store_get(s, NULL, CF_META, key.data, key.len, &val);
	if (rc == 1) {
		r = rd_init(val.data, val.len);
		t->stat->count = (int64_t)rd_u64(&r);
		t->stat->updated = rd_u64(&r);
		t->stat->head = rd_u64(&r);
		t->stat->head_ms = rd_u64(&r);
		t->stat->purged = rd_u64(&r);
	}
	buf_free(&key);
	buf_free(&val);
	return (rc);
}

static int
load_one(struct catalog *c, struct store *s, struct store_iter *it, char **err)
{
	size_t klen, vlen;
	const uint8_t *k = store_iter_key(it, &klen), *v = store_iter_value(it, &vlen);
	struct rd r = rd_init(k + 1, klen - 1);
	struct table *t;

	if (k[0] == 'B') {
		char *name = xstrndup((const char *)k + 1, klen - 1);

		put_database(c, name);
		free(name);
	} else if (k[0] == 'T') {
		t = table_decode(rd_be32(&r), v, vlen);
		if (t == NULL || !rd_done(&r) || load_stat(s, t) == -1) {
			table_unref(t);
			*err = xasprintf("store: a table's definition cannot be read");
			return (-1);
		}
		put_table(c, t);
	} else if (k[0] == 'I') {
		r = rd_init(v, vlen);
		c->last_id = rd_u32(&r);
	}
	return (0);
}

struct catalog *
catalog_load(struct store *s, char **err)
{
	struct catalog *c = xcalloc(1, sizeof(*c));
	struct store_iter *it;
	int rc = 0;

	pthread_rwlock_init(&c->lock, NULL);
	it = store_iter_new(s, NULL, CF_META, NULL, 0, NULL, 0);
	for (store_iter_first(it); rc == 0 && store_iter_valid(it); store_iter_next(it))
		rc = load_one(c, s, it, err);
	if (rc == 0 && store_iter_failed(it)) {
		*err = xasprintf("store: the catalog cannot be read");
		rc = -1;
	}
	store_iter_free(it);
	if (rc == -1) {
		catalog_free(c);
		return (NULL);
	}
	for (size_t i = 0; i < sizeof(system_tables) / sizeof(system_tables[0]); i++) {
		struct table *t = catalog_by_id(c, system_tables[i].id);

		if (t == NULL) {
			t = table_new("system", system_tables[i].name, system_tables[i].key);
			t->id = system_tables[i].id;
			for (const char *const *a = system_tables[i].attrs; *a != NULL; a++)
				table_add_attr(t, *a, strlen(*a));
			if (load_stat(s, t) == -1)
				rc = -1;
			put_table(c, t);
		} else
			table_unref(t);
	}
	put_database(c, "system");
	if (c->last_id < TABLE_USER_FIRST - 1)
		c->last_id = TABLE_USER_FIRST - 1;
	return (c);
}

void
catalog_free(struct catalog *c)
{
	struct named *e, *etmp;
	struct database *d, *dtmp;

	if (c == NULL)
		return;
	HASH_ITER(hh, c->tables, e, etmp) {
		HASH_DEL(c->tables, e);
		table_unref(e->table);
		free(e->key);
		free(e);
	}
	HASH_ITER(hh, c->databases, d, dtmp) {
		HASH_DEL(c->databases, d);
		free(d->name);
		free(d);
	}
	free(c->by_id);
	pthread_rwlock_destroy(&c->lock);
	free(c);
}

struct table *
catalog_getn(struct catalog *c, const char *db, size_t dblen, const char *t, size_t tlen)
{
	char key[1024];
	struct named *e;
	struct table *found = NULL;

	if (dblen + 1 + tlen > sizeof(key))
		return (NULL);
	memcpy(key, db, dblen);
	key[dblen] = '\0';
	memcpy(key + dblen + 1, t, tlen);
	pthread_rwlock_rdlock(&c->lock);
	HASH_FIND(hh, c->tables, key, dblen + 1 + tlen, e);
	if (e != NULL)
		found = table_ref(e->table);
	pthread_rwlock_unlock(&c->lock);
	return (found);
}

struct table *
catalog_get(struct catalog *c, const char *database, const char *table)
{
	return (catalog_getn(c, database, strlen(database), table, strlen(table)));
}

struct table *
catalog_by_id(struct catalog *c, uint32_t id)
{
	struct table *t = NULL;

	pthread_rwlock_rdlock(&c->lock);
	if (id < c->nby_id && c->by_id[id] != NULL)
		t = table_ref(c->by_id[id]);
	pthread_rwlock_unlock(&c->lock);
	return (t);
}

int
catalog_has_database(struct catalog *c, const char *database)
{
	struct database *d;

	pthread_rwlock_rdlock(&c->lock);
	HASH_FIND_STR(c->databases, database, d);
	pthread_rwlock_unlock(&c->lock);
	return (d != NULL);
}

static int
database_cmp(const void *a, const void *b)
{
	return (strcmp(*(const char *const *)a, *(const char *const *)b));
}

json_t *
catalog_databases(struct catalog *c)
{
	json_t *names = json_array();
	struct database *d;
	const char **list;
	size_t n = 0;

	pthread_rwlock_rdlock(&c->lock);
	list = xcalloc(HASH_COUNT(c->databases) + 1, sizeof(*list));
	for (d = c->databases; d != NULL; d = d->hh.next)
		if (strcmp(d->name, "system") != 0)
			list[n++] = d->name;
	qsort(list, n, sizeof(*list), database_cmp);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(names, json_string(list[i]));
	pthread_rwlock_unlock(&c->lock);
	free(list);
	return (names);
}

static int
table_cmp(const void *a, const void *b)
{
	const struct table *const *x = a, *const *y = b;
	int d = strcmp((*x)->database, (*y)->database);

	return (d != 0 ? d : strcmp((*x)->name, (*y)->name));
}

struct table **
catalog_tables(struct catalog *c, const char *database, size_t *n)
{
	struct table **list;
	struct named *e;

	*n = 0;
	pthread_rwlock_rdlock(&c->lock);
	list = xcalloc(HASH_COUNT(c->tables) + 1, sizeof(*list));
	for (e = c->tables; e != NULL; e = e->hh.next) {
		const char *db = e->table->database;

		if (database != NULL ? strcmp(db, database) == 0 : strcmp(db, "system") != 0)
			list[(*n)++] = table_ref(e->table);
	}
	pthread_rwlock_unlock(&c->lock);
	qsort(list, *n, sizeof(*list), table_cmp);
	return (list);
}

void
catalog_put(struct catalog *c, struct table *t)
{
	pthread_rwlock_wrlock(&c->lock);
	put_table(c, t);
	pthread_rwlock_unlock(&c->lock);
}

void
catalog_drop(struct catalog *c, uint32_t id)
{
	struct named *e, *tmp;

	pthread_rwlock_wrlock(&c->lock);
	HASH_ITER(hh, c->tables, e, tmp) {
		if (e->table->id != id)
			continue;
		HASH_DEL(c->tables, e);
		c->by_id[id] = NULL;
		table_unref(e->table);
		free(e->key);
		free(e);
		break;
	}
	pthread_rwlock_unlock(&c->lock);
}

void
catalog_put_database(struct catalog *c, const char *name)
{
	pthread_rwlock_wrlock(&c->lock);
	put_database(c, name);
	pthread_rwlock_unlock(&c->lock);
}

void
catalog_drop_database(struct catalog *c, const char *name)
{
	struct database *d;

	pthread_rwlock_wrlock(&c->lock);
	HASH_FIND_STR(c->databases, name, d);
	if (d != NULL) {
		HASH_DEL(c->databases, d);
		free(d->name);
		free(d);
	}
	pthread_rwlock_unlock(&c->lock);
}

uint32_t
catalog_new_id(struct catalog *c)
{
	uint32_t id;

	pthread_rwlock_wrlock(&c->lock);
	id = ++c->last_id;
	pthread_rwlock_unlock(&c->lock);
	return (id);
}
