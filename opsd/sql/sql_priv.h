#ifndef HL_SQL_PRIV_H
#define HL_SQL_PRIV_H

#include <sqlite3.h>

#include "opsd/search/range.h"
#include "opsd/search/rows.h"
#include "opsd/sql/sql.h"
#include "opsd/sql/sqltext.h"
#include "opsd/sql/sqlvalue.h"

/*
 * sql.c (a statement, from text to its end), sqltable.c (tables as SQLite sees them), sqlindex.c
 * (which way to their rows), sqlcursor.c (going it), sqlwrite.c (what is written), sqlanswer.c
 * (rows of the answer).
 */
struct sqlcolumn {
	struct field field; /* attr NULL: an attribute that is not there yet */
	char *name;
	int shown; /* the user may read it */
	unsigned seen;
};

struct sqltable {
	struct sql *sql;
	struct table *t;
	char *schema; /* of SQLite */
	struct sqlcolumn *cols;
	size_t ncols, key; /* the primary key's */
	json_t *asked;     /* attributes that are read; NULL: the statement does not read it */
};

struct sql {
	struct data *data;
	const struct user *user;
	struct sqltext text;
	sqlite3 *db;
	sqlite3_stmt *stmt;
	struct store_snap *snap;
	struct sqltable **tables;
	size_t ntables;
	struct sqltable *target; /* of what writes */
	struct sql_limits limits;
	uint64_t used_us, began_us; /* by steps; of this one */
	int late;                   /* ended by the time's limit */
	const struct sqlname *missing;
	struct rows rows;               /* of the answer */
	const struct sqlcolumn **shows; /* of each column the one that it shows as it is, or NULL */
	json_t *records;                /* of what writes */
	uint64_t gathered;
	char *refused; /* by the authorizer: why */
	char *error;
	int status;
};

extern const sqlite3_module sqltable_module;

/* ---- sqltable.c ---- */
#define SQLTABLE_COLUMNS_MAX 2000 /* SQLite's own limit */
/* The table under its name, in the schema of its database; 0, or -1 with the statement failed. */
int sqltable_add(struct sql *s, struct table *t, const char *schema);
void sqltable_free(struct sqltable *t);
struct sqlcolumn *sqltable_column(struct sqltable *t, const char *name); /* NULL: none */
/* By what SQLite calls it. */
struct sqltable *sqltable_find(struct sql *s, const char *schema, const char *name);

/* ---- sqlindex.c ---- */
/*
 * The way to rows, in idxNum: a column's place with what is asked of it; idxStr says the same
 * in words, for EXPLAIN.
 */
enum {
	WAY_EQUAL = 1, /* arguments: the value; else the bounds that there are, lower one first */
	WAY_FROM = 2,
	WAY_AFTER = 4,
	WAY_TO = 8,
	WAY_BEFORE = 16,
	WAY_ORDER = 32, /* in the order of the column, */
	WAY_BACK = 64,  /* descending */
	WAY_BITS = 7,
};
int sqlindex_best(sqlite3_vtab *vtab, sqlite3_index_info *info);
/* The ranges of a way, two at most; their number. */
size_t sqlindex_ranges(const struct sqltable *t, int way, sqlite3_value **args, struct range *out);

/* ---- sqlcursor.c ---- */
int sqlcursor_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **cursor);
int sqlcursor_close(sqlite3_vtab_cursor *cursor);
int sqlcursor_filter(sqlite3_vtab_cursor *cursor, int way, const char *words, int argc,
    sqlite3_value **argv);
int sqlcursor_next(sqlite3_vtab_cursor *cursor);
int sqlcursor_eof(sqlite3_vtab_cursor *cursor);
int sqlcursor_column(sqlite3_vtab_cursor *cursor, sqlite3_context *to, int i);
int sqlcursor_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *rowid);

/* ---- sqlwrite.c ---- */
int sqlwrite_update(sqlite3_vtab *vtab, int argc, sqlite3_value **argv, sqlite3_int64 *rowid);

/* ---- sqlanswer.c ---- */
void sqlanswer_begin(struct sql *s);
int sqlanswer_row(struct sql *s); /* -1 with the statement failed */
void sqlanswer_end(struct sql *s);

/* ---- sql.c ---- */
int sql_must_end(struct sql *s); /* its time is over, or nobody waits */
void sql_fail(struct sql *s, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

struct sqlvtab { /* what SQLite has of a table */
	sqlite3_vtab base;
	struct sqltable *t;
};

#endif
