#include "config.h"

#include "opsd/pki/keyfiles.h"

#include <openssl/err.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/tls/pem.h"
#include "opsd/pki/ca.h"
#include "opsd/pki/chain.h"

#define PEM_FILE_MAX (1 << 20)

void
keyfiles_clear(struct keypair *k)
{
	free(k->certificate);
	mem_wipe(k->key);
	*k = (struct keypair){ 0 };
}

/* 1 with *text, 0: not there, -1 with *err. */
static int
read_pem(const char *path, char **text, char **err)
{
	*text = file_read(path, PEM_FILE_MAX, NULL);
	if (*text != NULL)
		return (1);
	if (errno == ENOENT)
		return (0);
	*err = xasprintf("%s: %s", path, strerror(errno));
	return (-1);
}

/* ---- the authority ---- */

/* The key is there: so the certificate is, or is made of it. */
static int
complete_authority(const char *path, struct keypair *out, char **err)
{
	int rc = read_pem(path, &out->certificate, err);

	if (rc != 0)
		return (rc);
	if ((out->certificate = ca_make_cert(out->key, err)) == NULL)
		return (-1);
	return (file_put_text(path, 0600, out->certificate, err) == 0 ? 1 : -1);
}

static int
load_authority(const char *key_path, const char *cert_path, int make, struct keypair *out,
    char **err)
{
	int rc = read_pem(key_path, &out->key, err);
	char *why;

	if (rc == 0 && make) {
		out->key = ca_make_key(err);
		rc = out->key != NULL && file_put_text(key_path, 0600, out->key, err) == 0 ? 1 : -1;
	}
	if (rc == 1)
		rc = complete_authority(cert_path, out, err);
	if (rc == 1 && ca_check(out->key, out->certificate, &why) == -1) {
		*err =
		    xasprintf("%s and %s are no authority: %s: put them back from a backup, or "
			      "remove both, and this node makes a new one that no other node knows",
			key_path, cert_path, why);
		free(why);
		rc = -1;
	}
	return (rc);
}

int
keyfiles_authority(const char *dir, int make, struct keypair *out, char **err)
{
	char *key = xasprintf("%s/ca.key", dir), *cert = xasprintf("%s/ca.crt", dir);
	int rc;

	*out = (struct keypair){ 0 };
	rc = load_authority(key, cert, make, out, err);
	if (rc != 1)
		keyfiles_clear(out);
	free(key);
	free(cert);
	return (rc);
}

/* ---- the node's ---- */

static char *
certs_of(const char *text)
{
	STACK_OF(X509) *list = pem_certs(text, CHAIN_MOST);
	char *all = pem_from_certs(list);

	sk_X509_pop_free(list, X509_free);
	return (all);
}

/* Whether the first certificate is of the key; -1 with *err. */
static int
check_pair(const char *cert_path, const char *key_path, EVP_PKEY *key, const struct keypair *k,
    char **err)
{
	X509 *cert = k->certificate != NULL ? pem_cert(k->certificate) : NULL;
	int rc = -1;

	if (cert == NULL)
		*err = xasprintf("%s: no certificate (PEM) is in it", cert_path);
	else if (key == NULL)
		*err = xasprintf("%s: no private key (PEM, without a password) is in it", key_path);
	else if (X509_check_private_key(cert, key) != 1)
		*err = xasprintf("%s is not the key of the certificate %s", key_path, cert_path);
	else
		rc = 0;
	ERR_clear_error();
	X509_free(cert);
	return (rc);
}

static int
take_pair(const char *cert_path, const char *key_path, const char *cert_text, const char *key_text,
    struct keypair *out, char **err)
{
	EVP_PKEY *key = pem_key(key_text);
	int rc;

	out->certificate = certs_of(cert_text);
	rc = check_pair(cert_path, key_path, key, out, err);
	if (rc == 0)
		out->key = pem_from_key(key);
	else
		keyfiles_clear(out);
	EVP_PKEY_free(key);
	return (rc == 0 ? 1 : -1);
}

int
keyfiles_read(const char *cert_path, const char *key_path, struct keypair *out, char **err)
{
	char *cert = NULL, *key = NULL;
	int rc = read_pem(cert_path, &cert, err);

	*out = (struct keypair){ 0 };
	if (rc == 1)
		rc = read_pem(key_path, &key, err);
	if (rc == 0)
		*err = xasprintf("%s: %s", cert == NULL ? cert_path : key_path, strerror(ENOENT));
	rc = rc == 1 ? take_pair(cert_path, key_path, cert, key, out, err) : -1;
	mem_wipe(cert);
	mem_wipe(key);
	return (rc);
}

int
keyfiles_node(const char *dir, struct keypair *out, char **err)
{
	char *path = xasprintf("%s/" KEYFILES_NODE, dir), *text = NULL;
	int rc = read_pem(path, &text, err);

	*out = (struct keypair){ 0 };
	if (rc == 1)
		rc = take_pair(path, path, text, text, out, err);
	mem_wipe(text);
	free(path);
	return (rc);
}

int
keyfiles_put_node(const char *dir, const struct keypair *k, char **err)
{
	char *path = xasprintf("%s/" KEYFILES_NODE, dir);
	char *text = xasprintf("%s%s", k->certificate, k->key);
	int rc = file_put_text(path, 0600, text, err);

	mem_wipe(text);
	free(path);
	return (rc);
}

int
keyfiles_pin(const char *cert_path, char out[PEM_HASH])
{
	char *text = file_read(cert_path, PEM_FILE_MAX, NULL);
	X509 *cert = text != NULL ? pem_cert(text) : NULL;
	int rc = cert != NULL ? pem_spki(X509_get0_pubkey(cert), out) : -1;

	X509_free(cert);
	mem_wipe(text);
	return (rc);
}

void
keyfiles_drop_node(const char *dir)
{
	char *path = xasprintf("%s/" KEYFILES_NODE, dir);

	if (unlink(path) == -1 && errno != ENOENT)
		log_warn("%s", path);
	free(path);
}
