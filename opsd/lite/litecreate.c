#include "config.h"

#include "opsd/lite/litecreate.h"

#include <string.h>

#include "common/base/mem.h"
#include "opsd/lite/litedb.h"
#include "opsd/store/table.h"

/* Statements may be from another node: they make tables and indexes, and do nothing else. */
static int
allow_create_cb(void *arg, int what, const char *a, const char *b, const char *c, const char *d)
{
	(void)arg;
	(void)b;
	(void)c;
	(void)d;
	switch (what) {
	case SQLITE_CREATE_TABLE:
	case SQLITE_CREATE_INDEX:
	case SQLITE_REINDEX:
	case SQLITE_FUNCTION:
	case SQLITE_TRANSACTION:
	case SQLITE_SAVEPOINT:
	case SQLITE_READ:
	case SQLITE_SELECT:
		return (SQLITE_OK);
	case SQLITE_INSERT:
	case SQLITE_UPDATE:
	case SQLITE_DELETE:
		return (strncmp(a, "sqlite_", 7) == 0 ? SQLITE_OK : SQLITE_DENY);
	default:
		return (SQLITE_DENY);
	}
}

static char *
plain_create(const struct table *t)
{
	sqlite3_str *sql = sqlite3_str_new(NULL);

	sqlite3_str_appendf(sql, "CREATE TABLE \"%w\"(\"%w\" PRIMARY KEY NOT NULL", t->name,
	    t->primary_key);
	for (size_t i = 0; i < t->nattrs; i++) {
		const char *name = t->attrs[i]->name;

		if (!t->attrs[i]->hidden && strcmp(name, t->primary_key) != 0 &&
		    strcmp(name, "__createdtime__") != 0 && strcmp(name, "__updatedtime__") != 0)
			sqlite3_str_appendf(sql, ", \"%w\"", name);
	}
	sqlite3_str_appendall(sql, ")");
	return (sqlite3_str_finish(sql));
}

int
litecreate_table(sqlite3 *db, const struct table *t, char **why)
{
	char *plain = t->sqlite == NULL ? plain_create(t) : NULL;
	int rc;

	if (litedb_int(db, 0, "SELECT count(*) FROM sqlite_schema WHERE name = %Q COLLATE NOCASE",
		t->name) > 0) {
		sqlite3_free(plain);
		return (0);
	}
	sqlite3_set_authorizer(db, allow_create_cb, NULL);
	rc = litedb_exec(db, plain != NULL ? plain : t->sqlite);
	sqlite3_set_authorizer(db, NULL, NULL);
	if (rc != SQLITE_OK)
		*why = xstrdup(sqlite3_errmsg(db));
	sqlite3_free(plain);
	return (rc == SQLITE_OK ? 0 : -1);
}
