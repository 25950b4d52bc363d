#include "config.h"

#include "words.h"

#include "buf.h"

char *
words_duration(uint64_t ms)
{
	static const struct {
		uint64_t	seconds;
		char		unit;
	} units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	struct buf	 b = { 0 };
	uint64_t	 left = ms / 1000;

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (b.len > 0 || left >= units[i].seconds || units[i].seconds == 1)
			buf_addf(&b, "%s%llu%c", b.len > 0 ? " " : "",
			    (unsigned long long)(left / units[i].seconds), units[i].unit);
		left %= units[i].seconds;
	}
	buf_u8(&b, 0);
	return ((char *)buf_take(&b, NULL));
}
