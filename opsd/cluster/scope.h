#ifndef HL_SCOPE_H
#define HL_SCOPE_H

#include <jansson.h>

#include "opsd/cluster/subscription.h"
#include "opsd/store/catalog.h"

/*
 * What of a node replicates: its replication.databases, and tables that say so themselves
 * ("replicate").  It counts at both ends: each knows its own, and has been told the other's.
 */
#define SCOPE_DATABASES_MAX 1000

struct scope {
	json_t *databases; /* names, or "*": all but system */
	struct catalog *catalog;
};

/* Whether the databases, [] of names or "*", include it; system only by its name. */
int scope_has_database(const json_t *databases, const char *db, size_t n);
/*
 * Of system, users and roles can replicate, where both ends name it: with all databases, by no
 * subscription of their own.
 */
int scope_is_system(const char *db, size_t n);
/*
 * Whether a table of that name, which may be none of ours, is replicated under a subscription;
 * `wide`: one for all databases.  A NULL scope holds everything.
 */
int scope_has(const struct scope *s, int wide, const char *db, size_t dblen, const char *table,
    size_t tlen);
/* Why a subscription cannot be that names one table of ours; NULL: it can. The caller frees. */
char *scope_fault(const struct scope *s, const struct subscription *sub);

/* As others are told: {"databases":[...],"tables":{"data/dog":bool}}; new reference. */
json_t *scope_write(const struct scope *s);
/* What another node has told, checked; borrowed. NULL with a fault. */
json_t *scope_read(struct peerjson *w, const json_t *o, const char *field);
/* scope_has of that; NULL: it has not told yet, and everything is held. */
int scope_told_has(const json_t *told, int wide, const char *db, size_t dblen, const char *table,
    size_t tlen);

#endif
