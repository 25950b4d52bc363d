#include "config.h"

#include "opsd/pki/csr.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/address.h"
#include "common/base/mem.h"
#include "common/tls/altnames.h"
#include "common/tls/certmake.h"
#include "common/tls/pem.h"
#include "common/tls/tls.h"

#define LABEL_MAX 63

/* ---- names ---- */

int
csr_hostname_ok(const char *hostname)
{
	size_t n = strlen(hostname), label = 0;

	if (n == 0 || n > CSR_HOST)
		return (0);
	if (address_ok(hostname))
		return (1);
	for (size_t i = 0; i < n; i++) {
		if (hostname[i] == '.') {
			if (label == 0)
				return (0);
			label = 0;
		} else if ((!isalnum((unsigned char)hostname[i]) && hostname[i] != '-' &&
			       hostname[i] != '_') ||
		    ++label > LABEL_MAX)
			return (0);
	}
	return (label > 0);
}

int
csr_same_host(const char *a, const char *b)
{
	uint8_t x[16] = { 0 }, y[16] = { 0 };
	int family = strchr(a, ':') != NULL ? AF_INET6 : AF_INET;

	return (strcasecmp(a, b) == 0 ||
	    (inet_pton(family, a, x) == 1 && inet_pton(family, b, y) == 1 &&
		memcmp(x, y, sizeof(x)) == 0));
}

const char *
csr_common_name(const char *hostname)
{
	return (certmake_common_name(hostname, "hubleaf node"));
}

static int
is_node_id(const char *text, size_t n)
{
	return (n == CSR_NODE && strspn(text, "0123456789abcdef") >= n);
}

/* ---- making ---- */

static int
add_names(X509_REQ *request, const char *hostname, const char *node)
{
	char *urn = xasprintf(CSR_URN "%s", node);
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	X509_EXTENSION *ext = NULL;
	STACK_OF(X509_EXTENSION) *exts = sk_X509_EXTENSION_new_null();
	int ok = names != NULL && altnames_add_host(names, hostname) &&
	    altnames_add_uri(names, urn) &&
	    (ext = X509V3_EXT_i2d(NID_subject_alt_name, 0, names)) != NULL &&
	    sk_X509_EXTENSION_push(exts, ext) > 0;

	if (!ok)
		X509_EXTENSION_free(ext);
	ok = ok && X509_REQ_add_extensions(request, exts) == 1;
	sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
	GENERAL_NAMES_free(names);
	free(urn);
	return (ok);
}

static X509_REQ *
build_request(EVP_PKEY *key, const char *hostname, const char *node)
{
	X509_REQ *request = X509_REQ_new();

	if (request != NULL && X509_REQ_set_pubkey(request, key) == 1 &&
	    certmake_set_name(X509_REQ_get_subject_name(request), csr_common_name(hostname)) &&
	    add_names(request, hostname, node) && X509_REQ_sign(request, key, EVP_sha256()) != 0)
		return (request);
	X509_REQ_free(request);
	return (NULL);
}

/* NULL with *err. */
static char *
request_text(EVP_PKEY *key, const char *hostname, const char *node, char **err)
{
	X509_REQ *request;
	char *text;

	if (!csr_hostname_ok(hostname) || !is_node_id(node, strlen(node))) {
		*err = xasprintf("'%.100s' is no hostname that a certificate can have", hostname);
		return (NULL);
	}
	request = key != NULL ? build_request(key, hostname, node) : NULL;
	text = request != NULL ? pem_from_request(request) : NULL;
	if (text == NULL)
		*err = tls_error("cannot make a certificate request");
	X509_REQ_free(request);
	return (text);
}

int
csr_make(const char *hostname, const char *node, char **key, char **text, char **err)
{
	EVP_PKEY *pair = EVP_EC_gen("P-256");

	*key = NULL;
	*text = request_text(pair, hostname, node, err);
	if (*text != NULL && (*key = pem_from_key(pair)) == NULL) {
		*err = tls_error("cannot write a key");
		free(*text);
		*text = NULL;
	}
	EVP_PKEY_free(pair);
	return (*text != NULL ? 0 : -1);
}

int
csr_make_again(const char *hostname, const char *node, const char *key, char **text, char **err)
{
	EVP_PKEY *pair = pem_key(key);

	*text = request_text(pair, hostname, node, err);
	EVP_PKEY_free(pair);
	return (*text != NULL ? 0 : -1);
}

