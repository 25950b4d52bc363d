#include "config.h"

#include "common/conf/tlsconf.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/conf/natsconf.h"
#include "common/tls/tlsfiles.h"

/* Takes the line, which may be NULL. */
static void
join_line(char **list, char *line)
{
	char *both;

	if (line == NULL)
		return;
	if (*list == NULL) {
		*list = line;
		return;
	}
	both = xasprintf("%s\n%s", *list, line);
	free(*list);
	free(line);
	*list = both;
}

static void
check_files(const struct tlsfiles *f, int used, char **warnings, char **errs)
{
	char *warning, *err = NULL;

	(void)tlsfiles_check(f, &warning, &err);
	join_line(warnings, warning);
	join_line(used ? errs : warnings, err);
}

static int
names_files(const struct conf *c, enum conf_key cert, enum conf_key key, enum conf_key ca)
{
	return (conf_str(c, cert) != NULL || conf_str(c, key) != NULL || conf_str(c, ca) != NULL);
}

enum tlsconf_trust
tlsconf_trust(const struct conf *c)
{
	if (conf_bool(c, CL_TLS_INSECURE))
		return (TLSCONF_INSECURE);
	return (conf_str(c, CL_TLS_CERT) != NULL || conf_str(c, CL_TLS_KEY) != NULL ?
		TLSCONF_FILES :
		TLSCONF_SECRET);
}

struct tlsconf_links
tlsconf_links(const struct conf *c)
{
	if (tlsconf_trust(c) == TLSCONF_SECRET)
		return ((struct tlsconf_links){
		    .cert = conf_path(c, "keys/links.pem"),
		    .key = conf_path(c, "keys/privateKey.pem"),
		    .ca = conf_path(c, "keys/links-authority.pem"),
		});
	return ((struct tlsconf_links){
	    .cert = conf_file(c, CL_TLS_CERT, "keys/certificate.pem"),
	    .key = conf_file(c, CL_TLS_KEY, "keys/privateKey.pem"),
	    .ca = xstrdup(conf_str(c, CL_TLS_CA)),
	});
}

void
tlsconf_links_clear(struct tlsconf_links *l)
{
	free(l->cert);
	free(l->key);
	free(l->ca);
}

/* Nothing is made of them yet, or they are made anew by themselves. */
static void
check_derived(const struct conf *c, char **warnings)
{
	if (conf_str(c, CL_TLS_CA) != NULL)
		join_line(warnings,
		    xstrdup("clustering.tls.certificateAuthority is not used, as "
			    "clustering.tls.certificate is not set"));
}

/* What check_files says of them, unless none is to be there yet. */
static void
check_links(const struct conf *c, int used, char **warnings, char **errs)
{
	char *cert = conf_file(c, CL_TLS_CERT, "keys/certificate.pem");
	char *key = conf_file(c, CL_TLS_KEY, "keys/privateKey.pem");
	struct tlsfiles f = {
		.prefix = "clustering.tls",
		.cert = cert,
		.key = key,
		.ca = conf_str(c, CL_TLS_CA),
		/* On routes nats-server verifies whoever connects. */
		.verified = tlsconf_trust(c) == TLSCONF_FILES || conf_str(c, CL_TLS_CA) != NULL,
	};

	if (tlsconf_trust(c) == TLSCONF_SECRET) {
		check_derived(c, warnings);
		f.verified = 0;
	}
	if (conf_str(c, CL_TLS_CERT) == NULL && access(cert, F_OK) == -1 && errno == ENOENT)
		f.cert = NULL; /* made at the first start */
	check_files(&f, used, warnings, errs);
	free(cert);
	free(key);
}

int
tlsconf_check_links(const struct conf *c, char **err)
{
	char *warnings = NULL;

	*err = NULL;
	check_links(c, 1, &warnings, err);
	free(warnings);
	return (*err == NULL ? 0 : -1);
}

static void
check_api(const struct conf *c, char **warnings, char **errs)
{
	int used = conf_is_set(c, API_SECURE_PORT);
	struct tlsfiles f = {
		.prefix = "tls",
		.cert = conf_str(c, TLS_CERT),
		.key = conf_str(c, TLS_KEY),
		.ca = conf_str(c, TLS_CA),
	};

	if (names_files(c, TLS_CERT, TLS_KEY, TLS_CA))
		check_files(&f, used, warnings, errs);
}

int
tlsconf_check(const struct conf *c, char **warnings, char **err)
{
	int links = natsconf_is_bundled(c);

	*warnings = *err = NULL;
	if (links || names_files(c, CL_TLS_CERT, CL_TLS_KEY, CL_TLS_CA))
		check_links(c, links, warnings, err);
	check_api(c, warnings, err);
	return (*err == NULL ? 0 : -1);
}
