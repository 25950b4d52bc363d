#ifndef HL_HUBCONF_H
#define HL_HUBCONF_H

#include "common/conf/settings.h"

/* The hub server's configuration, made from what opsd tells hubd.  No I/O. */

/* What is this process's and not a setting. */
struct hubconf_run {
	const char *instance; /* makes the server's name unique */
	const char *sys_password;
	const char *advertise; /* its name unless one is configured; NULL: none */
	const char *dir;       /* with route.key, route.crt, route-ca.crt */
};

/*
 * nats-server's configuration; caller frees.  Without `live` it lacks what the
 * server can take over by a reload (routes, log level, run->advertise, what the files of certificates hold): two such texts that
 * differ mean a restart.
 */
char *hubconf_text(const struct settings *s, const struct hubconf_run *run, int live);
/* Whether the routes' ends do not verify each other: run->dir then holds
 * the files of cert_make_open(). */
int hubconf_open_routes(const struct settings *s);

/* This hub's routes as [{"host","port"}]; new reference. */
json_t *hubconf_routes(const struct settings *s);

#endif
