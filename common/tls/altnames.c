#include "config.h"

#include "common/tls/altnames.h"

#include <arpa/inet.h>
#include <string.h>

/* 4, 16, or 0: it is none. */
static int
address_bytes(const char *host, unsigned char at[sizeof(struct in6_addr)])
{
	if (inet_pton(AF_INET, host, at) == 1)
		return (4);
	return (inet_pton(AF_INET6, host, at) == 1 ? 16 : 0);
}

/* Of so many bytes; -1: to its NUL. */
static int
push_name(GENERAL_NAMES *names, int type, const void *p, int n)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_STRING *s = ASN1_STRING_type_new(type == GEN_IPADD ? V_ASN1_OCTET_STRING :
								  V_ASN1_IA5STRING);

	if (name != NULL && s != NULL && ASN1_STRING_set(s, p, n) == 1) {
		GENERAL_NAME_set0_value(name, type, s);
		s = NULL;
		if (sk_GENERAL_NAME_push(names, name) > 0)
			return (1);
	}
	ASN1_STRING_free(s);
	GENERAL_NAME_free(name);
	return (0);
}

int
altnames_add_host(GENERAL_NAMES *names, const char *host)
{
	unsigned char at[sizeof(struct in6_addr)];
	int n = address_bytes(host, at);

	return (n > 0 ? push_name(names, GEN_IPADD, at, n) : push_name(names, GEN_DNS, host, -1));
}

int
altnames_add_uri(GENERAL_NAMES *names, const char *uri)
{
	return (push_name(names, GEN_URI, uri, -1));
}
