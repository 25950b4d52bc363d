#include "config.h"

#include "opsd/cli/cli_plain.h"

size_t
cli_control(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	if (s[0] < ' ' || s[0] == 0x7f)
		return (1);
	return (s[0] == 0xc2 && s[1] >= 0x80 && s[1] <= 0x9f ? 2 : 0);
}

void
cli_plain(struct buf *out, const char *text)
{
	size_t n;

	for (; *text != '\0'; text += n > 0 ? n : 1) {
		n = cli_control(text);
		buf_u8(out, n > 0 ? '?' : (uint8_t)*text);
	}
}
