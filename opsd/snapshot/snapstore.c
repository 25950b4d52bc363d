#include "config.h"

#include "opsd/snapshot/snapstore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/conf/settings.h"

#define SUFFIX   ".snapshot"
#define TIME_LEN 20 /* 20261129T114500.123Z */
#define HEX_LEN  (2 * NODE_ID_LEN)

void
snapstore_name(char out[SNAPSTORE_NAME], uint64_t taken_ms, const uint8_t *node)
{
	char when[32], hex[HEX_LEN + 1];
	time_t t = (time_t)(taken_ms / 1000);
	struct tm tm;

	node_id_hex(node, hex);
	strftime(when, sizeof(when), "%Y%m%dT%H%M%S", gmtime_r(&t, &tm));
	snprintf(out, SNAPSTORE_NAME, "%.15s.%03uZ-%s%s", when, (unsigned)(taken_ms % 1000), hex,
	    SUFFIX);
}

uint64_t
snapstore_taken_ms(const char *name)
{
	unsigned year, month, day, hour, minute, second, ms;
	struct tm tm = { 0 };
	int end = 0;
	time_t t;

	if (strlen(name) != TIME_LEN + 1 + HEX_LEN + strlen(SUFFIX) ||
	    sscanf(name, "%4u%2u%2uT%2u%2u%2u.%3uZ-%n", &year, &month, &day, &hour, &minute,
		&second, &ms, &end) != 7 ||
	    end != TIME_LEN + 1 || strspn(name + end, "0123456789abcdef") != HEX_LEN ||
	    strcmp(name + end + HEX_LEN, SUFFIX) != 0)
		return (0);
	tm.tm_year = (int)year - 1900;
	tm.tm_mon = (int)month - 1;
	tm.tm_mday = (int)day;
	tm.tm_hour = (int)hour;
	tm.tm_min = (int)minute;
	tm.tm_sec = (int)second;
	t = timegm(&tm);
	return (t > 0 ? (uint64_t)t * 1000 + ms : 0);
}

static int
compare_items(const void *a, const void *b)
{
	const struct snapstore_item *x = a, *y = b;

	return (strcmp(y->name, x->name));
}

void
snapstore_sort(struct snapstore_item *items, size_t n)
{
	qsort(items, n, sizeof(*items), compare_items);
}
