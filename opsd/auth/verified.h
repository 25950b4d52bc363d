#ifndef HL_VERIFIED_H
#define HL_VERIFIED_H

#include <stddef.h>
#include <stdint.h>

/*
 * Users whose password or token was verified a while ago, by a hash of the header that had it: to verify a
 * password takes tens of milliseconds.  Any thread.
 */
struct data;
struct user;
struct verified;

#define VERIFIED_ID 32

struct verified *verified_new(struct data *data,
    unsigned max); /* when it is full all are forgotten */
void verified_free(struct verified *v);
/* Users or roles changed: each is looked at again. */
void verified_changed(struct verified *v);
/* Of users and roles, which is another after each change: read it before the user. */
uint64_t verified_generation(struct verified *v);
/* The user as it is now, counted, or NULL: it is to be verified. */
struct user *verified_find(struct verified *v, const uint8_t id[VERIFIED_ID]);
/* Known for `us` at most, and until it was not asked for during authentication.cacheTTL. */
void verified_add(struct verified *v, const uint8_t id[VERIFIED_ID], struct user *u,
    uint64_t generation, uint64_t us);

#endif
