#ifndef HL_TABLE_H
#define HL_TABLE_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/frame.h"
#include "opsd/store/stamp.h"

/*
 * A table's definition, immutable and counted: a change makes a new version.  Versions
 * share their stat and the attributes that are alike.  No I/O.
 */
#define TABLE_NAME_MAX     250   /* bytes */
#define RESIDENCE_MAX      1000  /* names */
#define RESIDENCE_NAME_MAX 250   /* bytes of each */
#define TABLE_SQLITE_MAX   65536 /* bytes */

struct attribute {
	char *name;
	uint8_t nlen;
	uint16_t id; /* within the table, for index keys */
	int indexed;
	int whole;            /* the index has every row, also those without a value */
	char *type;           /* as declared, or NULL */
	struct stamp dropped; /* components at or below are ignored (drop_attribute) */
	int hidden;           /* dropped and not seen since */
	_Atomic int refs;     /* versions of the table that have it */
};

struct table_stat {               /* one for all versions of a table */
	_Atomic int64_t count;    /* visible rows */
	_Atomic uint64_t updated; /* newest stamp time written */
	_Atomic unsigned turn;    /* odd while head, head_mark and head_ms change: table_head */
	_Atomic uint64_t head;    /* newest log seq of this table that is durable, 0 none */
	_Atomic uint64_t head_mark, head_ms; /* of that */
	_Atomic uint64_t purged;             /* log seq up to which entries were purged by hand */
	_Atomic unsigned file;               /* queue.h: a file has this table, 0: none */
	_Atomic int64_t file_pending;        /* rows of it that the file has not as they are */
	int64_t counted;                     /* the number that keygen gave last; commit thread */
	_Atomic int expiring;                /* expire.h: a worker is at it; when next, monotonic */
	_Atomic uint64_t expire_next_us;
	_Atomic int refs;
};

/* Whether the table replicates by its own word. */
enum table_replicate {
	REPLICATE_UNSAID, /* as its database does, or is subscribed to */
	REPLICATE_YES,
	REPLICATE_NO,
};

struct table {
	uint32_t id;
	char *database, *name;
	char *primary_key;
	struct attribute **attrs; /* sorted by name; the key and the two times included */
	size_t nattrs, room;
	uint16_t next_attr;
	int audit;
	uint32_t expiration; /* seconds, 0: never */
	json_t *residence;   /* names of nodes, as given at creation, or NULL */
	int declared;        /* attributes were given at creation */
	enum table_replicate replicate;
	char *sqlite;           /* as a SQLite file has it: CREATE statements, or NULL */
	struct stamp floor;     /* a table of this name was dropped then */
	struct stamp horizon;   /* greatest stamp of a purged tombstone */
	struct stamp forgotten; /* rows made before were removed here alone (forget.h) */
	struct stamp forgot;    /* when that was asked for last */
	uint64_t created_ms;
	/* What differs from what is stored: the table itself; attributes.  Commit thread. */
	int changed;
	struct attribute **edited; /* borrowed */
	size_t nedited;
	struct table_stat *stat;
	_Atomic int refs; /* the last: all before it is what a copy takes over */
};

/*
 * Why no database, table or declared attribute can have that name, to be said after the
 * field's; NULL: it can.
 */
const char *table_name_fault(const char *name);

struct table *table_ref(struct table *t);
void table_unref(struct table *t);

/* hidden ones too */
const struct attribute *table_attr(const struct table *t, const char *name, size_t nlen);
/* {"primary_key","attributes":[{"attribute","type"?,"indexed"?,"is_primary_key"?}],
 * "declared","audit","expiration"?,"residence"?,"replicate"?,"sqlite"?}: as peers get it. */
json_t *table_definition(const struct table *t);
/* The same of one attribute, for peers that have the table: with "part": true. */
json_t *table_definition_part(const struct table *t, const struct attribute *a);
/* The same of the statements that make it in a SQLite file. */
json_t *table_definition_sqlite(const struct table *t);
/* Nothing when they are no list of names as create_table takes it. */
void table_set_residence(struct table *t, const json_t *names);
/* Nothing when it is no text of so many bytes. */
void table_set_sqlite(struct table *t, const json_t *text);
/* "replicate" of a definition: a boolean, or nothing is said. */
enum table_replicate table_replicate_read(const json_t *definition);
/* The same, written there. */
void table_replicate_write(enum table_replicate said, json_t *definition);

/*
 * The newest durable log entry, as it was at one moment.  Never
 * ahead of the rows: who reads rows after this sees all that the head covers.
 */
struct log_pos table_head(const struct table *t);
void table_set_head(struct table *t, struct log_pos head);
/* For group.c: new versions. */
struct table *table_new(const char *database, const char *name, const char *primary_key);
struct table *table_copy(const struct table *t); /* shares the stat and the attributes */
int table_is_full(const struct table *t);        /* there is no id for another attribute */
/* The attribute, a new one or a copy of what others have: the version's own, to be changed until others see it. */
struct attribute *table_edit_attr(struct table *t, const char *name, size_t nlen);
/* The table without its attributes; -1 or NULL when broken. */
void table_encode(const struct table *t, struct buf *b);
struct table *table_decode(uint32_t id, const void *p, size_t n);
void attribute_encode(const struct attribute *a, struct buf *b);
int table_decode_attr(struct table *t, uint16_t id, const void *p, size_t n);
void table_stored(struct table *t); /* as it is: nothing differs any more */

#endif
