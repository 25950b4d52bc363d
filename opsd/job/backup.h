#ifndef HL_BACKUP_H
#define HL_BACKUP_H

#include <stdint.h>

#include "common/base/buf.h"

/*
 * A consistent copy of a running node as a tar.  The store is copied by a checkpoint: a
 * folder of hard links below it, which holds disk that the store would give back, until
 * the copy is freed.  In the tar, as they are below rootPath:
 *
 *	backup.json	what it is: BACKUP_FORMAT, version, node, time
 *	settings.yaml	what the API has set, if anything
 *	keys/		unless they are left out
 *	database/	the store
 */
#define BACKUP_FORMAT   1
#define BACKUP_MANIFEST "backup.json"

struct backup;
struct data;

/* What an earlier life has left.  Before the first backup. */
void backup_sweep(struct data *data);
/* NULL with *status and *err; nothing is left then.  Waits for the disk. */
struct backup *backup_new(struct data *data, int with_keys, int *status, char **err);
void backup_free(struct backup *b);           /* removes the copy */
uint64_t backup_size(const struct backup *b); /* of the tar */
/* A file name for it. */
const char *backup_name(const struct backup *b);
/* Its next piece, after what is in out: 1, 0 it is at its end, -1 a file cannot be read (logged). */
int backup_read(struct backup *b, struct buf *out);
/* A whole one was sent: remembered below rootPath, over restarts. */
void backup_sent(struct data *data);
int64_t backup_last(struct data *data); /* when, in seconds since 1970; -1: never */

#endif
