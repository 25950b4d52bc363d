#include "config.h"

#include "common/tls/certmake.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/tls/crypto.h"
#include "common/tls/tls.h"

#define CN_MAX 64 /* RFC 5280: ub-common-name */

static int
add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	int ok = ext != NULL && X509_add_ext(cert, ext, -1) == 1;

	X509_EXTENSION_free(ext);
	return (ok);
}

/* NULL: no memory. */
static GENERAL_NAME *
general_name(const char *text)
{
	GENERAL_NAME *gen = GENERAL_NAME_new();
	ASN1_STRING *s = ASN1_STRING_new();
	unsigned char at[sizeof(struct in6_addr)];
	int len = inet_pton(AF_INET, text, at) == 1 ? 4 :
	    inet_pton(AF_INET6, text, at) == 1      ? 16 :
						      0;

	if (gen != NULL && s != NULL &&
	    (len > 0 ? ASN1_STRING_set(s, at, len) : ASN1_STRING_set(s, text, -1)) == 1) {
		GENERAL_NAME_set0_value(gen, len > 0 ? GEN_IPADD : GEN_DNS, s);
		return (gen);
	}
	ASN1_STRING_free(s);
	GENERAL_NAME_free(gen);
	return (NULL);
}

/* Built by hand, not as configuration text, which a name could break out of. */
static int
add_alt_names(X509 *cert, const json_t *list)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *gen;
	const json_t *name;
	size_t i;
	int ok = names != NULL;

	json_array_foreach((json_t *)(uintptr_t)list, i, name) {
		gen = general_name(json_string_value(name));
		if (gen == NULL || sk_GENERAL_NAME_push(names, gen) <= 0) {
			GENERAL_NAME_free(gen);
			ok = 0;
			break;
		}
	}
	ok = ok && X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0) == 1;
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
bare_cert(EVP_PKEY *key, const char *name, int days)
{
	X509 *cert = X509_new();

	if (cert == NULL)
		return (NULL);
	if (X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
	    X509_gmtime_adj(X509_getm_notBefore(cert), -86400) != NULL &&
	    X509_time_adj_ex(X509_getm_notAfter(cert), days, 0, NULL) != NULL &&
	    X509_set_pubkey(cert, key) == 1 && set_subject(cert, name))
		return (cert);
	X509_free(cert);
	return (NULL);
}

static int
sign_cert(X509 *cert, X509 *issuer, EVP_PKEY *key)
{
	/* Ed25519 has its own digest. */
	const EVP_MD *md = EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 ? NULL : EVP_sha256();

	return (X509_set_issuer_name(cert, X509_get_subject_name(issuer)) == 1 &&
	    X509_sign(cert, key, md) != 0);
}

X509 *
certmake_authority(EVP_PKEY *key, const char *name, int days)
{
	X509 *ca = bare_cert(key, name, days);

	if (ca != NULL && add_extension(ca, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
	    add_extension(ca, NID_key_usage, "critical,keyCertSign") && sign_cert(ca, ca, key))
		return (ca);
	X509_free(ca);
	return (NULL);
}

X509 *
certmake_node(const struct certmake_node *n)
{
	X509 *cert = bare_cert(n->key, n->name, n->days);
	json_t *own = n->names == NULL ? json_pack("[s]", n->name) : NULL;
	int ok = cert != NULL && (own != NULL || n->names != NULL) &&
	    add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
	    add_extension(cert, NID_key_usage, "critical,digitalSignature") &&
	    add_extension(cert, NID_ext_key_usage, "serverAuth,clientAuth") &&
	    add_alt_names(cert, own != NULL ? own : n->names) &&
	    sign_cert(cert, n->issuer != NULL ? n->issuer : cert,
		n->issuer != NULL ? n->issuer_key : n->key);

	json_decref(own);
	if (ok)
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

int
certmake_write(const char *path, X509 *const *certs, size_t n, char **err)
{
	BIO *pem = BIO_new(BIO_s_mem());
	int ok = pem != NULL, rc = -1;

	for (size_t i = 0; i < n && ok; i++)
		ok = PEM_write_bio_X509(pem, certs[i]) == 1;
	if (!ok)
		*err = tls_error(path);
	else
		rc = write_bio(path, 0644, pem, err);
	BIO_free(pem);
	return (rc);
}

int
certmake_write_key(const char *path, EVP_PKEY *key, char **err)
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
