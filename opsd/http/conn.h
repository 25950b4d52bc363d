#ifndef HL_CONN_H
#define HL_CONN_H

#include <sys/queue.h>

#include "common/base/buf.h"
#include "opsd/http/chunks.h"
#include "opsd/http/head.h"

/*
 * One connection of a client, on its thread's event loop: heads and bodies in,
 * answers out, and a time for everything that the client is to do.  (evhttp would
 * keep whole bodies before anybody could look at their heads, has a time only for
 * silence, no limit of connections, and errors in HTML.)  One request after the other:
 * those that follow wait until it is answered.
 */
struct http_thread;
struct exchange;
struct evbuffer;
struct sockaddr;

enum way { WAY_PLAIN, WAY_TLS, WAY_LOCAL, WAYS };

enum conn_state {
	CONN_HEAD,   /* waits for a request, or for the rest of its head */
	CONN_BODY,   /* reads the body */
	CONN_WORK,   /* others work on the request */
	CONN_STREAM, /* and have begun to answer */
	CONN_LAST,   /* the last answer goes out */
	CONN_LINGER  /* it did: until the client has closed, too */
};

struct conn {
	TAILQ_ENTRY(conn) link; /* of the thread's, the longest unused first */
	struct http_thread *thread;
	struct bufferevent *bev;
	struct turnout *out; /* with bev: all that goes out */
	struct event *timer;
	uint64_t deadline_us, armed_us;
	enum way way;
	enum conn_state state;
	struct exchange *x;      /* CONN_BODY to CONN_STREAM */
	struct clientcert *cert; /* what is known of the client's, or NULL */
	int going, dead;         /* inside conn_go; to be freed after it */
	int begun;               /* CONN_HEAD: a byte is there */
	int ended;               /* the client sends no more */
	int surplus;             /* more of them than may be */
	size_t searched;         /* of a head, for its end */
	/* of the request that is read or worked on */
	int minor, close, bodiless, expects;
	struct chunks chunks;
	int chunked, unread;       /* unread: (some of) its body */
	int framed;                /* the answer goes out in chunks */
	uint64_t left, limit, got; /* body bytes to come, allowed, there */
	struct evbuffer *body;
	uint64_t mark;   /* of got or written, when the deadline was set */
	uint64_t queued; /* bytes of answers, ever */
	char from[64];
};

void conn_accept(struct http_thread *t, enum way way, int fd, const struct sockaddr *sa);
void conn_free(struct conn *c); /* its exchange finds itself alone */

/* ---- for the exchange that conn_go has begun ---- */

/* Reads the body, up to so many bytes; then exchange_body, or exchange_refuse. */
void conn_want_body(struct conn *c, uint64_t limit);
struct evbuffer *conn_body_take(struct conn *c); /* who calls frees it */
/* A whole answer; takes the bytes of body. */
void conn_answer(struct conn *c, int status, const struct buf *headers, struct buf *body);
/* Its beginning; length: of all pieces together, -1 when that is not known. */
void conn_begin(struct conn *c, int status, const struct buf *headers, int64_t length);
void conn_piece(struct conn *c, struct buf *data);
void conn_end(struct conn *c);       /* of an answer in pieces */
void conn_cut(struct conn *c);       /* the client must see that it is not whole */
int conn_full(const struct conn *c); /* wait for exchange_drained before the next piece */

#endif
