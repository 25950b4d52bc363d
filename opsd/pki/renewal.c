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

int
renewal_due(const char *certificate, int64_t now)
{
	X509 *cert = pem_cert(certificate);
	int due = 1;

	if (cert != NULL)
		due = renewal_due_between(pem_time(X509_get0_notBefore(cert)),
		    pem_time(X509_get0_notAfter(cert)), now);
	X509_free(cert);
	return (due);
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
