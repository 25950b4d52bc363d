#ifndef HL_HTTP_PRIV_H
#define HL_HTTP_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "common/base/post.h"
#include "opsd/http/conn.h"
#include "opsd/http/cors.h"
#include "opsd/http/operation.h"
#include "opsd/http/request.h"
#include "opsd/watch/watch.h"

/* What the files of the HTTP server share: http.c, conn.c, request.c. */
struct http_limits {
	uint64_t headers_ms, keepalive_ms, timeout_ms;
	uint64_t max_header, max_body, max_bytes;
	int max_conns, max_requests;
	struct scan_limits scan; /* of bodies */
};

#define LISTENERS_MAX 64 /* of a thread: each address of both ports */

struct http_thread {
	struct http *http;
	pthread_t id;
	int started;
	struct event_base *base;
	struct evconnlistener *listeners[LISTENERS_MAX];
	unsigned nlisteners;
	struct sockwatch *watch;  /* of the domain socket's name, or NULL */
	unsigned local;           /* then that socket is this one of the listeners */
	struct event *resume;     /* accepting, after a pause */
	TAILQ_HEAD(, conn) conns; /* those that were used last are last */
	time_t dated;             /* what `date` says */
	char date[32];
	pthread_mutex_t lock;
	struct post *post; /* under lock; NULL when stopped */
};

struct http {
	_Atomic int refs;     /* one, and one for each exchange */
	_Atomic int open;     /* exchanges: requests in progress */
	_Atomic int nobodies; /* of them without user */
	_Atomic int conns;
	_Atomic uint64_t bytes; /* of bodies of requests in progress */
	_Atomic int stopping;
	struct ops *ops; /* for requests */
	struct data *data;
	struct auth *auth;
	struct watch *watch;
	struct workers *bodies; /* read the long ones of requests */
	const struct http_api *api;
	struct pki *pki;     /* has what is revoked */
	struct httptls *tls; /* under tls_lock; NULL: no port for it */
	pthread_mutex_t tls_lock;
	char *socket_path;
	struct http_limits limits;
	struct cors *cors;
	unsigned n;
	struct http_thread threads[];
};

/* Run fn on the thread; 0 when that has ended. */
int http_post(struct http_thread *t, void (*fn)(void *arg), void *arg);
void http_unref(struct http *h);
/* What connections over TLS begin with now, counted; NULL: there are none. */
struct httptls *http_tls(struct http *h);
/* For a connection that begins; NULL: failure. */
struct ssl_st *http_ssl(struct http *h);

/* ---- listen.c; -1 with *err ---- */

/* Some addresses or names, parted by commas: all that each stands for. */
int listen_tcp(struct http *h, enum way way, const char *hosts, int64_t port, char **err);
int listen_local(struct http *h, const char *path, char **err);
/* Accepting goes on, after a pause. */
void listen_resume_cb(int fd, short what, void *arg);

/* ---- request.c, told by conn.c ---- */

/* A head is there: takes it.  Answers, asks for the body, or does so later. */
void exchange_begin(struct conn *c, struct head *head);
/* The body is there, in c->body. */
void exchange_body(struct exchange *x);
/* conn.c has an error of the client's for it, such as a body that is too large. */
void exchange_refuse(struct exchange *x, int status, const char *text);
void exchange_too_long(struct exchange *x);
/* That many more bytes of the body are there; -1 with the exchange refused when they are too many. */
int exchange_count(struct exchange *x, uint64_t n);
/* The client takes data again. */
void exchange_drained(struct exchange *x);
/* The connection ends. */
void exchange_gone(struct exchange *x);

/* Who asks is known: the body is next. */
void exchange_want_body(struct exchange *x);

/* Finds out who asks, and goes on with exchange_want_body. */
void identify_user(struct exchange *x);

const char *http_reason(int status);

#endif
