#ifndef HL_AUTHORITY_H
#define HL_AUTHORITY_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The authority of a cluster's nodes: a P-256 key that whoever knows the cluster user's name and
 * password makes alike, so that each node signs its own certificate and all of them pass.  Its
 * certificates on two nodes differ in serial and dates; name and key are the same, which is what
 * chains go by.  Who sees a certificate can try passwords against it, so trying one costs much.
 */
#define AUTHORITY_KEY_LEN 32

/* The private key; takes about half a second and 128 MiB.  -1: not that much memory. */
int authority_derive(const char *user, const char *password, uint8_t key[AUTHORITY_KEY_LEN]);
/* Tells which name and password a key was derived of, for who keeps both in a safe place. */
void authority_print(const char *user, const char *password, uint8_t print[32]);

#define AUTHORITY_USER_LEN 22 /* with its NUL */

/*
 * A name that is in each certificate of this key's authority: to a hub server it is the user of leaf
 * links, so that a certificate that passes is enough and the cluster user's password goes over none.
 */
void authority_user(const uint8_t key[AUTHORITY_KEY_LEN], char user[AUTHORITY_USER_LEN]);

/*
 * What an authority of that key is called: two have two names, so that whoever has both does not try
 * the wrong one.  The caller frees; NULL: it cannot be read.
 */
struct evp_pkey_st;
char *authority_name(struct evp_pkey_st *key);

/* What one node shows and believes. */
struct authority_files {
	const uint8_t (*keys)[AUTHORITY_KEY_LEN]; /* the first signs, all are believed */
	size_t nkeys;
	const char *name;     /* the node's */
	const json_t *names;  /* the addresses and host names of its certificate */
	const char *key_path; /* the node's own, which is there */
	const char *cert_path, *ca_path;
};

#define AUTHORITY_CERT_DAYS 90 /* of a node's; the authority's own are of ten years */

/* Writes a new certificate for the node's key, and those of the authorities; -1 with *err. */
int authority_sign(const struct authority_files *f, char **err);

/*
 * Why the password is too easily found for an authority to be made of it, to follow "it": NULL
 * when it is not.
 */
const char *authority_weakness(const char *user, const char *password);

#endif
