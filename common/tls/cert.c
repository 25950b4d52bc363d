#include "config.h"

#include "common/tls/cert.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/tls/crypto.h"
#include "common/tls/tls.h"

#define CN_MAX    64 /* RFC 5280: ub-common-name */
#define CERT_DAYS 3650

static int
add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	int ok = ext != NULL && X509_add_ext(cert, ext, -1) == 1;

	X509_EXTENSION_free(ext);
	return (ok);
}

/* Built by hand, not as configuration text, which a name could break out of. */
static int
add_alt_name(X509 *cert, const char *name)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *gen = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();
	int ok = 0;

	if (names != NULL && gen != NULL && text != NULL && ASN1_STRING_set(text, name, -1) == 1) {
		GENERAL_NAME_set0_value(gen, GEN_DNS, text);
		text = NULL;
		if (sk_GENERAL_NAME_push(names, gen) > 0) {
			gen = NULL;
			ok = X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0) == 1;
		}
	}
	ASN1_IA5STRING_free(text);
	GENERAL_NAME_free(gen);
	GENERAL_NAMES_free(names);
	return (ok);
}

static int
set_subject(X509 *cert, const char *name)
{
	const char *cn = strlen(name) <= CN_MAX ? name : "hubleaf";

	return (X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8,
		    (const unsigned char *)cn, -1, -1, 0) == 1);
}

static int
set_serial(X509 *cert)
{
	uint8_t serial[16];
	BIGNUM *bn;
	int ok;

	crypto_random(serial, sizeof(serial));
	serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x40); /* positive, of full length */
	bn = BN_bin2bn(serial, sizeof(serial), NULL);
	ok = bn != NULL && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert)) != NULL;
	BN_free(bn);
	return (ok);
}

/* Without extensions, issuer and signature. */
static X509 *
cert_new(EVP_PKEY *key, const char *name)
{
	X509 *cert = X509_new();

	if (cert == NULL)
		return (NULL);
	if (X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
	    /* A day early: peers' clocks may be behind. */
	    X509_gmtime_adj(X509_getm_notBefore(cert), -86400) != NULL &&
	    X509_time_adj_ex(X509_getm_notAfter(cert), CERT_DAYS, 0, NULL) != NULL &&
	    X509_set_pubkey(cert, key) == 1 && set_subject(cert, name))
		return (cert);
	X509_free(cert);
	return (NULL);
}

/* NULL issuer: by itself. */
static X509 *
make_node_cert(EVP_PKEY *key, const char *name, X509 *issuer, EVP_PKEY *issuer_key)
{
	X509 *cert = cert_new(key, name);

	if (cert == NULL)
		return (NULL);
	if (issuer == NULL) {
		issuer = cert;
		issuer_key = key;
	}
	if (add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
	    add_extension(cert, NID_key_usage, "critical,digitalSignature") &&
	    add_extension(cert, NID_ext_key_usage, "serverAuth,clientAuth") &&
	    add_alt_name(cert, name) &&
	    X509_set_issuer_name(cert, X509_get_subject_name(issuer)) == 1 &&
	    X509_sign(cert, issuer_key, issuer == cert ? EVP_sha256() : NULL) != 0)
		return (cert);
	X509_free(cert);
	return (NULL);
}

/* What a memory BIO holds, to a file. */
static int
write_bio(const char *path, mode_t mode, BIO *bio, char **err)
{
	char *p;
	long n = BIO_get_mem_data(bio, &p);

	if (file_put(path, mode, p, (size_t)n) == 0)
		return (0);
	*err = xasprintf("%s: %s", path, strerror(errno));
	return (-1);
}

static int
write_cert(const char *path, X509 *cert, char **err)
{
	BIO *pem = BIO_new(BIO_s_mem());
	int rc = -1;

	if (pem == NULL || PEM_write_bio_X509(pem, cert) != 1)
		*err = tls_error(path);
	else
		rc = write_bio(path, 0644, pem, err);
	BIO_free(pem);
	return (rc);
}

static int
put_private_key(const char *path, EVP_PKEY *key, char **err)
{
	BIO *pem = BIO_new(BIO_s_secmem());
	int rc = -1;

	if (pem == NULL || PEM_write_bio_PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL) != 1)
		*err = tls_error(path);
	else
		rc = write_bio(path, 0600, pem, err);
	BIO_free(pem);
	return (rc);
}

int
cert_make(const char *key_path, const char *cert_path, const char *name, char **err)
{
	EVP_PKEY *key;
	X509 *cert = NULL;
	int rc = -1;

	if (access(key_path, F_OK) == 0 && access(cert_path, F_OK) == 0)
		return (0);
	if ((key = EVP_EC_gen("P-256")) == NULL ||
	    (cert = make_node_cert(key, name, NULL, NULL)) == NULL)
		*err = tls_error("cannot make a certificate");
	else if (put_private_key(key_path, key, err) == 0 && write_cert(cert_path, cert, err) == 0)
		rc = 0;
	X509_free(cert);
	EVP_PKEY_free(key);
	return (rc);
}

/* The same on every node, and no secret. */
static EVP_PKEY *
open_authority_key(void)
{
	static const char about[] = "hubleaf: authority of nodes that do not verify each other";
	uint8_t seed[32];

	crypto_sha256(about, sizeof(about) - 1, seed);
	return (EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed)));
}

static X509 *
make_open_authority(EVP_PKEY *key)
{
	X509 *ca = cert_new(key, "hubleaf: not verified");

	if (ca != NULL && add_extension(ca, NID_basic_constraints, "critical,CA:TRUE") &&
	    add_extension(ca, NID_key_usage, "critical,keyCertSign") &&
	    X509_set_issuer_name(ca, X509_get_subject_name(ca)) == 1 &&
	    X509_sign(ca, key, NULL) != 0)
		return (ca);
	X509_free(ca);
	return (NULL);
}

int
cert_make_open(const char *key_path, const char *cert_path, const char *ca_path, const char *name,
    char **err)
{
	EVP_PKEY *ca_key = open_authority_key(), *key = EVP_EC_gen("P-256");
	X509 *ca = NULL, *cert = NULL;
	int rc = -1;

	if (ca_key == NULL || key == NULL || (ca = make_open_authority(ca_key)) == NULL ||
	    (cert = make_node_cert(key, name, ca, ca_key)) == NULL)
		*err = tls_error("cannot make a certificate");
	else if (put_private_key(key_path, key, err) == 0 &&
	    write_cert(cert_path, cert, err) == 0 && write_cert(ca_path, ca, err) == 0)
		rc = 0;
	X509_free(cert);
	X509_free(ca);
	EVP_PKEY_free(key);
	EVP_PKEY_free(ca_key);
	return (rc);
}
