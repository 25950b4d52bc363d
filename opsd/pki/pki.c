#include "config.h"

#include "opsd/pki/pki_priv.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/tls/pem.h"
#include "opsd/pki/ca.h"
#include "opsd/pki/chain.h"
#include "opsd/pki/csr.h"
#include "opsd/pki/joins.h"
#include "opsd/pki/ledger.h"
#include "opsd/pki/renewal.h"
#include "opsd/store/data.h"

#define BUNDLE_FILE_MAX (1 << 22)

struct pki *
pki_start(struct data *data, char **err)
{
	struct pki *p = xcalloc(1, sizeof(*p));
	struct conf *c = data_conf(data);
	char *joins = conf_path(c, "joins.json");

	p->data = data;
	p->dir = conf_path(c, "keys");
	p->joins = joins_open(joins);
	free(joins);
	conf_free(c);
	pthread_mutex_init(&p->files, NULL);
	pthread_mutex_init(&p->signing, NULL);
	if ((p->ledger = ledger_load(data, err)) != NULL)
		return (p);
	pki_stop(p);
	return (NULL);
}

void
pki_stop(struct pki *p)
{
	if (p == NULL)
		return;
	ledger_free(p->ledger);
	joins_free(p->joins);
	pthread_mutex_destroy(&p->files);
	pthread_mutex_destroy(&p->signing);
	free(p->dir);
	free(p);
}

/* ---- our own ---- */

int
pki_own_authority(struct pki *p, struct keypair *out, char **err)
{
	int rc;

	pthread_mutex_lock(&p->files);
	rc = keyfiles_authority(p->dir, 1, out, err);
	pthread_mutex_unlock(&p->files);
	return (rc == 1 ? 0 : -1);
}

char *
pki_authority(struct pki *p, char **err)
{
	struct keypair own;
	char *cert = NULL;

	if (pki_own_authority(p, &own, err) == 0) {
		cert = own.certificate;
		own.certificate = NULL;
		keyfiles_clear(&own);
	}
	return (cert);
}

char *
pki_authority_made(struct pki *p)
{
	struct keypair own;
	char *cert = NULL, *err = NULL;

	pthread_mutex_lock(&p->files);
	if (keyfiles_authority(p->dir, 0, &own, &err) == 1) {
		cert = own.certificate;
		own.certificate = NULL;
	}
	pthread_mutex_unlock(&p->files);
	keyfiles_clear(&own);
	free(err);
	return (cert);
}

/* With the key that there is, if there is one: whoever has pinned it knows us again. */
static int
request_own(struct pki *p, const char *hostname, struct keypair *out, char **text, char **err)
{
	const char *node = p->data->node_hex;

	if (out->key != NULL && csr_make_again(hostname, node, out->key, text, err) == 0)
		return (0);
	if (out->key != NULL)
		free(*err);
	mem_wipe(out->key);
	return (csr_make(hostname, node, &out->key, text, err));
}

/* With the lock on files; *out has the key, or none. */
static int
make_own_cert(struct pki *p, const char *hostname, struct keypair *out, char **err)
{
	struct keypair own = { 0 };
	struct ca_signed s = { 0 };
	char *text = NULL;
	struct csr *c = NULL;
	int rc = -1;

	if (keyfiles_authority(p->dir, 1, &own, err) == 1 &&
	    request_own(p, hostname, out, &text, err) == 0 && (c = csr_read(text, err)) != NULL &&
	    ca_sign(own.key, own.certificate, c, data_conf_int(p->data, REP_CERT_LIFETIME), &s,
		err) == 0) {
		out->certificate = xstrdup(s.certificate);
		rc = keyfiles_put_node(p->dir, out, err);
	}
	p->shown += rc == 0;
	if (rc == 0)
		log_info("this node's authority has signed its certificate as %s, serial number %s",
		    hostname, s.serial);
	else
		keyfiles_clear(out);
	ca_signed_clear(&s);
	csr_free(c);
	free(text);
	keyfiles_clear(&own);
	return (rc);
}

