#ifndef HL_REPADDRESS_H
#define HL_REPADDRESS_H

/*
 * Where a node is linked with, or listens, as people write it: a port, "host", "host:port",
 * "[address]:port", an address of IPv6 alone, or "ws://host:port/path" and "wss://...".
 */
#define REPADDRESS_HOST_MAX 253
#define REPADDRESS_PATH_MAX 200
#define REPADDRESS_PATH     "/replication" /* where none is said, and where links come in */

enum repaddress_scheme { REPADDRESS_BARE, REPADDRESS_WS, REPADDRESS_WSS };

struct repaddress {
	enum repaddress_scheme scheme;
	char host[REPADDRESS_HOST_MAX + 1]; /* without brackets; "": a port alone */
	int port;                           /* 0: none is said */
	char path[REPADDRESS_PATH_MAX + 1]; /* of a URL; "": none */
};

int repaddress_read(struct repaddress *a, const char *text); /* -1: it is none of these */

#endif
