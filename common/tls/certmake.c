#include "config.h"

#include "common/tls/certmake.h"

#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/tls/altnames.h"
#include "common/tls/crypto.h"
#include "common/tls/tls.h"

#define CN_MAX     64 /* RFC 5280: ub-common-name */
#define SERIAL_LEN 16

const char *
certmake_common_name(const char *text, const char *instead)
{
	return (strlen(text) <= CN_MAX ? text : instead);
}

int
certmake_set_name(X509_NAME *subject, const char *name)
{
	return (X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
		    (const unsigned char *)name, -1, -1, 0) == 1);
}

/* ---- any ---- */

static int
draw_serial(X509 *cert)
{
	uint8_t serial[SERIAL_LEN];
	BIGNUM *bn;
	int ok;

	crypto_random(serial, sizeof(serial));
	serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x40); /* positive, of full length */
	bn = BN_bin2bn(serial, sizeof(serial), NULL);
	ok = bn != NULL && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert)) != NULL;
	BN_free(bn);
	return (ok);
}

static int
set_times(X509 *cert, int64_t end)
{
	time_t now = time(NULL), until = (time_t)end;
	time_t from = now - (until - now < CERTMAKE_EARLY ? until - now : CERTMAKE_EARLY);

	return (X509_time_adj_ex(X509_getm_notBefore(cert), 0, 0, &from) != NULL &&
	    X509_time_adj_ex(X509_getm_notAfter(cert), 0, 0, &until) != NULL);
}

static int
add_extensions(X509 *cert, X509 *issuer, const struct certmake_ext *e)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;
	int ok = 1;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	for (; e->nid != 0 && ok; e++) {
		ext = X509V3_EXT_conf_nid(NULL, &ctx, e->nid, e->value);
		ok = ext != NULL && X509_add_ext(cert, ext, -1) == 1;
		X509_EXTENSION_free(ext);
	}
	return (ok);
}

static int
sign_cert(X509 *cert, EVP_PKEY *key)
{
	/* Ed25519 has its own digest. */
	const EVP_MD *md = EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 ? NULL : EVP_sha256();

	return (X509_sign(cert, key, md) != 0);
}

X509 *
certmake_sign(const struct certmake *m)
{
	X509 *cert = X509_new(), *issuer = m->issuer != NULL ? m->issuer : cert;

	if (cert != NULL && X509_set_version(cert, X509_VERSION_3) == 1 && draw_serial(cert) &&
	    set_times(cert, m->until) && X509_set_pubkey(cert, m->key) == 1 &&
	    certmake_set_name(X509_get_subject_name(cert), m->name) &&
	    X509_set_issuer_name(cert, X509_get_subject_name(issuer)) == 1 &&
	    add_extensions(cert, issuer, m->exts) &&
	    (m->names == NULL || X509_add_ext(cert, m->names, -1) == 1) &&
	    sign_cert(cert, m->issuer != NULL ? m->issuer_key : m->key))
		return (cert);
	X509_free(cert);
	return (NULL);
}

/* ---- of two kinds ---- */

static int64_t
after_days(int days)
{
	return ((int64_t)time(NULL) + (int64_t)days * 86400);
}

X509 *
certmake_authority(EVP_PKEY *key, const char *name, int days)
{
	static const struct certmake_ext exts[] = {
		{ NID_basic_constraints, "critical,CA:TRUE,pathlen:0" },
		{ NID_key_usage, "critical,keyCertSign" },
		{ 0 },
	};
	struct certmake m = { .key = key, .name = name, .until = after_days(days), .exts = exts };

	return (certmake_sign(&m));
}

/* NULL: no memory. */
static X509_EXTENSION *
names_extension(const struct certmake_node *n)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	X509_EXTENSION *ext = NULL;
	const json_t *name;
	int ok = names != NULL && (n->names != NULL || altnames_add_host(names, n->name));
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)n->names, i, name)
		ok = ok && altnames_add_host(names, json_string_value(name));
	if (ok)
		ext = X509V3_EXT_i2d(NID_subject_alt_name, 0, names);
	GENERAL_NAMES_free(names);
	return (ext);
}

X509 *
certmake_node(const struct certmake_node *n)
{
	static const struct certmake_ext exts[] = {
		{ NID_basic_constraints, "critical,CA:FALSE" },
		{ NID_key_usage, "critical,digitalSignature" },
		{ NID_ext_key_usage, "serverAuth,clientAuth" },
		{ 0 },
	};
	struct certmake m = {
		.key = n->key,
		.name = certmake_common_name(n->name, "hubleaf"),
		.until = after_days(n->days),
		.exts = exts,
		.names = names_extension(n),
		.issuer = n->issuer,
		.issuer_key = n->issuer_key,
	};
	X509 *cert = m.names != NULL ? certmake_sign(&m) : NULL;

	X509_EXTENSION_free(m.names);
	return (cert);
}

/* ---- files ---- */

int
certmake_write(const char *path, mode_t mode, char *pem, char **err)
{
	int rc = -1;

	if (pem == NULL)
		*err = tls_error(path);
	else
		rc = file_put_text(path, mode, pem, err);
	mem_wipe(pem);
	return (rc);
}
