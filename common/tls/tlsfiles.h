#ifndef HL_TLSFILES_H
#define HL_TLSFILES_H

/*
 * The files of a node that uses TLS, looked at before anything runs on them, so that
 * what is wrong is said in words of the configuration and not by a link that fails.
 */
struct tlsfiles {
	const char *prefix;     /* of the keys in texts: "clustering.tls" */
	const char *cert, *key; /* paths; NULL: none to look at */
	const char *ca;         /* or NULL: the system's authorities */
	int verified;           /* peers will verify it, as a server and as a client */
};

/*
 * All can be read and the key is the certificate's; when verified, the authorities have
 * signed it for both uses.  -1 with *err.  An expired one is no fault but *warning (NULL:
 * none), since a node whose certificate ends must not end with it.  Caller frees both.
 */
int tlsfiles_check(const struct tlsfiles *f, char **warning, char **err);

#endif
