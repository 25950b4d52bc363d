#include "config.h"

#include "opsd/pki/chain.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "common/base/address.h"
#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/tls/pem.h"
#include "common/tls/serial.h"
#include "opsd/pki/csr.h"

#define BUNDLE_MOST    10000
#define SECURITY_LEVEL 2 /* 112 bits, as TLS has it: no SHA-1, no RSA below 2048 */
#define DAY_TEXT       32

/* ---- names ---- */

static int
has_host_names(const GENERAL_NAMES *names)
{
	int any = 0;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		int type = sk_GENERAL_NAME_value(names, i)->type;

		any |= type == GEN_DNS || type == GEN_IPADD;
	}
	return (any);
}

static int
cn_is(struct x509_st *cert, const char *hostname)
{
	char cn[256];
	int n = X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, cn,
	    sizeof(cn));

	return (n > 0 && strlen(cn) == (size_t)n && csr_same_host(cn, hostname));
}

int
chain_names(struct x509_st *cert, const char *hostname)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	int is;

	/* OpenSSL takes one that begins with a dot for all below it. */
	if (!csr_hostname_ok(hostname))
		is = 0;
	else if (!has_host_names(names))
		is = cn_is(cert, hostname);
	else if (address_ok(hostname))
		is = X509_check_ip_asc(cert, hostname, 0) == 1;
	else
		is = X509_check_host(cert, hostname, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
			 NULL) == 1;
	GENERAL_NAMES_free(names);
	ERR_clear_error();
	return (is);
}

int
chain_serves_both(struct x509_st *cert)
{
	int is = X509_check_purpose(cert, X509_PURPOSE_SSL_SERVER, 0) == 1 &&
	    X509_check_purpose(cert, X509_PURPOSE_SSL_CLIENT, 0) == 1;

	ERR_clear_error();
	return (is);
}

static char *
names_fault(X509 *cert, const char *hostname)
{
	char subject[256];

	if (hostname == NULL || chain_names(cert, hostname))
		return (NULL);
	X509_NAME_oneline(X509_get_subject_name(cert), subject, sizeof(subject));
	return (xasprintf("the certificate (%s) is not for '%s'", subject, hostname));
}

/* The id in an alternative name, CSR_NODE digits; NULL: it is another name. */
static const char *
node_in_name(const GENERAL_NAME *name)
{
	size_t prefix = strlen(CSR_URN);
	const ASN1_STRING *s = name->d.uniformResourceIdentifier;
	const char *p;

	if (name->type != GEN_URI || (size_t)ASN1_STRING_length(s) != prefix + CSR_NODE)
		return (NULL);
	p = (const char *)ASN1_STRING_get0_data(s);
	return (memcmp(p, CSR_URN, prefix) == 0 ? p + prefix : NULL);
}

/* Those of other authorities name no node. */
int
chain_is_of_node(const struct x509_st *cert, const char *node)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	const char *named;
	int is = 1;

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && is; i++)
		if ((named = node_in_name(sk_GENERAL_NAME_value(names, i))) != NULL)
			is = strncmp(named, node, CSR_NODE) == 0;
	GENERAL_NAMES_free(names);
	return (is);
}

static char *
node_fault(X509 *cert, const char *node)
{
	if (node == NULL || chain_is_of_node(cert, node))
		return (NULL);
	return (xasprintf("the certificate names another node than %s", node));
}

/* ---- times ---- */

static char *
day_text(int64_t at, char out[DAY_TEXT])
{
	time_t t = (time_t)at;
	struct tm tm;

	strftime(out, DAY_TEXT, "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&t, &tm));
	return (out);
}

/* A clock that is wrong shows here first, so both times are said. */
static char *
time_fault(X509 *cert, int64_t now)
{
	int64_t from = pem_time(X509_get0_notBefore(cert));
	int64_t until = pem_time(X509_get0_notAfter(cert));
	char limit[DAY_TEXT], here[DAY_TEXT];

	if (from == -1 || until == -1)
		return (xstrdup("the certificate has no times that can be read"));
	if (now > until)
		return (xasprintf("the certificate has expired: it was good until %s, and the "
				  "clock of this node says %s",
		    day_text(until, limit), day_text(now, here)));
	if (now < from)
		return (xasprintf("the certificate is not good yet: it is from %s on, and the "
				  "clock of this node says %s: one of the two clocks is wrong",
		    day_text(from, limit), day_text(now, here)));
	return (NULL);
}

/* ---- the chain ---- */

char *
chain_authorities(const json_t *list)
{
	struct buf all = { 0 };
	const json_t *one;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, one)
		buf_addf(&all, "%s\n", json_is_string(one) ? json_string_value(one) : "");
	buf_u8(&all, '\0');
	return ((char *)buf_take(&all, NULL));
}

static X509_STORE *
trusted_store(const struct chain_rules *r)
{
	X509_STORE *store = X509_STORE_new();
	STACK_OF(X509) *bundle = pem_certs(r->authorities, BUNDLE_MOST);

	if (store != NULL && r->system_roots)
		(void)X509_STORE_set_default_paths(store);
	for (int i = 0; store != NULL && i < sk_X509_num(bundle); i++)
		(void)X509_STORE_add_cert(store, sk_X509_value(bundle, i));
	sk_X509_pop_free(bundle, X509_free);
	ERR_clear_error();
	return (store);
}

