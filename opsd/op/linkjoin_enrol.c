#include "config.h"

#include <stdlib.h>

#include "common/base/mem.h"
#include "common/conf/settings.h"
#include "common/tls/pem.h"
#include "common/tls/serial.h"
#include "opsd/cluster/gossip.h"
#include "opsd/op/linkjoin.h"
#include "opsd/pki/enrol.h"
#include "opsd/pki/pki.h"
#include "opsd/pki/shown.h"

/* A node is added by a call: it lets us in, with a certificate that it signs or with ours. */

static int
keep_signed(struct linkjoin *j, const struct enrolled *got, const char *own)
{
	struct pki_adopted a = { &got->pair, got->authorities, own, j->route.host, NULL };
	char *err = NULL;
	int status;

	a.added = j->trusted = json_object();
	j->had_identity = pki_kept(j->ops->pki, &j->identity);
	/* A crash right after that must not leave a key that the one of before has said nothing of. */
	if (j->had_identity)
		gossip_say_self(&j->ops->rep, got->pair.key);
	status = pki_adopt(j->ops->pki, &a, &err);
	if (status == 200) {
		j->adopted = 1;
		return (0);
	}
	if (j->had_identity)
		gossip_say_self(&j->ops->rep, j->identity.key);
	linkjoin_fail(j, status,
	    xasprintf("The certificate that '%s' has signed is not kept: %s", j->route.host, err));
	free(err);
	return (-1);
}

/* What we show is good: what comes is whom to trust, and the other knows that we come. */
static int
trust_theirs(struct linkjoin *j, const struct enrolled *got)
{
	char *err = NULL;
	int status;

	j->trusted = json_object();
	status = pki_trust(j->ops->pki, got->authorities, j->route.host, j->trusted, &err);
	if (status == 200)
		return (0);
	linkjoin_fail(j, status,
	    xasprintf("What '%s' trusts is not trusted here: %s", j->route.host, err));
	free(err);
	return (-1);
}

static void
note_serial(struct linkjoin *j, const char *certificate)
{
	X509 *cert = pem_cert(certificate);
	char serial[SERIAL_MAX];

	if (cert != NULL && serial_of(cert, serial) == 0)
		j->serial = xstrdup(serial);
	X509_free(cert);
}

/* `has` is what we show, or NULL: it is to sign one. */
static int
ask_in(struct linkjoin *j, const struct conf *c, const char *own, const char *authority,
    const char *has)
{
	struct enrol e = {
		.host = j->route.host,
		.port = j->api_port,
		.authorization = j->authorization,
		.verify_tls = j->verify_tls,
		.proxy = conf_str(c, REP_PROXY),
		.hostname = own,
		.node = j->ops->data.node_hex,
		.authority = authority,
		.member = j->route.host,
	};
	struct enrolled got;
	char *err = NULL;
	int status = has != NULL ? enrol_shown(&e, has, &got, &err) : enrol_run(&e, &got, &err), rc;

	if (status != 200) {
		linkjoin_fail(j, status,
		    has != NULL ?
			xasprintf(
			    "'%s' (its operations API at port %d) does not let this node in: %s",
			    j->route.host, j->api_port, err) :
			xasprintf(
			    "No certificate comes from '%s' (its operations API at port %d): %s",
			    j->route.host, j->api_port, err));
		free(err);
		return (-1);
	}
	rc = has != NULL ? trust_theirs(j, &got) : keep_signed(j, &got, own);
	if (!j->was_linked)
		note_serial(j, has != NULL ? has : got.pair.certificate);
	j->api_pin = xstrdup(got.pin);
	enrol_clear(&got);
	return (rc);
}

/* 1: it has one that is good for links with that node, or that is not ours to replace; -1: it failed. */
static int
has_certificate(struct linkjoin *j, const struct conf *c, const char *own, struct keypair *pair)
{
	struct pki_files f;
	char *err = NULL;

	if (!pki_files(c, own, &f) && !j->was_linked)
		return (0);
	if (pki_identity(j->ops->pki, own, pair, &err) == 0)
		return (1);
	linkjoin_fail(j, 500, xasprintf("This node has no certificate: %s", err));
	free(err);
	return (-1);
}

/* What leads to what we show; else our own, which signs for others. */
static char *
authority_of(struct linkjoin *j, const struct conf *c, const char *own, const char *has, char **err)
{
	struct pki_files f;

	return (has != NULL && pki_files(c, own, &f) ? shown_issuer(j->ops->pki, has) :
						       pki_authority(j->ops->pki, err));
}

int
linkjoin_enrol(struct linkjoin *j)
{
	struct conf *c = data_conf(&j->ops->data);
	char *own = repconf_hostname(c), *err = NULL, *authority = NULL;
	struct keypair pair = { 0 };
	int rc = has_certificate(j, c, own, &pair);

	if (rc != -1) {
		authority = authority_of(j, c, own, pair.certificate, &err);
		rc = err == NULL ?
		    ask_in(j, c, own, authority, pair.certificate) :
		    linkjoin_fail(j, 500, xasprintf("This node has no authority: %s", err));
	}
	keyfiles_clear(&pair);
	free(authority);
	free(err);
	free(own);
	conf_free(c);
	return (rc);
}
