#include "config.h"

#include "opsd/pki/issue.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/iso.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/conf/repconf.h"
#include "common/tls/pem.h"
#include "opsd/pki/ca.h"
#include "opsd/pki/csr.h"
#include "opsd/pki/joins.h"
#include "opsd/pki/ledger.h"
#include "opsd/pki/pki_priv.h"
#include "opsd/pki/renewal.h"
#include "opsd/pki/shown.h"
#include "opsd/store/data.h"

/* One signature on its way. */
struct issuing {
	struct pki *pki;
	struct csr *csr;
	const struct issue_order *order; /* NULL: a renewal */
	struct join_taken join;          /* the token, which is used up with it */
	char *authority;                 /* of the node, by itself; or NULL */
	json_t *trusted;                 /* {hash: ...} of those that are, for it; or NULL */
	struct ca_signed made;
};

/* ---- whose a name is ---- */

static char *
own_name_fault(struct pki *p, const struct csr *r)
{
	struct conf *c = data_conf(p->data);
	char *own = repconf_on(c) ? repconf_hostname(c) : NULL;
	char *fault = NULL;

	if (strcmp(r->node, p->data->node_hex) == 0)
		fault = xasprintf("node %s is this one itself", r->node);
	else if (own != NULL && csr_same_host(own, r->hostname))
		fault = xasprintf("'%s' is this node itself", r->hostname);
	free(own);
	conf_free(c);
	return (fault);
}

/* Another node's name, or the node under another one. */
static char *
clash_of(const char *serial, const json_t *issued, const struct csr *r)
{
	const char *hostname = json_string_value(json_object_get(issued, "hostname"));
	const char *node = json_string_value(json_object_get(issued, "node"));
	int same_host = hostname != NULL && csr_same_host(hostname, r->hostname);
	int same_node = node != NULL && strcmp(node, r->node) == 0;

	if (same_host == same_node)
		return (NULL);
	if (same_host)
		return (xasprintf("'%s' is node %s, by the certificate %s: remove that node, or "
				  "revoke its certificate, first",
		    r->hostname, node, serial));
	return (xasprintf("node %s is '%s', by the certificate %s: revoke that certificate first",
	    r->node, hostname, serial));
}

static char *
claimed_by(struct pki *p, const struct csr *r)
{
	json_t *all = ledger_all(p->ledger, LEDGER_ISSUED), *issued;
	char *fault = own_name_fault(p, r);
	const char *serial;

	if (fault == NULL && json_object_size(all) >= ISSUE_MOST)
		fault = xasprintf("this node has signed %d certificates that are still good",
		    ISSUE_MOST);
	json_object_foreach(all, serial, issued)
		if (fault == NULL && !ledger_has(p->ledger, LEDGER_REVOKED, serial))
			fault = clash_of(serial, issued, r);
	json_decref(all);
	return (fault);
}

/* ---- what is over ---- */

/* What was signed and never used is revoked, and what has expired is forgotten. */
static void
sweep_issued(struct pki *p)
{
	json_t *all = ledger_all(p->ledger, LEDGER_ISSUED), *issued, *revoked = json_array(), *one;
	struct ledger_change *c = xcalloc(2 * json_object_size(all) + 1, sizeof(*c));
	const char *serial;
	char *err = NULL;
	json_t *trusted = json_object();
	size_t n = 0;

	json_object_foreach(all, serial, issued) {
		if (issue_is_too_late(issued, wall_ms()) && issue_is_shown(issued)) {
			json_object_update(trusted, json_object_get(issued, "trusted"));
			c[n++] = (struct ledger_change){ LEDGER_ISSUED, serial, NULL };
		} else if (issue_is_too_late(issued, wall_ms()) &&
		    !ledger_has(p->ledger, LEDGER_REVOKED, serial)) {
			one = json_pack("{s:I, s:I, s:s, s:s}", "until",
			    (json_int_t)issue_until(issued), "at", (json_int_t)wall_ms(), "by",
			    "hubleaf", "why", "never used");
			json_array_append_new(revoked, one);
			c[n++] = (struct ledger_change){ LEDGER_REVOKED, serial, one };
			c[n++] = (struct ledger_change){ LEDGER_ISSUED, serial, NULL };
		} else if (issue_until(issued) < (int64_t)time(NULL))
			c[n++] = (struct ledger_change){ LEDGER_ISSUED, serial, NULL };
	}
	if (ledger_write(p->ledger, c, n, &err) != 200)
		log_warnx("records of expired certificates cannot be removed: %s", err);
	else if (json_object_size(trusted) > 0)
		pki_distrust(p, trusted);
	json_decref(trusted);
	free(err);
	free(c);
	json_decref(revoked);
	json_decref(all);
}

