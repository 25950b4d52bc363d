#ifndef HL_JSACK_H
#define HL_JSACK_H

#include <stddef.h>
#include <stdint.h>

/* What JetStream says about sequences, as text.  No I/O. */

struct jsack_seqs {
	uint64_t stream;   /* of the message in its stream */
	uint64_t consumer; /* in what the consumer delivered, from 1 */
};

/*
 * From the reply subject of a delivered message, "$JS.ACK.<stream>.<consumer>.
 * <delivered>.<stream seq>.<consumer seq>.<time>.<pending>", or the newer form
 * with domain and account before the stream (11 or 12 tokens).  -1: neither.
 */
int jsack_subject_read(const char *reply, struct jsack_seqs *out);

/* A stream's answer to a published message. */
struct jsack_stored {
	uint64_t seq; /* 0 when refused */
	int err_code;
	char why[128]; /* the server's words, "" when stored */
};

/* -1: no such answer */
int jsack_stored_read(const void *data, size_t n, struct jsack_stored *out);

#endif
