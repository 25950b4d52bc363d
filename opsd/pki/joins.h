#ifndef HL_JOINS_H
#define HL_JOINS_H

#include <jansson.h>
#include <stdint.h>

/*
 * Tokens with which one node may join, once: "hlj1.PIN.SECRET".  PIN is the hash of the key
 * that the member's API shows over TLS, in hex, so whoever joins knows whom it talks to before
 * it says the secret; of which the member keeps a hash alone.
 *
 * They are in a file of their own and not in the store: a backup that is put back would bring back
 * those that were used since.
 *
 *   {"v":1,"tokens":{hash: {"until","at","by","hostname"?}}}, times in milliseconds since 1970
 */
#define JOINS_SCHEME "Join "
#define JOINS_SECRET 16   /* bytes */
#define JOINS_PIN    64   /* digits */
#define JOINS_MOST   1000 /* that are not used yet */

/* The text's parts; -1: it is no such token. */
struct join_token {
	char pin[JOINS_PIN + 1];
	char secret[2 * JOINS_SECRET + 1];
};
int joins_read(const char *text, struct join_token *out);
int joins_is(const char *text); /* it begins as one, whole or not */

/* Any thread but the event loop's, as the disk is waited for. */
struct joins;

/* A file that is not there, or cannot be understood (which is logged), has none. */
struct joins *joins_open(const char *path);
void joins_free(struct joins *j); /* NULL is ignored */

struct join_terms {
	const char *by;       /* who makes it */
	const char *hostname; /* it is for this one alone; NULL: any */
	uint64_t until;       /* milliseconds since 1970 */
};
/* A token, on disk; NULL with a status and *err.  The caller wipes it. */
char *joins_make(struct joins *j, const char *pin, const struct join_terms *t, int *status,
    char **err);

int joins_good(struct joins *j, const char *text, uint64_t now_ms); /* at that time */
/*
 * Uses up the token: whoever takes it is the only one that gets its record, and it is good for
 * nothing any more, on disk as well.  200; 401 with nothing said of why; 500 with *err.
 */
struct join_taken {
	char *key;
	json_t *record;
};
int joins_take(struct joins *j, const char *text, uint64_t now_ms, struct join_taken *out,
    char **err);
void joins_give_back(struct joins *j, struct join_taken *t); /* nothing came of it */
void joins_taken_clear(struct join_taken *t);

json_t *joins_all(struct joins *j); /* {hash: record}; new reference */

#endif
