#include "config.h"

#include "opsd/pki/usercert.h"

#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/tls/serial.h"
#include "opsd/pki/chain.h"
#include "opsd/pki/pki.h"

/* A text with a zero in it would be read as another one. */
static char *
user_named_in(X509 *cert)
{
	const X509_NAME *subject = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID((X509_NAME *)(uintptr_t)subject, NID_commonName, -1), n;
	unsigned char *text = NULL;
	char *name = NULL;

	if (at < 0 ||
	    X509_NAME_get_index_by_NID((X509_NAME *)(uintptr_t)subject, NID_commonName, at) >= 0)
		return (NULL);
	n = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	if (n > 0 && memchr(text, '\0', (size_t)n) == NULL)
		name = xstrndup((char *)text, (size_t)n);
	OPENSSL_free(text);
	return (name);
}

static char *
revoked_fault(struct pki *p, X509 *cert)
{
	char serial[SERIAL_MAX];

	if (serial_of(cert, serial) == -1)
		return (xstrdup("the certificate has no serial number that can be read"));
	if (pki_is_revoked(p, serial))
		return (xasprintf("the certificate has been revoked: its serial number is %s",
		    serial));
	return (NULL);
}

void
usercert_read(struct usercert *u, struct pki *p, STACK_OF(X509) * certs, X509_STORE *trusted,
    int64_t now)
{
	X509 *cert = sk_X509_value(certs, 0);

	u->name = user_named_in(cert);
	u->fault = chain_client_fault(certs, trusted, now);
	if (u->fault == NULL)
		u->fault = revoked_fault(p, cert);
}

void
usercert_clear(struct usercert *u)
{
	free(u->name);
	free(u->fault);
}
