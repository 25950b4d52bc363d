#ifndef HL_LITETABLE_H
#define HL_LITETABLE_H

#include <jansson.h>

#include "opsd/lite/litekey.h"

/*
 * A table of a SQLite file as it is replicated: its columns are attributes, those of its primary key
 * are the row's key, and attributes as well when there are several.
 */
#define LITE_PREFIX  "__hubleaf_"
#define LITE_LOG     LITE_PREFIX "log"     /* keys of rows that changed, written by triggers */
#define LITE_STATE   LITE_PREFIX "state"   /* whose the file is */
#define LITE_APPLIED LITE_PREFIX "applied" /* rows that were written last */

struct litecolumn {
	char *name;
	enum lite_affinity affinity;
	struct buf preset; /* its DEFAULT, as litevalue_pack makes it */
	int fresh;         /* new in the file: rows of the node are not in it yet */
};

/* A UNIQUE constraint or index beside the primary key. */
struct liteunique {
	int *cols;
	char **collations;
	int n;
};

/* All its rows are to be looked at, as: */
enum lite_look {
	LOOK_NOT,
	LOOK_LOCAL,   /* it was attached, and the file's rows count */
	LOOK_CLUSTER, /* it was attached, and those of the store count */
	LOOK_TAKE,    /* its triggers were gone, so changes were missed */
};

struct litetable {
	char *name;
	unsigned number; /* in the file's log */
	uint32_t id;     /* of the node's table; 0: none */
	enum lite_look look;
	char *key_name; /* the node's primary key: the column, or the columns joined by commas */
	struct litecolumn *cols;
	int ncols;
	int keys[LITE_KEYS_MAX], nkeys; /* columns, in the key's order */
	int *attrs, nattrs;             /* columns that are attributes, sorted by name */
	struct liteunique *unique;
	int nunique;
	int unseen;   /* UNIQUE indexes of expressions: a REPLACE through them is not seen */
	char *create; /* the statements that make it and its indexes */
	/* Made as they are needed; of the connection that read the table. */
	sqlite3_stmt *select, *page, *next, *erase, *rivals;
	sqlite3_stmt *update, *insert; /* for the columns in `given` */
	uint8_t *given;
};

/*
 * As it is in the file now.  -1 with *why, which begins with its name, when it cannot be replicated or
 * is not there; -2 with *why when that cannot be told now.
 */
int litetable_read(struct litetable *t, sqlite3 *db, const char *name, char **why);
void litetable_free(struct litetable *t);
/* Statements are for as long as the schema is the same. */
void litetable_forget(struct litetable *t);
/* Names of all that "*" stands for: new reference; NULL with *why. */
json_t *litetable_names(sqlite3 *db, char **why);
/* "columns" and "key", the names of them, into the object. */
void litetable_tell(const struct litetable *t, json_t *o);
/* Whether its key is of other columns than was told; a column that was renamed is the same. */
int litetable_has_other_key(const struct litetable *t, const json_t *o);
/* The column of that name, -1: none. */
int litetable_column(const struct litetable *t, const char *name, size_t n);
/* Whether columns are new in the file since it was compared. */
int litetable_has_fresh(const struct litetable *t);
/* Whether it is of the key. */
int litetable_is_key(const struct litetable *t, int column);

/* The row with that key: SQLITE_ROW with the columns in order, SQLITE_DONE, or a fault. */
int litetable_select(struct litetable *t, sqlite3 *db, const struct litevalue *key,
    sqlite3_stmt **s);
/* Rows after that key (NULL: all) in the key's order, to be stepped; NULL: a fault. */
sqlite3_stmt *litetable_page(struct litetable *t, sqlite3 *db, const struct litevalue *after);
/* Whether there are rows whose key has a NULL: those are of no page. */
int litetable_has_null_key(const struct litetable *t, sqlite3 *db);
/* Attributes of the row that the statement stands at: u32 count, then as in transactions; appended. */
void litetable_pack(const struct litetable *t, sqlite3_stmt *s, struct buf *out);
/* The key of that row; why not, or NULL. */
const char *litetable_key(const struct litetable *t, sqlite3_stmt *s, struct buf *out);

#endif
