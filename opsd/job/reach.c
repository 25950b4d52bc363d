#include "config.h"

#include "opsd/job/reach.h"

#include <netinet/in.h>
#include <stdint.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#define ADDR4 4 /* bytes */
#define ADDR6 16

static const char link_local[] = "link-local", loopback_kind[] = "loopback",
		  metadata[] = "metadata";

/* What clouds tell their machines outside of link-local: Alibaba, Azure, Oracle. */
static const uint8_t metadata4[][ADDR4] = {
	{ 100, 100, 100, 200 },
	{ 168, 63, 129, 16 },
	{ 192, 0, 0, 192 },
};

/* The bytes that count: Amazon has several services in its own prefix; Google, Oracle. */
static const struct {
	uint8_t bytes[ADDR6], n;
} metadata6[] = {
	{ { 0xfd, 0x00, 0x0e, 0xc2 }, 4 },
	{ { 0xfd, 0x20, 0x00, 0xce, [14] = 0x02, [15] = 0x54 }, ADDR6 },
	{ { 0xfd, 0x00, 0x00, 0xc1, [12] = 0xa9, [13] = 0xfe, [14] = 0xa9, [15] = 0xfe }, ADDR6 },
};

/* The first byte of an IPv4 address is in p.  0.0.0.0/8 is this machine. */
static const char *
ipv4_kind(const uint8_t *p)
{
	for (size_t i = 0; i < sizeof(metadata4) / sizeof(metadata4[0]); i++)
		if (memcmp(p, metadata4[i], ADDR4) == 0)
			return (metadata);
	if (p[0] == 127 || p[0] == 0)
		return (loopback_kind);
	return (p[0] == 169 && p[1] == 254 ? link_local : NULL);
}

/*
 * NAT64 with a prefix of the site's own, RFC 8215: of any length, and RFC 6052 puts the IPv4
 * address after it, around a zero byte.  What a shorter or longer one leaves empty is no 0.0.0.0.
 */
static const char *
kind_nat64(const uint8_t *p)
{
	static const uint8_t at[][ADDR4] = {
		{ 6, 7, 9, 10 },
		{ 7, 9, 10, 11 },
		{ 9, 10, 11, 12 },
		{ 12, 13, 14, 15 },
	};
	const char *kind = NULL;

	for (size_t i = 0; kind == NULL && i < sizeof(at) / sizeof(at[0]); i++) {
		uint8_t v4[ADDR4] = { p[at[i][0]], p[at[i][1]], p[at[i][2]], p[at[i][3]] };

		kind = v4[0] != 0 ? ipv4_kind(v4) : NULL;
	}
	return (kind);
}

/* Teredo: a server, and the client with its bits inverted. */
static const char *
kind_teredo(const uint8_t *p)
{
	uint8_t client[ADDR4];
	const char *kind;

	for (size_t i = 0; i < ADDR4; i++)
		client[i] = p[12 + i] ^ 0xff;
	kind = ipv4_kind(client);
	return (kind != NULL ? kind : ipv4_kind(p + 4));
}

/* Translators and tunnels: where the IPv4 address is. */
static const char *
kind_within(const uint8_t *p)
{
	static const uint8_t none[ADDR6],
	    mapped[12] = { [10] = 0xff, [11] = 0xff }, siit[12] = { [8] = 0xff, [9] = 0xff },
	    nat64[12] = { 0x00, 0x64, 0xff, 0x9b },
	    nat64_own[6] = { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 }, teredo[4] = { 0x20, 0x01 },
	    sixtofour[2] = { 0x20, 0x02 }, isatap[3] = { 0x00, 0x5e, 0xfe };

	if (memcmp(p, mapped, 12) == 0 || memcmp(p, siit, 12) == 0 || memcmp(p, nat64, 12) == 0 ||
	    memcmp(p, none, 12) == 0)
		return (ipv4_kind(p + 12));
	if (memcmp(p, nat64_own, sizeof(nat64_own)) == 0)
		return (kind_nat64(p));
	if (memcmp(p, teredo, sizeof(teredo)) == 0)
		return (kind_teredo(p));
	if (memcmp(p, sixtofour, sizeof(sixtofour)) == 0)
		return (ipv4_kind(p + 2));
	/* Of an interface: RFC 5214 says 0 or 2 in the first byte. */
	if ((p[8] & 0xfd) == 0 && memcmp(p + 9, isatap, sizeof(isatap)) == 0)
		return (ipv4_kind(p + 12));
	return (NULL);
}

static const char *
ipv6_kind(const uint8_t *p)
{
	static const uint8_t none[ADDR6];

	if (p[0] == 0xfe && (p[1] & 0xc0) == 0x80)
		return (link_local);
	if (memcmp(p, none, 15) == 0 && p[15] <= 1) /* ::, ::1 */
		return (loopback_kind);
	for (size_t i = 0; i < sizeof(metadata6) / sizeof(metadata6[0]); i++)
		if (memcmp(p, metadata6[i].bytes, metadata6[i].n) == 0)
			return (metadata);
	return (kind_within(p));
}

const char *
reach_refusal(const struct sockaddr *address, int loopback)
{
	const char *kind = NULL;

	if (address->sa_family == AF_INET)
		kind = ipv4_kind((const uint8_t *)&((const struct sockaddr_in *)address)->sin_addr);
	else if (address->sa_family == AF_INET6)
		kind = ipv6_kind(((const struct sockaddr_in6 *)address)->sin6_addr.s6_addr);
	return (kind == loopback_kind && loopback ? NULL : kind);
}
