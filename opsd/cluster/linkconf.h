#ifndef HL_LINKCONF_H
#define HL_LINKCONF_H

#include "common/conf/conf.h"

/* What leafd is told of links (LINKS, common/ipc/proto.def), from configuration and keys.  No I/O. */

struct linkconf_keys { /* PEM; NULL: nothing goes over TLS */
	const char *certificate, *key, *authorities;
};

/* Whether there is anything that needs keys.  `dials` has URLs beside the routes; NULL: none. */
int linkconf_needs_tls(const struct conf *c, const json_t *dials);
/*
 * Adds to `dials` what members say of where they take links; but where this node has TLS, nothing without it: whoever
 * says so could have it ask anybody anything.
 */
void linkconf_add_told(const struct conf *c, json_t *dials, const json_t *told);
/*
 * New reference, {} when there are no links to be.  `revoked` has serials for names, and `dials`
 * URLs, beside those of the routes; NULL: none.
 */
json_t *linkconf_links(const struct conf *c, const char *node_hex, const struct linkconf_keys *keys,
    const json_t *revoked, const json_t *dials);
/* What routes revoke, {serial (serial.h): null}; new reference. */
json_t *linkconf_revoked(const struct conf *c);
/* Whether one of them revokes it. */
int linkconf_revokes(const struct conf *c, const char *serial);

#endif
