#ifndef HL_LINKSPEC_H
#define HL_LINKSPEC_H

#include <jansson.h>
#include <stdint.h>

#include "common/base/frame.h"
#include "common/conf/settings.h"

/* What links there are to be, as LINKS says it (proto.def).  No I/O. */
struct linkspec_listen {
	char *host; /* an address; NULL: all */
	uint16_t port;
	int secure;
};

struct linkspec_dial {
	char *key; /* tells one from another */
	char *host, *name, *path;
	uint16_t port;
	int secure;
};

struct linkspec {
	int on; /* there are to be links at all */
	uint8_t id[NODE_ID_LEN];
	char hex[NODE_HEX_LEN];
	json_t *hello;
	json_t *introduced; /* what HELLO says besides, which may change; or NULL */
	struct linkspec_listen *listen;
	size_t nlisten;
	struct linkspec_dial *dial;
	size_t ndial;
	char *proxy_host; /* NULL: none */
	uint16_t proxy_port;
	size_t max_payload;
	uint64_t in_flight; /* bytes of logs, over all links */
	int compress;       /* frames that are sent */
	json_t *tls;        /* {"certificate","key","authorities","system_roots"}; NULL: none */
	json_t *revoked;
};

/* NULL with *err. */
struct linkspec *linkspec_read(const void *text, size_t n, char **err);
void linkspec_free(struct linkspec *s);
void linkspec_dial_clear(struct linkspec_dial *d); /* what it has */

/* What another says of itself. */
struct linkspec_hello {
	uint8_t id[NODE_ID_LEN];
	char hex[NODE_HEX_LEN];
	char *hostname, *boot;
	size_t max;   /* bytes of a message that it takes */
	json_t *said; /* the fields that opsd is told, and no others */
};

/* -1 with *err; h is then empty. */
int linkspec_hello_read(struct linkspec_hello *h, const void *text, size_t n, char **err);
void linkspec_hello_free(struct linkspec_hello *h);

#endif
