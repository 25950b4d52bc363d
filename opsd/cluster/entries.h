#ifndef HL_ENTRIES_H
#define HL_ENTRIES_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdint.h>

#include "common/base/frame.h"
#include "opsd/store/stamp.h"

/*
 * A node with which something is subscribed, and what: an entry for each table, or "*".
 * A peer that others can see does not change; who changes it has a copy of its own
 * (nodes_edit), until nodes_store puts that in its place.  No I/O.
 */
struct entry {
	char		*database, *table;	/* table "*": all, present and future */
	int		 publish, subscribe;	/* as seen from here */
	int		 removed;		/* a tombstone, kept for the peer */
	struct stamp	 stamp;
	uint64_t	 start_ms;		/* start_time of the call, 0 none */
};

struct peer {
	uint8_t		 id[NODE_ID_LEN];
	char		 hex[2 * NODE_ID_LEN + 1];
	char		*name;
	struct entry	*entries;
	size_t		 n;
	uint64_t	 added_ms;
	json_t		*system_info;		/* or NULL */
	/* entries.c's */
	_Atomic unsigned refs;
	size_t		 active;		/* entries that are not removed */
	uint64_t	 digest;
	uint32_t	*slots;			/* by database and table: index of an entry + 1; 0: free */
	size_t		 nslots;		/* a power of two */
};

struct peer *peer_new(const uint8_t *id, const char *name);
struct peer *peer_copy(const struct peer *p);	/* to change; NULL gives NULL */
struct peer *peer_ref(struct peer *p);		/* NULL gives NULL */
void peer_free(struct peer *p);			/* one reference */

int peer_active(const struct peer *p);	/* any entry not removed */
/* exact, removed too */
const struct entry *peer_entry(const struct peer *p, const char *database, const char *table);
/* What counts for a table: the explicit entry, else "*". NULL: none. */
const struct entry *peer_effective(const struct peer *p, const char *db, size_t dblen,
    const char *table, size_t tlen);
/* Equal on both sides exactly when the entries are. */
uint64_t peer_digest(const struct peer *p);
/* if newer: the entry, else NULL */
struct entry *peer_set_entry(struct peer *p, const char *database, const char *table,
    int publish, int subscribe, uint64_t start_ms, int removed, struct stamp stamp);

/* Entries as they travel: [{"database","table","publish","subscribe","removed","stamp":[t,n],
 * "start_ms"}], seen from here. */
json_t *peer_entries_json(const struct peer *p);
/* A peer as it is stored; new reference. */
json_t *peer_json(const struct peer *p);
struct peer *peer_from_json(const uint8_t *id, const json_t *o);	/* NULL: it is none */

#endif
