#ifndef HL_SQL_H
#define HL_SQL_H

#include <jansson.h>

#include "opsd/format/format.h"
#include "opsd/store/data.h"
#include "opsd/store/txn.h"

/*
 * One statement, by SQLite as the engine: each table that it names is a virtual table of it
 * (https://www.sqlite.org/vtab.html) over one snapshot of the store.  A SELECT gives its rows
 * in pieces; what INSERT, UPDATE and DELETE write is only gathered, for the ordinary way of
 * writing.  One thread at a time; it may block, for as long as the limits let it.
 */
#define SQL_PIECE 32768 /* bytes of a result at hand with which a step ends early */

struct sql;
struct user;

struct sql_limits {
	uint64_t time_us;       /* of all steps together; 0: any */
	uint64_t rows;          /* of the answer; 0: any */
	uint64_t write;         /* bytes that may be gathered */
	int (*over)(void *arg); /* nobody wants its answer any more; or NULL */
	void *arg;
};

/*
 * Reads the statement and finds its tables; user and text are borrowed until sql_free.  NULL
 * with *err, for a 400.
 */
struct sql *sql_new(struct data *data, const struct user *user, const char *text, char **err);
void sql_free(struct sql *s);

enum sql_prepared {
	SQL_READY,
	SQL_WRONG,   /* sql_error, sql_status */
	SQL_NO_TABLE /* of sql_missing, or not one of the user's */
};
enum sql_prepared sql_prepare(struct sql *s, const struct sql_limits *limits);
void sql_missing(const struct sql *s, const char **db, const char **table);

/* The tables it reads, after sql_prepare: *names are the attributes (borrowed); NULL: no more. */
const struct table *sql_reads(const struct sql *s, size_t i, const json_t **names);
/* What it writes to; NULL: it only reads.  *op: how. */
struct table *sql_writes(const struct sql *s, enum txn_op *op);

enum sql_state { SQL_MORE, SQL_DONE, SQL_FAILED };
enum sql_state sql_step(struct sql *s);
/* Its rows in that format, before the first step; JSON without it. */
void sql_format(struct sql *s, enum format f);
/* The result so far: who clears it between steps gets it in pieces. */
struct buf *sql_out(struct sql *s);
uint64_t sql_shown(const struct sql *s); /* rows so far */
/* After SQL_DONE, of what writes: the records, or the keys of what is deleted; borrowed. */
json_t *sql_records(struct sql *s);
const char *sql_error(const struct sql *s);
int sql_status(const struct sql *s); /* its HTTP status */

#endif
