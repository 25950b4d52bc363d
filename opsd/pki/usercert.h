#ifndef HL_USERCERT_H
#define HL_USERCERT_H

#include <stdint.h>

/* The certificate of a client, which stands for a user. */
struct pki;
struct stack_st_X509;
struct x509_store_st;

struct usercert {
	char *name;  /* its common name; NULL: it has none, or more than one */
	char *fault; /* why it does not count, a sentence without a full stop; NULL: it does */
};

/*
 * `certs`: its own first, then what leads to its authority, one of `trusted`.  What p has revoked
 * does not count.  usercert_clear.
 */
void usercert_read(struct usercert *u, struct pki *p, struct stack_st_X509 *certs,
    struct x509_store_st *trusted, int64_t now);
void usercert_clear(struct usercert *u);

#endif
