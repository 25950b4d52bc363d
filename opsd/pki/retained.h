#ifndef HL_RETAINED_H
#define HL_RETAINED_H

#include <jansson.h>

/*
 * Credentials of other nodes' operations APIs that a call gave with retain_authorization, for a
 * certificate that no link can renew.  They are in a file below keys/, sealed with a key that is
 * derived from the node's own (keys/node.key): without that, they are none.  Any thread but the
 * event loop's.
 */
struct pki;

struct retained {
	char *authorization; /* the value of the header */
	int port;            /* of the other's API */
	int verify_tls;      /* by the system's authorities; or else */
	char *pin;           /* the hash of the key that it had when they were given, in hex */
};

void retained_clear(struct retained *r);
/* In place of those of that host; -1 with *err, and nothing has changed. */
int retained_put(struct pki *p, const char *host, const struct retained *r, char **err);
int retained_drop(struct pki *p, const char *host, char **err);          /* there need not be any */
int retained_get(struct pki *p, const char *host, struct retained *out); /* 0: there are none */
json_t *retained_hosts(struct pki *p); /* whose they are, an array; new reference */

#endif
