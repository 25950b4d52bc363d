#ifndef HL_SETTINGS_H
#define HL_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/frame.h"
#include "common/conf/conf.h"

#define NODE_HEX_LEN (2 * NODE_ID_LEN + 1) /* with its NUL */

/* What opsd tells hubd and leafd (SETTINGS).  No I/O. */
struct settings {
	int enabled;
	char *node;
	uint8_t node_id[NODE_ID_LEN];
	char node_hex[NODE_HEX_LEN];
	char *user,
	    *password; /* NULL: none yet; of no use with external servers (natsconf.h), nor what follows */
	char *cert, *key, *ca; /* ca may be NULL */
	int insecure, verify;
	char *made; /* tells one content of those files from the next; NULL: not made by opsd */
	/*
	 * Users of leaf links when those files were made of the cluster's secret: names in certificates,
	 * without a password; else NULL, and nodes say the cluster user's on all links.
	 */
	json_t *link_users;
	/* Ids of nodes that were removed, as texts: the hub server refuses them; or NULL. */
	json_t *removed;
	/* Of all that may link, this node's own among them (clustering.tls.pinned); NULL: any. */
	json_t *pins;
	struct conf *conf;
};

/* NULL with *err.  When enabled, everything a server needs is there. */
struct settings *settings_read(const void *json, size_t len, char **err);
void settings_free(struct settings *s);

/*
 * The name of the node with this id in certificates that are made of the cluster's secret, by which
 * a hub server tells it from others; and the opposite, -1 when it is none.
 */
#define SETTINGS_CERT_NAME_LEN (sizeof("node-.hubleaf") + 2 * NODE_ID_LEN)
void settings_cert_name(const char *hex, char name[SETTINGS_CERT_NAME_LEN]);
int settings_cert_id(const char *text, uint8_t id[NODE_ID_LEN]);

/* 32 hexadecimal digits; -1 when it is something else, or NULL. */
int node_id_read(const char *hex, uint8_t out[NODE_ID_LEN]);
void node_id_hex(const uint8_t id[NODE_ID_LEN], char out[NODE_HEX_LEN]);

#endif
