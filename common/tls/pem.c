#include "config.h"

#include "common/tls/pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/mem.h"
#include "common/tls/crypto.h"

/* ---- out ---- */

/* What was written to it, as text; frees it.  NULL unless `ok`. */
static char *
text_of_bio(BIO *out, int ok)
{
	char *p, *text = NULL;
	long n = ok ? BIO_get_mem_data(out, &p) : 0;

	if (n > 0)
		text = xstrndup(p, (size_t)n);
	BIO_free(out);
	ERR_clear_error();
	return (text);
}

char *
pem_from_key(EVP_PKEY *key)
{
	BIO *out = BIO_new(BIO_s_secmem());

	return (text_of_bio(out,
	    PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1));
}

char *
pem_from_request(X509_REQ *request)
{
	BIO *out = BIO_new(BIO_s_mem());

	return (text_of_bio(out, PEM_write_bio_X509_REQ(out, request) == 1));
}

char *
pem_from_cert(X509 *cert)
{
	BIO *out = BIO_new(BIO_s_mem());

	return (text_of_bio(out, PEM_write_bio_X509(out, cert) == 1));
}

char *
pem_from_certs(const STACK_OF(X509) * list)
{
	BIO *out = BIO_new(BIO_s_mem());
	int ok = 1;

	for (int i = 0; i < sk_X509_num(list) && ok; i++)
		ok = PEM_write_bio_X509(out, sk_X509_value(list, i)) == 1;
	return (text_of_bio(out, ok));
}

/* ---- in ---- */

/* A key that wants a password is none that a daemon can use. */
static int
no_password(char *buf, int size, int writing, void *arg)
{
	return (-1);
}

BIO *
pem_open(const char *path)
{
	FILE *file = fopen(path, "re");

	return (file != NULL ? BIO_new_fp(file, BIO_CLOSE) : NULL);
}

EVP_PKEY *
pem_read_key(BIO *in)
{
	EVP_PKEY *key = in != NULL ? PEM_read_bio_PrivateKey(in, NULL, no_password, NULL) : NULL;

	BIO_free(in);
	return (key);
}

STACK_OF(X509) * pem_read_certs(BIO *in, int most)
{
	STACK_OF(X509) *list = sk_X509_new_null();
	X509 *cert;

	while (in != NULL && sk_X509_num(list) < most &&
	    (cert = PEM_read_bio_X509(in, NULL, no_password, NULL)) != NULL)
		if (sk_X509_push(list, cert) == 0)
			X509_free(cert);
	BIO_free(in);
	return (list);
}

/* After the last block there is none that begins; all other errors are of a block. */
int
pem_read_ended(void)
{
	unsigned long code = ERR_peek_last_error();

	ERR_clear_error();
	return (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE);
}

EVP_PKEY *
pem_key(const char *text)
{
	EVP_PKEY *key = pem_read_key(BIO_new_mem_buf(text, -1));

	ERR_clear_error();
	return (key);
}

X509_REQ *
pem_request(const char *text)
{
	BIO *in = BIO_new_mem_buf(text, -1);
	X509_REQ *request = PEM_read_bio_X509_REQ(in, NULL, no_password, NULL);

	BIO_free(in);
	ERR_clear_error();
	return (request);
}

X509 *
pem_cert(const char *text)
{
	STACK_OF(X509) *list = pem_read_certs(BIO_new_mem_buf(text, -1), 1);
	X509 *cert = sk_X509_shift(list);

	sk_X509_free(list);
	ERR_clear_error();
	return (cert);
}

STACK_OF(X509) * pem_certs(const char *text, int most)
{
	STACK_OF(X509) *list = pem_read_certs(BIO_new_mem_buf(text != NULL ? text : "", -1),
	    most + 1);

	if (sk_X509_num(list) <= most && pem_read_ended())
		return (list);
	ERR_clear_error();
	sk_X509_pop_free(list, X509_free);
	return (NULL);
}

/* ---- what is read off them ---- */

int
pem_spki(const EVP_PKEY *key, char out[PEM_HASH])
{
	unsigned char *der = NULL;
	int n = i2d_PUBKEY(key, &der);

	out[0] = '\0';
	if (n <= 0) {
		ERR_clear_error();
		return (-1);
	}
	crypto_sha256_hex(der, (size_t)n, out);
	OPENSSL_free(der);
	return (0);
}

int
pem_is_p256(const EVP_PKEY *key)
{
	char name[64];

	return (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
	    EVP_PKEY_get_group_name(key, name, sizeof(name), NULL) == 1 &&
	    strcmp(name, SN_X9_62_prime256v1) == 0);
}

int64_t
pem_time(const ASN1_TIME *t)
{
	struct tm tm;

	return (ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : -1);
}
