#ifndef HL_TLSCONF_H
#define HL_TLSCONF_H

#include "common/conf/conf.h"

/* How the nodes know each other on their links. */
enum tlsconf_trust {
	TLSCONF_INSECURE, /* not at all: clustering.tls.insecure */
	TLSCONF_FILES,    /* by the certificates that clustering.tls names */
	TLSCONF_SECRET,   /* by ones made of the cluster user's password (common/tls/authority.h) */
};

enum tlsconf_trust tlsconf_trust(const struct conf *c);

/* The files in use on the links. */
struct tlsconf_links {
	char *cert, *key, *ca; /* ca may be NULL */
};

struct tlsconf_links tlsconf_links(const struct conf *c);
void tlsconf_links_clear(struct tlsconf_links *l);

/*
 * Looks at the files that clustering.tls and tls name, or that the node has made for
 * itself; what the first start is to make may be missing.  A fault of files in use is in
 * *err, one a line, and -1.  An expired certificate, and a fault of files that are named but
 * not in use, are lines of *warnings (NULL: none).  Caller frees both.
 */
int tlsconf_check(const struct conf *c, char **warnings, char **err);
/* Those of the links alone, whether they are in use or not: -1 with *err. */
int tlsconf_check_links(const struct conf *c, char **err);

#endif
