#ifndef HL_PEERCERT_H
#define HL_PEERCERT_H

#include <jansson.h>

#include "common/tls/serial.h"

/* What the certificate of a verified TLS session shows. */
struct ssl_st;
struct x509_st;

struct peercert {
	struct x509_st *cert;
	json_t *names; /* the hosts and addresses of its alternative names, or its common name */
	char *issuer;
	char serial[SERIAL_MAX]; /* serial.h; "": it has none that can be read */
	char spki[65];           /* SHA-256 of its public key, in hexadecimal */
};

/* -1: there is none.  p is then empty, as it is when it is all zeros. */
int peercert_read(struct peercert *p, struct ssl_st *ssl);
void peercert_free(struct peercert *p);
int peercert_covers(const struct peercert *p, const char *host); /* a name or an address */
/* A serial as an operator may write it is this one. */
int peercert_is(const struct peercert *p, const char *serial);

#endif
