#include "config.h"

#include "common/tls/certpem.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/tls/pem.h"

#define CERTS_MAX    100
#define RSA_BITS_MIN 2048 /* what OpenSSL takes where Debian has set its level */

struct certpem {
	STACK_OF(X509) * certs; /* the first is the one that counts */
	EVP_PKEY *key;          /* or NULL */
};

/* ---- reading ---- */

/* -1 with *err. */
static int
read_certs(struct certpem *p, const char *text, char **err)
{
	int n;

	p->certs = pem_read_certs(BIO_new_mem_buf(text, -1), CERTS_MAX + 1);
	n = sk_X509_num(p->certs);
	if (n > CERTS_MAX)
		*err = xasprintf("must hold at most %d certificates", CERTS_MAX);
	else if (!pem_read_ended() || n <= 0)
		*err = n <= 0 ? xstrdup("must be a certificate as PEM text") :
				xasprintf("has something broken after certificate %d", n);
	else
		return (0);
	ERR_clear_error();
	return (-1);
}

static int
check_time(const struct certpem *p, char **err)
{
	const char *what = NULL;
	char which[32] = "";

	for (int i = 0; i < sk_X509_num(p->certs) && what == NULL; i++) {
		X509 *cert = sk_X509_value(p->certs, i);

		if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0)
			what = "has expired";
		else if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0)
			what = "is not valid yet";
		if (i > 0)
			snprintf(which, sizeof(which), " (number %d in it)", i + 1);
	}
	ERR_clear_error();
	if (what == NULL)
		return (0);
	*err = xasprintf("%s%s", what, which);
	return (-1);
}

struct certpem *
certpem_new(const char *text, char **err)
{
	struct certpem *p = xcalloc(1, sizeof(*p));

	if (read_certs(p, text, err) == 0 && check_time(p, err) == 0)
		return (p);
	certpem_free(p);
	return (NULL);
}

void
certpem_free(struct certpem *p)
{
	if (p == NULL)
		return;
	sk_X509_pop_free(p->certs, X509_free);
	EVP_PKEY_free(p->key);
	free(p);
}

/* ---- what they are for ---- */

int
certpem_is_authority(const struct certpem *p)
{
	int all = 1;

	for (int i = 0; i < sk_X509_num(p->certs); i++)
		all &= X509_check_ca(sk_X509_value(p->certs, i)) == 1;
	ERR_clear_error();
	return (all);
}

int
certpem_serves(const struct certpem *p, int as_client)
{
	int rc = X509_check_purpose(sk_X509_value(p->certs, 0),
	    as_client ? X509_PURPOSE_SSL_CLIENT : X509_PURPOSE_SSL_SERVER, 0);

	ERR_clear_error();
	return (rc == 1);
}

/* By its alternative names alone, as clients do it. */
int
certpem_covers(const struct certpem *p, const char *host)
{
	X509 *cert = sk_X509_value(p->certs, 0);
	int rc = X509_check_ip_asc(cert, host, 0) == 1 ||
	    X509_check_host(cert, host, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1;

	ERR_clear_error();
	return (rc);
}

/* ---- the key ---- */

/* Kinds that both OpenSSL and nats-server take: with another the node would not start. */
static int
is_of_known_kind(const EVP_PKEY *key)
{
	static const char *const curves[] = { SN_X9_62_prime256v1, SN_secp384r1, SN_secp521r1 };
	char name[64];

	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_RSA:
		return (EVP_PKEY_get_bits(key) >= RSA_BITS_MIN);
	case EVP_PKEY_ED25519:
		return (1);
	case EVP_PKEY_EC:
		if (EVP_PKEY_get_group_name(key, name, sizeof(name), NULL) != 1)
			return (0);
		for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++)
			if (strcmp(name, curves[i]) == 0)
				return (1);
	}
	return (0);
}

int
certpem_take_key(struct certpem *p, const char *text, char **err)
{
	EVP_PKEY *key = pem_key(text);

	*err = NULL;
	if (key == NULL)
		*err = xstrdup("must be a private key as PEM text, without a password");
	else if (X509_check_private_key(sk_X509_value(p->certs, 0), key) != 1)
		*err = xstrdup("is not the key of the certificate");
	else if (!is_of_known_kind(key))
		*err = xasprintf("must be RSA of %d bits or more, P-256, P-384, P-521 or Ed25519",
		    RSA_BITS_MIN);
	ERR_clear_error();
	if (*err != NULL) {
		EVP_PKEY_free(key);
		return (-1);
	}
	EVP_PKEY_free(p->key);
	p->key = key;
	return (0);
}

/* ---- as text ---- */

char *
certpem_text(const struct certpem *p)
{
	char *certs = pem_from_certs(p->certs), *key = p->key != NULL ? pem_from_key(p->key) : NULL;
	char *text = xasprintf("%s%s", certs != NULL ? certs : "", key != NULL ? key : "");

	mem_wipe(key);
	free(certs);
	return (text);
}
