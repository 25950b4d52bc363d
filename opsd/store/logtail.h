#ifndef HL_LOGTAIL_H
#define HL_LOGTAIL_H

#include <stdint.h>

#include "common/base/buf.h"

/*
 * The end of the log in memory: the last entries that were written, so that all who read on from there
 * need nothing of the store.  What a group wrote is one piece.  The commit thread adds, any thread reads.
 */
#define LOGTAIL_MAX (4u << 20)

struct logtail;
struct logtail_iter;

struct logtail *logtail_new(void);
void logtail_free(struct logtail *t); /* NULL is ignored */
/*
 * Entries as they are in the log (frame.h), `first` to `last` without a gap, right behind those before;
 * takes their bytes.  The oldest beyond LOGTAIL_MAX go.
 */
void logtail_add(struct logtail *t, uint64_t first, uint64_t last, struct buf *bytes);
void logtail_clear(struct logtail *t); /* any thread, too */

/*
 * Goes through what was there at the beginning, from the entry after `after` on.  NULL: that is
 * not in memory, or there is none.
 */
struct logtail_iter *logtail_from(struct logtail *t, uint64_t after);
/* One entry's bytes, valid until the iterator is freed; NULL: no more. */
const uint8_t *logtail_next(struct logtail_iter *it, size_t *len);
void logtail_iter_free(struct logtail_iter *it);

#endif
