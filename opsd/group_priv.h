#ifndef HL_GROUP_PRIV_H
#define HL_GROUP_PRIV_H

#include "group.h"

/* The group's life, for commit.c, and what write, ddl and apply share. */
struct group *group_open(struct ops *ops, struct hlc *clock);
int group_write(struct group *g);		/* one batch, one fsync; -1: nothing may go on */
void group_close(struct group *g, int run_after);
size_t group_bytes(const struct group *g);
uint64_t group_clock(const struct group *g);

/* One audit entry; before = {u16-prefixed key, blob row}... as they were. */
void group_audit(struct group *g, struct table *t, struct stamp stamp, int remote,
    const void *payload, size_t len, const struct buf *before);
void group_log_define(struct group *g, struct table *t, const char *user);
/* Attributes of a definition that the table lacks; 1 when there were any. */
int group_add_attrs(struct group *g, struct table *t, const json_t *attributes);

#endif
