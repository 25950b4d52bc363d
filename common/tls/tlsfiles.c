#include "config.h"

#include "common/tls/tlsfiles.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/tls/pem.h"

/* The certificate and what follows it in its file; the authorities. */
struct loaded {
	X509 *cert;
	EVP_PKEY *key;
	STACK_OF(X509) * chain, *authorities;
};

static BIO *
open_pem(const struct tlsfiles *f, const char *name, const char *path, char **err)
{
	BIO *in = pem_open(path);

	if (in == NULL)
		*err = xasprintf("%s.%s: %s: %s", f->prefix, name, path, strerror(errno));
	return (in);
}

/* All of a file, one at least; NULL with *err. */
static STACK_OF(X509) *
    read_cert_list(const struct tlsfiles *f, const char *name, const char *path, char **err)
{
	BIO *in = open_pem(f, name, path, err);
	STACK_OF(X509) * list;

	if (in == NULL)
		return (NULL);
	list = pem_read_certs(in, INT_MAX);
	ERR_clear_error();
	if (sk_X509_num(list) > 0)
		return (list);
	sk_X509_pop_free(list, X509_free);
	*err = xasprintf("%s.%s: %s: no certificate (PEM) is in it", f->prefix, name, path);
	return (NULL);
}

static EVP_PKEY *
read_key(const struct tlsfiles *f, char **err)
{
	BIO *in = open_pem(f, "privateKey", f->key, err);
	EVP_PKEY *key;

	if (in == NULL)
		return (NULL);
	key = pem_read_key(in);
	ERR_clear_error();
	if (key == NULL)
		*err = xasprintf(
		    "%s.privateKey: %s: no private key (PEM, without a password) is in it",
		    f->prefix, f->key);
	return (key);
}

static int
read_pair(const struct tlsfiles *f, struct loaded *l, char **err)
{
	if ((l->chain = read_cert_list(f, "certificate", f->cert, err)) == NULL ||
	    (l->key = read_key(f, err)) == NULL)
		return (-1);
	l->cert = sk_X509_value(l->chain, 0);
	if (X509_check_private_key(l->cert, l->key) != 1) {
		ERR_clear_error();
		*err = xasprintf("%s.privateKey: %s is not the key of the certificate %s",
		    f->prefix, f->key, f->cert);
		return (-1);
	}
	return (0);
}

static int
read_files(const struct tlsfiles *f, struct loaded *l, char **err)
{
	if (f->cert != NULL && read_pair(f, l, err) == -1)
		return (-1);
	if (f->ca != NULL &&
	    (l->authorities = read_cert_list(f, "certificateAuthority", f->ca, err)) == NULL)
		return (-1);
	return (0);
}

static X509_STORE *
trust_store(STACK_OF(X509) * authorities)
{
	X509_STORE *store = X509_STORE_new();

	if (store != NULL && authorities == NULL)
		(void)X509_STORE_set_default_paths(store);
	for (int i = 0; store != NULL && i < sk_X509_num(authorities); i++)
		(void)X509_STORE_add_cert(store, sk_X509_value(authorities, i));
	return (store);
}

/* Why not, or NULL. */
static const char *
verify_chain(const struct loaded *l, X509_STORE *store, int purpose)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	const char *why = "it cannot be verified";

	if (ctx != NULL && X509_STORE_CTX_init(ctx, store, l->cert, l->chain) == 1) {
		X509_STORE_CTX_set_flags(ctx,
		    X509_V_FLAG_NO_CHECK_TIME | X509_V_FLAG_PARTIAL_CHAIN);
		X509_STORE_CTX_set_purpose(ctx, purpose);
		why = X509_verify_cert(ctx) == 1 ?
		    NULL :
		    X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx));
	}
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	return (why);
}

static int
check_signed(const struct tlsfiles *f, const struct loaded *l, char **err)
{
	static const struct {
		int purpose;
		const char *name;
	} uses[] = {
		{ X509_PURPOSE_SSL_SERVER, "server" },
		{ X509_PURPOSE_SSL_CLIENT, "client" },
	};
	X509_STORE *store = trust_store(l->authorities);
	const char *why = NULL;

	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]) && why == NULL; i++) {
		why = verify_chain(l, store, uses[i].purpose);
		if (why != NULL)
			*err = xasprintf("%s.certificate: %s: as a %s it does not pass with "
					 "certificateAuthority %s: %s",
			    f->prefix, f->cert, uses[i].name,
			    f->ca != NULL ? f->ca : "(unset: the system's)", why);
	}
	X509_STORE_free(store);
	return (why == NULL ? 0 : -1);
}

static char *
expiry_fault(const struct tlsfiles *f, const struct loaded *l)
{
	if (X509_cmp_current_time(X509_get0_notAfter(l->cert)) < 0)
		return (xasprintf("%s.certificate: %s has expired", f->prefix, f->cert));
	if (X509_cmp_current_time(X509_get0_notBefore(l->cert)) > 0)
		return (xasprintf("%s.certificate: %s is not valid yet", f->prefix, f->cert));
	return (NULL);
}

int
tlsfiles_check(const struct tlsfiles *f, char **warning, char **err)
{
	struct loaded l = { 0 };
	int rc = read_files(f, &l, err);

	*warning = NULL;
	if (rc == 0 && f->cert != NULL && f->verified)
		rc = check_signed(f, &l, err);
	if (rc == 0 && f->cert != NULL)
		*warning = expiry_fault(f, &l);
	EVP_PKEY_free(l.key);
	sk_X509_pop_free(l.chain, X509_free);
	sk_X509_pop_free(l.authorities, X509_free);
	return (rc);
}
