#include "config.h"

#include "opsd/op/op_cert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/mem.h"
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

#define SOURCES 6

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

/* What there is for links by hostname, behind the first n; how many there are then. */
static int
link_sources(const struct conf *c, struct cert_source s[SOURCES], int n)
{
	static const struct {
		const char *path, *key;
	} own[] = {
		{ "keys/" KEYFILES_NODE, "keys/" KEYFILES_NODE },
		{ "keys/ca.crt", "keys/ca.key" },
	};
	const char *set = conf_str(c, REP_TLS_CERT), *key = conf_str(c, REP_TLS_KEY);
	char *path;

	if (set != NULL)
		s[n++] = (struct cert_source){
			.path = xstrdup(set),
			.key = xstrdup(key != NULL ? key : set),
			.uses = { "replication" },
		};
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		path = conf_path(c, own[i].path);
		if (access(path, F_OK) == 0)
			s[n++] = (struct cert_source){
				.path = xstrdup(path),
				.key = conf_path(c, own[i].key),
				.uses = { "replication" },
			};
		free(path);
	}
	return (n);
}

/* One file may be for both; how many there are. */
static int
cert_sources(const struct conf *c, struct cert_source s[SOURCES])
{
	struct tlsconf_links l = tlsconf_links(c);
	char *web = conf_file(c, TLS_CERT, "keys/certificate.pem");
	int links = conf_bool(c, CL_ENABLED), https = conf_is_set(c, API_SECURE_PORT), n = 0;

	if (links)
		s[n++] = (struct cert_source){
			.path = xstrdup(l.cert),
			.key = xstrdup(l.key),
			.uses = { "clustering" },
		};
	if (https && links && strcmp(l.cert, web) == 0)
		s[0].uses[1] = "https";
	else if (https)
		s[n++] = (struct cert_source){
			.path = xstrdup(web),
			.key = conf_file(c, TLS_KEY, "keys/privateKey.pem"),
			.uses = { "https" },
		};
	if (links && l.ca != NULL)
		s[n++] = (struct cert_source){
			.path = xstrdup(l.ca),
			.uses = { "clustering" },
		};
	tlsconf_links_clear(&l);
	free(web);
	return (link_sources(c, s, n));
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
	struct cert_source s[SOURCES];
	json_t *list = json_array();
	int n = cert_sources(c, s);

	for (int i = 0; i < n; i++) {
		if (!is_added(c, s[i].path))
			add_source(list, c, &s[i]);
		free(s[i].path);
		free(s[i].key);
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
