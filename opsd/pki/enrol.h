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
	int verify_tls;        /* by the system's authorities; a join token pins the key instead, */
	const char *pin;       /* as does this: the hash of its key, as enrolled has it; or NULL */
	const char *proxy;     /* "host:port" of one that takes CONNECT, or NULL */
	const char *hostname;  /* who we are: the name on links, */
	const char *node;      /* and the id in hex */
	const char *authority; /* our own, for the other to trust, or NULL; PEM */
	const char *member;    /* the name that the other must have on links, or NULL */
};

struct enrolled {
	struct keypair pair;
	json_t *authorities; /* an array of PEM */
	char *node;          /* the other's id in hex */
	char *pin;           /* the hash of the key that its API has shown, in hex */
};

/* 200, or the status of the answer to whoever wants it, with *err.  Blocks, up to 40 s. */
int enrol_run(const struct enrol *e, struct enrolled *out, char **err);
/*
 * The same for a node that has a certificate (PEM), which it shows on: it is let in with that, and there
 * is none in *out.
 */
int enrol_shown(const struct enrol *e, const char *certificate, struct enrolled *out, char **err);
void enrol_clear(struct enrolled *e);
/*
 * The same with a request that is there, as for another certificate of a key that others know: the
 * certificate, which nobody has looked at yet; the caller frees.
 */
int enrol_again(const struct enrol *e, const char *csr, char **certificate, char **err);
/* Whether it is a join token, which is good once. */
int enrol_is_token(const char *authorization);

/*
 * The header's value out of what a caller gives: {"username","password"}, a join token alone,
 * or a value as it is.  NULL with *err, which goes on from a field's name.  mem_wipe it.
 */
char *enrol_authorization(const json_t *given, char **err);

#endif
