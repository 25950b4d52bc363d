#ifndef HL_LEAFCONF_H
#define HL_LEAFCONF_H

#include <stddef.h>

#include "conf.h"
#include "frame.h"

/*
 * What opsd tells leafd (SETTINGS), and the leaf server's configuration made
 * from it.  No I/O.
 */
struct leaf_settings {
	int		 enabled;
	char		*node;
	uint8_t		 node_id[NODE_ID_LEN];
	char		*user, *password;
	char		*cert, *key, *ca;	/* ca may be NULL */
	int		 insecure, verify;
	struct conf	*conf;
};

/* NULL with *err.  When enabled, everything the leaf needs is there. */
struct leaf_settings *leaf_settings_read(const void *json, size_t len, char **err);
void leaf_settings_free(struct leaf_settings *s);

/* 32 hexadecimal digits; -1 when it is something else. */
int node_id_read(const char *hex, uint8_t out[NODE_ID_LEN]);

/* What a message may be larger than the transaction in it. */
#define LEAFCONF_PAYLOAD_ROOM	(256 << 10)

/*
 * nats-server's configuration; caller frees.  *faults says which leaf routes
 * were left out and why, a line each, or is NULL; caller frees.
 *
 * The leaf dials its own hub, and as alternates of one other link all leaf
 * routes that do not say "separate": a leaf linked twice into one mesh gets
 * everything twice.  A link cannot mix TLS, plain and websocket, so routes of
 * another kind than the first are left out.
 *
 * `instance` makes the server's name one of its own even where two nodes have
 * the same: hubs pass nothing between leafs of one name, and neither would
 * notice the other.
 */
char *leafconf_text(const struct leaf_settings *s, const char *instance, const char *sys_password,
    char **faults);

/* "nats://host:port" of the leaf's client port, for ourselves; caller frees. */
char *leafconf_url(const struct conf *c);

#endif
