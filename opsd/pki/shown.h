#ifndef HL_SHOWN_H
#define HL_SHOWN_H

#include <jansson.h>

#include "opsd/pki/ca.h"

/*
 * A node that joins with a certificate that it has already, from elsewhere: nothing is signed for
 * it (issue.h), but it is let in with that, and the two believe each other's authorities.
 */
struct csr;
struct pki;

/* As if it had asked for that certificate; csr_free.  NULL with *err, which goes on from a field's name. */
struct csr *shown_read(const char *certificate, const char *hostname, const char *node, char **err);
/* Its serial number and the end of its time; -1 with *err. */
int shown_describe(const struct csr *c, struct ca_signed *out, char **err);
/* Of those that this node trusts, the one that a chain leads to; NULL: none, or only the system's. */
char *shown_issuer(struct pki *p, const char *certs);

/* What another is told to trust: ours, those of others, and what our own files of links lead to; PEM. */
json_t *shown_authorities(struct pki *p);

#endif
