#ifndef HL_RETAIN_H
#define HL_RETAIN_H

#include "opsd/cluster/replication.h"

/*
 * What may be forgotten: log entries older than streams.maxAge or beyond
 * maxBytes that every known subscriber has (or, beyond three times the limit,
 * whoever has not, and whether or not it is in the stream: they get a copy), and audit entries older than
 * logging.auditRetention (looked at `with_audit`).  Called every few
 * seconds on the loop's thread; a job does the work when there is any.
 */
void retain_run(struct replication *rep, int with_audit);

#endif
