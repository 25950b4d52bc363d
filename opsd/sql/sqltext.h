#ifndef HL_SQLTEXT_H
#define HL_SQLTEXT_H

#include "common/base/buf.h"

/*
 * What has to be known of a statement before SQLite reads it: what it does, which tables it may
 * name, and which attributes it writes.  SQLite's own parser says whether it is right.  No I/O.
 */
enum sqlverb { SQL_SELECT, SQL_EXPLAIN, SQL_INSERT, SQL_UPSERT, SQL_UPDATE, SQL_DELETE };

struct sqlname {
	char *db, *table; /* db NULL: a word that stands alone */
};

struct sqltext {
	enum sqlverb verb;
	struct buf text;       /* for SQLite, with a NUL behind it */
	struct sqlname *names; /* whatever may be a table or a column: more than there are */
	size_t nnames;
	struct sqlname target; /* of what writes; table NULL: it was not found */
	char **written;        /* attributes that INSERT lists or UPDATE sets */
	size_t nwritten;
	int listed; /* INSERT says which attributes its values are of */
	int all;    /* there is a "*" that stands for all columns */
};

/*
 * What TRUE and FALSE become where a value is written as it stands, so that what is stored is a
 * boolean and no number: a byte string, which no value of a table is.
 */
#define SQLTEXT_TRUE  "x'f7'"
#define SQLTEXT_FALSE "x'f6'"
enum { SQLTEXT_TRUE_BYTE = 0xf7, SQLTEXT_FALSE_BYTE = 0xf6 };

/* -1 with *err, for a 400: no statement, more than one, or one that is not for here. */
int sqltext_read(struct sqltext *t, const char *sql, char **err);
void sqltext_free(struct sqltext *t);
int sqltext_names(const struct sqltext *t,
    const char *word); /* it is among the names, in any case */
/* The name in quotes, appended. */
void sqltext_quote(struct buf *out, const char *name);

#endif
