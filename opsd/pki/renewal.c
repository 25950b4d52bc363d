#include "config.h"

#include "opsd/pki/renewal.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/tls/pem.h"
#include "opsd/pki/csr.h"

int
renewal_due_between(int64_t from, int64_t until, int64_t now)
{
	return (now >= until - (until - from) / 3);
}

/* 0: it cannot be read. */
static int
cert_times(const char *certificate, int64_t *from, int64_t *until)
{
	X509 *cert = pem_cert(certificate);

	if (cert == NULL)
		return (0);
	*from = pem_time(X509_get0_notBefore(cert));
	*until = pem_time(X509_get0_notAfter(cert));
	X509_free(cert);
	return (1);
}

int
renewal_due(const char *certificate, int64_t now)
{
	int64_t from, until;

	return (!cert_times(certificate, &from, &until) || renewal_due_between(from, until, now));
}

void
renewal_end(const char *certificate, int64_t now, int64_t *until, int *late)
{
	int64_t from;

	*until = 0;
	*late = !cert_times(certificate, &from, until) || now >= *until - (*until - from) / 6;
}

int
renewal_may(const struct csr *c, const char *hostname, const char *node, char **err)
{
	*err = NULL;
	if (strcmp(c->node, node) != 0)
		*err = xasprintf("the request is for node %s, and node %s sent it", c->node, node);
	else if (!csr_same_host(c->hostname, hostname))
		*err = xasprintf("the request is for '%s', and '%s' sent it", c->hostname,
		    hostname);
	return (*err == NULL ? 0 : -1);
}
