#ifndef HL_CERTMAKE_H
#define HL_CERTMAKE_H

#include <jansson.h>

struct evp_pkey_st;
struct x509_st;

/* Certificates as a node makes them, and the files that it writes.  Valid from a day ago on, as
 * peers' clocks may be behind. */

/* Of an authority, self-signed, its common name as given; NULL: failure. */
struct x509_st *certmake_authority(struct evp_pkey_st *key, const char *name, int days);

struct certmake_node {
	struct evp_pkey_st *key;
	const char *name;    /* the common name, unless it is too long for one */
	const json_t *names; /* addresses and host names that it is for; NULL: `name` alone */
	int days;
	struct x509_st *issuer; /* NULL: by itself */
	struct evp_pkey_st *issuer_key;
};

/* For a server and a client; NULL: failure. */
struct x509_st *certmake_node(const struct certmake_node *n);

/* Whole files in one step; -1 with *err. */
int certmake_write(const char *path, struct x509_st *const *certs, size_t n, char **err);
int certmake_write_key(const char *path, struct evp_pkey_st *key, char **err);

#endif
