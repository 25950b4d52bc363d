#ifndef HL_NODES_H
#define HL_NODES_H

#include <jansson.h>
#include <stdint.h>

#include "group.h"

/*
 * Who subscribes to what.  One entry per (pair of nodes, database, table or "*"),
 * held alike on both sides and merged by the greater stamp.  CF_META "N" + node id
 * holds one peer as JSON; hdb_nodes shows it.  The commit thread changes, any
 * thread reads copies.
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
};

struct nodes;

struct nodes *nodes_load(struct ops *ops, char **err);
void nodes_free(struct nodes *n);
int nodes_any(const struct nodes *n);	/* whether there is a peer in the manifest */
uint64_t nodes_changes(const struct nodes *n);	/* how many there were since the start */

/* Copies; free with peer_free. NULL: not known. A peer is known here ("in the
 * manifest") while it has an entry that is not removed. */
struct peer *nodes_get(struct nodes *n, const char *name);
struct peer *nodes_by_id(struct nodes *n, const uint8_t *id);
struct peer **nodes_all(struct nodes *n, size_t *count);	/* with tombstones; free each and the array */
char *nodes_name(struct nodes *n, const uint8_t *id);	/* caller frees; NULL: not known */
char *nodes_shown(struct nodes *n, const uint8_t *id);	/* for the log: that, else the id; caller frees */
void peer_free(struct peer *p);
int peer_active(const struct peer *p);	/* any entry not removed */
const struct entry *peer_entry(const struct peer *p, const char *database, const char *table);	/* exact, removed too */
/* What counts for a table: the explicit entry, else "*". NULL: none. */
const struct entry *peer_effective(const struct peer *p, const char *db, size_t dblen,
    const char *table, size_t tlen);
/* Equal on both sides exactly when the entries are. */
uint64_t peer_digest(const struct peer *p);

/* Entries as they travel: [{"database","table","publish","subscribe","removed","stamp":[t,n],
 * "start_ms"}], seen from here. */
json_t *peer_entries_json(const struct peer *p);

/* On the commit thread: a copy of the peer (a new one when unknown; name updated) to change and store. */
struct peer *nodes_edit(struct group *g, const uint8_t *id, const char *name);
struct entry *peer_set_entry(struct peer *p, const char *database, const char *table,
    int publish, int subscribe, uint64_t start_ms, int removed, struct stamp stamp);	/* if newer: the entry, else NULL */
/* A node that is known has another clustering.nodeName now; frees itself. */
struct job *nodes_rename_job(const uint8_t *id, const char *name);
void nodes_store(struct group *g, struct peer *p);	/* takes p: its record and its hdb_nodes row */

#endif
