#include "config.h"

#include "opsd/store/catalog.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "common/base/clock.h"
#include "common/base/mem.h"

#define IDS_SINCE INT64_C(1767225600) /* 2026 */
#define IDS_MAX   (UINT32_C(1) << 30)

/*
 * CF_META: "T" + big-endian table id -> JSON of the table; "U" + id + big-endian
 * attribute id -> JSON of the attribute; "B" + name -> empty, a database; "I" -> u32
 * last table id; "C" + id -> stat (groupwrite.c writes them).
 */
struct named {
	char *key; /* "database\0table" */
	size_t klen;
	struct table *table;
	uint32_t id; /* the table's */
	UT_hash_handle hh, hh_id;
};

struct database {
	char *name;
	UT_hash_handle hh;
};

struct catalog {
	pthread_rwlock_t lock;
	struct named *tables, *by_id; /* the same */
	struct database *databases;
	uint32_t last_id;
	uint64_t made_us;
	/* Tables that say whether they replicate; how often that changed, and when. */
	_Atomic size_t said;
	_Atomic uint64_t said_changes, said_us;
};

static const struct {
	uint32_t id;
	const char *name, *key, *attrs[10];
} system_tables[] = {
	{ SYS_USER, "hdb_user", "username", { "password", "role", "active" } },
	{ SYS_ROLE, "hdb_role", "id", { "role", "permission" } },
	{ SYS_NODES, "hdb_nodes", "name",
	    { "node_id", "subscriptions", "system_info", "hostname", "url", "replicates",
		"shard" } },
	{ SYS_JOB, "hdb_job", "id",
	    { "user", "type", "status", "start_datetime", "end_datetime", "message",
		"created_datetime", "request", "progress" } },
	{ SYS_CERTIFICATE, "hdb_certificate", "name",
	    { "uses", "certificate", "is_authority", "private_key_name", "details",
		"is_self_signed" } },
	{ SYS_INFO, "hdb_info", "info_id", { "data_version_num", "hdb_version_num" } },
	{ SYS_STATUS, "hdb_status", "id", { "status" } },
};

static struct named *
named_by_id(const struct catalog *c, uint32_t id)
{
	struct named *e;

	HASH_FIND(hh_id, c->by_id, &id, sizeof(id), e);
	return (e);
}

/* Ids are far apart, as they are made of the time. */
static void
put_by_id(struct catalog *c, struct named *e, uint32_t id)
{
	if (named_by_id(c, e->id) == e)
		HASH_DELETE(hh_id, c->by_id, e);
	e->id = id;
	HASH_ADD(hh_id, c->by_id, id, sizeof(e->id), e);
}

/* A table says it in place of another one; NULL: there is none. */
static void
note_said(struct catalog *c, const struct table *was, const struct table *now)
{
	enum table_replicate before = was != NULL ? was->replicate : REPLICATE_UNSAID;
	enum table_replicate after = now != NULL ? now->replicate : REPLICATE_UNSAID;

	if (before == after)
		return;
	c->said += (after != REPLICATE_UNSAID);
	c->said -= (before != REPLICATE_UNSAID);
	c->said_us = mono_us();
	c->said_changes++;
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
	note_said(c, e->table, t);
	table_unref(e->table);
	e->table = t;
	put_by_id(c, e, t->id);
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
		t->stat->head_mark = rd_u64(&r);
		t->stat->head_ms = rd_u64(&r);
		t->stat->purged = rd_u64(&r);
	}
	buf_free(&key);
	buf_free(&val);
	return (rc);
}

static int
load_table(struct catalog *c, struct store *s, struct rd r, const uint8_t *v, size_t vlen)
{
	struct table *t = table_decode(rd_be32(&r), v, vlen);

	if (t == NULL || !rd_done(&r) || load_stat(s, t) == -1) {
		table_unref(t);
		return (-1);
	}
	put_table(c, t);
	return (0);
}

