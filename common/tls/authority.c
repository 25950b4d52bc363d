#include "config.h"

#include "common/tls/authority.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/hex.h"
#include "common/base/mem.h"
#include "common/tls/certmake.h"
#include "common/tls/crypto.h"
#include "common/tls/pem.h"
#include "common/tls/tls.h"

/* Another cost is another key: then the number in the salt goes up. */
#define SALT       "hubleaf authority 1"
#define USER_OF    "hubleaf: user of leaf links"
#define SCRYPT_N   (1 << 17)
#define SCRYPT_R   8
#define SCRYPT_P   1
#define SCRYPT_MEM (160ULL << 20)
#define WIDE_LEN   48 /* 16 bytes more than the key: no number of it is likelier than another */
#define POINT_MAX  65
#define CA_DAYS    3650

/* ---- the key ---- */

/* The number in 1 .. n-1, where n is the order of P-256, that these bytes stand for. */
static int
reduce_wide(const uint8_t wide[WIDE_LEN], uint8_t key[AUTHORITY_KEY_LEN])
{
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	BIGNUM *n = group != NULL ? BN_dup(EC_GROUP_get0_order(group)) : NULL;
	BIGNUM *v = BN_bin2bn(wide, WIDE_LEN, NULL);
	BN_CTX *ctx = BN_CTX_new();
	int ok = n != NULL && v != NULL && ctx != NULL && BN_sub_word(n, 1) == 1 &&
	    BN_mod(v, v, n, ctx) == 1 && BN_add_word(v, 1) == 1 &&
	    BN_bn2binpad(v, key, AUTHORITY_KEY_LEN) == AUTHORITY_KEY_LEN;

	BN_CTX_free(ctx);
	BN_clear_free(v);
	BN_free(n);
	EC_GROUP_free(group);
	return (ok ? 0 : -1);
}

int
authority_derive(const char *user, const char *password, uint8_t key[AUTHORITY_KEY_LEN])
{
	char *salt = xasprintf(SALT " %s", user);
	uint8_t wide[WIDE_LEN];
	int rc = -1;

	if (EVP_PBE_scrypt(password, strlen(password), (const unsigned char *)salt, strlen(salt),
		SCRYPT_N, SCRYPT_R, SCRYPT_P, SCRYPT_MEM, wide, sizeof(wide)) == 1)
		rc = reduce_wide(wide, key);
	ERR_clear_error();
	OPENSSL_cleanse(wide, sizeof(wide));
	free(salt);
	return (rc);
}

void
authority_print(const char *user, const char *password, uint8_t print[32])
{
	/* No name has a line's end in it. */
	char *all = xasprintf(SALT " %s\n%s", user, password);

	crypto_sha256(all, strlen(all), print);
	mem_wipe(all);
}

/* It follows from the key, which does not follow from it. */
void
authority_user(const uint8_t key[AUTHORITY_KEY_LEN], char user[AUTHORITY_USER_LEN])
{
	uint8_t all[sizeof(USER_OF) + AUTHORITY_KEY_LEN], sum[32];

	memcpy(all, USER_OF, sizeof(USER_OF));
	memcpy(all + sizeof(USER_OF), key, AUTHORITY_KEY_LEN);
	crypto_sha256(all, sizeof(all), sum);
	strcpy(user, "link-");
	hex_text(sum, 8, user + 5);
	explicit_bzero(all, sizeof(all));
	explicit_bzero(sum, sizeof(sum));
}

/* The public point of a private number, as bytes; 0: failure. */
static size_t
public_point(const BIGNUM *private, uint8_t point[POINT_MAX])
{
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	EC_POINT *at = group != NULL ? EC_POINT_new(group) : NULL;
	size_t len = 0;

	if (at != NULL && EC_POINT_mul(group, at, private, NULL, NULL, NULL) == 1)
		len = EC_POINT_point2oct(group, at, POINT_CONVERSION_UNCOMPRESSED, point, POINT_MAX,
		    NULL);
	EC_POINT_free(at);
	EC_GROUP_free(group);
	return (len);
}

static EVP_PKEY *
key_of_params(OSSL_PARAM *params)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *key = NULL;

	if (ctx != NULL && params != NULL && EVP_PKEY_fromdata_init(ctx) == 1)
		(void)EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params);
	EVP_PKEY_CTX_free(ctx);
	return (key);
}

static EVP_PKEY *
pkey_of(const uint8_t raw[AUTHORITY_KEY_LEN])
{
	BIGNUM *private = BN_secure_new();
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params = NULL;
	EVP_PKEY *key = NULL;
	uint8_t point[POINT_MAX];
	size_t len = 0;

	if (private != NULL && BN_bin2bn(raw, AUTHORITY_KEY_LEN, private) != NULL)
		len = public_point(private, point);
	if (len > 0 && b != NULL &&
	    OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME, SN_X9_62_prime256v1,
		0) == 1 &&
	    OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY, point, len) == 1 &&
	    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_PRIV_KEY, private) == 1)
		params = OSSL_PARAM_BLD_to_param(b);
	key = key_of_params(params);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(b);
	BN_clear_free(private);
	return (key);
}

/* ---- certificates ---- */

char *
authority_name(EVP_PKEY *key)
{
	char hash[PEM_HASH];

	return (pem_spki(key, hash) == 0 ? xasprintf("hubleaf authority %.16s", hash) : NULL);
}

static X509 *
authority_cert(EVP_PKEY *key)
{
	char *name = key != NULL ? authority_name(key) : NULL;
	X509 *ca = name != NULL ? certmake_authority(key, name, CA_DAYS) : NULL;

	free(name);
	return (ca);
}

static int
write_files(const struct authority_files *f, EVP_PKEY *signs, const STACK_OF(X509) * ca, char **err)
{
	struct certmake_node n = {
		.key = pem_read_key(BIO_new_file(f->key_path, "r")),
		.name = f->name,
		.names = f->names,
		.days = AUTHORITY_CERT_DAYS,
		.issuer = sk_X509_value(ca, 0),
		.issuer_key = signs,
	};
	X509 *cert = n.key != NULL ? certmake_node(&n) : NULL;
	int rc = -1;

	if (cert == NULL)
		*err = tls_error(n.key == NULL ? f->key_path : "cannot make a certificate");
	else if (certmake_write(f->ca_path, 0644, pem_from_certs(ca), err) == 0)
		rc = certmake_write(f->cert_path, 0644, pem_from_cert(cert), err);
	X509_free(cert);
	EVP_PKEY_free(n.key);
	return (rc);
}

/* One more in the list; 0: failure. */
static int
push_authority(STACK_OF(X509) * list, EVP_PKEY *key)
{
	X509 *ca = authority_cert(key);

	if (ca != NULL && sk_X509_push(list, ca) > 0)
		return (1);
	X509_free(ca);
	return (0);
}

int
authority_sign(const struct authority_files *f, char **err)
{
	STACK_OF(X509) *ca = sk_X509_new_null();
	EVP_PKEY *signs = f->nkeys > 0 ? pkey_of(f->keys[0]) : NULL, *key;
	int rc = -1, ok = f->nkeys > 0 && push_authority(ca, signs);

	for (size_t i = 1; i < f->nkeys && ok; i++) {
		key = pkey_of(f->keys[i]);
		ok = push_authority(ca, key);
		EVP_PKEY_free(key);
	}
	if (ok)
		rc = write_files(f, signs, ca, err);
	else
		*err = tls_error("cannot make an authority");
	sk_X509_pop_free(ca, X509_free);
	EVP_PKEY_free(signs);
	return (rc);
}
