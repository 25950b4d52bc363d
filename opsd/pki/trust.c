#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/tls/pem.h"
#include "opsd/pki/ca.h"
#include "opsd/pki/ledger.h"
#include "opsd/pki/pki_priv.h"

/* Authorities of others that this node trusts. */

#define AUTHORITIES_MOST 1000
#define NAMED_MOST       100 /* certificates under one name */

json_t *
pki_known(struct pki *p)
{
	return (ledger_all(p->ledger, LEDGER_AUTHORITY));
}

char *
pki_known_name(const char *hash, const json_t *record)
{
	const char *name = json_string_value(json_object_get(record, "name"));

	return (name != NULL ? xstrdup(name) : xasprintf("authority-%.16s", hash));
}

static int
too_many_authorities(struct pki *p, size_t more, char **err)
{
	if (ledger_count(p->ledger, LEDGER_AUTHORITY) + more <= AUTHORITIES_MOST)
		return (0);
	*err = xasprintf("this node would trust more than %d authorities", AUTHORITIES_MOST);
	return (1);
}

/* {hash: null or a record} of all in `before` go, of all in `records` come. */
static int
write_authorities(struct pki *p, const json_t *before, json_t *records, char **err)
{
	size_t n = 0, most = json_object_size(before) + json_object_size(records);
	struct ledger_change *c = xcalloc(most + 1, sizeof(*c));
	const char *hash;
	json_t *record;
	int status;

	json_object_foreach((json_t *)(uintptr_t)before, hash, record)
		if (json_object_get(records, hash) == NULL)
			c[n++] = (struct ledger_change){ LEDGER_AUTHORITY, hash, NULL };
	json_object_foreach(records, hash, record)
		c[n++] = (struct ledger_change){ LEDGER_AUTHORITY, hash, record };
	status = ledger_write(p->ledger, c, n, err);
	free(c);
	return (status);
}

/* The records of those that are not trusted yet, {hash: record}; NULL: one is of no authority. */
static json_t *
new_records(struct pki *p, const json_t *certs, const char *from)
{
	json_t *all = json_object(), *text;
	char hash[PEM_HASH], *cert;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)certs, i, text) {
		if ((cert = ca_read(json_string_value(text), hash)) == NULL) {
			json_decref(all);
			return (NULL);
		}
		if (!ledger_has(p->ledger, LEDGER_AUTHORITY, hash))
			json_object_set_new(all, hash,
			    json_pack("{s:s, s:s, s:I}", "certificate", cert, "from", from, "at",
				(json_int_t)wall_ms()));
		free(cert);
	}
	return (all);
}

int
pki_trust(struct pki *p, const json_t *certs, const char *from, json_t *added, char **err)
{
	json_t *records = new_records(p, certs, from);
	int status = 400;

	if (records == NULL)
		*err = xasprintf("what '%s' sends is no certificate of an authority", from);
	else if (too_many_authorities(p, json_object_size(records), err))
		status = 409;
	else
		status = write_authorities(p, NULL, records, err);
	if (status == 200 && added != NULL)
		json_object_update(added, records);
	json_decref(records);
	return (status);
}

void
pki_distrust(struct pki *p, const json_t *added)
{
	char *err = NULL;

	if (write_authorities(p, added, NULL, &err) != 200)
		log_warnx("authorities that came with a certificate are still trusted: %s", err);
	free(err);
}

/* ---- by name ---- */

json_t *
pki_named(struct pki *p, const char *name)
{
	json_t *all = pki_known(p), *found = json_object(), *record;
	const char *hash;
	char *is;

	json_object_foreach(all, hash, record) {
		is = pki_known_name(hash, record);
		if (strcmp(is, name) == 0)
			json_object_set_new(found, hash, json_null());
		free(is);
	}
	json_decref(all);
	return (found);
}

/* The records of a text's certificates, {hash: record}; NULL: one is of no authority. */
static json_t *
named_records(const char *name, const char *pem, const char *by)
{
	STACK_OF(X509) *list = pem_certs(pem, NAMED_MOST);
	json_t *all = sk_X509_num(list) > 0 ? json_object() : NULL;
	char hash[PEM_HASH], *text, *one;

	for (int i = 0; i < sk_X509_num(list) && all != NULL; i++) {
		text = pem_from_cert(sk_X509_value(list, i));
		one = ca_read(text, hash);
		if (one == NULL) {
			json_decref(all);
			all = NULL;
		} else
			json_object_set_new(all, hash,
			    json_pack("{s:s, s:s, s:I, s:s}", "certificate", one, "from", by, "at",
				(json_int_t)wall_ms(), "name", name));
		free(text);
		free(one);
	}
	sk_X509_pop_free(list, X509_free);
	return (all);
}

int
pki_add_named(struct pki *p, const char *name, const char *pem, const char *by, char **err)
{
	json_t *before = pki_named(p, name), *records = named_records(name, pem, by);
	int status = 400;

	if (records == NULL)
		*err = xstrdup("'certificate' is not of an authority");
	else if (too_many_authorities(p, json_object_size(records), err))
		status = 409;
	else
		status = write_authorities(p, before, records, err);
	json_decref(before);
	json_decref(records);
	return (status);
}

int
pki_has_named(struct pki *p, const char *name)
{
	json_t *known = pki_named(p, name);
	int has = json_object_size(known) > 0;

	json_decref(known);
	return (has);
}

int
pki_remove_named(struct pki *p, const char *name, char **err)
{
	json_t *known = pki_named(p, name);
	int status = write_authorities(p, known, NULL, err);

	json_decref(known);
	return (status);
}
