#include "config.h"

#include "hubd/advertise.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/clock.h"
#include "common/base/lookup.h"
#include "common/base/mem.h"
#include "common/tls/certinfo.h"

#define LOOKUP_US 2000000 /* for all names together */

/* An address, whatever its family. */
struct host {
	int family;
	uint8_t bytes[16];
};

static int
host_read(const char *text, struct host *h)
{
	memset(h, 0, sizeof(*h));
	h->family = AF_INET;
	if (inet_pton(AF_INET, text, h->bytes) == 1)
		return (0);
	h->family = AF_INET6;
	return (inet_pton(AF_INET6, text, h->bytes) == 1 ? 0 : -1);
}

static int
host_of(const struct sockaddr *a, struct host *h)
{
	memset(h, 0, sizeof(*h));
	h->family = a != NULL ? a->sa_family : AF_UNSPEC;
	if (h->family == AF_INET)
		memcpy(h->bytes, &((const struct sockaddr_in *)(const void *)a)->sin_addr, 4);
	else if (h->family == AF_INET6)
		memcpy(h->bytes, &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, 16);
	else
		return (-1);
	return (0);
}

static int
is_loopback(const struct host *h)
{
	static const uint8_t one[16] = { [15] = 1 };

	return (h->family == AF_INET ? h->bytes[0] == 127 : memcmp(h->bytes, one, 16) == 0);
}

static int
is_own(const struct host *h, const struct ifaddrs *own)
{
	struct host o;

	if (is_loopback(h))
		return (1);
	for (; own != NULL; own = own->ifa_next)
		if (host_of(own->ifa_addr, &o) == 0 && memcmp(&o, h, sizeof(o)) == 0)
			return (1);
	return (0);
}

/* Where it listens. */
struct listen_address {
	struct host host;
	int is_one, is_loopback; /* one address, not all */
	struct ifaddrs *own;
};

static void
place_read(struct listen_address *p, const char *listen)
{
	static const uint8_t any[16];
	int is_address = host_read(listen, &p->host) == 0;

	p->is_one = is_address && memcmp(p->host.bytes, any, sizeof(any)) != 0;
	p->is_loopback = is_address ? is_loopback(&p->host) : strcasecmp(listen, "localhost") == 0;
	p->own = NULL;
	(void)getifaddrs(&p->own);
}

/* The only address in it; NULL when there is none (*some is 0), or it is another's, or there are
 * several, which then are those that this host is seen with. */
static const char *
find_address(const json_t *names, const struct listen_address *p, int *some)
{
	const char *only = NULL, *text;
	const json_t *name;
	struct host h;
	size_t i;

	*some = 0;
	json_array_foreach(names, i, name) {
		text = json_string_value(name);
		if (host_read(text, &h) == -1 || (is_loopback(&h) && !p->is_loopback))
			continue;
		if ((*some)++ ||
		    (p->is_one ? memcmp(&h, &p->host, sizeof(h)) != 0 : !is_own(&h, p->own)))
			return (NULL);
		only = text;
	}
	return (only);
}

static int
leads_here(const char *name, const struct listen_address *p, uint64_t until)
{
	struct addrinfo *found = lookup_host(name, 0, until), *a;
	struct host h;
	int all = found != NULL;

	for (a = found; a != NULL; a = a->ai_next)
		if (host_of(a->ai_addr, &h) == -1 || !is_own(&h, p->own))
			all = 0;
	if (found != NULL)
		freeaddrinfo(found);
	return (all);
}

static int
is_local_name(const char *name)
{
	size_t len = strlen(name);

	return (strcasecmp(name, "localhost") == 0 ||
	    (len > 10 && strcasecmp(name + len - 10, ".localhost") == 0));
}

static const char *
find_name(const json_t *names, const struct listen_address *p)
{
	uint64_t until = mono_us() + LOOKUP_US;
	const char *text;
	const json_t *name;
	struct host h;
	size_t i;

	json_array_foreach(names, i, name) {
		text = json_string_value(name);
		if (host_read(text, &h) == -1 && *text != '*' &&
		    (p->is_loopback || !is_local_name(text)) && leads_here(text, p, until))
			return (text);
	}
	return (NULL);
}

char *
advertise_name(const char *cert_path, const char *listen, char **why)
{
	json_t *names = certinfo_names(cert_path);
	struct listen_address p;
	int some;
	const char *found;
	char *name;

	place_read(&p, listen);
	found = find_address(names, &p, &some);
	if (!some)
		found = find_name(names, &p);
	name = xstrdup(found);
	*why = found != NULL || some ? NULL :
				       xasprintf("%s has no address, and none of its names leads "
						 "to this host alone",
					   cert_path);
	if (p.own != NULL)
		freeifaddrs(p.own);
	json_decref(names);
	return (name);
}
