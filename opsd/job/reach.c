#include "config.h"

#include "reach.h"

#include <netinet/in.h>
#include <stdint.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

static const char link_local[] = "link-local", loopback_kind[] = "loopback";

/* The first byte of an IPv4 address is in p.  0.0.0.0/8 is this machine. */
static const char *
kind4(const uint8_t *p)
{
	if (p[0] == 127 || p[0] == 0)
		return (loopback_kind);
	return (p[0] == 169 && p[1] == 254 ? link_local : NULL);
}

static const char *
kind6(const uint8_t *p)
{
	static const uint8_t none[16], mapped[12] = { [10] = 0xff, [11] = 0xff },
	    nat64[12] = { 0x00, 0x64, 0xff, 0x9b };

	if (p[0] == 0xfe && (p[1] & 0xc0) == 0x80)
		return (link_local);
	if (memcmp(p, none, 15) == 0 && p[15] <= 1)		/* ::, ::1 */
		return (loopback_kind);
	if (memcmp(p, mapped, 12) == 0 || memcmp(p, nat64, 12) == 0 || memcmp(p, none, 12) == 0)
		return (kind4(p + 12));
	return (p[0] == 0x20 && p[1] == 0x02 ? kind4(p + 2) : NULL);	/* 6to4 */
}

const char *
reach_refusal(const struct sockaddr *address, int loopback)
{
	const char *kind = NULL;

	if (address->sa_family == AF_INET)
		kind = kind4((const uint8_t *)&((const struct sockaddr_in *)address)->sin_addr);
	else if (address->sa_family == AF_INET6)
		kind = kind6(((const struct sockaddr_in6 *)address)->sin6_addr.s6_addr);
	return (kind == loopback_kind && loopback ? NULL : kind);
}
