#ifndef HL_LITE_H
#define HL_LITE_H

#include <jansson.h>
#include <stdint.h>

#include "opsd/store/data.h"

/*
 * SQLite files of applications, whose tables are tables of this node.  An application goes on with its file as
 * it did.  Each file has a thread, so one that hangs, as on a disk that is not there, holds up nothing else.
 */
struct lite;
struct litefile;

enum lite_seed { LITE_SEED_REFUSE, LITE_SEED_LOCAL, LITE_SEED_CLUSTER };
enum lite_repair { LITE_REPAIR_NONE, LITE_REPAIR_FILE, LITE_REPAIR_DATABASE };

/* Once, on the file's thread: 200 with an object, or another status with {"error"}; takes the reference. */
typedef void lite_done(void *arg, int status, json_t *answer);

struct lite_attach {
	char *database, *path;
	json_t *tables; /* names, or NULL for all; borrowed */
	enum lite_seed seed;
	int check, create, wal;
	lite_done *done;
	void *arg;
};

struct lite_figures {
	int64_t log, queued, refused, wal_bytes, file_bytes;
	uint64_t busy, captured, applied, oldest_ms; /* of the log: how old its first entry is */
	uint64_t verified_ms,
	    differing; /* when all rows were compared last, or it was attached; found then */
};

/* With the files that were attached before. */
struct lite *lite_start(struct data *data);
/* Waits for the threads, but not for one that hangs. */
void lite_stop(struct lite *l);
void lite_free(struct lite *l); /* once nothing is committed any more */

/* Each asks a file's thread; NULL, or why not, with *status; the caller frees. */
char *lite_attach(struct lite *l, const struct lite_attach *a, int *status);
char *lite_detach(struct lite *l, const char *database, const char *path, lite_done *done,
    void *arg, int *status);
char *lite_verify(struct lite *l, const char *database, const char *path, enum lite_repair repair,
    lite_done *done, void *arg, int *status);

/* [{"database","path","state","tables",...}] of all files; new reference.  Any thread. */
json_t *lite_status(struct lite *l);
/* Calls fn for each file with its figures. */
void lite_each(struct lite *l,
    void (*fn)(void *arg, const char *database, const char *path, int ok,
	const struct lite_figures *figures),
    void *arg);

#endif
