#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/tls/serial.h"
#include "opsd/pki/csr.h"
#include "opsd/pki/issue.h"
#include "opsd/pki/ledger.h"
#include "opsd/pki/pki_priv.h"

/* What becomes of certificates that are issued. */

int64_t
issue_until(const json_t *record)
{
	return (json_integer_value(json_object_get(record, "until")));
}

int
issue_is_too_late(const json_t *issued, uint64_t now_ms)
{
	return (!json_is_true(json_object_get(issued, "confirmed")) &&
	    (uint64_t)json_integer_value(json_object_get(issued, "at")) + ISSUE_CONFIRM_MS <
		now_ms);
}

int
issue_is_shown(const json_t *issued)
{
	return (json_is_true(json_object_get(issued, "shown")));
}

/* ---- in use ---- */

static int
write_confirmed(struct pki *p, const char *serial, json_t *issued, char **err)
{
	const char *authority = json_string_value(json_object_get(issued, "authority"));
	const char *hostname = json_string_value(json_object_get(issued, "hostname"));
	struct ledger_change c = { LEDGER_ISSUED, serial, issued };
	json_t *certs = json_pack("[s*]", authority);
	int status = pki_trust(p, certs, hostname, NULL, err);

	json_decref(certs);
	if (status != 200)
		return (-1);
	json_object_set_new(issued, "confirmed", json_true());
	json_object_del(issued, "authority");
	return (ledger_write(p->ledger, &c, 1, err) == 200 ? 0 : -1);
}

/* Another authority may have given another certificate the same serial number. */
static int
is_shown(const json_t *issued, const struct issue_shown *s)
{
	return (csr_same_host(json_string_value(json_object_get(issued, "hostname")),
		    s->hostname) &&
	    strcmp(json_string_value(json_object_get(issued, "node")), s->node) == 0 &&
	    strcmp(json_string_value(json_object_get(issued, "spki")), s->spki) == 0);
}

int
issue_confirm(struct pki *p, const struct issue_shown *s, char **err)
{
	char normal[SERIAL_MAX];
	json_t *issued = NULL;
	int rc = -1;

	/* Not while what was never used is looked for. */
	pthread_mutex_lock(&p->signing);
	if (serial_read(s->serial, normal) == -1)
		*err = xasprintf("'%.100s' is no serial number", s->serial);
	else if (ledger_has(p->ledger, LEDGER_REVOKED, normal))
		*err = xasprintf("the certificate has been revoked: its serial number is %s",
		    normal);
	else if ((issued = ledger_get(p->ledger, LEDGER_ISSUED, normal)) == NULL ||
	    !is_shown(issued, s) || json_is_true(json_object_get(issued, "confirmed")))
		rc = 0;
	else if (issue_is_too_late(issued, wall_ms()))
		*err = xasprintf("the certificate was not used within %d seconds after it was "
				 "signed, so it is not good any more: join again",
		    ISSUE_CONFIRM_MS / 1000);
	else
		rc = write_confirmed(p, normal, issued, err);
	json_decref(issued);
	pthread_mutex_unlock(&p->signing);
	return (rc);
}

uint64_t
issue_invites(struct pki *p, const struct issue_shown *s)
{
	char normal[SERIAL_MAX];
	json_t *issued = serial_read(s->serial, normal) == 0 ?
	    ledger_get(p->ledger, LEDGER_ISSUED, normal) :
	    NULL;
	int64_t at = issued != NULL ? json_integer_value(json_object_get(issued, "at")) : 0;
	int yes = issued != NULL && is_shown(issued, s) && !issue_is_too_late(issued, wall_ms()) &&
	    !ledger_has(p->ledger, LEDGER_REVOKED, normal);

	json_decref(issued);
	return (yes ? (uint64_t)at : 0);
}

/* ---- that are to be good for nothing any more ---- */

/* `node` NULL: to whichever node has that name. */
static int
is_issued_to(const json_t *issued, const char *hostname, const char *node)
{
	const char *of = json_string_value(json_object_get(issued, "node"));

	return (csr_same_host(json_string_value(json_object_get(issued, "hostname")), hostname) &&
	    (node == NULL || (of != NULL && strcmp(of, node) == 0)));
}

