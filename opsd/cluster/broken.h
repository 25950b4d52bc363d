#ifndef HL_BROKEN_H
#define HL_BROKEN_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What came from other nodes and cannot be read (common/base/seal.h): nothing of it is taken,
 * it is counted and said in the log.  It heals by itself: after a frame the next one shows the
 * gap, a question is asked again.
 */
enum broken_kind { BROKEN_FRAME, BROKEN_ANSWER, BROKEN_QUESTION };
#define BROKEN_KINDS 3

struct broken {
	_Atomic uint64_t n[BROKEN_KINDS];
};

struct replication;
const char *broken_name(enum broken_kind kind); /* "frame", ... */
uint64_t broken_count(struct broken *b, enum broken_kind kind);
/* peer: NULL when the bytes would say whose they are; which: "what exactly", for the log.  Any thread. */
void broken_note(struct replication *rep, enum broken_kind kind, const uint8_t *peer,
    const char *which, const void *p, size_t n);

#endif
