#include "config.h"

#include "common/base/nodename.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#define LABEL_MAX 63 /* of a host name */

/* A control character beyond ASCII, which terminals obey as well: U+0080 to U+009F. */
static int
is_c1(const char *s, size_t n)
{
	return (n > 1 && (unsigned char)s[0] == 0xc2 && (unsigned char)s[1] >= 0x80 &&
	    (unsigned char)s[1] <= 0x9f);
}

int
node_name_ok(const char *name, size_t n)
{
	size_t i;

	if (name == NULL || n == 0 || n > NODE_NAME_MAX)
		return (0);
	for (i = 0; i < n; i++)
		if ((unsigned char)name[i] <= ' ' || name[i] == 0x7f || is_c1(name + i, n - i) ||
		    strchr(".,*>", name[i]) != NULL)
			return (0);
	return (1);
}

/* An interface, as it stands in a URL. */
static int
is_scope(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && s[i] != '-' && s[i] != '_' && s[i] != '.')
			return (0);
	return (n > 0);
}

static int
is_ipv6(const char *name, size_t n)
{
	char text[INET6_ADDRSTRLEN];
	const char *scope = memchr(name, '%', n);
	size_t len = scope != NULL ? (size_t)(scope - name) : n;
	struct in6_addr a;

	if (len >= sizeof(text) || (scope != NULL && !is_scope(scope + 1, n - len - 1)))
		return (0);
	memcpy(text, name, len);
	text[len] = '\0';
	return (inet_pton(AF_INET6, text, &a) == 1);
}

/* What stands between dots. */
static int
is_label(const char *s, size_t n)
{
	if (n == 0 || n > LABEL_MAX || s[0] == '-' || s[n - 1] == '-')
		return (0);
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && s[i] != '-' && s[i] != '_')
			return (0);
	return (1);
}

int
node_host_ok(const char *name, size_t n)
{
	const char *dot;

	if (name == NULL || n == 0 || n > NODE_NAME_MAX)
		return (0);
	if (memchr(name, ':', n) != NULL)
		return (is_ipv6(name, n));
	while ((dot = memchr(name, '.', n)) != NULL) {
		if (!is_label(name, (size_t)(dot - name)))
			return (0);
		n -= (size_t)(dot + 1 - name);
		name = dot + 1;
	}
	return (is_label(name, n));
}
