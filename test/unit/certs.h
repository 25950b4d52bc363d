#ifndef HL_CERTS_H
#define HL_CERTS_H

/* For tests: authorities, and certificates that they sign, as texts. */

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

struct certs {
	EVP_PKEY *pkey;
	X509 *x;
	char cert[4096], key[1024]; /* in PEM */
};

struct certs_wish {
	const char *cn, *san, *usage; /* san, usage: as in a configuration of OpenSSL; NULL: none */
	long serial;
	int authority;
	long from, to; /* seconds from now */
};

static inline void
certs_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
}

static inline void
certs_text(BIO *b, char *out, size_t size)
{
	int n = BIO_read(b, out, (int)size - 1);

	out[n > 0 ? n : 0] = '\0';
	BIO_free(b);
}

/* by: NULL, it signs itself */
static inline void
certs_make(struct certs *c, const struct certs *by, const struct certs_wish *w)
{
	X509_NAME *name;
	BIO *b = BIO_new(BIO_s_mem());

	memset(c, 0, sizeof(*c));
	c->pkey = EVP_EC_gen("P-256");
	c->x = X509_new();
	if (by == NULL)
		by = c;
	X509_set_version(c->x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(c->x), w->serial);
	X509_gmtime_adj(X509_getm_notBefore(c->x), w->from != 0 ? w->from : -60);
	X509_gmtime_adj(X509_getm_notAfter(c->x), w->to != 0 ? w->to : 3600);
	X509_set_pubkey(c->x, c->pkey);
	name = X509_get_subject_name(c->x);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)w->cn, -1, -1,
	    0);
	X509_set_issuer_name(c->x, X509_get_subject_name(by->x));
	certs_extension(c->x, by->x, NID_basic_constraints,
	    w->authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
	if (w->san != NULL)
		certs_extension(c->x, by->x, NID_subject_alt_name, w->san);
	if (w->usage != NULL)
		certs_extension(c->x, by->x, NID_ext_key_usage, w->usage);
	X509_sign(c->x, by->pkey, EVP_sha256());
	PEM_write_bio_X509(b, c->x);
	certs_text(b, c->cert, sizeof(c->cert));
	b = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(b, c->pkey, NULL, NULL, 0, NULL, NULL);
	certs_text(b, c->key, sizeof(c->key));
}

static inline void
certs_free(struct certs *c)
{
	EVP_PKEY_free(c->pkey);
	X509_free(c->x);
	memset(c, 0, sizeof(*c));
}

#endif