static int
is_ours(struct pki *p, const char *certificate, const char *hostname)
{
	X509 *cert = pem_cert(certificate);
	int is = cert != NULL && chain_names(cert, hostname) &&
	    chain_is_of_node(cert, p->data->node_hex);

	X509_free(cert);
	return (is);
}

/* One that we have signed ourselves, and that is due. */
static int
is_own_and_due(struct pki *p, const struct keypair *k)
{
	struct keypair own = { 0 };
	char *err = NULL;
	int is = renewal_due(k->certificate, (int64_t)time(NULL)) &&
	    keyfiles_authority(p->dir, 0, &own, &err) == 1 &&
	    ca_has_signed(own.certificate, k->certificate);

	free(err);
	keyfiles_clear(&own);
	return (is);
}

static int
kept_identity(struct pki *p, const char *hostname, struct keypair *out, char **err)
{
	int rc = keyfiles_node(p->dir, out, err);

	if (rc == 1 && !is_ours(p, out->certificate, hostname))
		keyfiles_clear(out);
	else if (rc == 1 && !is_own_and_due(p, out))
		return (0);
	free(out->certificate);
	out->certificate = NULL;
	return (rc == -1 ? -1 : make_own_cert(p, hostname, out, err));
}

static int
is_for_links(const char *certificate, const char *hostname)
{
	X509 *cert = pem_cert(certificate);
	int is = cert != NULL && chain_names(cert, hostname) && chain_serves_both(cert);

	X509_free(cert);
	ERR_clear_error();
	return (is);
}

static int
is_file_for_links(const char *path, const char *hostname)
{
	char *text = file_read(path, BUNDLE_FILE_MAX, NULL);
	int is = text != NULL && is_for_links(text, hostname);

	free(text);
	return (is);
}

int
pki_files(const struct conf *c, const char *hostname, struct pki_files *f)
{
	int own = conf_str(c, REP_TLS_CERT) != NULL;
	const char *cert = conf_str(c, own ? REP_TLS_CERT : TLS_CERT);
	const char *key = conf_str(c, own ? REP_TLS_KEY : TLS_KEY);

	*f = (struct pki_files){ cert, key != NULL ? key : cert };
	return (own || (cert != NULL && is_file_for_links(cert, hostname)));
}

/* 1, 0: none is configured that would do, -1 with *err. */
static int
configured_identity(const struct conf *c, const char *hostname, struct keypair *out, char **err)
{
	struct pki_files f;
	char *why = NULL;

	if (!pki_files(c, hostname, &f))
		return (0);
	if (conf_str(c, REP_TLS_CERT) != NULL)
		return (keyfiles_read(f.certificate, f.key, out, err));
	if (keyfiles_read(f.certificate, f.key, out, &why) == 1)
		return (1);
	free(why);
	keyfiles_clear(out);
	return (0);
}

int
pki_identity(struct pki *p, const char *hostname, struct keypair *out, char **err)
{
	struct conf *c = data_conf(p->data);
	int rc;

	*out = (struct keypair){ 0 };
	rc = configured_identity(c, hostname, out, err);
	conf_free(c);
	if (rc != 0)
		return (rc == 1 ? 0 : -1);
	pthread_mutex_lock(&p->files);
	rc = kept_identity(p, hostname, out, err);
	pthread_mutex_unlock(&p->files);
	return (rc);
}

int
pki_shows_kept(struct pki *p, const char *hostname, struct keypair *out)
{
	struct keypair other = { 0 }, own = { 0 };
	struct conf *c = data_conf(p->data);
	char *err = NULL;
	int shown = configured_identity(c, hostname, &other, &err) == 0 && pki_kept(p, out) &&
	    is_ours(p, out->certificate, hostname);

	if (shown && keyfiles_authority(p->dir, 0, &own, &err) == 1)
		shown = !ca_has_signed(own.certificate, out->certificate);
	free(err);
	keyfiles_clear(&own);
	keyfiles_clear(&other);
	conf_free(c);
	return (shown);
}

/* ---- trust ---- */

