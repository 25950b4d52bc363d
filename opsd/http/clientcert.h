#ifndef HL_CLIENTCERT_H
#define HL_CLIENTCERT_H

/*
 * What a client's certificate says of who asks (operationsApi.network.mtls).  It is looked at with
 * each request: by what is trusted, required and revoked now, not when the connection began.
 */
struct clientcert; /* of a connection */
struct conn;

enum clientcert_says {
	CLIENTCERT_NOTHING, /* others say who asks */
	CLIENTCERT_USER,    /* *text: the user's name */
	CLIENTCERT_FAULT,   /* *text: why it is not good, for who has nothing else to show */
	CLIENTCERT_REFUSED, /* the same, for everybody */
};

/* On the connection's thread; *text is good until the next call. */
enum clientcert_says clientcert_ask(struct conn *c, const char **text);
void clientcert_failed(const struct conn *c); /* the connection has: says so if it was for that */
void clientcert_free(struct clientcert *cc);

#endif
