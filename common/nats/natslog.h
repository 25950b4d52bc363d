#ifndef HL_NATSLOG_H
#define HL_NATSLOG_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/nats/handshake.h"
#include "common/nats/leaflinks.h"

/*
 * What a nats-server prints, into our log: its warnings and errors as warnings, but not more
 * than some in a while, the rest for debugging.
 */
struct natslog {
	const char *name;    /* "hub", "leaf"; the owner's */
	struct buf line;     /* that has no end yet; freed by the owner */
	uint64_t warn_since; /* mono_us */
	unsigned warns;
	struct handshakes *handshakes; /* that fail; the owner's, as is the next */
	struct leaflinks *leaflinks;
};

void natslog_add(struct natslog *l, const char *text, size_t n);

#endif
