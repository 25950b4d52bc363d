#ifndef HL_REQUEST_H
#define HL_REQUEST_H

#include <jansson.h>

#include "common/base/buf.h"
#include "opsd/format/format.h"

struct op;
struct ops;
struct user;
struct workers;

/* A request of a client, as whoever answers it has it. */
struct request {
	struct ops *ops;   /* of whoever started the server */
	json_t *body;      /* the whole object; borrowed */
	struct user *user; /* who asks (auth.h); NULL only for RIGHT_OPEN and RIGHT_JOIN */
	const struct op *op;
	struct exchange *http; /* request.c's */
	uint64_t began_us;
	const char *from; /* the peer's address as text; "" on the domain socket */
	int secure;       /* came over TLS */
	int local;        /* came over the domain socket */
};

/* A header of the request, or NULL; borrowed, on any thread while the request is alive. */
const char *request_header(const struct request *r, const char *name);
/* What the client accepts; with rows it may be CSV.  What reply_json and its like say is put into it. */
enum format request_format(const struct request *r, int rows);
/* Adds a header to the answer, before reply_*; without line ends in it. */
void reply_header(struct request *r, const char *name, const char *value);
/* The connection ends with this answer; before reply_*. */
void reply_last(struct request *r);

/* Answers; each ends the request, which whoever runs a handler keeps until that returns. */
/* 200 {"message"} */
void reply_message(struct request *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void reply_json(struct request *r, int status, json_t *body);     /* takes the reference */
void reply_text(struct request *r, int status, struct buf *json); /* takes the bytes: JSON text */
void reply_error(struct request *r, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void reply_failed(struct request *r, int status, char *err); /* what sysrow.h says; frees err */
/* takes any bytes; NULL: JSON */
void reply_body(struct request *r, int status, const char *type, struct buf *bytes);

/*
 * A long answer in pieces, on the request's own HTTP thread: begin, more as
 * often as needed with a request_again after each, and one of the last two.
 */
void reply_begin(struct request *r, int status, const char *type);
/* With the bytes of all pieces together: whoever reads sees by itself whether it has all. */
void reply_begin_sized(struct request *r, int status, const char *type, uint64_t length);
void reply_more(struct request *r, struct buf *bytes); /* takes them */
void reply_end(struct request *r);                     /* it was all; ends the request */
void reply_abort(struct request *r);       /* the client sees that it is not; ends the request */
int request_gone(const struct request *r); /* nobody reads it any more; any thread */

/*
 * Runs fn soon on the request's own HTTP thread, after others had a turn and the
 * client has read most of what it was sent, or is gone; only from that thread.
 */
void request_again(struct request *r, void (*fn)(struct request *r, void *arg), void *arg);

/*
 * Runs fn soon on the request's own HTTP thread; from any other one, such as a worker.
 * -1: that thread has ended, and so has the request, without an answer.
 */
int request_resume(struct request *r, void (*fn)(struct request *r, void *arg), void *arg);

/*
 * Runs fn soon on one of those threads, which may use the request also after it has answered.  -1 and
 * no call when so many wait already.
 */
int request_work(struct request *r, struct workers *w, unsigned most,
    void (*fn)(struct request *r));

#endif
