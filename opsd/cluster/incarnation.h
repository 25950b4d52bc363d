#ifndef HL_INCARNATION_H
#define HL_INCARNATION_H

#include <stdint.h>

/*
 * The node `who`, or our stream (NULL), has what is not in the log (txlog_has), of the
 * incarnation `seen`: a greater one begins, own lost writes are fetched from all peers
 * first.  Frees itself.
 */
struct commit_job;
struct commit_job *incarnation_job(uint64_t seen, const char *who);
/*
 * What the peer has of our own writes in the table `mine`, its `id`, comes as a copy, and
 * nobody copies from here before.  On the commit thread.
 */
struct group;
struct peer;
struct table;
void incarnation_recover(struct group *g, const struct peer *p, struct table *mine, uint32_t id);

#endif
