#include "config.h"

#include "opsd/cli/cli_plain.h"

/* The bytes of the control character that begins there; 0: it is none. */
static size_t
control_len(const unsigned char *s)
{
	if (s[0] < ' ' || s[0] == 0x7f)
		return (1);
	return (s[0] == 0xc2 && s[1] >= 0x80 && s[1] <= 0x9f ? 2 : 0);
}

void
cli_plain(struct buf *out, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t n;

	while (*s != '\0') {
		n = control_len(s);
		buf_u8(out, n > 0 ? '?' : *s);
		s += n > 0 ? n : 1;
	}
}