/* A join has failed on the other side.  What it had itself was let in here, and is not any more. */
static int
take_back(struct pki *p, const char *serial, json_t *issued, char **err)
{
	struct ledger_change c = { LEDGER_ISSUED, serial, NULL };
	json_t *untils, *trusted = json_object_get(issued, "trusted");
	int status;

	if (!issue_is_shown(issued)) {
		untils = json_pack("{s:I}", serial, (json_int_t)issue_until(issued));
		status = pki_revoke_each(p, untils,
		    json_string_value(json_object_get(issued, "hostname")), err);
		json_decref(untils);
		return (status);
	}
	status = ledger_write(p->ledger, &c, 1, err);
	if (status == 200 && json_object_size(trusted) > 0)
		pki_distrust(p, trusted);
	return (status);
}

/* NULL: it is not that node's, or signed too long ago. */
static json_t *
issued_lately(struct pki *p, const char *serial, const char *node, char normal[SERIAL_MAX])
{
	json_t *issued = serial_read(serial, normal) == 0 ?
	    ledger_get(p->ledger, LEDGER_ISSUED, normal) :
	    NULL;
	const char *of = json_string_value(json_object_get(issued, "node"));

	if (of != NULL && strcmp(of, node) == 0 &&
	    (uint64_t)json_integer_value(json_object_get(issued, "at")) + ISSUE_WITHDRAW_MS >=
		wall_ms())
		return (issued);
	json_decref(issued);
	return (NULL);
}

int
issue_may_withdraw(struct pki *p, const char *serial, const char *node)
{
	char normal[SERIAL_MAX];
	json_t *issued = issued_lately(p, serial, node, normal);

	json_decref(issued);
	return (issued != NULL);
}

int
issue_withdraw(struct pki *p, const char *serial, const char *node, char **err)
{
	char normal[SERIAL_MAX];
	json_t *issued;
	int status = 404;

	pthread_mutex_lock(&p->signing);
	issued = issued_lately(p, serial, node, normal);
	if (issued != NULL)
		status = take_back(p, normal, issued, err);
	else
		*err = xstrdup("it is no certificate with which that node has joined just now");
	json_decref(issued);
	pthread_mutex_unlock(&p->signing);
	return (status);
}

json_t *
issue_signed(struct pki *p, const char *hostname, const char *node)
{
	json_t *all = ledger_all(p->ledger, LEDGER_ISSUED), *of = json_object(), *issued;
	const char *serial;

	json_object_foreach(all, serial, issued)
		if (is_issued_to(issued, hostname, node))
			json_object_set(of, serial, issued);
	json_decref(all);
	return (of);
}

/* {serial: the end of its time} of those that are good */
static json_t *
untils_of(struct pki *p, const json_t *of)
{
	json_t *untils = json_object();
	const json_t *issued;
	const char *serial;

	json_object_foreach((json_t *)of, serial, issued)
		if (!issue_is_shown(issued) && !ledger_has(p->ledger, LEDGER_REVOKED, serial))
			json_object_set_new(untils, serial,
			    json_integer((json_int_t)issue_until(issued)));
	return (untils);
}

/* It may have been let in once more, with the same certificate. */
static int
is_shown_since(struct pki *p, const char *serial, const json_t *issued)
{
	json_t *now = ledger_get(p->ledger, LEDGER_ISSUED, serial);
	int is = !json_equal(json_object_get(now, "at"), json_object_get(issued, "at"));

	json_decref(now);
	return (is);
}

/* What it had itself is let in no longer; with the lock held. */
static int
forget_shown(struct pki *p, const json_t *of, char **err)
{
	struct ledger_change *c = xcalloc(json_object_size(of) + 1, sizeof(*c));
	const json_t *issued;
	const char *serial;
	size_t n = 0;
	int status;

	json_object_foreach((json_t *)of, serial, issued)
		if (issue_is_shown(issued) && !is_shown_since(p, serial, issued))
			c[n++] = (struct ledger_change){ LEDGER_ISSUED, serial, NULL };
	status = n > 0 ? ledger_write(p->ledger, c, n, err) : 200;
	free(c);
	return (status);
}

int
issue_revoke(struct pki *p, const json_t *of, const char *by, size_t *n, char **err)
{
	json_t *untils;
	int status;

	pthread_mutex_lock(&p->signing);
	untils = untils_of(p, of);
	status = pki_revoke_each(p, untils, by, err);
	if (status == 200)
		status = forget_shown(p, of, err);
	*n = status == 200 ? json_object_size(untils) : 0;
	pthread_mutex_unlock(&p->signing);
	json_decref(untils);
	return (status);
}
