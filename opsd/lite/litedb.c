#include "config.h"

#include "opsd/lite/litedb.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "opsd/store/value.h"

#define BUSY_TIMES 400 /* that a lock is asked for again, */
#define BUSY_MS    1   /* so soon at first, */
#define BUSY_MOST  8   /* and then less often */

int
litedb_is_busy(int rc)
{
	return ((rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED);
}

int
litedb_is_passing(int rc)
{
	return (litedb_is_busy(rc) || (rc & 0xff) == SQLITE_NOMEM);
}

char *
litedb_utf8(char *text)
{
	if (text != NULL && !value_utf8(text, strlen(text)))
		for (char *p = text; *p != '\0'; p++)
			*p = (unsigned char)*p < 0x80 ? *p : '?';
	return (text);
}

char *
litedb_fault(sqlite3 *db, const char *path)
{
	int rc = db == NULL ? SQLITE_CANTOPEN : sqlite3_errcode(db) & 0xff;
	const char *said = db == NULL ? "cannot be opened" : sqlite3_errmsg(db);

	if (litedb_is_busy(rc))
		return (xasprintf("%s: another process holds it for itself (%s)", path, said));
	if (rc == SQLITE_CANTOPEN || rc == SQLITE_READONLY || rc == SQLITE_PERM ||
	    rc == SQLITE_IOERR)
		return (xasprintf("%s: %s" LITEDB_NEEDED, path, said));
	return (xasprintf("%s: %s", path, said));
}

/* Sooner than SQLite's own, which beside an application that writes without end gets no turn. */
static int
wait_for_lock(void *arg, int times)
{
	(void)arg;
	if (times >= BUSY_TIMES)
		return (0);
	sqlite3_sleep(times < 50 ? BUSY_MS : BUSY_MOST);
	return (1);
}

sqlite3 *
litedb_open(const char *path, int create, char **why)
{
	sqlite3 *db = NULL;
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX |
	    SQLITE_OPEN_PRIVATECACHE | (create ? SQLITE_OPEN_CREATE : 0);

	if (sqlite3_open_v2(path, &db, flags, NULL) != SQLITE_OK) {
		*why = litedb_fault(db, path);
		sqlite3_close_v2(db);
		return (NULL);
	}
	sqlite3_extended_result_codes(db, 1);
	sqlite3_busy_handler(db, wait_for_lock, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_FKEY, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 1, NULL);
	/* A file that shrinks below a mapping would end the process. */
	if (litedb_exec(db, "PRAGMA mmap_size=0; PRAGMA cell_size_check=ON") == SQLITE_OK &&
	    litedb_int(db, -1, "SELECT count(*) FROM sqlite_schema") >= 0)
		return (db);
	*why = litedb_fault(db, path);
	sqlite3_close_v2(db);
	return (NULL);
}

void
litedb_close(sqlite3 *db)
{
	if (db != NULL)
		sqlite3_close_v2(db);
}

int
litedb_exec(sqlite3 *db, const char *sql)
{
	return (sqlite3_exec(db, sql, NULL, NULL, NULL));
}

int
litedb_execf(sqlite3 *db, const char *fmt, ...)
{
	va_list ap;
	char *sql;
	int rc;

	va_start(ap, fmt);
	sql = sqlite3_vmprintf(fmt, ap);
	va_end(ap);
	rc = litedb_exec(db, sql);
	sqlite3_free(sql);
	return (rc);
}

static sqlite3_stmt *
prepare_args(sqlite3 *db, const char *fmt, va_list ap)
{
	char *sql = sqlite3_vmprintf(fmt, ap);
	sqlite3_stmt *s = NULL;

	sqlite3_prepare_v2(db, sql, -1, &s, NULL);
	sqlite3_free(sql);
	return (s);
}

sqlite3_stmt *
litedb_prepare(sqlite3 *db, const char *fmt, ...)
{
	sqlite3_stmt *s;
	va_list ap;

	va_start(ap, fmt);
	s = prepare_args(db, fmt, ap);
	va_end(ap);
	return (s);
}

int64_t
litedb_int(sqlite3 *db, int64_t otherwise, const char *fmt, ...)
{
	sqlite3_stmt *s;
	va_list ap;

	va_start(ap, fmt);
	s = prepare_args(db, fmt, ap);
	va_end(ap);
	if (s != NULL && sqlite3_step(s) == SQLITE_ROW)
		otherwise = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return (otherwise);
}

char *
litedb_text(sqlite3 *db, const char *fmt, ...)
{
	char *text = NULL;
	sqlite3_stmt *s;
	va_list ap;

	va_start(ap, fmt);
	s = prepare_args(db, fmt, ap);
	va_end(ap);
	if (s != NULL && sqlite3_step(s) == SQLITE_ROW)
		text = xstrdup((const char *)sqlite3_column_text(s, 0));
	sqlite3_finalize(s);
	return (text);
}
