#include "config.h"

#include "common/base/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"

int
address_ok(const char *text)
{
	struct in6_addr at;

	return (inet_pton(AF_INET, text, &at) == 1 || inet_pton(AF_INET6, text, &at) == 1);
}

/* What is in brackets already stays so. */
static int
wants_brackets(const char *host)
{
	return (strchr(host, ':') != NULL && host[0] != '[');
}

char *
address_join(const char *host, unsigned port)
{
	return (xasprintf(wants_brackets(host) ? "[%s]:%u" : "%s:%u", host, port));
}

void
address_text(const struct sockaddr *sa, socklen_t len, char out[ADDRESS_TEXT])
{
	char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 1] = "?", port[8] = "0";

	(void)getnameinfo(sa, len, host, sizeof(host), port, sizeof(port),
	    NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(out, ADDRESS_TEXT, wants_brackets(host) ? "[%s]:%s" : "%s:%s", host, port);
}

int
address_net(const char *text, uint8_t net[8])
{
	static const uint8_t v4[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	uint8_t six[16], four[4];

	memset(net, 0, 8);
	if (text == NULL)
		return (-1);
	if (inet_pton(AF_INET, text, four) == 1)
		memcpy(net + 4, four, 4);
	else if (inet_pton(AF_INET6, text, six) != 1)
		return (-1);
	else if (memcmp(six, v4, sizeof(v4)) == 0)
		memcpy(net + 4, six + 12, 4);
	else
		memcpy(net, six, 8);
	return (0);
}
