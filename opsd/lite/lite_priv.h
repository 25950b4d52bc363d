#ifndef HL_LITE_PRIV_H
#define HL_LITE_PRIV_H

#include <pthread.h>
#include <stdint.h>
#include <sys/types.h>
#include <uthash.h>

#include "opsd/lite/lite.h"
#include "opsd/lite/litetable.h"
#include "opsd/lite/litewait.h"
#include "opsd/store/data.h"

/*
 * A file is its thread's alone: nobody else touches what is below "the thread's", nor waits for it.
 * What others see and ask is below "shared", under the lock, which is never held while SQLite works.
 *
 *   litethread.c   the thread: what it does, in turn
 *   litewait.c     what it waits for
 *   liteopen.c     connection and tables, what became of them since
 *   litebatch.c    rows of the file on their way into the store
 *   litedrain.c    the file's log, window by window
 *   litefill.c     rows of the store on their way into the file
 *   litewrite.c    one such row
 *   litecompare.c  all rows of both
 *   liteattach.c   the beginning, and the end
 */
#define LITE_TRY_AGAIN_MS 1000

/* A row that the file, or the node, does not take; by table and key. */
struct literefused {
	uint8_t *key; /* be32 number of the table, key */
	size_t klen;
	char *why;
	uint64_t newest; /* stamp of the row by then */
	UT_hash_handle hh;
};

struct litecommand {
	enum lite_command_kind { LITE_DETACH, LITE_VERIFY } kind;
	enum lite_repair repair;
	lite_done *done;
	void *arg;
	struct litecommand *next;
};

/* What litecompare.c is at. */
struct litecompare {
	enum lite_compare_mode {
		COMPARE_NONE,
		COMPARE_REPORT, /* only counts */
		COMPARE_FOLLOW, /* the file is made as the store */
		COMPARE_TAKE,   /* the store is made as the file */
	} mode;
	int keep;               /* of COMPARE_TAKE: rows that the file has not go there */
	int whole;              /* after a start: of all tables */
	size_t from, table, to; /* which one it is at, and before which one it ends */
	int second;             /* through the file, after the store */
	struct buf last;        /* key of the last row that was looked at */
	uint64_t rows, missing, extra, different, skipped;
	struct litecommand *command; /* who asked; or NULL */
};

struct litefile {
	struct lite *lite;
	struct data *data;
	unsigned number;        /* table_stat's `file` */
	char *database, *asked; /* as it was named */
	char id[33];
	int all;       /* tables: "*" */
	json_t *names; /* those that were asked for */
	json_t *
	    known; /* [{"table","number","id","columns":[name],"look"}]: those that are replicated */

	/* the thread's */
	char *path; /* without links on the way */
	pthread_t thread;
	struct lite_attach *attach; /* until it is answered */
	sqlite3 *db;
	int lock; /* a socket of the file's name (liteopen.c) */
	dev_t dev;
	ino_t ino;
	struct litetable *tables;
	size_t ntables;
	unsigned last_number; /* of a table in the log */
	int64_t schema, seen; /* schema_version and data_version, as they were looked at last */
	int64_t drained;      /* of the log: taken up to here */
	uint64_t drained_rows, pruned_us;
	uint64_t last_stamp;  /* time of the last stamp that a window got */
	uint64_t active_us;   /* when there was something to do last */
	uint64_t retry_us;    /* nothing is tried before */
	uint64_t round_us;    /* when what was refused was tried last */
	struct buf fill_last; /* of the queue: key */
	size_t fill_table;
	int fill_more, fill_left; /* there may be more; some was passed over in this round */
	struct literefused *refused;
	struct litecompare compare;
	struct lite_figures figures;
	uint64_t busy;        /* times that somebody else held the file */
	uint64_t held_off_us; /* since when it is so every time; 0: it is not */
	uint64_t looked_us;
	unsigned pause_ms;
	int paced; /* the pause is not ended by writes of the file */
	int log_more;
	int moving, moved;   /* in the last turn; since figures were told */
	int recover;         /* all rows are to be compared, as the last stop was none */
	char *held;          /* why nothing is compared before verify_sqlite says how; or NULL */
	uint64_t generation; /* of starts with this file, in the file and in the record */
	int faulty;          /* tables are missing or cannot be replicated */
	int unfilled;        /* what is queued could not be written, as was said */
	int gone;            /* nothing is done with it any more */
	int made;            /* by attach_sqlite, which was not answered yet */
	char *token;         /* of the last stop, NULL: none */
	char *fault;         /* of the transaction that was undone last, NULL: none, or told */

