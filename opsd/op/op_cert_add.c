#include "config.h"

#include "opsd/op/op_cert.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/conf/natsconf.h"
#include "common/conf/repconf.h"
#include "common/conf/tlsconf.h"
#include "common/tls/certpem.h"
#include "opsd/auth/certstore.h"
#include "opsd/auth/user.h"
#include "opsd/op/cert_change.h"
#include "opsd/op/node.h"
#include "opsd/pki/pki.h"

/* add_certificate: one of the node's own, with its key, or an authority. */

#define PEM_MAX     100000 /* characters of certificates */
#define PEM_KEY_MAX 20000
#define HOSTS_MAX   100
#define HOST_MAX    253
#define USES_MAX    10
#define OWN_KEY     "keys/privateKey.pem"

struct cert_wanted {
	const char *name, *key; /* key NULL: one that the node has */
	struct certpem *certs;
	int authority;
	unsigned uses; /* 0: not said */
};

/* Each has two keys. */
static const struct use {
	unsigned use;
	const char *name;
	enum conf_key cert, key;
} all_uses[] = {
	{ USE_HTTPS, "https", TLS_CERT, TLS_KEY },
	{ USE_CLUSTERING, "clustering", CL_TLS_CERT, CL_TLS_KEY },
	{ USE_REPLICATION, "replication", REP_TLS_CERT, REP_TLS_KEY },
};

#define USES (sizeof(all_uses) / sizeof(all_uses[0]))

/* Also as peers call them. */
static const struct {
	const char *word;
	unsigned use;
} words[] = {
	{ "https", USE_HTTPS },
	{ "operations_api", USE_HTTPS },
	{ "operations", USE_HTTPS },
	{ "clustering", USE_CLUSTERING },
	{ "replication", USE_REPLICATION },
};

char *
op_cert_path(const struct conf *c, const char *name)
{
	char *file = certstore_file(name), *path = conf_path(c, file);

	free(file);
	return (path);
}

unsigned
op_cert_uses(const struct conf *c, const char *path)
{
	unsigned uses = 0;

	for (size_t i = 0; i < USES; i++) {
		const char *set = conf_str(c, all_uses[i].cert);

		if (set != NULL && strcmp(set, path) == 0)
			uses |= all_uses[i].use;
	}
	return (uses);
}

/* ---- fields ---- */

static const char *
field_pem(struct faults *f, const json_t *body, const char *name, int required, size_t most)
{
	const char *text = field_string(f, body, name, required);

	if (text == NULL || strlen(text) <= most)
		return (text);
	fault(f, "'%s' must be at most %zu characters long", name, most);
	return (NULL);
}

static unsigned
read_use(struct faults *f, size_t i, const json_t *v)
{
	const char *text = json_string_value(v);

	for (size_t w = 0; text != NULL && w < sizeof(words) / sizeof(words[0]); w++)
		if (strcmp(text, words[w].word) == 0)
			return (words[w].use);
	fault(f, "'uses[%zu]' must be one of [https, clustering, replication]", i);
	return (0);
}

static unsigned
read_uses(struct faults *f, const json_t *body)
{
	json_t *list = field_array(f, body, "uses", 0), *v;
	unsigned uses = 0;
	size_t i;

	if (json_array_size(list) > USES_MAX) {
		fault(f, "'uses' must contain less than or equal to %d items", USES_MAX);
		return (0);
	}
	json_array_foreach(list, i, v)
		uses |= read_use(f, i, v);
	if (list != NULL && i == 0)
		fault(f, "'uses' must contain at least one of [https, clustering, replication]");
	return (uses);
}

static void
check_cert_host(struct faults *f, size_t i, const json_t *host, const struct certpem *certs)
{
	const char *text = json_string_value(host);
	size_t n = json_string_length(host);

	if (text == NULL || n == 0 || n > HOST_MAX || strlen(text) != n)
		fault(f, "'hosts[%zu]' must be a host name or an address", i);
	else if (certs != NULL && !certpem_covers(certs, text))
		fault(f, "'hosts[%zu]': the certificate is not for '%s'", i, text);
}

