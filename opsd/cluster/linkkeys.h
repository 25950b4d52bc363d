#ifndef HL_LINKKEYS_H
#define HL_LINKKEYS_H

#include <stdint.h>

#include "common/tls/authority.h"

/*
 * The keys of the authority (common/tls/authority.h) that were derived: that of the cluster
 * user's present password, and of the one before it, with which nodes that have not changed it
 * yet are still reached for a while.  They are kept sealed, so that a start derives nothing.
 */
#define LINKKEYS_MAX 2

struct linkkey {
	uint8_t print[32]; /* authority_print */
	uint8_t key[AUTHORITY_KEY_LEN];
	int64_t since; /* in seconds since 1970 */
};

struct linkkeys {
	struct linkkey k[LINKKEYS_MAX]; /* the newest first */
	unsigned n;
};

/* NULL text, or one that this key does not open: none. */
void linkkeys_open(struct linkkeys *l, const uint8_t node_key[32], const char *sealed);
char *linkkeys_seal(const struct linkkeys *l, const uint8_t node_key[32]); /* caller frees */

/* Whether the newest is of this name and password. */
int linkkeys_fit(const struct linkkeys *l, const uint8_t print[32]);
/* The one of that print, NULL: it has to be derived. */
const uint8_t *linkkeys_find(const struct linkkeys *l, const uint8_t print[32]);
/* It is the newest from now on, the one before it is kept and what was before that is not. */
void linkkeys_add(struct linkkeys *l, const uint8_t print[32], const uint8_t key[AUTHORITY_KEY_LEN],
    int64_t now);

/*
 * Which are in use now, the first of them to sign with; returns their number.  For `overlap`
 * seconds after a change the one before is believed, too, and for the first quarter of them it
 * is also still what this node shows.  *next is when that changes, 0: never.
 */
unsigned linkkeys_use(const struct linkkeys *l, int64_t now, int64_t overlap,
    uint8_t out[LINKKEYS_MAX][AUTHORITY_KEY_LEN], int64_t *next);
void linkkeys_clear(struct linkkeys *l);

#endif
