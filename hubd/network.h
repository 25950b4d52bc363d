#ifndef HL_NETWORK_H
#define HL_NETWORK_H

#include <jansson.h>

/*
 * One look at the whole mesh (cluster_network): all hubds and all hub servers
 * are asked, and who answers is listed.
 */
struct network;
struct nats;
struct event_base;

struct network_env {
	struct event_base *base;
	struct nats *leaf, *hub; /* NULL: none */
	const char *ping;        /* the subject */
	const json_t *self;      /* {"name","connected_nodes","routes"} */
	const json_t *known;     /* names: when all have answered, it ends */
};

/* `done` runs once, later, with [{"name","response_time","connected_nodes","routes"}] (borrowed). */
struct network *network_ask(const struct network_env *e, unsigned timeout_ms,
    void (*done)(const json_t *nodes, void *arg), void *arg);
/* Before `done` has run, and before the connections are closed: it will not run. */
void network_cancel(struct network *n);

#endif
