#ifndef HL_JOINS_H
#define HL_JOINS_H

#include <jansson.h>
#include <stdint.h>

/*
 * Tokens with which one node may join, once: "hlj1.PIN.SECRET".  PIN is the hash of the key
 * that the member's API shows over TLS, in hex, so whoever joins knows whom it talks to before
 * it says the secret; of which the member keeps a hash alone.
 */
#define JOINS_SCHEME "Join "
#define JOINS_SECRET 16   /* bytes */
#define JOINS_PIN    64   /* digits */
#define JOINS_MOST   1000 /* that are not used yet */

struct ledger;

/* The text's parts; -1: it is no such token. */
struct join_token {
	char pin[JOINS_PIN + 1];
	char secret[2 * JOINS_SECRET + 1];
};
int joins_read(const char *text, struct join_token *out);

struct join_terms {
	const char *by;       /* who makes it */
	const char *hostname; /* it is for this one alone; NULL: any */
	uint64_t until;       /* milliseconds since 1970 */
};
/* A token, on disk; NULL with a status and *err.  The caller wipes it. */
char *joins_make(struct ledger *l, const char *pin, const struct join_terms *t, int *status,
    char **err);

/*
 * What the token is kept as (the key of its record), if it is good at that time; NULL: it is
 * not, and nothing is said of why.  The caller frees.
 */
char *joins_find(struct ledger *l, const char *text, uint64_t now_ms);
/* Those whose time is over. */
void joins_sweep(struct ledger *l, uint64_t now_ms);

#endif
