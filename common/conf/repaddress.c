#include "config.h"

#include "common/conf/repaddress.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A host name or an address of IPv4; with colons, one of IPv6. */
static int
is_host_text(const char *s, size_t n, int colons)
{
	if (n == 0 || n > REPADDRESS_HOST_MAX)
		return (0);
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && strchr(colons ? ".:%" : ".-_", s[i]) == NULL)
			return (0);
	return (1);
}

static int
take_host(struct repaddress *a, const char *s, size_t n, int colons)
{
	if (!is_host_text(s, n, colons))
		return (-1);
	memcpy(a->host, s, n);
	a->host[n] = '\0';
	return (0);
}

/* All of the text. */
static int
take_port(struct repaddress *a, const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > 5 || strspn(s, "0123456789") != n)
		return (-1);
	a->port = atoi(s);
	return (a->port >= 1 && a->port <= 65535 ? 0 : -1);
}

static int
take_bracketed(struct repaddress *a, const char *s)
{
	const char *end = strchr(s, ']');

	if (end == NULL || take_host(a, s + 1, (size_t)(end - s - 1), 1) == -1)
		return (-1);
	if (end[1] == '\0')
		return (0);
	return (end[1] == ':' ? take_port(a, end + 2) : -1);
}

static int
take_authority(struct repaddress *a, const char *s)
{
	const char *colon = strchr(s, ':');

	if (s[0] == '[')
		return (take_bracketed(a, s));
	if (colon == NULL)
		return (take_host(a, s, strlen(s), 0));
	if (strchr(colon + 1, ':') != NULL)
		return (take_host(a, s, strlen(s), 1));
	return (take_host(a, s, (size_t)(colon - s), 0) == 0 ? take_port(a, colon + 1) : -1);
}

static int
take_path(struct repaddress *a, const char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		if (!isgraph((unsigned char)s[i]) || s[i] == '#')
			return (-1);
	if (n > REPADDRESS_PATH_MAX)
		return (-1);
	memcpy(a->path, s, n + 1);
	return (0);
}

static int
take_url(struct repaddress *a, const char *s)
{
	char authority[REPADDRESS_HOST_MAX + 16];
	size_t n = strcspn(s, "/?");

	if (n >= sizeof(authority))
		return (-1);
	memcpy(authority, s, n);
	authority[n] = '\0';
	return (take_authority(a, authority) == 0 ? take_path(a, s + n) : -1);
}

int
repaddress_read(struct repaddress *a, const char *text)
{
	memset(a, 0, sizeof(*a));
	if (strncasecmp(text, "wss://", 6) == 0) {
		a->scheme = REPADDRESS_WSS;
		return (take_url(a, text + 6));
	}
	if (strncasecmp(text, "ws://", 5) == 0) {
		a->scheme = REPADDRESS_WS;
		return (take_url(a, text + 5));
	}
	if (text[0] != '\0' && strspn(text, "0123456789") == strlen(text))
		return (take_port(a, text));
	return (take_authority(a, text));
}
