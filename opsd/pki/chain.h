#ifndef HL_CHAIN_H
#define HL_CHAIN_H

#include <jansson.h>
#include <stdint.h>

/*
 * Whether a certificate is that of a node which this one would talk to: its chain leads to
 * an authority that is trusted, it is good now, as a server and as a client, and names the
 * hostname.  No I/O but that of the system's authorities.
 */
struct stack_st_X509;
struct x509_st;
struct x509_store_st;

#define CHAIN_MOST 20 /* certificates that a node may show */

struct chain_rules {
	const char *authorities; /* PEM, or NULL */
	int system_roots;        /* those of the system are trusted as well */
	const char *hostname;    /* NULL: any */
	const char *node;      /* the id, in hex, that it must be of when it names one; NULL: any */
	const char *spki;      /* the hash of its key, in hex; NULL: any */
	const json_t *revoked; /* an object whose names are serial numbers (serial.h), or NULL */
	int64_t now;           /* seconds since 1970 */
};

/* Of an array of PEM, as in chain_rules; what is no text is left out.  The caller frees. */
char *chain_authorities(const json_t *list);

/*
 * The certificate and what leads to its authority, as PEM.  -1 with *err, a sentence without a
 * full stop that begins with "the certificate", for operators.
 */
int chain_check(const char *certs, const struct chain_rules *r, char **err);

/*
 * A client's certificate, then what leads to its authority: good now, and for clients and nothing
 * else, so that it is none that chain_check takes.  NULL: nothing is wrong; or why, as *err is
 * there, the caller frees.
 */
char *chain_client_fault(struct stack_st_X509 *certs, struct x509_store_st *trusted, int64_t now);

/* Whether it is of the node with that id in hex; one that names no node is. */
int chain_is_of_node(const struct x509_st *cert, const char *node);
/* Whether a certificate is for a hostname: by its alternative names, or its CN when it has
 * none that are of hosts. */
int chain_names(struct x509_st *cert, const char *hostname);
/* Whether it is for servers and for clients: a node is both on its links. */
int chain_serves_both(struct x509_st *cert);

#endif
