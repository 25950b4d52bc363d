#ifndef HL_METRICS_H
#define HL_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

/*
 * What a node counts while it works, and what GET /metrics tells of it and of its
 * state, in the Prometheus text format, version 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/).
 * Counting is a few relaxed atomics; any thread may count.
 */
struct metrics;
struct watch;

/* For so many operations; name(i) is that of the one with the number i + 1. */
struct metrics *metrics_new(unsigned operations, const char *(*name)(unsigned i));
void metrics_free(struct metrics *m);

/* One request answered with an HTTP status after `us`; number: of the operation, 0: it named none. */
void metrics_request(struct metrics *m, unsigned number, int status, uint64_t us);
/* One group of the commit thread: how many jobs, bytes of rows and log, how long. */
void metrics_group(struct metrics *m, size_t jobs, size_t bytes, uint64_t us);
/* Requests answered so far with a status of the class 1 to 5, whatever the operation. */
uint64_t metrics_answered(const struct metrics *m, int class);

/*
 * The page, appended; with so many connections of clients and requests in progress.  Reads positions, figures of the store, files
 * below /proc: for a thread that may wait, but never O(rows).
 */
void metrics_page(struct watch *w, int connections, int requests, struct buf *out);

#endif
