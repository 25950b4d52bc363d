#ifndef HL_CERTMAKE_H
#define HL_CERTMAKE_H

#include <jansson.h>
#include <stdint.h>
#include <sys/types.h>

struct X509_extension_st;
struct X509_name_st;
struct evp_pkey_st;
struct x509_st;

/* Certificates as a node makes them, and the files that it writes. */

/* Seconds that a certificate begins early, as peers' clocks may be behind; of one that is good
 * for less, so many. */
#define CERTMAKE_EARLY 86400

/* An extension, its value as in OpenSSL's configuration. */
struct certmake_ext {
	int nid; /* 0: the list ends */
	const char *value;
};

struct certmake {
	struct evp_pkey_st *key; /* whose it is */
	const char *name;        /* the common name */
	int64_t until;           /* seconds since 1970 */
	const struct certmake_ext *exts;
	struct X509_extension_st *names; /* the alternative ones, after those; NULL: none */
	struct x509_st *issuer;          /* NULL: by itself */
	struct evp_pkey_st *issuer_key;
};

/* Of a serial number that was drawn; NULL: failure. */
struct x509_st *certmake_sign(const struct certmake *m);

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

/* The text as a common name, or what comes in its place when it is too long for one. */
const char *certmake_common_name(const char *text, const char *instead);
int certmake_set_name(struct X509_name_st *subject, const char *name); /* 0: failure */

/* A text of pem.h, which is wiped and freed, as a whole file in one step; -1 with *err, also of NULL. */
int certmake_write(const char *path, mode_t mode, char *pem, char **err);

#endif
