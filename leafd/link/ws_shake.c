#include "config.h"

#include "leafd/link/ws_priv.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/mem.h"
#include "common/tls/crypto.h"

#define WS_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

static void
accept_of(const char *key, char out[WS_ACCEPT_LEN + 1])
{
	char text[WS_KEY_LEN + sizeof(WS_GUID)];
	uint8_t hash[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	int len = snprintf(text, sizeof(text), "%.*s%s", WS_KEY_LEN, key, WS_GUID);

	EVP_Digest(text, (size_t)len, hash, &n, EVP_sha1(), NULL);
	EVP_EncodeBlock((unsigned char *)out, hash, (int)n);
}

/* The value of the next header of that name after `at`, and its length; NULL: none. */
static const char *
next_value(const char *at, const char *name, size_t *n)
{
	size_t len = strlen(name);
	const char *end;

	while ((at = strstr(at, "\r\n")) != NULL) {
		at += 2;
		if (strncasecmp(at, name, len) != 0 || at[len] != ':')
			continue;
		for (at += len + 1; *at == ' ' || *at == '\t'; at++)
			continue;
		end = strstr(at, "\r\n");
		*n = end != NULL ? (size_t)(end - at) : strlen(at);
		while (*n > 0 && (at[*n - 1] == ' ' || at[*n - 1] == '\t'))
			(*n)--;
		return (at);
	}
	return (NULL);
}

/* Whether the only header of that name says just this, to the letter. */
static int
value_is(const char *head, const char *name, const char *wanted)
{
	size_t n = 0, more = 0;
	const char *v = next_value(head, name, &n);

	return (v != NULL && n == strlen(wanted) && memcmp(v, wanted, n) == 0 &&
	    next_value(v, name, &more) == NULL);
}

static int
list_has(const char *list, size_t n, const char *token)
{
	size_t len = strlen(token), part, skip;

	for (; n > 0; list += part, n -= part) {
		skip = 0;
		while (skip < n && (list[skip] == ' ' || list[skip] == '\t' || list[skip] == ','))
			skip++;
		list += skip;
		n -= skip;
		for (part = 0; part < n && list[part] != ',' && list[part] != ' '; part++)
			continue;
		if (part == len && strncasecmp(list, token, len) == 0)
			return (1);
	}
	return (0);
}

/* Whether one of the headers of that name, which are lists, has it. */
static int
values_have(const char *head, const char *name, const char *token)
{
	size_t n = 0;
	const char *v;

	for (v = head; (v = next_value(v, name, &n)) != NULL;)
		if (list_has(v, n, token))
			return (1);
	return (0);
}

static int
key_is_right(const char *key, size_t n)
{
	uint8_t bytes[WS_KEY_LEN];
	size_t i;

	if (key == NULL || n != WS_KEY_LEN || memcmp(key + 22, "==", 2) != 0)
		return (0);
	for (i = 0; i < 22; i++)
		if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
			key[i]) == NULL)
			return (0);
	return (EVP_DecodeBlock(bytes, (const unsigned char *)key, WS_KEY_LEN) == 18);
}

/* The status of an answer to that request; 101: it may be. */
static int
status_of(const char *head, const char *path, const char *protocol)
{
	size_t len = strlen(path), n = 0;
	const char *target, *key;

	if (strncmp(head, "GET ", 4) != 0)
		return (strstr(head, " HTTP/1.") != NULL ? 405 : 400);
	target = head + 4;
	if (strncmp(target, path, len) != 0 || (target[len] != ' ' && target[len] != '?'))
		return (404);
	target += len + strcspn(target + len, " \r\n");
	if (strncmp(target, " HTTP/1.1\r\n", 11) != 0 || next_value(head, "Host", &n) == NULL)
		return (400);
	if (!values_have(head, "Upgrade", "websocket") ||
	    !values_have(head, "Connection", "upgrade") ||
	    !value_is(head, "Sec-WebSocket-Version", "13"))
		return (426);
	key = next_value(head, "Sec-WebSocket-Key", &n);
	if (!key_is_right(key, n) || !values_have(head, "Sec-WebSocket-Protocol", protocol))
		return (400);
	return (101);
}

int
ws_shake_serve(const char *head, const char *path, const char *protocol, char **answer)
{
	static const char upgrade[] = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
	int status = status_of(head, path, protocol);
	char accept[WS_ACCEPT_LEN + 1];
	size_t n = 0;

	if (status == 101) {
		accept_of(next_value(head, "Sec-WebSocket-Key", &n), accept);
		*answer = xasprintf("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
				    "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n"
				    "Sec-WebSocket-Protocol: %s\r\n\r\n",
		    accept, protocol);
	} else
		*answer = xasprintf("HTTP/1.1 %d %s\r\n%sConnection: close\r\n"
				    "Content-Length: 0\r\n\r\n",
		    status,
		    status == 404     ? "Not Found" :
			status == 405 ? "Method Not Allowed" :
			status == 426 ? "Upgrade Required" :
					"Bad Request",
		    status == 426     ? upgrade :
			status == 405 ? "Allow: GET\r\n" :
					"");
	return (status);
}

char *
ws_shake_ask(const char *host, const char *path, const char *protocol,
    char accept[WS_ACCEPT_LEN + 1])
{
	uint8_t bytes[16];
	char key[WS_KEY_LEN + 1];

	crypto_random(bytes, sizeof(bytes));
	EVP_EncodeBlock((unsigned char *)key, bytes, sizeof(bytes));
	accept_of(key, accept);
	return (xasprintf("GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"
			  "Connection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
			  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: %s\r\n\r\n",
	    path, host, key, protocol));
}

void
ws_shake_plain(char *text)
{
	for (; *text != '\0'; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

static char *
no_upgrade(const char *status)
{
	char *why = xasprintf("no upgrade to WebSocket, the answer is '%.*s'",
	    (int)strcspn(status, "\r\n"), status);

	ws_shake_plain(why);
	return (why);
}

char *
ws_shake_check(const char *head, const char *protocol, const char *accept)
{
	size_t n = 0;

	if (strncmp(head, "HTTP/1.1 ", 9) != 0)
		return (xstrdup("the server there does not speak HTTP/1.1"));
	if (strncmp(head + 9, "101", 3) != 0 || (head[12] != ' ' && head[12] != '\r'))
		return (no_upgrade(head + 9));
	if (!values_have(head, "Upgrade", "websocket") ||
	    !values_have(head, "Connection", "upgrade"))
		return (xstrdup("the answer upgrades to something other than WebSocket"));
	if (!value_is(head, "Sec-WebSocket-Accept", accept))
		return (xstrdup("the answer belongs to another request"));
	if (!value_is(head, "Sec-WebSocket-Protocol", protocol))
		return (xasprintf("the server there does not speak %s", protocol));
	if (next_value(head, "Sec-WebSocket-Extensions", &n) != NULL)
		return (xstrdup("the answer has extensions that were not asked for"));
	return (NULL);
}
