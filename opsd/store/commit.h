#ifndef HL_COMMIT_H
#define HL_COMMIT_H

#include <jansson.h>
#include <stdint.h>

#include "opsd/store/catalog.h"
#include "opsd/store/txn.h"

/*
 * The one thread that writes.  A job's `run` stages changes in the open group
 * (group.h) or refuses without having staged anything; the group is written as
 * one batch with one fsync; then `done` runs for each of its jobs, on the
 * commit thread: it must be quick and hand over.
 */
struct commit;
struct group;
struct data;

struct commit_job {
	void (*run)(struct group *g, struct commit_job *j); /* sets status and error */
	void (*done)(struct commit_job *j);                 /* owns the job again */
	void *arg;
	int status;              /* HTTP status: 200, 4xx, 500, 503, 507 */
	char *error;             /* text when status is not 200; freed by done's owner */
	size_t cost;             /* bytes, for the bound of a group */
	int remote;              /* from a peer: waits behind local ones in a group */
	uint64_t queued_us;      /* commit's */
	struct commit_job *next; /* commit's */
};

struct commit *commit_start(struct data *data, char **err);
/* Writes what is queued, then ends the thread; no other thread is in commit_submit any more. */
void commit_stop(struct commit *c);
void commit_submit(struct commit *c, struct commit_job *j);
/* Submit and wait (never on the commit thread or an HTTP thread): status. */
int commit_wait(struct commit *c, struct commit_job *j);
/* Free disk is below storage.reserve (looked at once a second while it is not; commit thread). */
int commit_disk_full(struct commit *c);
/* For how long the group that is being written takes already; 0: none is.  Any thread. */
uint64_t commit_busy_ms(struct commit *c);
/* For how long the local job that waits longest does; 0: none waits.  Any thread. */
uint64_t commit_waited_ms(struct commit *c);
/* How far the commits' clock is ahead of the wall clock, as that was set back.  Any thread. */
uint64_t commit_ahead_ms(struct commit *c);
/* Jobs that wait for their group, of this node's and of peers'.  Any thread. */
void commit_waiting(struct commit *c, unsigned *local, unsigned *remote);
/* Set status and error text; for run functions. */
void commit_fail(struct commit_job *j, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * A local write: built by an HTTP thread with write_add, run as one transaction.
 */
struct write_record {
	size_t key_at, key_len;     /* in bytes; no length: a number is given at the commit */
	size_t attrs_at, attrs_len; /* u32 count + attributes as in txn.h */
	uint32_t same_as;           /* index of an earlier record with this key, or UINT32_MAX */
	uint8_t applied;            /* after the commit: 1 written, 0 skipped */
};

struct write {
	struct commit_job job; /* first */
	struct table *table;   /* counted */
	enum txn_op op;
	char *user;
	struct buf bytes;
	struct write_record *recs;
	uint32_t n, cap;
	int internal;          /* our own write of a system table */
	struct key_seen *seen; /* write.c's: the keys of this request */
};

struct write *write_new(struct table *t, enum txn_op op, const char *user); /* refs the table */
void write_free(struct write *w);
/*
 * Add a record: an object for insert, update, upsert (attributes in any order; the key
 * among them; __createdtime__ and __updatedtime__ ignored), a key value for delete.
 * Without a key the table's next number becomes it (keygen.h).
 * Names and key rules have been checked.  Repeated keys are folded (later attributes
 * win; a second insert is skipped).  -1: the transaction would exceed `max` bytes.
 */
int write_add(struct write *w, const json_t *record, size_t max);
/* The same with attributes as in txn.h: u32 count, then sorted by name; neither key nor times.  key: NULL for a number. */
int write_add_packed(struct write *w, const json_t *key, const struct buf *attrs, size_t max);

/* Definition changes; NULL or counted values; done frees with ddl_free. */
enum ddl_kind {
	DDL_CREATE_DATABASE,
	DDL_DROP_DATABASE,
	DDL_CREATE_TABLE,
	DDL_ALTER_TABLE, /* of its definition, what the table says of replicating */
	DDL_DROP_TABLE,
	DDL_CREATE_ATTRIBUTE,
	DDL_DROP_ATTRIBUTE,
};
struct ddl {
	struct commit_job job; /* first */
	enum ddl_kind kind;
	char *database, *table, *attribute, *primary_key, *user;
	json_t *attributes;  /* [{"name"|"attribute","type"?,"indexed"?}] or NULL */
	json_t *residence;   /* names of nodes, or NULL */
	char *sqlite;        /* CREATE statements, or NULL */
	int audit;           /* 0, 1 */
	uint32_t expiration; /* seconds, 0: never */
	enum table_replicate replicate;
};
struct ddl *ddl_new(enum ddl_kind kind, const char *database, const char *table);
void ddl_free(struct ddl *d);
/* Errors (texts and statuses of the API) are set by the run function. */

#endif
