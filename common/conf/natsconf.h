#ifndef HL_NATSCONF_H
#define HL_NATSCONF_H

#include "common/base/buf.h"
#include "common/conf/conf.h"
#include "common/conf/repaddress.h"

/* What the keys of nats.* come to.  No I/O. */

/* The node uses servers that are not its own (nats.urls). */
int natsconf_is_external(const struct conf *c);
/* Clustering is on, by nats-servers of the node's own. */
int natsconf_is_bundled(const struct conf *c);

/* What subjects and streams of the cluster are called, and where JetStream is.  Texts are the configuration's. */
struct natsconf_names {
	const char *subjects, *streams;
	int external;
	const char *domain; /* of external servers; NULL: their own */
};
struct natsconf_names natsconf_names(const struct conf *c);

/* One of nats.urls. */
#define NATSCONF_HOST_MAX 253
#define NATSCONF_PORT     4222 /* where none is said */

struct natsconf_url {
	char host[NATSCONF_HOST_MAX + 1]; /* without brackets */
	int port, tls;
	char *user, *password; /* NULL: none */
	char *token;           /* the same */
};
int natsconf_url_read(struct natsconf_url *u, const char *text, char **err);
void natsconf_url_clear(struct natsconf_url *u);
/* "tls://host:port"; caller frees. */
char *natsconf_url_text(const struct natsconf_url *u);

/*
 * The largest transaction: with external servers, unless one is set, such that it gets through one
 * that was not told anything of messages; and how much larger messages may be therefore.
 */
int64_t natsconf_max_transaction(const struct conf *c);
int64_t natsconf_max_payload(const struct conf *c);

/* Where the node's own leaf server listens for clients: host and port. */
struct repaddress natsconf_leaf(const struct conf *c);

/* Keys of nats.* and replication_log.* by themselves and against each other. */
void natsconf_check(const struct conf *c, struct buf *errs);
/* Whether any of them is another: who uses them begins anew. */
int natsconf_same(const struct conf *a, const struct conf *b);

/* How a secret is shown, and what is no secret therefore. */
#define NATSCONF_HIDDEN "(hidden)"
/* A key's value with what is secret in it hidden; takes and gives a reference. */
json_t *natsconf_shown(enum conf_key key, json_t *value);
json_t *natsconf_tree(const struct conf *c); /* conf_tree so */

#endif
