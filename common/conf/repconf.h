#ifndef HL_REPCONF_H
#define HL_REPCONF_H

#include "common/conf/conf.h"
#include "common/conf/repaddress.h"

/* What the keys of replication.* come to together.  No I/O but the machine's own name. */

int repconf_on(const struct conf *c); /* whether there are links */
/* This node's host name among nodes that are linked, never NULL; caller frees. */
char *repconf_hostname(const struct conf *c);

/* Where to listen; 0: nowhere.  With TLS, or without. */
int repconf_listen(const struct conf *c, int secure, struct repaddress *at);

/* One of replication.routes. */
struct repconf_route {
	char host[REPADDRESS_HOST_MAX + 1]; /* also the name that is verified */
	char path[REPADDRESS_PATH_MAX + 1];
	int port;
	int secure;
	int sends, receives;   /* whether all databases flow there, and from there */
	uint64_t start_ms;     /* what was written before does not come; 0: all does */
	const json_t *revoked; /* serials, an array or NULL; borrowed from it */
};
int repconf_route(const struct conf *c, const json_t *route, struct repconf_route *r);
/* As a URL without a path, what leafd calls a place to dial (LINKS' "key"); caller frees. */
char *repconf_url(const struct repconf_route *r);
/* What is wrong with a route that stands at `name`, a line each; NULL: nothing. */
char *repconf_route_fault(const char *name, const json_t *route);
/* The route whose host it is; 0: there is none. */
int repconf_route_to(const struct conf *c, const char *hostname, struct repconf_route *r);

#endif
