#include "config.h"

#include "leafd/link/peercert.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "common/tls/certinfo.h"
#include "common/tls/pem.h"

int
peercert_read(struct peercert *p, struct ssl_st *ssl)
{
	memset(p, 0, sizeof(*p));
	if (ssl == NULL || (p->cert = SSL_get1_peer_certificate(ssl)) == NULL)
		return (-1);
	p->names = certinfo_hosts(p->cert);
	if (serial_of(p->cert, p->serial) == -1)
		p->serial[0] = '\0';
	p->issuer = certinfo_issuer(p->cert);
	(void)pem_spki(X509_get0_pubkey(p->cert), p->spki);
	return (0);
}

void
peercert_free(struct peercert *p)
{
	X509_free(p->cert);
	json_decref(p->names);
	free(p->issuer);
	memset(p, 0, sizeof(*p));
}

int
peercert_covers(const struct peercert *p, const char *host)
{
	int covers = p->cert != NULL &&
	    (X509_check_ip_asc(p->cert, host, 0) == 1 ||
		X509_check_host(p->cert, host, 0, 0, NULL) == 1);

	ERR_clear_error();
	return (covers);
}

int
peercert_is(const struct peercert *p, const char *serial)
{
	char read[SERIAL_MAX];

	return (serial_read(serial, read) == 0 && strcmp(read, p->serial) == 0);
}