	/* shared */
	pthread_mutex_t lock_shared;
	struct litewait wait;
	int woken;
	_Atomic int stop, ended;
	int left;              /* it is attached no more, and nothing is asked of it */
	_Atomic int abandoned; /* nobody waits for it any more: the store may be gone */
	struct litecommand *commands;
	char *state;   /* "ok", or what is wrong */
	json_t *shown; /* of its tables */
	struct lite_figures shown_figures;
	struct litefile *next;
};

/* ---- lite.c ---- */

/* The registry has it as it is now, with this token (NULL: it runs). Commit thread. */
void lite_save(struct group *g, struct litefile *f, const char *token);
void lite_forget(struct group *g, struct litefile *f); /* it has it no more */
/* The first, waited for. */
int lite_save_wait(struct litefile *f, const char *token);
int lite_stopping(const struct litefile *f);
/* Closed, before that is answered: it may be attached anew then. */
void lite_leave(struct litefile *f);
char *lite_not_attached(const char *database, const char *path);
/* Somebody else holds the file; or, with 0, it could be had. */
void lite_held_off(struct litefile *f, int busy);
/* Says so in status, and in the log when it is new; "ok" is well.  Takes the text. */
void lite_say(struct litefile *f, char *state);

/* ---- liteopen.c ---- */

/* -1 with *why.  The lock that keeps other nodes of this machine off. */
int liteopen_lock(struct litefile *f, char **why);
int liteopen_open(struct litefile *f, int create, char **why);
void liteopen_close(struct litefile *f);
/* Tables as the schema is now; 1: nothing changed, 0: it did, -1 with *why: not now. */
int liteopen_refresh(struct litefile *f, char **why);
/*
 * Within a transaction: whether the tables are what was read.  Otherwise all there is to do is to
 * leave the transaction, and they are read anew.
 */
int liteopen_is_current(struct litefile *f);
/* A transaction that writes; SQLite's result code. */
int liteopen_begin(struct litefile *f);
/* After a fault in it, where SQLite has not ended it by itself: as when the disk is full. */
void liteopen_undo(struct litefile *f);
/* What went wrong last (litedb_fault), in what was undone or since; the caller frees. */
char *liteopen_fault(struct litefile *f);
struct litetable *liteopen_table(struct litefile *f, unsigned number);
/* Its triggers, while the schema is what was read, else SQLITE_ABORT; SQLite's result code. */
int liteopen_watch(struct litefile *f, const struct litetable *t);
/* The definition that the node has of a table: counted, NULL: none. */
struct table *liteopen_node_table(struct litefile *f, const struct litetable *t);
/* -1 with *why: the file is another, or is not there. */
int liteopen_same_file(const struct litefile *f, char **why);

/* ---- litebatch.c ---- */

/* Rows as the file has them; in one commit. */
struct literow {
	unsigned table;
	size_t key_at, klen, attrs_at, alen;
	int present;
};
struct litebatch {
	struct commit_job job; /* first */
	struct litefile *f;
	int take;  /* 1: into the store; 0: what differs goes into the queue; -1: it is counted */
	int fresh; /* of the first: only what columns that are new in the file have */
	uint64_t at_ms;
	struct buf bytes;
	struct literow *rows;
	size_t n, cap;
	uint64_t missing, extra, different;
};
void litebatch_begin(struct litebatch *b, struct litefile *f, int take);
/* Reads the row of that key (NULL fault) out of the file; SQLite's result code. */
int litebatch_add(struct litebatch *b, struct litetable *t, const struct litevalue *key,
    const struct buf *bytes);