void
issue_sweep(struct pki *p)
{
	pthread_mutex_lock(&p->signing);
	sweep_issued(p);
	pthread_mutex_unlock(&p->signing);
}

/* ---- signing ---- */

static json_t *
issued_record(const struct issuing *s)
{
	const struct issue_order *o = s->order;
	const char *by = o == NULL ? s->csr->hostname :
	    o->by != NULL          ? o->by :
				     json_string_value(json_object_get(s->join.record, "by"));
	int renews = o == NULL || o->renews;
	char spki[PEM_HASH] = "";

	pem_spki(csr_key(s->csr), spki);
	return (json_pack("{s:s, s:s, s:s, s:I, s:I, s:s?, s:b, s:s*, s:b, s:O*}", "hostname",
	    s->csr->hostname, "node", s->csr->node, "spki", spki, "until",
	    (json_int_t)s->made.until, "at", (json_int_t)wall_ms(), "by", by, "confirmed", renews,
	    "authority", renews ? NULL : s->authority, "shown", s->csr->shown != NULL, "trusted",
	    s->trusted));
}

static json_t *
signed_answer(struct pki *p, const struct ca_signed *s)
{
	char until[ISO_TEXT];

	return (json_pack("{s:s*, s:o, s:s, s:s}", "certificate", s->certificate, "authorities",
	    shown_authorities(p), "serial_number", s->serial, "valid_to",
	    iso_text(s->until * 1000, until)));
}

/* In the store before anybody has it. */
static int
record_signed(struct issuing *s, char **err)
{
	json_t *record = issued_record(s);
	struct ledger_change c = { LEDGER_ISSUED, s->made.serial, record };
	int status = ledger_write(s->pki->ledger, &c, 1, err);

	json_decref(record);
	return (status);
}

/* What it has may have been signed here, or be known from before. */
static int
is_known_here(struct issuing *s, char **err)
{
	json_t *issued = ledger_get(s->pki->ledger, LEDGER_ISSUED, s->made.serial);
	const char *known = json_string_value(json_object_get(issued, "spki"));
	char spki[PEM_HASH] = "";
	int is = issued != NULL;

	pem_spki(csr_key(s->csr), spki);
	if (known != NULL && strcmp(known, spki) != 0)
		*err = xasprintf("a certificate of another node has the serial number %s, too",
		    s->made.serial);
	json_decref(issued);
	return (is);
}

static int
take_shown(struct issuing *s, char **err)
{
	json_t *certs = json_pack("[s*]", s->authority);
	int status = 200;

	if (shown_describe(s->csr, &s->made, err) == -1)
		status = 400;
	else if (ledger_has(s->pki->ledger, LEDGER_REVOKED, s->made.serial)) {
		*err = xasprintf("the certificate %s is revoked", s->made.serial);
		status = 403;
	} else if (is_known_here(s, err))
		status = *err != NULL ? 409 : 200;
	else {
		s->trusted = json_object();
		status = pki_trust(s->pki, certs, s->csr->hostname, s->trusted, err);
		if (status == 200 && (status = record_signed(s, err)) != 200)
			pki_distrust(s->pki, s->trusted);
	}
	json_decref(certs);
	return (status);
}

static int
make_signed(struct issuing *s, char **err)
{
	struct keypair own;
	int64_t seconds = data_conf_int(s->pki->data, REP_CERT_LIFETIME);
	int rc;

	if (pki_own_authority(s->pki, &own, err) == -1)
		return (500);
	rc = ca_sign(own.key, own.certificate, s->csr, seconds, &s->made, err);
	keyfiles_clear(&own);
	return (rc == 0 ? record_signed(s, err) : 500);
}

