#include "config.h"

#include "op.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certinfo.h"
#include "mem.h"
#include "ops.h"

/* list_certificates: what the node shows to others, and whom it believes.  Never a key. */

/* A file and what it is for. */
struct source {
	char		*path, *key;	/* key NULL: authorities */
	const char	*uses[3];
};

#define SOURCES	3

/* As it was configured, or by its place below rootPath; the caller frees. */
static char *
short_name(const struct conf *c, const char *path)
{
	char	*root = conf_path(c, "");
	size_t	 n = strlen(root);
	char	*name = xstrdup(strncmp(path, root, n) == 0 ? path + n : path);

	free(root);
	return (name);
}

static json_t *
uses_of(const struct source *s)
{
	json_t	*list = json_array();

	for (const char *const *use = s->uses; *use != NULL; use++)
		json_array_append_new(list, json_string(*use));
	return (list);
}

/* One that cannot be read is listed with the reason. */
static void
add_broken(json_t *list, const struct source *s, const char *name, const char *why)
{
	json_array_append_new(list, json_pack("{s:s, s:n, s:o, s:s}", "name", name, "certificate",
	    "uses", uses_of(s), "error", why));
}

/* The first of a node's file is its own, what follows leads to the authority. */
static void
add_all(json_t *list, const struct conf *c, const struct source *s, const char *name,
    json_t *certs)
{
	char	*key = s->key != NULL ? short_name(c, s->key) : NULL, *numbered;
	json_t	*cert;
	size_t	 i;

	json_array_foreach(certs, i, cert) {
		numbered = i == 0 ? xstrdup(name) : xasprintf("%s#%zu", name, i + 1);
		json_object_set_new(cert, "name", json_string(numbered));
		json_object_set_new(cert, "private_key_name", i == 0 && key != NULL ?
		    json_string(key) : json_null());
		json_object_set_new(cert, "uses", uses_of(s));
		json_array_append(list, cert);
		free(numbered);
	}
	free(key);
}

static void
add_source(json_t *list, const struct conf *c, const struct source *s)
{
	char	*name = short_name(c, s->path), *why = NULL;
	json_t	*certs = certinfo_read(s->path, &why);

	if (certs == NULL)
		add_broken(list, s, name, why);
	else
		add_all(list, c, s, name, certs);
	json_decref(certs);
	free(why);
	free(name);
}

/* One file may be for both; how many there are. */
static int
sources(const struct conf *c, struct source s[SOURCES])
{
	char	*cert = conf_file(c, CL_TLS_CERT, "keys/certificate.pem");
	char	*web = conf_file(c, TLS_CERT, "keys/certificate.pem");
	int	 links = conf_bool(c, CL_ENABLED), https = conf_is_set(c, API_SECURE_PORT), n = 0;

	if (links)
		s[n++] = (struct source){ .path = xstrdup(cert),
		    .key = conf_file(c, CL_TLS_KEY, "keys/privateKey.pem"), .uses = { "clustering" } };
	if (https && links && strcmp(cert, web) == 0)
		s[0].uses[1] = "https";
	else if (https)
		s[n++] = (struct source){ .path = xstrdup(web),
		    .key = conf_file(c, TLS_KEY, "keys/privateKey.pem"), .uses = { "https" } };
	if (links && conf_str(c, CL_TLS_CA) != NULL)
		s[n++] = (struct source){ .path = xstrdup(conf_str(c, CL_TLS_CA)),
		    .uses = { "clustering" } };
	free(cert);
	free(web);
	return (n);
}

static void
list_certificates(struct request *r)
{
	struct conf	*c = ops_conf(r->ops);
	struct source	 s[SOURCES];
	json_t		*list = json_array();
	int		 n = sources(c, s);

	for (int i = 0; i < n; i++) {
		add_source(list, c, &s[i]);
		free(s[i].path);
		free(s[i].key);
	}
	conf_free(c);
	reply_json(r, 200, list);
}

const struct op ops_cert[] = {
	{ "list_certificates", "listCertificates", RIGHT_SUPER, ON_WORKER, list_certificates },
	{ NULL }
};
