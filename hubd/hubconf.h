#ifndef HL_HUBCONF_H
#define HL_HUBCONF_H

#include <stddef.h>

#include "conf.h"

/*
 * What opsd tells hubd (SETTINGS), and the hub server's configuration made
 * from it.  No I/O.
 */
struct hub_settings {
	int		 enabled;
	char		*node, *node_id;
	char		*user, *password;	/* NULL: none yet */
	char		*cert, *key, *ca;	/* ca may be NULL */
	int		 insecure, verify;
	struct conf	*conf;
};

/* NULL with *err.  When enabled, everything the hub needs is there. */
struct hub_settings *hub_settings_read(const void *json, size_t len, char **err);
void hub_settings_free(struct hub_settings *s);

/* Name and user of the account that only hubd's own connection is in. */
#define HUBCONF_SYS_USER	"hubleaf-sys"

/* What is this process's and not a setting. */
struct hubconf_run {
	const char	*instance;	/* makes the server's name unique */
	const char	*sys_password;
	const char	*dir;		/* with route.key, route.crt, route-ca.crt */
};

/*
 * nats-server's configuration; caller frees.  Without `live` it lacks what the
 * server can take over by a reload (routes, log level): two such texts that
 * differ mean a restart.
 */
char *hubconf_text(const struct hub_settings *s, const struct hubconf_run *run, int live);
/* Whether the routes' ends do not verify each other: run->dir then holds
 * the files of crypto_make_open_cert(). */
int hubconf_open_routes(const struct hub_settings *s);

/* This hub's routes as [{"host","port"}]; new reference. */
json_t *hubconf_routes(const struct hub_settings *s);

/* "nats://host:port", a wildcard host as loopback; caller frees. */
char *hubconf_url(const char *host, int64_t port);

#endif
