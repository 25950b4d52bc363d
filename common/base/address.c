#include "config.h"

#include "common/base/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
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

int
address_is_any(const char *host, size_t n)
{
	return (n == 0 || (n == 7 && memcmp(host, "0.0.0.0", n) == 0) ||
	    (n == 2 && memcmp(host, "::", n) == 0));
}

/* An address of IPv4, of a socket of IPv6 that has it; 0: it is no such. */
static int
unmap_address(const struct sockaddr *sa, struct sockaddr_in *four)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)sa;

	if (sa->sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
		return (0);
	*four = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = six->sin6_port };
	memcpy(&four->sin_addr, &six->sin6_addr.s6_addr[12], sizeof(four->sin_addr));
	return (1);
}

void
address_text(const struct sockaddr *sa, socklen_t len, char out[ADDRESS_TEXT])
{
	char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 1] = "?", port[8] = "0";
	struct sockaddr_in four;

	if (unmap_address(sa, &four)) {
		sa = (const struct sockaddr *)&four;
		len = sizeof(four);
	}
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
