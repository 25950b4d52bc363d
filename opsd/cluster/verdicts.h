#ifndef HL_VERDICTS_H
#define HL_VERDICTS_H

#include "common/base/frame.h"

/*
 * Which tables of the log somebody gets: asked once for each, by the names that its entries
 * have, and remembered by its id.
 */
struct verdicts;

/* `judge` says by the names; what cannot be read is `unread`. */
struct verdicts *verdicts_new(int (*judge)(void *arg, const char *database, const char *table),
    void *arg, int unread);
void verdicts_free(struct verdicts *v);                        /* NULL is ignored */
int verdicts_wants(const struct log_entry *e, void *verdicts); /* for txlog_read */
/*
 * What the judge goes by is other than it was.  `gone`, unless NULL, runs for each table that
 * was wanted and is no more.
 */
void verdicts_review(struct verdicts *v,
    void (*gone)(const char *database, const char *table, void *arg), void *arg);

#endif