/* One name at a time: who asks second for it is told whose it is. */
static int
sign_named(struct issuing *s, char **err)
{
	int status = 409;

	pthread_mutex_lock(&s->pki->signing);
	sweep_issued(s->pki);
	if ((*err = claimed_by(s->pki, s->csr)) == NULL)
		status = s->csr->shown != NULL ? take_shown(s, err) : make_signed(s, err);
	pthread_mutex_unlock(&s->pki->signing);
	return (status);
}

static int
finish_signing(struct issuing *s, int status, json_t **answer)
{
	if (status == 200) {
		*answer = signed_answer(s->pki, &s->made);
		log_info("%s %s (node %s), serial number %s",
		    s->csr->shown != NULL ? "asked in with a certificate of its own is" :
					    "a certificate is signed for",
		    s->csr->hostname, s->csr->node, s->made.serial);
	}
	ca_signed_clear(&s->made);
	csr_free(s->csr);
	json_decref(s->trusted);
	free(s->authority);
	return (status);
}

/* ---- with a token ---- */

static const char bad_token[] = "The join token is not good: it was used, or has expired, or was "
				"made by another node";

static int
check_terms(const struct issuing *s, char **err)
{
	const char *hostname = json_string_value(json_object_get(s->join.record, "hostname"));

	if (hostname == NULL || csr_same_host(hostname, s->csr->hostname))
		return (200);
	*err = xasprintf("The join token is for '%s', not for '%s'", hostname, s->csr->hostname);
	return (403);
}

/* It is given back when nothing comes of it. */
static int
sign_with_token(struct issuing *s, char **err)
{
	int status = joins_take(s->pki->joins, s->order->join, wall_ms(), &s->join, err);

	if (status == 401)
		*err = xstrdup(bad_token);
	if (status != 200)
		return (status);
	status = check_terms(s, err);
	if (status == 200)
		status = sign_named(s, err);
	if (status != 200)
		joins_give_back(s->pki->joins, &s->join);
	joins_taken_clear(&s->join);
	return (status);
}

static int
read_order(struct issuing *s, const char *text, char **err)
{
	const struct issue_order *o = s->order;
	char *why;

	s->csr = text != NULL ? csr_read(text, &why) :
				shown_read(o->certificate, o->hostname, o->node, &why);
	if (s->csr != NULL)
		return (200);
	*err = xasprintf("'%s' %s", text != NULL ? "csr" : "certificate", why);
	free(why);
	return (400);
}

int
issue_sign(struct pki *p, const struct issue_order *o, json_t **answer, char **err)
{
	struct issuing s = { .pki = p, .order = o };
	char hash[PEM_HASH];
	int status = 200;

	if (o->join != NULL && !joins_good(p->joins, o->join, wall_ms())) {
		*err = xstrdup(bad_token);
		return (401);
	}
	if (o->authority != NULL && (s.authority = ca_read(o->authority, hash)) == NULL) {
		*err = xstrdup("'authority' is no certificate of an authority");
		status = 400;
	}
	if (status == 200)
		status = read_order(&s, o->csr, err);
	if (status == 200)
		status = o->join != NULL ? sign_with_token(&s, err) : sign_named(&s, err);
	return (finish_signing(&s, status, answer));
}

/* One that asks and asks shall not be why others get none. */
static char *
too_often(struct pki *p, const char *node)
{
	json_t *all = ledger_all(p->ledger, LEDGER_ISSUED), *issued;
	const char *serial, *of;
	int n = 0;

	json_object_foreach(all, serial, issued) {
		of = json_string_value(json_object_get(issued, "node"));
		n += of != NULL && strcmp(of, node) == 0 &&
		    issue_until(issued) >= (int64_t)time(NULL);
	}
	json_decref(all);
	return (n < ISSUE_MOST_EACH ? NULL :
				      xasprintf("node %s has %d certificates of this node that are "
						"still good",
					  node, n));
}

int
issue_renew(struct pki *p, const struct issue_renewal *r, json_t **answer, char **err)
{
	struct issuing s = { .pki = p };
	int status = read_order(&s, r->csr, err);

	if (status == 200 && renewal_may(s.csr, r->hostname, r->node, err) == -1)
		status = 403;
	if (status == 200 && (*err = too_often(p, r->node)) != NULL)
		status = 429;
	if (status == 200)
		status = sign_named(&s, err);
	return (finish_signing(&s, status, answer));
}
