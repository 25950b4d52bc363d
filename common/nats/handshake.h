#ifndef HL_HANDSHAKE_H
#define HL_HANDSHAKE_H

#include <jansson.h>
#include <stdint.h>

/*
 * Which TLS handshakes of a nats-server's links fail, and why, or which leaf links are refused by the
 * node's name in a certificate, out of the lines of its log: the last failure of each remote host
 * and reason, some of them at most.  No I/O.
 */
struct handshakes;

struct handshakes *handshakes_new(void);
void handshakes_free(struct handshakes *h);
/* One line, without what is before its text: it may tell of a failure, or that a link stands,
 * after which those of that kind with the same address are forgotten, or, where it is dialled from
 * there, with the same host. */
void handshakes_line(struct handshakes *h, uint64_t now, const char *text);
/* [{"link": "route"|"leaf","address","reason"}] of those since then; new reference.  The address
 * has a port when that is always the same, as of whom the server dials itself. */
json_t *handshakes_failing(const struct handshakes *h, uint64_t since);

#endif
