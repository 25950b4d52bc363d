#ifndef HL_NATSOPTS_H
#define HL_NATSOPTS_H

#include <nats/nats.h>

#include "common/nats/nats.h"

/*
 * How a connection is made: the options of each attempt.  Files are read anew each time, so what was
 * renewed meanwhile counts.  No call of the same one at the same time.
 */
struct natsopts;

struct natsopts *natsopts_new(const struct nats_opts *o); /* copies what it needs */
void natsopts_free(struct natsopts *o);
const char *natsopts_name(const struct natsopts *o);

/* So many servers there are, 1 or more; the caller tries one after the other. */
unsigned natsopts_servers(const struct natsopts *o);
int natsopts_is_external(const struct natsopts *o);
unsigned natsopts_wait_ms(const struct natsopts *o); /* nats.reconnect_wait_seconds */
unsigned natsopts_retries(const struct natsopts *o); /* nats.connect_retries */
/* What the library said last in this thread, else what the status means; borrowed. */
const char *natsopts_said(natsStatus s);
/* The same, and what is known beside; caller frees. */
char *natsopts_why(const struct natsopts *o, natsStatus s);
/* "nats://host:port"; caller frees. */
char *natsopts_url(const struct natsopts *o, unsigned server);
/* Options for that one; NULL with *err.  The caller destroys them. */
natsOptions *natsopts_make(const struct natsopts *o, unsigned server, char **err);

#endif
