#ifndef HL_CA_H
#define HL_CA_H

#include <stdint.h>

#include "common/tls/serial.h"

/*
 * A node's own authority, as functions of texts (PEM): a P-256 key and a certificate of ten
 * years that may sign others but no authorities.  No I/O.  Its name is made of its key, so
 * that another certificate of the same key leads to it as the first one does.
 */
struct csr;

char *ca_make_key(char **err);                   /* mem_wipe it; NULL with *err */
char *ca_make_cert(const char *key, char **err); /* NULL with *err */
/* Whether they are an authority and its key; -1 with *err, which goes on from a name. */
int ca_check(const char *key, const char *cert, char **err);
/* Whether a certificate is signed with the authority's key. */
int ca_has_signed(const char *ca, const char *cert);
/*
 * The one certificate that a text has, of an authority, and nothing else of the text; and what
 * it is known by, the hash of its key (PEM_HASH).  NULL: it is none, or more.  Caller frees.
 */
char *ca_read(const char *text, char hash[65]);

struct ca_signed {
	char *certificate;
	char serial[SERIAL_MAX];
	int64_t until; /* seconds since 1970 */
};

/*
 * A certificate for what the request asks, of so many seconds from now but not longer than
 * the authority's.  -1 with *err.
 */
int ca_sign(const char *key, const char *cert, const struct csr *c, int64_t seconds,
    struct ca_signed *out, char **err);
void ca_signed_clear(struct ca_signed *s);

#endif
