#ifndef HL_SNAPCALL_H
#define HL_SNAPCALL_H

#include "common/base/buf.h"
#include "common/ipc/proto.h"
#include "opsd/cluster/replication.h"

/* Questions to leafd (OBJECT_* of proto.def) that a thread waits for. */
struct snapcalls;
struct snapcalls *snapcalls_new(struct replication *rep);
void snapcalls_free(struct snapcalls *c);
void snapcalls_quiet(struct snapcalls *c); /* 503 from now on; on the loop */

/*
 * Takes the bytes of the question.  The status, and what came with it in `answer` (emptied before):
 * 503 while leafd is away, 504 when it does not answer.
 */
int snapcall(struct snapcalls *c, enum msg_type type, struct buf *question, struct buf *answer);
/* The same; who is not there for a while, such as a daemon that is started anew, is waited for. */
int snapcall_patiently(struct snapcalls *c, enum msg_type type, struct buf *question,
    struct buf *answer);

#endif
