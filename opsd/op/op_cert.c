#include "config.h"

#include "opsd/op/op_cert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/conf/natsconf.h"
#include "common/conf/repconf.h"
#include "common/conf/tlsconf.h"
#include "common/tls/certinfo.h"
#include "opsd/auth/certstore.h"
#include "opsd/op/node.h"
#include "opsd/pki/pki.h"

/* list_certificates: what the node shows to others, and whom it believes.  Never a key. */

/* A file and what it is for. */
struct cert_source {
	char *path, *key; /* key NULL: authorities */
	const char *uses[4];
};

struct cert_sources {
	struct cert_source s[8];
	int n;
};

/* As it was configured, or by its place below rootPath; the caller frees. */
static char *
short_name(const struct conf *c, const char *path)
{
	char *root = conf_path(c, "");
	size_t n = strlen(root);
	char *name = xstrdup(strncmp(path, root, n) == 0 ? path + n : path);

	free(root);
	return (name);
}

static json_t *
uses_of(const struct cert_source *s)
{
	json_t *list = json_array();

	for (const char *const *use = s->uses; *use != NULL; use++)
		json_array_append_new(list, json_string(*use));
	return (list);
}

/* One that cannot be read is listed with the reason. */
static void
add_broken(json_t *list, const struct cert_source *s, const char *name, const char *why)
{
	json_array_append_new(list,
	    json_pack("{s:s, s:n, s:o, s:s}", "name", name, "certificate", "uses", uses_of(s),
		"error", why));
}

/* The first of a node's file is its own, what follows leads to the authority. */
static void
add_certs(json_t *list, const struct conf *c, const struct cert_source *s, const char *name,
    json_t *certs)
{
	char *key = s->key != NULL ? short_name(c, s->key) : NULL, *numbered;
	json_t *cert;
	size_t i;

	json_array_foreach(certs, i, cert) {
		numbered = i == 0 ? xstrdup(name) : xasprintf("%s#%zu", name, i + 1);
		json_object_set_new(cert, "name", json_string(numbered));
		json_object_set_new(cert, "private_key_name",
		    i == 0 && key != NULL ? json_string(key) : json_null());
		json_object_set_new(cert, "uses", uses_of(s));
		json_array_append(list, cert);
		free(numbered);
	}
	free(key);
}

/* What is kept for add_certificate goes by its name. */
static int
is_added(const struct conf *c, const char *path)
{
	char *bundle = conf_path(c, CERT_BUNDLE), *ours;
	json_t *names = certstore_names(c), *name;
	size_t i;
	int is = strcmp(path, bundle) == 0;

	json_array_foreach(names, i, name) {
		ours = op_cert_path(c, json_string_value(name));
		is |= strcmp(path, ours) == 0;
		free(ours);
	}
	json_decref(names);
	free(bundle);
	return (is);
}

static void
add_named(json_t *list, const struct conf *c, const struct cert_source *s, const char *name)
{
	char *why = NULL;
	json_t *certs = certinfo_read(s->path, &why);

	if (certs == NULL)
		add_broken(list, s, name, why);
	else
		add_certs(list, c, s, name, certs);
	json_decref(certs);
	free(why);
}

static void
add_source(json_t *list, const struct conf *c, const struct cert_source *s)
{
	char *name = short_name(c, s->path);

	add_named(list, c, s, name);
	free(name);
}

/* One file may be for several; key NULL: authorities. */
static void
add_use(struct cert_sources *all, const char *path, const char *key, const char *use)
{
	struct cert_source *s = all->s;
	int n = 0;

	while (s < all->s + all->n && strcmp(s->path, path) != 0)
		s++;
	if (s == all->s + all->n) {
		*s = (struct cert_source){ .path = xstrdup(path), .key = xstrdup(key) };
		all->n++;
	}
	while (s->uses[n] != NULL)
		n++;
	s->uses[n] = use;
}

/* What the node keeps below rootPath for links, if it is there. */
static void
add_own(struct cert_sources *all, const struct conf *c, const char *name, const char *key_name)
{
	char *path = conf_path(c, name), *key = conf_path(c, key_name);

	if (access(path, F_OK) == 0)
		add_use(all, path, key, "replication");
	free(key);
	free(path);
}

