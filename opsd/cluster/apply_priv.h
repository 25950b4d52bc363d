#ifndef HL_APPLY_PRIV_H
#define HL_APPLY_PRIV_H

#include "opsd/cluster/apply.h"

/* What apply.c has for apply_frame.c and apply_answer.c.  On the commit thread. */

enum apply_end {
	APPLY_CHAINED, /* all are applied, or were before */
	APPLY_GAP,
	APPLY_OTHER,  /* one does not chain (log_step) */
	APPLY_STOPPED /* one does not come in, and the cursor knows */
};
/* Entries after the position, which moves with each; *applied: so many. */
enum apply_end apply_entries(struct group *g, const struct apply *a, struct cursor *cur,
    struct rd *r, uint32_t count, uint32_t *applied);
/* 1 with an ON_OTHER_KEY when the table is not the one whose key is called that. */
int apply_other_key(const struct table *t, const char *key, size_t n, struct cursor_event *e);

#endif
