#include "config.h"

#include "common/base/nodename.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

int
node_name_ok(const char *name, size_t n)
{
	size_t i;

	if (name == NULL || n == 0 || n > NODE_NAME_MAX)
		return (0);
	for (i = 0; i < n; i++)
		if ((unsigned char)name[i] <= ' ' || name[i] == 0x7f ||
		    strchr(".,*>", name[i]) != NULL)
			return (0);
	return (1);
}

static int
is_ipv6(const char *name, size_t n)
{
	char text[INET6_ADDRSTRLEN];
	const char *scope = memchr(name, '%', n);
	size_t len = scope != NULL ? (size_t)(scope - name) : n;
	struct in6_addr a;

	if (len >= sizeof(text))
		return (0);
	memcpy(text, name, len);
	text[len] = '\0';
	return (inet_pton(AF_INET6, text, &a) == 1);
}

int
node_host_ok(const char *name, size_t n)
{
	size_t i;

	if (name == NULL || n == 0 || n > NODE_NAME_MAX)
		return (0);
	for (i = 0; i < n; i++)
		if (!isalnum((unsigned char)name[i]) &&
		    (memchr(".-_:%", name[i], 5) == NULL ||
			(name[i] == '.' && (i == 0 || i + 1 == n || name[i - 1] == '.'))))
			return (0);
	return (memchr(name, ':', n) == NULL || is_ipv6(name, n));
}
