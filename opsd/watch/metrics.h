#ifndef HL_METRICS_H
#define HL_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"

/*
 * What a node counts while it works, and what GET /metrics tells of it and of its
 * state, in the Prometheus text format, version 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/).
 * Counting is a few relaxed atomics; any thread may count.
 */
struct op;
struct metrics;
struct request;

struct metrics *metrics_new(void);
void metrics_free(struct metrics *m);

/* One request answered with an HTTP status after `us`; op NULL: it named none. */
void metrics_request(struct metrics *m, const struct op *op, int status, uint64_t us);
/* One group of the commit thread: how many jobs, bytes of rows and log, how long. */
void metrics_group(struct metrics *m, size_t jobs, size_t bytes, uint64_t us);
/* Requests answered so far with a status of the class 1 to 5, whatever the operation. */
uint64_t metrics_answered(const struct metrics *m, int class);

/*
 * The page for a request, appended.  Reads positions, figures of the store, files
 * below /proc: for a thread that may wait, but never O(rows).
 */
void metrics_page(const struct request *r, struct buf *out);

#endif