static void
check_hosts(struct faults *f, const json_t *body, const struct cert_wanted *w)
{
	json_t *list = field_array(f, body, "hosts", 0), *host;
	size_t i;

	if (json_array_size(list) > HOSTS_MAX)
		fault(f, "'hosts' must contain less than or equal to %d items", HOSTS_MAX);
	else if (json_array_size(list) > 0 && w->authority == 1)
		fault(f, "'hosts' is not allowed with an authority");
	else
		json_array_foreach(list, i, host)
			check_cert_host(f, i, host, w->certs);
}

static void
check_authority(struct faults *f, const struct cert_wanted *w)
{
	if (w->key != NULL)
		fault(f, "'private_key' is not allowed with an authority");
	if (w->uses & USE_HTTPS)
		fault(f, "'uses' of an authority can only be [clustering, replication]");
	if (w->certs != NULL && !certpem_is_authority(w->certs))
		fault(f, "'certificate' is not of an authority");
}

static void
check_own(struct faults *f, const struct cert_wanted *w)
{
	char *err;

	if (w->certs == NULL)
		return;
	if (w->key != NULL && certpem_take_key(w->certs, w->key, &err) == -1) {
		fault(f, "'private_key' %s", err);
		free(err);
	}
	if (!certpem_serves(w->certs, 0))
		fault(f, "'certificate' is not for a server (serverAuth)");
	else if ((w->uses & ~USE_HTTPS) != 0 && !certpem_serves(w->certs, 1))
		fault(f, "'certificate' is not for clients, too (clientAuth), which %s needs",
		    w->uses & USE_CLUSTERING ? "clustering" : "replication");
}

static void
read_cert_wanted(struct faults *f, const json_t *body, struct cert_wanted *w)
{
	const char *pem = field_pem(f, body, "certificate", 1, PEM_MAX);
	char *err;

	w->name = field_string(f, body, "name", 1);
	w->key = field_pem(f, body, "private_key", 0, PEM_KEY_MAX);
	w->authority = field_bool(f, body, "is_authority", 1);
	w->uses = read_uses(f, body);
	if (w->name != NULL && !certstore_name_ok(w->name))
		fault(f,
		    "'name' must be at most %d letters, digits, '.', '_' and '-', of which a "
		    "letter or digit is the first",
		    CERT_NAME_MAX);
	if (pem != NULL && (w->certs = certpem_new(pem, &err)) == NULL) {
		fault(f, "'certificate' %s", err);
		free(err);
	}
	check_hosts(f, body, w);
	if (w->authority == 1)
		check_authority(f, w);
	else if (w->authority == 0)
		check_own(f, w);
}

/* ---- one of the node's own ---- */

/* The key of a file of ours is that of the certificate. */
static int
take_key_of(const struct cert_wanted *w, const char *path)
{
	char *text = certstore_read(path), *err = NULL;
	int rc = text != NULL ? certpem_take_key(w->certs, text, &err) : -1;

	mem_wipe(text);
	free(err);
	return (rc);
}

static int
have_key(struct cert_change *c, const struct cert_wanted *w)
{
	char *own = conf_path(c->set, OWN_KEY);
	int rc = w->key != NULL || take_key_of(w, c->path) == 0 || take_key_of(w, own) == 0;

	free(own);
	if (!rc)
		reply_error(c->r, 400,
		    "'private_key' is required: the certificate is of no key that "
		    "the node has");
	return (rc ? 0 : -1);
}

/*
 * Links go by one without an authority's saying only where they already have certificates of
 * their own: one that a public authority has signed for HTTPS must not let in all that it signs.
 */
