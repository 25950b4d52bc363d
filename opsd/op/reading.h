#ifndef HL_READING_H
#define HL_READING_H

#include <jansson.h>

#include "opsd/op/op.h"
#include "opsd/store/catalog.h"
#include "opsd/store/row.h"
#include "opsd/store/txn.h"

/*
 * Reading a log of transactions for a request: the entries of a list, or of a list for each
 * value that is asked for, in slices on the request's thread.
 */
struct store_iter;

enum reading_by { BY_TIME, BY_KEY, BY_USER };

/* What is asked for, and how far it is. */
struct reading {
	struct ops *ops;
	struct table *t;  /* counted */
	double from, to;  /* milliseconds, as entries show them */
	int64_t limit, n; /* entries; of this list */
	enum reading_by by;
	const json_t *values; /* BY_KEY, BY_USER: a list for each */
	size_t at;            /* of values */
	struct buf key;       /* BY_KEY: the value's; empty: no key can be so */
	struct store_iter *it;
	struct buf out;
	/* Whether an entry, at the iterator, is shown; its text is in out then. */
	int (*entry)(struct reading *g);
	void (*list)(struct reading *g); /* opens the iterator */
};

void reading_free(struct reading *g);
/* Times in milliseconds, and "limit"; faults name the fields. */
void reading_span(struct faults *f, const json_t *from, const char *from_name, const json_t *to,
    const char *to_name, struct reading *g);
void reading_limit(struct faults *f, const json_t *body, struct reading *g);
int reading_in_span(const struct reading *g, const struct txn *txn);
/* Takes the reading, with its table, and answers the request. */
void reading_start(struct request *r, struct reading *g);

/* ---- entries as JSON ---- */

/* {"operation":...,"<user_field>":...,"timestamp":... and no end */
void reading_text_head(struct buf *out, const struct txn *txn, const char *user_field);
/* The records of a transaction, whole or just their keys; of a list BY_KEY that key's alone. */
void reading_text_records(struct reading *g, struct txn txn, int keys);
/* Is a record of that key in the list at hand? */
int reading_wants(const struct reading *g, const uint8_t *key, size_t klen);
void reading_text_row(struct buf *out, const struct table *t, const uint8_t *key, size_t klen,
    const struct row *row);

#endif
