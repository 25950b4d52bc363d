#ifndef HL_JSAPI_H
#define HL_JSAPI_H

#include <jansson.h>
#include <stddef.h>

#include "common/nats/nats.h"

/*
 * Questions over one NATS connection that can be called off, with answers of
 * JetStream's API read as JSON.  On the loop's thread.
 */
struct jsapi;
struct jsapi_call;

struct jsapi *jsapi_new(struct nats *n);
void jsapi_free(struct jsapi *a); /* after nats_close: no callback runs */
struct nats *jsapi_nats(struct jsapi *a);
const struct natsconf_names *jsapi_names(const struct jsapi *a);
/* "$JS.API.<verb>", and ".<of>" unless NULL, of the servers where that node's stream is, NULL: our own; caller frees. */
char *jsapi_subject(const struct jsapi *a, const char *node, const char *verb, const char *of);

/* As nats_request.  *handle, when not NULL, is set to NULL before cb runs. */
void jsapi_ask_raw(struct jsapi *a, struct jsapi_call **handle, const char *subject,
    const void *data, size_t len, unsigned timeout_ms,
    void (*cb)(const struct nats_msg *m, void *arg), void *arg);

#define JSAPI_NOT_FOUND 10059 /* an error: there is no such stream */

/* An answer: `root` or why not; an API error has root, why and its code. */
struct jsapi_answer {
	const json_t *root; /* borrowed; NULL without an answer */
	const char *why;    /* NULL: all is well */
	int err_code;       /* JetStream's, 0 for other failures */
};

/* `body` is taken, NULL means none. */
void jsapi_ask(struct jsapi *a, struct jsapi_call **handle, const char *subject, json_t *body,
    void (*cb)(const struct jsapi_answer *ans, void *arg), void *arg);
/* A message into a stream, with a header unless NULL: its answer is the stream's word that it is kept. */
void jsapi_publish(struct jsapi *a, struct jsapi_call **handle, const char *subject,
    const char *header, const char *value, const void *data, size_t len,
    void (*cb)(const struct jsapi_answer *ans, void *arg), void *arg);
/* Its cb will not run; NULL does nothing. */
void jsapi_cancel(struct jsapi_call **handle);

#endif