/* How the verification ended: X509_V_OK, or what was wrong. */
static int
verify_as(X509_STORE *store, STACK_OF(X509) * certs, int purpose, int64_t now)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *param;
	int why = X509_V_ERR_UNSPECIFIED;

	if (ctx != NULL && X509_STORE_CTX_init(ctx, store, sk_X509_value(certs, 0), certs) == 1) {
		param = X509_STORE_CTX_get0_param(ctx);
		X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_PARTIAL_CHAIN);
		X509_STORE_CTX_set_time(ctx, 0, (time_t)now);
		X509_VERIFY_PARAM_set_auth_level(param, SECURITY_LEVEL);
		X509_STORE_CTX_set_purpose(ctx, purpose);
		why = X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
	}
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	return (why);
}

static char *
chain_text(X509 *cert, int why)
{
	char issuer[256];

	X509_NAME_oneline(X509_get_issuer_name(cert), issuer, sizeof(issuer));
	switch (why) {
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		return (xasprintf(
		    "the certificate leads to no authority that this node trusts: its issuer "
		    "is %s",
		    issuer));
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return (xasprintf("the certificate leads to an authority, %s, that has expired or "
				  "is not good yet",
		    issuer));
	}
	return (xasprintf("the certificate cannot be verified: %s",
	    X509_verify_cert_error_string(why)));
}

static char *
trust_fault(const struct chain_rules *r, STACK_OF(X509) * certs)
{
	static const struct {
		int purpose;
		const char *eku;
	} uses[] = {
		{ X509_PURPOSE_SSL_SERVER, "servers (serverAuth)" },
		{ X509_PURPOSE_SSL_CLIENT, "clients (clientAuth)" },
	};
	X509 *cert = sk_X509_value(certs, 0);
	X509_STORE *store = trusted_store(r);
	char *fault = store == NULL ? xstrdup("the certificate cannot be verified") : NULL;
	int why;

	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]) && fault == NULL; i++) {
		why = verify_as(store, certs, uses[i].purpose, r->now);
		if (X509_check_purpose(cert, uses[i].purpose, 0) != 1)
			fault = xasprintf("the certificate is not for %s, and a node is both",
			    uses[i].eku);
		else if (why != X509_V_OK)
			fault = chain_text(cert, why);
	}
	X509_STORE_free(store);
	ERR_clear_error();
	return (fault);
}

/* One without a list of its uses is for all of them. */
char *
chain_client_fault(STACK_OF(X509) * certs, X509_STORE *trusted, int64_t now)
{
	X509 *cert = sk_X509_value(certs, 0);
	char *fault = time_fault(cert, now);
	int why;

	if (fault == NULL && X509_check_purpose(cert, X509_PURPOSE_SSL_CLIENT, 0) != 1)
		fault = xstrdup("the certificate is not for clients (clientAuth)");
	if (fault == NULL && !(X509_get_extension_flags(cert) & EXFLAG_XKUSAGE))
		fault = xstrdup("the certificate does not say what it is for, and that of a user "
				"must say clientAuth");
	if (fault == NULL && X509_check_purpose(cert, X509_PURPOSE_SSL_SERVER, 0) == 1)
		fault = xstrdup("the certificate is for servers as well, as those of nodes are: it "
				"stands for no user");
	if (fault == NULL &&
	    (why = verify_as(trusted, certs, X509_PURPOSE_SSL_CLIENT, now)) != X509_V_OK)
		fault = chain_text(cert, why);
	ERR_clear_error();
	return (fault);
}

/* ---- what is known of it ---- */

static char *
known_fault(const struct chain_rules *r, X509 *cert)
{
	char serial[SERIAL_MAX], spki[PEM_HASH];

	if (serial_of(cert, serial) == -1 || pem_spki(X509_get0_pubkey(cert), spki) == -1)
		return (xstrdup("the certificate has no serial number or key that can be read"));
	if (json_object_get(r->revoked, serial) != NULL)
		return (xasprintf("the certificate has been revoked: its serial number is %s",
		    serial));
	if (r->spki != NULL && strcasecmp(r->spki, spki) != 0)
		return (xasprintf("the certificate has another key (%.16s...) than the one that "
				  "%s is known by (%.16s...)",
		    spki, r->hostname != NULL ? r->hostname : "the node", r->spki));
	return (NULL);
}

int
chain_check(const char *certs, const struct chain_rules *r, char **err)
{
	STACK_OF(X509) *list = pem_certs(certs, CHAIN_MOST);
	X509 *cert = sk_X509_value(list, 0);
	char *fault = NULL;

	if (cert == NULL)
		fault = xstrdup("the certificate is no PEM text, or has too much in it");
	if (fault == NULL)
		fault = time_fault(cert, r->now);
	if (fault == NULL)
		fault = trust_fault(r, list);
	if (fault == NULL)
		fault = names_fault(cert, r->hostname);
	if (fault == NULL)
		fault = node_fault(cert, r->node);
	if (fault == NULL)
		fault = known_fault(r, cert);
	sk_X509_pop_free(list, X509_free);
	*err = fault;
	return (fault == NULL ? 0 : -1);
}
