#include "config.h"

#include "common/tls/cert.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <unistd.h>

#include "common/tls/certmake.h"
#include "common/tls/crypto.h"
#include "common/tls/pem.h"
#include "common/tls/tls.h"

#define CERT_DAYS 3650

int
cert_make(const char *key_path, const char *cert_path, const char *name, char **err)
{
	struct certmake_node n = { .name = name, .days = CERT_DAYS };
	X509 *cert = NULL;
	int rc = -1;

	if (access(key_path, F_OK) == 0 && access(cert_path, F_OK) == 0)
		return (0);
	if ((n.key = EVP_EC_gen("P-256")) == NULL || (cert = certmake_node(&n)) == NULL)
		*err = tls_error("cannot make a certificate");
	else if (certmake_write(key_path, 0600, pem_from_key(n.key), err) == 0)
		rc = certmake_write(cert_path, 0644, pem_from_cert(cert), err);
	X509_free(cert);
	EVP_PKEY_free(n.key);
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

int
cert_make_open(const char *key_path, const char *cert_path, const char *ca_path, const char *name,
    char **err)
{
	EVP_PKEY *ca_key = open_authority_key();
	struct certmake_node n = { .name = name, .days = CERT_DAYS, .issuer_key = ca_key };
	X509 *ca = NULL, *cert = NULL;
	int rc = -1;

	n.key = EVP_EC_gen("P-256");
	if (ca_key != NULL)
		ca = certmake_authority(ca_key, "hubleaf: not verified", CERT_DAYS);
	n.issuer = ca;
	if (ca == NULL || n.key == NULL || (cert = certmake_node(&n)) == NULL)
		*err = tls_error("cannot make a certificate");
	else if (certmake_write(key_path, 0600, pem_from_key(n.key), err) == 0 &&
	    certmake_write(cert_path, 0644, pem_from_cert(cert), err) == 0)
		rc = certmake_write(ca_path, 0644, pem_from_cert(ca), err);
	X509_free(cert);
	X509_free(ca);
	EVP_PKEY_free(n.key);
	EVP_PKEY_free(ca_key);
	return (rc);
}
