#include "config.h"

#include "common/conf/tlsconf.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/mem.h"
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
		.verified = !conf_bool(c, CL_TLS_INSECURE) || conf_str(c, CL_TLS_CA) != NULL,
	};

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
	int links = conf_bool(c, CL_ENABLED);

	*warnings = *err = NULL;
	if (links || names_files(c, CL_TLS_CERT, CL_TLS_KEY, CL_TLS_CA))
		check_links(c, links, warnings, err);
	check_api(c, warnings, err);
	return (*err == NULL ? 0 : -1);
}