json_t *
pki_authority_list(struct pki *p)
{
	json_t *list = json_array(), *all = ledger_all(p->ledger, LEDGER_AUTHORITY), *record;
	struct keypair own;
	char *err = NULL;
	const char *hash;

	pthread_mutex_lock(&p->files);
	if (keyfiles_authority(p->dir, 0, &own, &err) == 1)
		json_array_append_new(list, json_string(own.certificate));
	else if (err != NULL)
		log_warnx("%s", err);
	pthread_mutex_unlock(&p->files);
	keyfiles_clear(&own);
	free(err);
	json_object_foreach(all, hash, record)
		json_array_append(list, json_object_get(record, "certificate"));
	json_decref(all);
	return (list);
}

/* Those of the configuration: replication's, else tls's. */
static char *
configured_authorities(struct pki *p)
{
	struct conf *c = data_conf(p->data);
	const char *path = conf_str(c, REP_TLS_CA);
	char *text = NULL;

	if (path == NULL)
		path = conf_str(c, TLS_CA);
	if (path != NULL && (text = file_read(path, BUNDLE_FILE_MAX, NULL)) == NULL)
		log_warn("%s", path);
	conf_free(c);
	return (text);
}

char *
pki_authorities(struct pki *p)
{
	json_t *list = pki_authority_list(p);
	char *known = chain_authorities(list), *more = configured_authorities(p);
	char *all = xasprintf("%s%s", known, more != NULL ? more : "");

	json_decref(list);
	free(known);
	free(more);
	return (all);
}

int
pki_check(struct pki *p, const char *certs, const char *hostname, const char *node,
    const char *spki, char **err)
{
	char *authorities = pki_authorities(p);
	json_t *revoked = pki_revoked(p);
	struct chain_rules r = {
		.authorities = authorities,
		.system_roots = data_conf_bool(p->data, REP_ROOT_CAS),
		.hostname = hostname,
		.node = node,
		.spki = spki,
		.revoked = revoked,
		.now = (int64_t)time(NULL),
	};
	int rc = chain_check(certs, &r, err);

	json_decref(revoked);
	free(authorities);
	return (rc);
}

/* ---- adopting ---- */

char *
pki_join_token(struct pki *p, const char *pin, const struct join_terms *t, int *status, char **err)
{
	return (joins_make(p->joins, pin, t, status, err));
}

/* It must hold by what came with it alone, as others may know no more. */
static int
check_adopted(struct pki *p, const struct pki_adopted *a, char **err)
{
	char *authorities = chain_authorities(a->authorities);
	struct chain_rules r = {
		.authorities = authorities,
		.hostname = a->hostname,
		.node = p->data->node_hex,
		.now = (int64_t)time(NULL),
	};
	int rc = chain_check(a->pair->certificate, &r, err);

	free(authorities);
	return (rc);
}

int
pki_adopt(struct pki *p, const struct pki_adopted *a, char **err)
{
	int status = 502;

	if (check_adopted(p, a, err) == 0)
		status = pki_trust(p, a->authorities, a->from, a->added, err);
	if (status != 200)
		return (status);
	pthread_mutex_lock(&p->files);
	if (keyfiles_put_node(p->dir, a->pair, err) == -1)
		status = 500;
	pthread_mutex_unlock(&p->files);
	if (status != 200)
		pki_distrust(p, a->added);
	p->shown++;
	return (status);
}

int
pki_kept(struct pki *p, struct keypair *out)
{
	char *err = NULL;
	int found;

	pthread_mutex_lock(&p->files);
	found = keyfiles_node(p->dir, out, &err) == 1;
	pthread_mutex_unlock(&p->files);
	free(err);
	return (found);
}

void
pki_put_back(struct pki *p, const struct keypair *before, const json_t *added)
{
	char *err = NULL;

	pthread_mutex_lock(&p->files);
	if (before == NULL)
		keyfiles_drop_node(p->dir);
	else if (keyfiles_put_node(p->dir, before, &err) == -1)
		log_errorx("the node's earlier certificate: %s", err);
	pthread_mutex_unlock(&p->files);
	pki_distrust(p, added);
	free(err);
	p->shown++;
}

uint64_t
pki_changes(const struct pki *p)
{
	return (1 + p->shown + ledger_changes(p->ledger));
}
