#ifndef HL_COMPAT_H
#define HL_COMPAT_H

#include <jansson.h>
#include <stdint.h>

/*
 * Whether nodes understand each other.  All that they say in JSON has "formats": [oldest,
 * newest], those of the wire that they speak (common/base/formats.h), and "version".  A node
 * that shares none with us is refused: nothing that it says is taken, nothing is asked of it
 * but its status, which shows when it is another build.
 */
struct cluster;
struct replication;

void compat_say(json_t *message);
/* NULL: we share a format with whoever says this.  Else why not, in words; caller frees. */
char *compat_fault(struct replication *rep, const json_t *message);
/* What to answer to such a one; takes the fault. */
json_t *compat_refusal(struct replication *rep, char *fault);

/*
 * The peer answered this: 1 when it is refused from now on, which the log says when it is
 * news.  Not with the cluster's lock held.
 */
int compat_note(struct cluster *c, const uint8_t *peer, const json_t *answer);
/* NULL: it is not refused, as far as it has answered.  Else why; caller frees.  Any thread. */
char *compat_refused(struct cluster *c, const uint8_t *peer);
int compat_refuses(struct cluster *c, const uint8_t *peer);
uint64_t compat_changes(struct cluster *c); /* another number when another peer is refused */

#endif
