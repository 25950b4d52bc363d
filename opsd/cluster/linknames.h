#ifndef HL_LINKNAMES_H
#define HL_LINKNAMES_H

#include <jansson.h>

#include "common/conf/conf.h"

/*
 * By what other nodes may dial this one, as the names of its certificate: the addresses of its
 * interfaces, the host's name and that of links, where it listens, and what it advertises.
 */

/* [address..]; those of one link alone (fe80::) are none, as nobody can verify them.  NULL with errno. */
json_t *linknames_addresses(void);
/* All of them, each once.  Looks the host's name up, for two seconds at most. */
json_t *linknames(const struct conf *c);
/* Whether all of `some` are in `all`. */
int linknames_within(const json_t *some, const json_t *all);

#endif
