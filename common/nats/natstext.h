#ifndef HL_NATSTEXT_H
#define HL_NATSTEXT_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/conf/conf.h"
#include "common/conf/settings.h"

/* What the configurations of both nats-servers are put together from.  No I/O. */

/* User of the account that only our own connection to the server is in. */
#define NATSTEXT_SYS_USER "hubleaf-sys"

/* A string as the servers' configuration takes it: quoted, with what could end it escaped. */
void natstext_quote(struct buf *b, const char *s);
/* A line `key: "value"`. */
void natstext_string(struct buf *b, const char *key, const char *value);
void natstext_address(struct buf *b, const struct conf *c, enum conf_key host, enum conf_key port);
void natstext_limits(struct buf *b, const struct conf *c);
void natstext_log_level(struct buf *b, const struct conf *c);
/* A comment that changes with the content of the files: the server reads them when it reloads. */
void natstext_made(struct buf *b, const struct settings *s);
/* Below `tls`: the suites of TLS 1.2, of which the server's own choice has some with CBC. */
void natstext_tls_suites(struct buf *b);
void natstext_tls_files(struct buf *b, const struct settings *s);
/* The cluster user and its password. */
void natstext_user(struct buf *b, const struct settings *s);
struct natstext_accounts {
	const char *sys_password;
	const char *data; /* before the users of the nodes' account: "jetstream: enabled, ", "" */
	const json_t *link_users; /* those of leaf links, known by certificate; or NULL */
	const json_t *removed;    /* ids of nodes whose certificate is no good there; or NULL */
};

void natstext_accounts(struct buf *b, const struct settings *s, const struct natstext_accounts *a);

/* Host and port of a configured route; -1 when it is not one. */
int natstext_route(const json_t *route, const char **host, int64_t *port);
/* A line with the URL of another server, quoted, with what is said to it. */
struct natstext_login {
	const char *user, *password; /* NULL: nothing */
};

void natstext_route_url(struct buf *b, const struct natstext_login *l, const char *scheme,
    const char *host, int64_t port);

/* A wildcard address is one to listen on, not one to dial: then it is loopback. */
const char *natstext_dialled(const char *host);
/* "host:port", with brackets where they are needed; caller frees. */
char *natstext_host_port(const char *host, int64_t port);
/* "nats://host:port" to dial; caller frees. */
char *natstext_url(const char *host, int64_t port);
char *natstext_leaf_url(const struct conf *c); /* of the own leaf server */

#endif
