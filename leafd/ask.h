#ifndef HL_ASK_H
#define HL_ASK_H

#include <jansson.h>
#include <stddef.h>

#include "common/nats/nats.h"

/*
 * Questions over one NATS connection that can be called off, with answers of
 * JetStream's API read as JSON.  On the loop's thread.
 */
struct asker;
struct ask;

struct asker *asker_new(struct nats *n);
void asker_free(struct asker *a);	/* after nats_close: no callback runs */
struct nats *asker_nats(struct asker *a);

/* As nats_request.  *handle, when not NULL, is set to NULL before cb runs. */
void ask_raw(struct asker *a, struct ask **handle, const char *subject, const void *data,
    size_t len, unsigned timeout_ms, void (*cb)(const struct nats_msg *m, void *arg), void *arg);

/* An answer: `root` or why not; an API error has root, why and its code. */
struct ask_answer {
	const json_t	*root;		/* borrowed; NULL without an answer */
	const char	*why;		/* NULL: all is well */
	int		 err_code;	/* JetStream's, 0 for other failures */
};

/* `body` is taken, NULL means none. */
void ask_api(struct asker *a, struct ask **handle, const char *subject, json_t *body,
    void (*cb)(const struct ask_answer *ans, void *arg), void *arg);
/* Nothing is heard of it any more; NULL does nothing. */
void ask_cancel(struct ask **handle);

#endif