static void
add_for_linked(struct cert_sources *all, const struct conf *c)
{
	char *hostname = repconf_hostname(c);
	const char *ca = conf_str(c, REP_TLS_CA) != NULL ? conf_str(c, REP_TLS_CA) :
							   conf_str(c, TLS_CA);
	struct pki_files shown;

	if (repconf_on(c) && pki_files(c, hostname, &shown))
		add_use(all, shown.certificate, shown.key, "replication");
	else
		add_own(all, c, "keys/" KEYFILES_NODE, "keys/" KEYFILES_NODE);
	add_own(all, c, "keys/ca.crt", "keys/ca.key");
	if (repconf_on(c) && ca != NULL)
		add_use(all, ca, NULL, "replication");
	free(hostname);
}

static void
add_for_https(struct cert_sources *all, const struct conf *c)
{
	char *cert = conf_file(c, TLS_CERT, "keys/certificate.pem");
	char *key = conf_file(c, TLS_KEY, "keys/privateKey.pem");

	add_use(all, cert, key, "https");
	free(key);
	free(cert);
}

static void
cert_sources(struct cert_sources *all, const struct conf *c)
{
	struct tlsconf_links l = tlsconf_links(c);
	int meshed = natsconf_is_bundled(c);

	all->n = 0;
	if (meshed)
		add_use(all, l.cert, l.key, "clustering");
	if (conf_is_set(c, API_SECURE_PORT))
		add_for_https(all, c);
	if (meshed && l.ca != NULL)
		add_use(all, l.ca, NULL, "clustering");
	add_for_linked(all, c);
	tlsconf_links_clear(&l);
}

/* What the configuration names it for, if only from the next restart on. */
static void
add_added(json_t *list, const struct conf *set)
{
	json_t *names = certstore_names(set), *name;
	size_t i;

	json_array_foreach(names, i, name) {
		struct cert_source s = { .path = op_cert_path(set, json_string_value(name)) };
		unsigned uses = op_cert_uses(set, s.path);
		int n = 0;

		s.key = s.path;
		if (uses & USE_CLUSTERING)
			s.uses[n++] = "clustering";
		if (uses & USE_HTTPS)
			s.uses[n++] = "https";
		if (uses & USE_REPLICATION)
			s.uses[n++] = "replication";
		add_named(list, set, &s, json_string_value(name));
		free(s.path);
	}
	json_decref(names);
}

static void
add_authorities(json_t *list, const struct conf *set)
{
	char *path = conf_path(set, CERT_BUNDLE), *text = certstore_read(path);
	json_t *authorities = certstore_authorities(text != NULL ? text : ""), *pem, *certs;
	struct cert_source s = { .path = path };
	const char *name;

	if (conf_str(set, CL_TLS_CA) != NULL && strcmp(conf_str(set, CL_TLS_CA), path) == 0)
		s.uses[0] = "clustering";
	json_object_foreach(authorities, name, pem) {
		certs = certinfo_text(json_string_value(pem));
		add_certs(list, set, &s, name[0] != '\0' ? name : CERT_BUNDLE, certs);
		json_decref(certs);
	}
	json_decref(authorities);
	free(text);
	free(path);
}

/* Of other nodes, and those that were added for links by hostname. */
static void
add_known(json_t *list, struct ops *o, const struct conf *set)
{
	static const struct cert_source s = { .uses = { "replication" } };
	json_t *known = pki_known(o->pki), *record, *certs;
	const char *hash;
	char *name;

	json_object_foreach(known, hash, record) {
		certs = certinfo_text(json_string_value(json_object_get(record, "certificate")));
		name = pki_known_name(hash, record);
		add_certs(list, set, &s, name, certs);
		free(name);
		json_decref(certs);
	}
	json_decref(known);
}

json_t *
op_cert_list(struct ops *o)
{
	struct conf *c = data_conf(&o->data), *set = ops_conf_set(o);
	struct cert_sources all;
	json_t *list = json_array();

	cert_sources(&all, c);
	for (int i = 0; i < all.n; i++) {
		if (!is_added(c, all.s[i].path))
			add_source(list, c, &all.s[i]);
		free(all.s[i].path);
		free(all.s[i].key);
	}
	add_added(list, set);
	add_authorities(list, set);
	add_known(list, o, set);
	conf_free(set);
	conf_free(c);
	return (list);
}

static void
list_certificates(struct request *r)
{
	reply_json(r, 200, op_cert_list(r->ops));
}

const struct op ops_cert[] = {
	{ "list_certificates", "listCertificates", RIGHT_SUPER, ON_WORKER, list_certificates },
	{ "add_certificate", "addCertificate", RIGHT_ADMIN, ON_WORKER, op_cert_add },
	{ "remove_certificate", "removeCertificate", RIGHT_ADMIN, ON_WORKER, op_cert_remove },
	{ NULL },
};
