#ifndef HL_ENROL_H
#define HL_ENROL_H

#include <jansson.h>

#include "opsd/pki/keyfiles.h"

/*
 * This node asks another one for a certificate: a key and a request are made here, and sent to
 * the other's operations API over TLS; what comes back is looked at as others will.  Nothing is
 * kept on either side when that fails: here nothing is written at all (pki_adopt does), and
 * there a signature that is not used in time is revoked (issue.h).
 */
struct enrol {
	const char *host;          /* the other's operations API: a name or an address, */
	int port;                  /* and its secure port */
	const char *authorization; /* as enrol_authorization gives it */
	int verify_tls;        /* by the system's authorities; a join token pins the key instead */
	const char *proxy;     /* "host:port" of one that takes CONNECT, or NULL */
	const char *hostname;  /* who we are: the name on links, */
	const char *node;      /* and the id in hex */
	const char *authority; /* our own, for the other to trust, or NULL; PEM */
};

struct enrolled {
	struct keypair pair;
	json_t *authorities; /* an array of PEM */
	char *node;          /* the other's id in hex */
};

/* 200, or the status of the answer to whoever wants it, with *err.  Blocks, up to 40 s. */
int enrol_run(const struct enrol *e, struct enrolled *out, char **err);
void enrol_clear(struct enrolled *e);

/*
 * The header's value out of what a caller gives: {"username","password"}, a join token alone,
 * or a value as it is.  NULL with *err, which goes on from a field's name.  mem_wipe it.
 */
char *enrol_authorization(const json_t *given, char **err);

#endif