static int
suits_links(const struct cert_change *c, const struct cert_wanted *w)
{
	return (certpem_serves(w->certs, 1) &&
	    (tlsconf_trust(c->set) != TLSCONF_SECRET || conf_str(c->set, CL_TLS_CA) != NULL));
}

/* USE_REPLICATION where there are links by hostname. */
static unsigned
link_use(const struct conf *set)
{
	return (repconf_on(set) ? USE_REPLICATION : 0);
}

/* Whether they are for the name by which others dial this node. */
static int
covers_own(const struct conf *set, const struct certpem *certs)
{
	char *own = repconf_hostname(set);
	int is = certpem_covers(certs, own);

	free(own);
	return (is);
}

/* -1 with the request answered. */
static int
check_link_name(const struct cert_change *c, const struct cert_wanted *w, unsigned uses)
{
	char *own;

	if ((uses & link_use(c->set)) == 0 || covers_own(c->set, w->certs))
		return (0);
	own = repconf_hostname(c->set);
	reply_error(c->r, 400,
	    "'certificate' is not for '%s' (replication.hostname), which replication needs", own);
	free(own);
	return (-1);
}

/* Said, or as it is used, or for what it can be used. */
static unsigned
uses_for(const struct cert_change *c, const struct cert_wanted *w)
{
	unsigned uses = w->uses != 0 ? w->uses : op_cert_uses(c->set, c->path);

	if (uses == 0)
		uses = USE_HTTPS | (suits_links(c, w) ? USE_CLUSTERING : 0) |
		    (certpem_serves(w->certs, 1) && covers_own(c->set, w->certs) ?
			    link_use(c->set) :
			    0);
	return (uses);
}

static int
add_authority_first(const struct cert_change *c)
{
	return (!conf_bool(c->set, CL_TLS_INSECURE) && conf_str(c->set, CL_TLS_CA) == NULL);
}

static int
add_own_cert(struct cert_change *c, const struct cert_wanted *w, json_t **report)
{
	unsigned uses = uses_for(c, w);
	char *text;
	int rc = -1;

	if (check_link_name(c, w, uses) == -1)
		return (-1);
	for (size_t i = 0; i < USES; i++) {
		void (*change)(struct cert_change *,
		    enum conf_key) = uses & all_uses[i].use ? cert_change_use : cert_change_leave;

		change(c, all_uses[i].cert);
		change(c, all_uses[i].key);
	}
	if (have_key(c, w) == -1)
		return (-1);
	text = certpem_text(w->certs);
	if (cert_change_write(c, text) == 0 &&
	    cert_change_try(c, 400,
		add_authority_first(c) ? ": first add the authority that has signed it" : "") == 0)
		rc = cert_change_make(c, report);
	mem_wipe(text);
	return (rc);
}

/* ---- authorities ---- */

/* -1 with the request answered. */
static int
put_authority(struct cert_change *c, json_t *all, const struct cert_wanted *w, json_t **report)
{
	char *pem = certpem_text(w->certs), *text;
	int rc = -1;

	json_object_set_new(all, w->name, json_string(pem));
	free(pem);
	text = certstore_bundle(all);
	cert_change_use(c, CL_TLS_CA);
	if (strlen(text) > CERT_FILE_MAX)
		reply_error(c->r, 409, "The authorities would be larger than %d bytes",
		    CERT_FILE_MAX);
	else if (cert_change_write(c, text) == 0 &&
	    cert_change_try(c, 409,
		": first add a certificate of the node that the authority has signed") == 0)
		rc = cert_change_make(c, report);
	free(text);
	return (rc);
}

/* An authority alone: what comes of it. */
static void
say_effect(const struct cert_change *c, json_t *report)
{
	if (tlsconf_trust(c->set) == TLSCONF_SECRET)
		json_object_set_new(report, "note",
		    json_string("It is not used until the node has a certificate that "
				"it has signed: add that next"));
	if (conf_bool(c->set, CL_TLS_INSECURE))
		json_object_set_new(report, "note",
		    json_string("clustering.tls.insecure is true: this node does not "
				"verify those it connects to"));
}

