#ifndef HL_SNAPTOLD_H
#define HL_SNAPTOLD_H

#include <jansson.h>

#include "opsd/snapshot/snapshots.h"
#include "opsd/snapshot/snaptake.h"

/* What is told of snapshots: the newest, those of this node, what went wrong.  Any thread. */
struct snaptold;
struct snaptold *snaptold_new(void);
void snaptold_free(struct snaptold *t);

/* The newest of those that this node may remove. */
void snaptold_newest(struct snaptold *t, const char *name, uint64_t bytes);
void snaptold_taken(struct snaptold *t, const struct snaptaken *taken); /* all is well again */
void snaptold_restored(struct snaptold *t, uint64_t tables, uint64_t rows);
/* These take the text, and put it into the log. */
void snaptold_taking_failed(struct snaptold *t, char *text);
void snaptold_fault(struct snaptold *t, char *text); /* anything else */

/* Why none could be taken the last time; the caller frees it.  NULL: all is well. */
char *snaptold_taking_fault(struct snaptold *t);
/* Into the object that cluster_status has; newest_ms: of all that are known, 0: none. */
void snaptold_put(struct snaptold *t, uint64_t newest_ms, json_t *o);
void snaptold_count(struct snaptold *t, struct snapshots_view *v);

#endif