/* The row where the statement is; one that no transaction can hold is refused. */
void litebatch_add_row(struct litebatch *b, const struct litetable *t, sqlite3_stmt *s,
    const struct buf *key);
/* Whether it has as much as one transaction should. */
int litebatch_full(const struct litebatch *b);
/* 200, or what the commit says, with the reason in job.error. */
int litebatch_commit(struct litebatch *b);
void litebatch_free(struct litebatch *b);
/* Whether the visible row has what the file has, in what both know. */
int litebatch_same(const struct litetable *t, const struct row *row, const uint8_t *attrs,
    size_t n);

/* ---- litedrain.c ---- */

/* Keys of rows; zero-initialised is none. */
struct litekeys {
	struct litelogged *first;
};
/* Those that the application changed and that were not taken yet: -1, there are many, or not now. */
int litedrain_keys_read(struct litefile *f, struct litekeys *keys);
int litedrain_keys_has(const struct litekeys *keys, const struct litetable *t,
    const struct buf *key);
void litedrain_keys_free(struct litekeys *keys);
/* The next window of the log, in a transaction of its own if there is none: 1 there was one, 0 none, -1 not now. */
int litedrain_window(struct litefile *f);
/* Removes from the file's log what was taken, when it is time, or `now`; -1: not now. */
int litedrain_prune(struct litefile *f, int now);
int64_t litedrain_pending(struct litefile *f);

/* ---- litefill.c ---- */

/* So many rows of the queue into the file: 1 there may be more, 0 none, -1 not now. */
int litefill_some(struct litefile *f);
/* What was written before the process ended is known then. */
void litefill_recall(struct litefile *f);
void litefill_refuse(struct litefile *f, const struct litetable *t, const uint8_t *key, size_t klen,
    uint64_t newest, const char *why);
void litefill_forget(struct litefile *f, const struct litetable *t, const uint8_t *key,
    size_t klen);
void litefill_clear(struct litefile *f);
struct literefused *litefill_refused(struct litefile *f, const struct litetable *t,
    const uint8_t *key, size_t klen);

/* ---- litewrite.c ---- */

/* A row that must give way, as another with the same value in a UNIQUE index is newer. */
struct literival {
	struct buf key;
	struct literival *next;
};
/*
 * As the row is in the store: SQLITE_OK, or a result code with *why when the file does not take it.
 * `remade`: what the file has of it must not stay where the row says nothing.
 */
int litewrite_row(struct litefile *f, struct litetable *t, const uint8_t *key, size_t klen,
    const struct row *row, int remade, struct literival **rivals, char **why);
void litewrite_rivals_free(struct literival *r);

/* ---- litecompare.c ---- */

/* Of the tables [from, to). */
void litecompare_begin(struct litefile *f, enum lite_compare_mode mode, size_t from, size_t to);
/* So many rows: 1 there are more, 0 it has ended, -1 not now. */
int litecompare_some(struct litefile *f);

/* ---- liteattach.c ---- */

/* A table of the file that is not replicated yet, with an id when that could be. */
void liteattach_table(struct litefile *f, size_t i);
/* Whoever makes the tables makes them as they are in the file now. */
void liteattach_tell_schema(struct litefile *f);
/* What is kept of a table changes so; NULL: it is not known.  Borrowed. */
json_t *liteattach_known(struct litefile *f, unsigned number);
/* What was asked of a file that is not attached yet; it answers.  0: it is now. */
int liteattach_run(struct litefile *f);
/* Takes out of the file what was put into it, and forgets it; -1 with *why. */
int liteattach_undo(struct litefile *f, char **why);

/* ---- litethread.c ---- */

void *litethread_main(void *file);

#endif
