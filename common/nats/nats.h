#ifndef HL_NATS_H
#define HL_NATS_H

#include <stddef.h>
#include <stdint.h>

#include "common/conf/natsconf.h"

/*
 * A NATS client connection: nats.c, natslink.h and natsopts.h are the only files that include <nats/nats.h>.
 * Everything that arrives is handed to the loop's thread; every call is made
 * on the loop's thread and does not block.  It connects in the background,
 * again and again (reconnects for ever), and drops what is published while down.
 */
struct nats;
struct nats_sub;
struct event_base;

struct nats_opts {
	const char *url; /* of the one server, "nats://127.0.0.1:9940"; NULL: those of `conf` */
	const char *user, *password; /* to the one server */
	const char *name;            /* shown by the server */
	const struct conf *conf;     /* nats.*: names of subjects, and the servers; copied */
};

struct nats_msg {
	const char *subject;
	const char *reply; /* NULL: none wanted */
	const uint8_t *data;
	size_t len;
	const char *status; /* "100", "404", "409", "503" of an empty status message, or NULL */
	const char *description; /* text beside the status, or NULL */
};

/* `state` runs with 1 when connected (also after each reconnect), 0 when lost. */
struct nats *nats_open(struct event_base *base, const struct nats_opts *o,
    void (*state)(int up, void *arg), void *arg);
/* no callback runs afterwards; requests in flight are dropped silently */
void nats_close(struct nats *n);
int nats_is_up(const struct nats *n);
/* What subjects are called here; as long as the connection is open. */
const struct natsconf_names *nats_names(const struct nats *n);
/* The server that it has, as "nats://host:port", or why it has none; caller frees, NULL: neither. */
char *nats_server(const struct nats *n);
char *nats_why_down(const struct nats *n);
/* What that server did not permit just now, in its words; caller frees, NULL: nothing. */
char *nats_why_refused(const struct nats *n);
int64_t nats_max_payload(const struct nats *n); /* of that server; 0: it has none */

/* Subscriptions live across reconnects.  The message is borrowed. */
struct nats_sub *nats_subscribe(struct nats *n, const char *subject,
    void (*cb)(const struct nats_msg *m, void *arg), void *arg);
void nats_unsubscribe(struct nats_sub *s); /* no callback afterwards */

/* -1 when not connected or refused locally (too large). */
int nats_publish(struct nats *n, const char *subject, const char *reply, const void *data,
    size_t len);
/* With one header, e.g. Nats-Expected-Last-Sequence. */
int nats_publish_h(struct nats *n, const char *subject, const char *reply, const char *header,
    const char *value, const void *data, size_t len);
/*
 * An answer.  Where it goes is said by whoever asked, and what leaves here is not held to
 * what others may publish, so it goes to inboxes only; -1 also when `reply` is none.
 */
int nats_reply(struct nats *n, const char *reply, const void *data, size_t len);
int nats_is_inbox(const char *subject); /* NULL is none */
/* A new unique inbox subject; caller frees. */
char *nats_inbox(struct nats *n);
/* Ask once; `cb` runs exactly once (unless closed), with NULL on time-out, no responders or not connected. */
void nats_request(struct nats *n, const char *subject, const void *data, size_t len,
    unsigned timeout_ms, void (*cb)(const struct nats_msg *m, void *arg), void *arg);
/* The same with one header; header NULL: without. */
void nats_request_h(struct nats *n, const char *subject, const char *header, const char *value,
    const void *data, size_t len, unsigned timeout_ms,
    void (*cb)(const struct nats_msg *m, void *arg), void *arg);

#endif