/* ---- reading ---- */

/* 0 when the bytes are no address. */
static int
take_ip(struct csr *c, const ASN1_STRING *s)
{
	int n = ASN1_STRING_length(s);

	return ((n == 4 || n == 16) &&
	    inet_ntop(n == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(s), c->hostname,
		sizeof(c->hostname)) != NULL);
}

static int
take_hostname(struct csr *c, const ASN1_STRING *s)
{
	size_t n = (size_t)ASN1_STRING_length(s);
	const unsigned char *p = ASN1_STRING_get0_data(s);

	if (n > CSR_HOST || memchr(p, '\0', n) != NULL)
		return (0);
	for (size_t i = 0; i < n; i++)
		c->hostname[i] = (char)tolower(p[i]);
	c->hostname[n] = '\0';
	/* An address is an IP name, and nothing else. */
	return (csr_hostname_ok(c->hostname) && !address_ok(c->hostname));
}

static int
take_node(struct csr *c, const ASN1_STRING *s)
{
	size_t n = (size_t)ASN1_STRING_length(s), prefix = strlen(CSR_URN);
	const char *p = (const char *)ASN1_STRING_get0_data(s);

	if (n != prefix + CSR_NODE || memcmp(p, CSR_URN, prefix) != 0)
		return (0);
	memcpy(c->node, p + prefix, CSR_NODE);
	return (is_node_id(c->node, strlen(c->node)));
}

static const char *
take_name(struct csr *c, const GENERAL_NAME *name)
{
	int host = name->type == GEN_DNS || name->type == GEN_IPADD;

	if (host && c->hostname[0] != '\0')
		return ("must be for one hostname");
	if (name->type == GEN_URI && c->node[0] != '\0')
		return ("must be for one node");
	if (name->type == GEN_DNS && take_hostname(c, name->d.dNSName))
		return (NULL);
	if (name->type == GEN_IPADD && take_ip(c, name->d.iPAddress))
		return (NULL);
	if (name->type == GEN_URI && take_node(c, name->d.uniformResourceIdentifier))
		return (NULL);
	return ("has a name in it that is no hostname and no node's id");
}

static const char *
take_names(struct csr *c, const GENERAL_NAMES *names)
{
	const char *fault = NULL;

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && fault == NULL; i++)
		fault = take_name(c, sk_GENERAL_NAME_value(names, i));
	if (fault == NULL && (c->hostname[0] == '\0' || c->node[0] == '\0'))
		fault = "must name the node's hostname and its id";
	return (fault);
}

/* Of extensions it may ask for names alone: what else a certificate has is the authority's. */
static const char *
take_extensions(struct csr *c)
{
	STACK_OF(X509_EXTENSION) *exts = X509_REQ_get_extensions(c->request);
	GENERAL_NAMES *names = X509V3_get_d2i(exts, NID_subject_alt_name, NULL, NULL);
	const char *fault = sk_X509_EXTENSION_num(exts) > 1 ?
	    "asks for more than a hostname and a node's id" :
	    take_names(c, names);

	GENERAL_NAMES_free(names);
	sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
	return (fault);
}

static const char *
request_fault(struct csr *c)
{
	EVP_PKEY *key = c->request != NULL ? X509_REQ_get0_pubkey(c->request) : NULL;

	if (key == NULL)
		return ("must be a certificate request as PEM text");
	if (!pem_is_p256(key))
		return ("must be of a P-256 key");
	if (X509_REQ_verify(c->request, key) != 1)
		return ("is not signed with its own key");
	return (take_extensions(c));
}

struct csr *
csr_read(const char *text, char **err)
{
	struct csr *c = xcalloc(1, sizeof(*c));
	const char *fault = "is too long";

	if (strlen(text) <= CSR_MAX) {
		c->request = pem_request(text);
		fault = request_fault(c);
	}
	ERR_clear_error();
	if (fault == NULL)
		return (c);
	*err = xstrdup(fault);
	csr_free(c);
	return (NULL);
}

EVP_PKEY *
csr_key(const struct csr *c)
{
	return (c->shown != NULL ? X509_get0_pubkey(c->shown) : X509_REQ_get0_pubkey(c->request));
}

void
csr_free(struct csr *c)
{
	if (c == NULL)
		return;
	X509_REQ_free(c->request);
	X509_free(c->shown);
	free(c);
}
