#ifndef HL_GROUP_PRIV_H
#define HL_GROUP_PRIV_H

#include <uthash.h>

#include "opsd/store/group.h"

/* group.c, groupdef.c (definitions), groupsys.c (system rows), groupwrite.c (the batch). */
struct held_row {
	struct group_row row; /* first */
	uint8_t *rkey;        /* table id + key */
	size_t rlen;
	UT_hash_handle hh;
};

struct held_table { /* its stat goes into the batch */
	uint32_t id;
	struct table *table;
	struct log_pos head;              /* of this group, not durable yet; seq 0: none */
	int own;                          /* a version that the catalog has not yet */
	const struct attribute **indexed; /* of it, when rows are written */
	size_t nindexed;
	UT_hash_handle hh;
};

struct group {
	struct data *data;
	struct store_batch *batch;
	struct held_row *rows;
	struct held_table *tables;
	struct hlc *clock;
	struct buf scratch;
	struct buf logged; /* its entries of the log, from `logged_from` on */
	uint64_t logged_from;
	uint64_t wall;
	size_t bytes;
	int users; /* a row of hdb_user or hdb_role changes */
	int broken;
};

/* The group's life, for commit.c, and what write and ddl share. */
struct group *group_open(struct data *data, struct hlc *clock);
int group_write(struct group *g); /* one batch, one fsync; -1: nothing may go on */
void group_close(struct group *g);
size_t group_bytes(const struct group *g);
uint64_t group_clock(const struct group *g);
/* The group has to do with this table: its stat goes into the batch. */
struct held_table *group_hold(struct group *g, struct table *t);

/* The table has a new attribute: an entry for those who have the rest. */
void group_log_attribute(struct group *g, struct table *t, const struct attribute *a,
    const char *user);

#endif
