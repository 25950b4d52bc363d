#ifndef HL_NKEY_H
#define HL_NKEY_H

/*
 * NKeys, by which NATS knows users: Ed25519 keys as base32, with a prefix and CRC-16.
 * https://docs.nats.io/reference/reference-protocols/nats-server-dev/nkeys-dev
 */
#define NKEY_PUBLIC_LEN 57 /* with its NUL */

/* The public key ("U...") of the user's seed ("SU...") in a text, which may have lines around it; -1: none there. */
int nkey_public(const char *text, char out[NKEY_PUBLIC_LEN]);

#endif
