#include "config.h"

#include "opsd/pki/due.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/tls/pem.h"
#include "opsd/pki/ca.h"
#include "opsd/pki/csr.h"
#include "opsd/pki/pki_priv.h"
#include "opsd/pki/renewal.h"
#include "opsd/store/data.h"

/* Who has brought the authority that has signed it. */
static char *
issuer_of(struct pki *p, const char *certificate)
{
	json_t *known = pki_known(p), *record;
	char *issuer = NULL;
	const char *hash;

	json_object_foreach(known, hash, record)
		if (issuer == NULL &&
		    ca_has_signed(json_string_value(json_object_get(record, "certificate")),
			certificate))
			issuer = xstrdup(json_string_value(json_object_get(record, "from")));
	json_decref(known);
	return (issuer);
}

/* 0: it cannot be asked for. */
static int
ask_for(struct pki *p, const char *hostname, const struct keypair *k, int64_t now,
    struct due_cert *out)
{
	char *err = NULL;

	if (csr_make_again(hostname, p->data->node_hex, k->key, &out->csr, &err) == -1) {
		log_warnx("the node's certificate for links is due, but %s", err);
		free(err);
		return (0);
	}
	out->issuer = issuer_of(p, k->certificate);
	renewal_end(k->certificate, now, &out->until, &out->late);
	return (1);
}

int
due_now(struct pki *p, const char *hostname, int64_t now, struct due_cert *out)
{
	struct keypair k = { 0 };
	int due;

	*out = (struct due_cert){ 0 };
	due = pki_shows_kept(p, hostname, &k) && renewal_due(k.certificate, now) &&
	    ask_for(p, hostname, &k, now, out);
	keyfiles_clear(&k);
	return (due);
}

void
due_clear(struct due_cert *d)
{
	free(d->csr);
	free(d->issuer);
	*d = (struct due_cert){ 0 };
}

/* One that is good for longer than what there is. */
static int
is_later(const char *certificate, const char *than)
{
	int64_t until[2];
	int late;

	renewal_end(certificate, 0, &until[0], &late);
	renewal_end(than, 0, &until[1], &late);
	return (until[0] > until[1]);
}

static int
check_done(struct pki *p, const char *hostname, const struct keypair *k, const char *certificate,
    char **err)
{
	char spki[PEM_HASH] = "";
	EVP_PKEY *key = pem_key(k->key);

	if (key != NULL)
		pem_spki(key, spki);
	EVP_PKEY_free(key);
	if (pki_check(p, certificate, hostname, p->data->node_hex, spki, err) == -1)
		return (-1);
	if (is_later(certificate, k->certificate))
		return (0);
	*err = xstrdup("the certificate ends no later than the one before");
	return (-1);
}

int
due_done(struct pki *p, const char *hostname, const char *certificate, char **err)
{
	struct keypair k = { 0 }, now;
	int rc = -1;

	*err = NULL;
	if (!pki_shows_kept(p, hostname, &k))
		*err = xstrdup("another certificate is shown by now");
	else if (check_done(p, hostname, &k, certificate, err) == 0) {
		now = (struct keypair){ (char *)(uintptr_t)certificate, k.key };
		pthread_mutex_lock(&p->files);
		rc = keyfiles_put_node(p->dir, &now, err);
		pthread_mutex_unlock(&p->files);
	}
	keyfiles_clear(&k);
	if (rc == 0) {
		p->shown++;
		log_info("the node's certificate for links is renewed");
	}
	return (rc);
}