/* Its table has been read: it sorts before it. */
static int
load_attr(struct catalog *c, struct rd r, const uint8_t *v, size_t vlen)
{
	uint32_t table = rd_be32(&r);
	uint32_t id = rd_be32(&r);
	struct named *e = named_by_id(c, table);

	if (!rd_done(&r) || id > UINT16_MAX || e == NULL)
		return (-1);
	return (table_decode_attr(e->table, (uint16_t)id, v, vlen));
}

static int
load_definition(struct catalog *c, struct store *s, struct store_iter *it, char **err)
{
	size_t klen, vlen;
	const uint8_t *k = store_iter_key(it, &klen), *v = store_iter_value(it, &vlen);
	struct rd r = rd_init(k + 1, klen - 1);

	if (k[0] == 'B') {
		char *name = xstrndup((const char *)k + 1, klen - 1);

		put_database(c, name);
		free(name);
	} else if ((k[0] == 'T' && load_table(c, s, r, v, vlen) == -1) ||
	    (k[0] == 'U' && load_attr(c, r, v, vlen) == -1)) {
		*err = xasprintf("store: a table's definition cannot be read");
		return (-1);
	} else if (k[0] == 'I') {
		r = rd_init(v, vlen);
		c->last_id = rd_u32(&r);
	}
	return (0);
}

/* The system's tables that are not stored. */
static int
put_system(struct catalog *c, struct store *s, char **err)
{
	put_database(c, "system");
	for (size_t i = 0; i < sizeof(system_tables) / sizeof(system_tables[0]); i++) {
		struct table *t = catalog_by_id(c, system_tables[i].id);

		table_unref(t);
		if (t != NULL)
			continue;
		t = table_new("system", system_tables[i].name, system_tables[i].key);
		t->id = system_tables[i].id;
		for (const char *const *a = system_tables[i].attrs; *a != NULL; a++)
			table_edit_attr(t, *a, strlen(*a));
		put_table(c, t);
		if (load_stat(s, t) == -1) {
			*err = xasprintf("store: the catalog cannot be read");
			return (-1);
		}
	}
	return (0);
}

struct catalog *
catalog_load(struct store *s, char **err)
{
	struct catalog *c = xcalloc(1, sizeof(*c));
	struct store_iter *it;
	struct named *e, *tmp;
	int rc = 0;

	pthread_rwlock_init(&c->lock, NULL);
	it = store_iter_new(s, NULL, CF_META, NULL, 0, NULL, 0);
	for (store_iter_first(it); rc == 0 && store_iter_valid(it); store_iter_next(it))
		rc = load_definition(c, s, it, err);
	HASH_ITER(hh, c->tables, e, tmp)
		table_stored(e->table);
	if (rc == 0 && store_iter_failed(it)) {
		*err = xasprintf("store: the catalog cannot be read");
		rc = -1;
	}
	store_iter_free(it);
	if (rc == -1 || put_system(c, s, err) == -1) {
		catalog_free(c);
		return (NULL);
	}
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
	HASH_CLEAR(hh_id, c->by_id);
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
	struct named *e;
	struct table *t;

	pthread_rwlock_rdlock(&c->lock);
	e = named_by_id(c, id);
	t = e != NULL ? table_ref(e->table) : NULL;
	pthread_rwlock_unlock(&c->lock);
	return (t);
}

enum table_replicate
catalog_replicate(struct catalog *c, const char *db, size_t dblen, const char *t, size_t tlen)
{
	enum table_replicate said = REPLICATE_UNSAID;
	struct table *found = c->said > 0 ? catalog_getn(c, db, dblen, t, tlen) : NULL;

	if (found != NULL)
		said = found->replicate;
	table_unref(found);
	return (said);
}

