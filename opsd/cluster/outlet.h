#ifndef HL_OUTLET_H
#define HL_OUTLET_H

#include "common/base/frame.h"
#include "opsd/cluster/replication.h"
#include "opsd/cluster/subscriptions.h"

/*
 * What leaves this node's log for its stream: entries of tables that a peer gets which is not
 * linked, or is about to get by a call that runs; never users and roles.  The rest stays here: any member may read the stream,
 * and who subscribes later is served from the log or by a copy.
 */
struct outlet;

struct outlet *outlet_new(struct replication *rep);
void outlet_free(struct outlet *o);

/*
 * Subscriptions, from our side, that a peer is being asked to take, so that nothing is left
 * out between its yes and ours; any thread.  Each `on` is ended by one without, for the same
 * tables.
 */
void outlet_expect(struct outlet *o, const struct subscriptions *subs, int on);

/* On the loop's thread. */
int outlet_any(struct outlet *o);                          /* whether anything leaves at all */
int outlet_wants(const struct log_entry *e, void *outlet); /* for txlog_read */
/*
 * After subscriptions changed: `gone` runs for each table that was given out since the
 * start and that nobody gets any more.
 */
void outlet_review(struct outlet *o,
    void (*gone)(const char *database, const char *table, void *arg), void *arg);

#endif
