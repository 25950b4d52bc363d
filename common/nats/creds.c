#include "config.h"

#include "common/nats/creds.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/tls/crypto.h"

#define BEGINS     "BEGIN NATS USER JWT"
#define CLAIMS_MAX 65536
#define END_MAX    (INT64_MAX / 1000)

/* Base64 of URLs without padding. */
static uint8_t *
url64_read(const char *s, size_t len, size_t *n)
{
	struct buf b = { 0 };
	uint8_t *out;

	for (size_t i = 0; i < len; i++)
		buf_u8(&b, (uint8_t)(s[i] == '-' ? '+' : s[i] == '_' ? '/' : s[i]));
	while (b.len % 4 != 0)
		buf_u8(&b, '=');
	out = crypto_base64_read((const char *)b.data, b.len, CLAIMS_MAX, n);
	buf_free(&b);
	return (out);
}

/* Between its two dots; NULL: there is none. */
static const char *
find_claims(const char *text, size_t *len)
{
	const char *jwt = strstr(text, BEGINS), *dot;
	size_t line;

	if (jwt == NULL || (jwt = strchr(jwt, '\n')) == NULL)
		return (NULL);
	jwt += strspn(jwt, " \t\r\n");
	line = strcspn(jwt, " \t\r\n");
	if ((dot = memchr(jwt, '.', line)) == NULL)
		return (NULL);
	*len = strcspn(dot + 1, ". \t\r\n");
	return (dot + 1);
}

int64_t
creds_end_ms(const char *text)
{
	size_t len, n = 0;
	const char *claims = find_claims(text, &len);
	uint8_t *json = claims != NULL ? url64_read(claims, len, &n) : NULL;
	json_t *root = json != NULL ? json_loadb((const char *)json, n, 0, NULL) : NULL;
	json_int_t end = json_integer_value(json_object_get(root, "exp"));

	json_decref(root);
	free(json);
	return (end > 0 && end <= END_MAX ? end * 1000 : 0);
}