static int
add_authority(struct cert_change *c, json_t *all, const struct cert_wanted *w, json_t **report)
{
	const char *named = conf_str(c->set, CL_TLS_CA);

	cert_change_file(c, xstrdup(CERT_BUNDLE));
	if (named != NULL && !cert_change_names(c, CL_TLS_CA)) {
		reply_error(c->r, 409,
		    "clustering.tls.certificateAuthority is %s: add the authority "
		    "to that file, or unset the key first",
		    named);
		return (-1);
	}
	if (put_authority(c, all, w, report) == -1)
		return (-1);
	say_effect(c, *report);
	return (0);
}

/* ---- both ---- */

/* The authorities that were added; NULL: answered. */
static json_t *
added_authorities(struct cert_change *c)
{
	char *path = conf_path(c->set, CERT_BUNDLE), *text = certstore_read(path);
	json_t *all = NULL;

	if (text == NULL && errno != ENOENT)
		reply_error(c->r, 500, "%s: %s", path, strerror(errno));
	else
		all = certstore_authorities(text != NULL ? text : "");
	free(text);
	free(path);
	return (all);
}

/* Those for links by hostname are in the ledger, and trusted at once. */
static int
trust_named(struct cert_change *c, const struct cert_wanted *w)
{
	char *pem = certpem_text(w->certs), *err = NULL;
	int status = pki_add_named(c->r->ops->pki, w->name, pem, c->r->user->name, &err);

	free(pem);
	if (status != 200)
		reply_failed(c->r, status, err);
	return (status == 200 ? 0 : -1);
}

static unsigned
authority_uses(const struct cert_change *c, const struct cert_wanted *w)
{
	unsigned links = link_use(c->set);

	if (w->uses != 0)
		return (w->uses);
	return (links | (links == 0 || natsconf_is_bundled(c->set) ? USE_CLUSTERING : 0));
}

static int
add_authority_for(struct cert_change *c, json_t *all, const struct cert_wanted *w, json_t **report)
{
	unsigned uses = authority_uses(c, w);

	if ((uses & USE_CLUSTERING) && add_authority(c, all, w, report) == -1)
		return (-1);
	if ((uses & USE_REPLICATION) && trust_named(c, w) == -1) {
		json_decref(*report);
		return (-1);
	}
	if (*report == NULL)
		*report = json_pack("{s:[], s:[]}", "live", "restart");
	return (0);
}

static int
add_cert(struct cert_change *c, const struct cert_wanted *w, json_t **report)
{
	json_t *all = added_authorities(c);
	int rc = -1, is;

	if (all == NULL)
		return (-1);
	cert_change_file(c, certstore_file(w->name));
	is = json_object_get(all, w->name) != NULL || pki_has_named(c->r->ops->pki, w->name);
	if (w->authority ? c->was_there : is)
		reply_error(c->r, 409, "'%s' is %s already: remove it first", w->name,
		    is ? "an authority" : "a certificate of the node");
	else
		rc = w->authority ? add_authority_for(c, all, w, report) :
				    add_own_cert(c, w, report);
	json_decref(all);
	return (rc);
}

void
op_cert_add(struct request *r)
{
	struct faults f = { 0 };
	struct cert_wanted w = { 0 };
	struct cert_change c;
	json_t *report = NULL;
	int rc = -1;

	read_cert_wanted(&f, r->body, &w);
	if (!faults_answer(r, &f)) {
		cert_change_begin(&c, r);
		rc = add_cert(&c, &w, &report);
		cert_change_end(&c);
	}
	certpem_free(w.certs);
	if (rc == -1)
		return;
	op_cert_table(r->ops);
	json_object_set_new(report, "message",
	    json_sprintf("Successfully added certificate: %s", w.name));
	reply_json(r, 200, report);
}
