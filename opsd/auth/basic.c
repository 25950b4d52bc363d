#include "config.h"

#include "opsd/auth/basic.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

static int
base64_value(char c)
{
	static const char alphabet[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *p = c != '\0' ? strchr(alphabet, c) : NULL;

	return (p != NULL ? (int)(p - alphabet) : -1);
}

/* As a C string, or NULL. */
static char *
base64_text(const char *s)
{
	char *out = xmalloc(strlen(s) + 1);
	size_t n = 0;
	uint32_t bits = 0;
	int have = 0, v;

	for (; (v = base64_value(*s)) != -1; s++) {
		bits = bits << 6 | (uint32_t)v;
		if ((have += 6) >= 8)
			out[n++] = (char)(bits >> (have -= 8));
	}
	out[n] = '\0';
	s += strspn(s, "= \t");
	if (*s == '\0' && strlen(out) == n)
		return (out);
	explicit_bzero(out, n);
	free(out);
	return (NULL);
}

char *
basic_read(const char *encoded, char **password)
{
	char *text = base64_text(encoded), *colon;

	if (text == NULL)
		return (NULL);
	if ((colon = strchr(text, ':')) == NULL) {
		basic_free(text, NULL);
		return (NULL);
	}
	*colon = '\0';
	*password = colon + 1;
	return (text);
}

void
basic_free(char *name, char *password)
{
	if (name == NULL)
		return;
	if (password != NULL)
		explicit_bzero(password, strlen(password));
	mem_wipe(name);
}
