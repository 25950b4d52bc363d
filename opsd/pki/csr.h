#ifndef HL_CSR_H
#define HL_CSR_H

/*
 * What a node asks an authority to sign: a P-256 key for its hostname (a name or an address)
 * and its id.  No I/O; texts are PEM.
 */
#define CSR_MAX  16384 /* bytes of the text */
#define CSR_HOST 253
#define CSR_NODE 32 /* hexadecimal digits of an id */
#define CSR_URN  "urn:hubleaf:node:"

/* A request that was looked at: it is signed with its own key, and asks for nothing else. */
struct csr {
	char hostname[CSR_HOST + 1]; /* in small letters */
	char node[CSR_NODE + 1];
	struct X509_req_st *request;
	struct x509_st *shown; /* in place of a request: it has one (shown.h) */
};

/* A hostname as certificates have it: no wildcard, no dot at an end. */
int csr_hostname_ok(const char *hostname);
int csr_same_host(const char *a, const char *b);
/* What stands for it as the subject's CN, which is of 64 characters at most. */
const char *csr_common_name(const char *hostname);

/* A new key and the request for it; -1 with *err.  mem_wipe the key. */
int csr_make(const char *hostname, const char *node, char **key, char **text, char **err);
/* The same with a key (PEM) that there is. */
int csr_make_again(const char *hostname, const char *node, const char *key, char **text,
    char **err);
/* NULL with *err, which goes on from a field's name: "is not signed with its own key". */
struct csr *csr_read(const char *text, char **err);
struct evp_pkey_st *csr_key(const struct csr *c); /* borrowed */
void csr_free(struct csr *c);

#endif
