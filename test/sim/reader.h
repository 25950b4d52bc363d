#ifndef HL_READER_H
#define HL_READER_H

#include <stdint.h>

/*
 * What leafd does with peers (leafd/consume.c, consumer.c, inflight.c, catchup.c, stream_purge.c): a
 * consumer of each peer's stream, whose messages go to opsd; questions for rows and log.
 */
struct buf;
struct machine;

/* A message of opsd. */
void reader_take(struct machine *m, uint32_t id, uint16_t type, struct buf *body);
void reader_forget(struct machine *m);         /* opsd is away: it will say again what it wants */
void reader_notify(struct machine *publisher); /* there is more in its stream */
int reader_reads(const struct machine *m, const char *name); /* that one's stream */
int reader_flowing(const struct machine *m); /* all consumers that it wants are there */

#endif
