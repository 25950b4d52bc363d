#ifndef HL_FILTER_H
#define HL_FILTER_H

#include <jansson.h>

#include "common/base/shard.h"
#include "common/conf/natsconf.h"

/*
 * Subjects of a peer's stream, without what those of all streams begin with (subject_table), for a list [["db","table"],["db","*"],["*","*"],...], as a
 * consumer's filter_subjects: sorted, none twice, none that another covers
 * (the server refuses overlaps), one for the whole stream when there are too
 * many.  Of tables that are in another of the peer's streams there are none.  NULL when the list is
 * not such a list.  New reference.
 */
json_t *filter_subjects(const char *peer, struct shard s, const json_t *tables);
/* Whether a subject, as messages have it, is one of them. */
int filter_has(const json_t *filters, const struct natsconf_names *n, const char *subject);
/*
 * Under several filters a nats-server before 2.11.10 reads a whole block of its files
 * (8 MB) again for each message that was not written within the last seconds.  So when
 * others are at most one in FILTER_WASTE of a stream's messages, {subject: number of
 * messages} (NULL: none), all of it is consumed instead.
 */
#define FILTER_WASTE 8
int filter_has_most(const json_t *filters, const struct natsconf_names *n, const json_t *subjects);
/* Into a consumer's configuration; `whole`: all of the stream. */
void filter_put(json_t *config, const struct natsconf_names *n, const char *peer, struct shard s,
    const json_t *filters, int whole);

#endif
