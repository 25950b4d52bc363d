#ifndef HL_ALTNAMES_H
#define HL_ALTNAMES_H

#include <openssl/x509v3.h>

/*
 * Alternative names, as certificates and the requests for them have them: built by hand, not as
 * configuration text, which a name could break out of.
 */

/* One more; 0: no memory. */
int altnames_add_host(GENERAL_NAMES *names, const char *host); /* a name or an address */
int altnames_add_uri(GENERAL_NAMES *names, const char *uri);

#endif
