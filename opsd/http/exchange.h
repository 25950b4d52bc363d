#ifndef HL_EXCHANGE_H
#define HL_EXCHANGE_H

#include "opsd/http/coding.h"
#include "opsd/http/http_priv.h"

/* A request on its way, for request.c (in) and reply.c (out). */

/* Who has it: a request ends when it is answered, its client may end before. */
enum stage { ASKING_WHO, READING_BODY, RUNNING };

/* A request and its answer. */
struct exchange {
	struct request r; /* first */
	struct http_thread *thread;
	/* NULL, for any thread to see: the client went away, or has its answer */
	struct conn *_Atomic conn;
	struct head head;
	enum stage stage;
	char from[64];
	int nobody, counted;   /* without user; as one of them */
	int told;              /* the metrics have it */
	int known, logged;     /* who asks, or that they may not; that */
	int certified;         /* by the client's certificate */
	struct evbuffer *text; /* the body as it came, until it is read */
	int is_long;           /* a worker reads it */
	uint64_t bytes;        /* of the body and its values, counted */
	struct user *checked;  /* auth's answer on its way to the thread */
	int check_status;
	char *check_error;
	int status; /* of our answer */
	const char *type;
	enum format rewrite; /* our answer is JSON text yet, and is to be that */
	enum coding coding;  /* of our answer */
	struct coder *coder; /* of one in pieces, or NULL */
	struct buf headers, out;
	void (*again)(struct request *r, void *arg);
	void *again_arg;
	int paused;                        /* again, when the client has read */
	int last;                          /* of its connection */
	int cut;                           /* one in pieces that is not whole */
	void (*run)(struct request *r);    /* its handler, */
	_Atomic unsigned holds;            /* who uses it yet: that, and who owes the answer; */
	void (*leave)(struct exchange *x); /* how it ends after these */
};

/* It ends, and what it holds; whoever runs handlers uses exchange_release. */
void exchange_free(struct exchange *x);
/* The handler on this thread, which may use the request also after it has answered. */
void exchange_handle(struct exchange *x, void (*run)(struct request *r));
void exchange_hold(struct exchange *x);
void exchange_release(struct exchange *x); /* the last one lets the answer leave */
/* For the metrics: it is answered, perhaps not for the first time. */
void exchange_answered(struct exchange *x, int status);
/* Once, as soon as it is known what is asked for, or that it never will be. */
void exchange_log_who(struct exchange *x);

#endif
