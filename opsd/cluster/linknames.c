#include "config.h"

#include "opsd/cluster/linknames.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/base/address.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/lookup.h"
#include "common/base/mem.h"
#include "common/conf/repconf.h"

#define NAMES_MAX 500 /* a host of containers may have many */
#define LOOKUP_US 2000000

static int
names_have(const json_t *list, const char *name)
{
	const json_t *n;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, n)
		if (strcasecmp(json_string_value(n), name) == 0)
			return (1);
	return (0);
}

static void
add_one(json_t *list, const char *name)
{
	if (json_array_size(list) < NAMES_MAX && !names_have(list, name))
		json_array_append_new(list, json_string(name));
}

static void
add_address_of(json_t *list, const struct sockaddr *a)
{
	const struct in6_addr *v6 = &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;
	char text[INET6_ADDRSTRLEN];

	if (a->sa_family == AF_INET)
		add_one(list,
		    inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)a)->sin_addr,
			text, sizeof(text)));
	else if (a->sa_family == AF_INET6 && !IN6_IS_ADDR_LINKLOCAL(v6))
		add_one(list, inet_ntop(AF_INET6, v6, text, sizeof(text)));
}

json_t *
linknames_addresses(void)
{
	struct ifaddrs *all = NULL, *i;
	json_t *list;

	if (getifaddrs(&all) == -1)
		return (NULL);
	list = json_pack("[s, s]", "127.0.0.1", "::1");
	for (i = all; i != NULL; i = i->ifa_next)
		if (i->ifa_addr != NULL && (i->ifa_flags & IFF_UP) != 0)
			add_address_of(list, i->ifa_addr);
	freeifaddrs(all);
	return (list);
}

/* What is configured: of "host:port", "[host]:port" or "host" the host, unless it is all of them. */
static void
add_configured(json_t *list, const char *text)
{
	char *host = xstrdup(text), *at = host, *end;

	if (host == NULL)
		return;
	if (*at == '[') {
		at++;
		at[strcspn(at, "]")] = '\0';
	} else if ((end = strchr(at, ':')) != NULL && strchr(end + 1, ':') == NULL)
		*end = '\0';
	if (!address_is_any(at, strlen(at)) && conf_is_host(at))
		add_one(list, at);
	free(host);
}

/* As it calls itself, and in full as the resolver has it. */
static void
add_host_name(json_t *list)
{
	char name[NI_MAXHOST] = "";
	struct addrinfo *found;

	if (gethostname(name, sizeof(name) - 1) == -1 || !conf_is_host(name))
		return;
	add_one(list, name);
	found = lookup_host(name, AI_CANONNAME, mono_us() + LOOKUP_US);
	if (found == NULL)
		return;
	if (found->ai_canonname != NULL && conf_is_host(found->ai_canonname))
		add_one(list, found->ai_canonname);
	freeaddrinfo(found);
}

/* By which others link with it: they may well have routes to it by the same. */
static void
add_link_name(json_t *list, const struct conf *c)
{
	char *name;

	if (!conf_is_set(c, REP_HOSTNAME) && !conf_is_set(c, REP_URL))
		return;
	name = repconf_hostname(c);
	add_configured(list, name);
	free(name);
}

json_t *
linknames(const struct conf *c)
{
	json_t *list = linknames_addresses();

	if (list == NULL) {
		log_warn("links: the host's addresses cannot be read");
		list = json_pack("[s, s]", "127.0.0.1", "::1");
	}
	add_one(list, "localhost");
	/*
	 * A hub server that loses a route which the other end has dialled may dial what that one said it listens on.
	 * Where that is all addresses, it reaches itself, and leaves off once it has seen that: after the handshake.
	 */
	add_one(list, "0.0.0.0");
	add_one(list, "::");
	add_configured(list, conf_str(c, HUB_CLUSTER_ADVERTISE));
	add_configured(list, conf_str(c, HUB_CLUSTER_HOST));
	add_configured(list, conf_str(c, HUB_LEAF_HOST));
	add_link_name(list, c);
	add_host_name(list);
	return (list);
}

int
linknames_within(const json_t *some, const json_t *all)
{
	const json_t *n;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)some, i, n)
		if (!names_have(all, json_string_value(n)))
			return (0);
	return (1);
}
