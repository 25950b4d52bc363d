#include "config.h"

#include "common/base/hex.h"

#include <string.h>

void
hex_text(const void *p, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *b = p;

	for (; n > 0; n--, b++) {
		*out++ = digits[*b >> 4];
		*out++ = digits[*b & 15];
	}
	*out = '\0';
}

static int
hex_digit(char ch)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *at = ch != '\0' ? strchr(digits, ch) : NULL;

	return (at != NULL ? (int)((at - digits) % 16) : -1);
}

int
hex_read(const char *text, uint8_t *out, size_t n)
{
	int high, low;

	if (text == NULL || strlen(text) != 2 * n)
		return (-1);
	for (; n > 0; n--, text += 2) {
		high = hex_digit(text[0]);
		low = hex_digit(text[1]);
		if (high == -1 || low == -1)
			return (-1);
		*out++ = (uint8_t)(high << 4 | low);
	}
	return (0);
}
