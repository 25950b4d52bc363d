#include "config.h"

#include "opsd/pki/shown.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/frame.h"
#include "common/base/mem.h"
#include "common/conf/repconf.h"
#include "common/conf/settings.h"
#include "common/tls/pem.h"
#include "common/tls/serial.h"
#include "opsd/pki/chain.h"
#include "opsd/pki/csr.h"
#include "opsd/pki/pki_priv.h"
#include "opsd/store/data.h"

#define AUTHORITIES_MOST 2000

static const char *
shown_names_fault(const char *hostname, const char *node)
{
	uint8_t id[NODE_ID_LEN];

	if (!csr_hostname_ok(hostname))
		return ("goes with a 'hostname' that is a host name or an address");
	return (node_id_read(node, id) == -1 ? "goes with a 'node_id' of 32 hexadecimal digits" :
					       NULL);
}

static const char *
certificate_fault(X509 *cert, const char *hostname, const char *node)
{
	if (cert == NULL)
		return ("must be a certificate as PEM text");
	if (!chain_names(cert, hostname))
		return ("is not for that hostname");
	return (chain_is_of_node(cert, node) ? NULL : "is of another node");
}

struct csr *
shown_read(const char *certificate, const char *hostname, const char *node, char **err)
{
	struct csr *c = xcalloc(1, sizeof(*c));
	const char *fault = shown_names_fault(hostname, node);

	if (fault == NULL && strlen(certificate) > CSR_MAX)
		fault = "is too long";
	if (fault == NULL) {
		c->shown = pem_cert(certificate);
		fault = certificate_fault(c->shown, hostname, node);
	}
	ERR_clear_error();
	if (fault == NULL) {
		memcpy(c->hostname, hostname, strlen(hostname) + 1);
		memcpy(c->node, node, strlen(node) + 1);
		return (c);
	}
	*err = xstrdup(fault);
	csr_free(c);
	return (NULL);
}

int
shown_describe(const struct csr *c, struct ca_signed *out, char **err)
{
	out->until = pem_time(X509_get0_notAfter(c->shown));
	if (serial_of(c->shown, out->serial) == 0 && out->until > (int64_t)time(NULL))
		return (0);
	*err = xasprintf("the certificate of '%s' has expired", c->hostname);
	return (-1);
}

static int
leads_to(const char *certs, const char *authority)
{
	struct chain_rules r = { .authorities = authority, .now = (int64_t)time(NULL) };
	char *why = NULL;
	int yes = chain_check(certs, &r, &why) == 0;

	free(why);
	return (yes);
}

char *
shown_issuer(struct pki *p, const char *certs)
{
	char *all = pki_authorities(p), *found = NULL;
	STACK_OF(X509) *list = pem_certs(all, AUTHORITIES_MOST);

	for (int i = 0; i < sk_X509_num(list) && found == NULL; i++) {
		found = pem_from_cert(sk_X509_value(list, i));
		if (found == NULL || leads_to(certs, found))
			continue;
		free(found);
		found = NULL;
	}
	sk_X509_pop_free(list, X509_free);
	ERR_clear_error();
	free(all);
	return (found);
}

json_t *
shown_authorities(struct pki *p)
{
	struct conf *c = data_conf(p->data);
	json_t *list = pki_authority_list(p);
	char *hostname = repconf_hostname(c), *err = NULL, *issuer = NULL;
	struct keypair pair = { 0 };
	struct pki_files f;

	if (repconf_on(c) && pki_files(c, hostname, &f) &&
	    pki_identity(p, hostname, &pair, &err) == 0)
		issuer = shown_issuer(p, pair.certificate);
	if (issuer != NULL)
		json_array_append_new(list, json_string(issuer));
	keyfiles_clear(&pair);
	free(issuer);
	free(err);
	free(hostname);
	conf_free(c);
	return (list);
}
