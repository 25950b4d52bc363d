#ifndef HL_LITEDB_H
#define HL_LITEDB_H

#include <sqlite3.h>
#include <stdint.h>

/*
 * A connection to an application's file.  No file of these is opened but through SQLite: closing any
 * other descriptor of it would end the locks that SQLite holds in this process.
 */

/* What a fault of rights is followed by. */
#define LITEDB_NEEDED                                                                            \
	". The daemon's user needs to read and write it and to make files beside it; under "     \
	"systemd its folder needs to be in ReadWritePaths of a drop-in of hubleaf-opsd.service " \
	"(opsd(8))"

/* With triggers off and foreign keys not looked at; NULL with *why.  create: it may be new. */
sqlite3 *litedb_open(const char *path, int create, char **why);
void litedb_close(sqlite3 *db);
/* SQLite's result code. */
int litedb_exec(sqlite3 *db, const char *sql);
/* sqlite3_mprintf's conversions: %w, %Q. */
int litedb_execf(sqlite3 *db, const char *fmt, ...);
/* NULL: a fault. */
sqlite3_stmt *litedb_prepare(sqlite3 *db, const char *fmt, ...);
/* The first column of the first row; `otherwise` where there is none. */
int64_t litedb_int(sqlite3 *db, int64_t otherwise, const char *fmt, ...);
/* The same as text, or NULL; the caller frees. */
char *litedb_text(sqlite3 *db, const char *fmt, ...);
/* What went wrong last, with what to do about it when the sandbox or rights are in the way; caller frees. */
char *litedb_fault(sqlite3 *db, const char *path);
/* Where it is not UTF-8, as with names that SQLite repeats, what is not ASCII becomes "?"; the same text. */
char *litedb_utf8(char *text);
/* Somebody else holds the file. */
int litedb_is_busy(int rc);
/* That, or there is no memory now, as SQLite's is shared with the operation sql: to be tried again. */
int litedb_is_passing(int rc);

#endif
