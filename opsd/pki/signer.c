#include "config.h"

#include "opsd/pki/signer.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/tls/crypto.h"

struct signer {
	EVP_PKEY *key;
	char *public;
	char spki[PEM_HASH];
};

/* ---- who signs ---- */

static char *
public_text(EVP_PKEY *key)
{
	unsigned char *der = NULL;
	int n = i2d_PUBKEY(key, &der);
	char *text = n > 0 ? crypto_base64(der, (size_t)n) : NULL;

	OPENSSL_free(der);
	return (text);
}

struct signer *
signer_new(const char *pem)
{
	struct signer *s = xcalloc(1, sizeof(*s));

	s->key = pem_key(pem);
	s->public = s->key != NULL ? public_text(s->key) : NULL;
	if (s->public != NULL && pem_spki(s->key, s->spki) == 0)
		return (s);
	signer_free(s);
	return (NULL);
}

void
signer_free(struct signer *s)
{
	if (s == NULL)
		return;
	EVP_PKEY_free(s->key);
	free(s->public);
	free(s);
}

const char *
signer_key(const struct signer *s)
{
	return (s->public);
}

const char *
signer_spki(const struct signer *s)
{
	return (s->spki);
}

/* Keys of Ed25519 and its kin have a hash of their own. */
static const EVP_MD *
digest_for(EVP_PKEY *key)
{
	int id = EVP_PKEY_get_base_id(key);

	return (id == EVP_PKEY_ED25519 || id == EVP_PKEY_ED448 ? NULL : EVP_sha256());
}

char *
signer_sign(const struct signer *s, const char *text)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t out[SIGNER_SIGNATURE_MAX];
	size_t n = sizeof(out);
	int ok = EVP_DigestSignInit(ctx, NULL, digest_for(s->key), NULL, s->key) == 1 &&
	    EVP_DigestSign(ctx, out, &n, (const uint8_t *)text, strlen(text)) == 1;

	EVP_MD_CTX_free(ctx);
	return (ok ? crypto_base64(out, n) : NULL);
}

/* ---- who looks ---- */

static EVP_PKEY *
public_read(const char *text)
{
	size_t n;
	uint8_t *der = crypto_base64_read(text, strlen(text), SIGNER_KEY_MAX, &n);
	const unsigned char *p = der;
	EVP_PKEY *key = der != NULL ? d2i_PUBKEY(NULL, &p, (long)n) : NULL;

	/* One text for each key. */
	if (key != NULL && p != der + n) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	free(der);
	return (key);
}

int
signer_hash(const char *text, char out[PEM_HASH])
{
	EVP_PKEY *key = public_read(text);
	int rc = key != NULL ? pem_spki(key, out) : -1;

	EVP_PKEY_free(key);
	return (rc);
}

int
signer_check(const char *public, const char *signature, const char *text)
{
	EVP_PKEY *key = public_read(public);
	size_t n = 0;
	uint8_t *bytes = crypto_base64_read(signature, strlen(signature), SIGNER_SIGNATURE_MAX, &n);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int ok = key != NULL && bytes != NULL &&
	    EVP_DigestVerifyInit(ctx, NULL, digest_for(key), NULL, key) == 1 &&
	    EVP_DigestVerify(ctx, bytes, n, (const uint8_t *)text, strlen(text)) == 1;

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	free(bytes);
	return (ok);
}
