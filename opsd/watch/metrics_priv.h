#ifndef HL_METRICS_PRIV_H
#define HL_METRICS_PRIV_H

#include "opsd/watch/metrics.h"

/* What the files of the page share.  Names are given without "hubleaf_". */
struct watch;

void metric_head(struct buf *out, const char *name, const char *type, const char *help);
/* A line; pairs of a label's name and its value, then NULL. */
void metric_line(struct buf *out, const char *name, double value, ...) __attribute__((sentinel));
/* Head and the one line of a metric without labels. */
void metric_one(struct buf *out, const char *name, const char *type, const char *help,
    double value);

void metrics_counted(const struct metrics *m, struct buf *out); /* what metrics.c counts */
/* the node, its processes, its store */
void metrics_host(struct watch *w, int connections, int open, struct buf *out);
void metrics_care(struct watch *w, struct buf *out);  /* warnings, certificates, backups, tables */
void metrics_files(struct watch *w, struct buf *out); /* SQLite files of applications */
void metrics_peers(struct watch *w, struct buf *out); /* who is where in whose log */

#endif