json_t *
catalog_replicate_said(struct catalog *c)
{
	json_t *all = json_object();
	struct named *e;

	if (c->said == 0)
		return (all);
	pthread_rwlock_rdlock(&c->lock);
	for (e = c->tables; e != NULL; e = e->hh.next)
		if (e->table->replicate != REPLICATE_UNSAID) {
			char *key = xasprintf("%s/%s", e->table->database, e->table->name);

			json_object_set_new(all, key,
			    json_boolean(e->table->replicate == REPLICATE_YES));
			free(key);
		}
	pthread_rwlock_unlock(&c->lock);
	return (all);
}

uint64_t
catalog_replicate_changes(struct catalog *c, uint64_t *us)
{
	*us = c->said_us;
	return (c->said_changes);
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

size_t
catalog_count(struct catalog *c)
{
	size_t n;

	pthread_rwlock_rdlock(&c->lock);
	n = HASH_CNT(hh, c->tables);
	pthread_rwlock_unlock(&c->lock);
	return (n);
}

uint64_t
catalog_made_us(struct catalog *c)
{
	uint64_t us;

	pthread_rwlock_rdlock(&c->lock);
	us = c->made_us;
	pthread_rwlock_unlock(&c->lock);
	return (us);
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

static int
is_in_database(const struct table *t, const void *database)
{
	return (strcmp(t->database, database) == 0);
}

static int
is_not_system(const struct table *t, const void *none)
{
	(void)none;
	return (t->id >= TABLE_USER_FIRST);
}

static int
is_replicable(const struct table *t, const void *none)
{
	(void)none;
	return (catalog_can_replicate(t->id));
}

static struct table **
list_tables(struct catalog *c, int (*is_wanted)(const struct table *t, const void *arg),
    const void *arg, size_t *n)
{
	struct table **list;
	struct named *e;

	*n = 0;
	pthread_rwlock_rdlock(&c->lock);
	list = xcalloc(HASH_COUNT(c->tables) + 1, sizeof(*list));
	for (e = c->tables; e != NULL; e = e->hh.next)
		if (is_wanted(e->table, arg))
			list[(*n)++] = table_ref(e->table);
	pthread_rwlock_unlock(&c->lock);
	qsort(list, *n, sizeof(*list), table_cmp);
	return (list);
}

struct table **
catalog_tables(struct catalog *c, const char *database, size_t *n)
{
	return (list_tables(c, database != NULL ? is_in_database : is_not_system, database, n));
}

struct table **
catalog_replicated(struct catalog *c, size_t *n)
{
	return (list_tables(c, is_replicable, NULL, n));
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
	struct named *e;

	pthread_rwlock_wrlock(&c->lock);
	if ((e = named_by_id(c, id)) != NULL) {
		HASH_DELETE(hh_id, c->by_id, e);
		HASH_DEL(c->tables, e);
		note_said(c, e->table, NULL);
		table_unref(e->table);
		free(e->key);
		free(e);
	}
	pthread_rwlock_unlock(&c->lock);
}

void
catalog_put_database(struct catalog *c, const char *name)
{
	pthread_rwlock_wrlock(&c->lock);
	put_database(c, name);
	c->made_us = mono_us();
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

/*
 * Seconds since ids were given that way, so that a node which was put back from an older
 * copy does not give to another table what peers know.  0: the clock is no help.
 */
static uint32_t
id_of_now(void)
{
	uint64_t now = wall_ms() / 1000;

	return (now > IDS_SINCE && now - IDS_SINCE < IDS_MAX ? (uint32_t)(now - IDS_SINCE) : 0);
}

uint32_t
catalog_new_id(struct catalog *c)
{
	uint32_t id, now = id_of_now();

	pthread_rwlock_wrlock(&c->lock);
	id = c->last_id + 1 > now ? c->last_id + 1 : now;
	c->last_id = id;
	pthread_rwlock_unlock(&c->lock);
	return (id);
}

uint32_t
catalog_last_id(struct catalog *c)
{
	uint32_t id;

	pthread_rwlock_rdlock(&c->lock);
	id = c->last_id;
	pthread_rwlock_unlock(&c->lock);
	return (id);
}
