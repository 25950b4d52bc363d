#include "config.h"

#include "common/base/iso.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Exactly n digits; -1 when there are others. */
static int
read_digits(const char **s, int n)
{
	int v = 0;

	for (; n > 0; n--, (*s)++) {
		if (**s < '0' || **s > '9')
			return (-1);
		v = v * 10 + (**s - '0');
	}
	return (v);
}

static int
skip_one_of(const char **s, const char *any)
{
	if (**s == '\0' || strchr(any, **s) == NULL)
		return (0);
	(*s)++;
	return (1);
}

/* Milliseconds of the day, -1 when it is no time. */
static int64_t
clock_ms(const char **s)
{
	int hour = read_digits(s, 2), minute, second = 0, unit = 100, ms = 0;

	if (hour < 0 || hour > 23 || !skip_one_of(s, ":") || (minute = read_digits(s, 2)) < 0 ||
	    minute > 59)
		return (-1);
	if (skip_one_of(s, ":") && ((second = read_digits(s, 2)) < 0 || second > 59))
		return (-1);
	if (skip_one_of(s, ".,")) {
		if (**s < '0' || **s > '9')
			return (-1);
		for (; **s >= '0' && **s <= '9'; (*s)++, unit /= 10)
			ms += (**s - '0') * unit;
	}
	return (((hour * 60 + minute) * 60 + second) * INT64_C(1000) + ms);
}

/* What the zone is ahead of UTC; INT64_MIN when it is no zone. */
static int64_t
zone_ms(const char **s)
{
	int sign, hours, minutes = 0;

	if (**s == '\0' || skip_one_of(s, "Zz"))
		return (0);
	sign = **s == '-' ? -1 : 1;
	if (!skip_one_of(s, "+-") || (hours = read_digits(s, 2)) < 0 || hours > 23)
		return (INT64_MIN);
	if (**s != '\0') {
		skip_one_of(s, ":");
		if ((minutes = read_digits(s, 2)) < 0 || minutes > 59)
			return (INT64_MIN);
	}
	return (sign * (hours * 60 + minutes) * INT64_C(60000));
}

int64_t
iso_ms(const char *s, int *day)
{
	struct tm tm = { 0 }, back;
	int year = read_digits(&s, 4), month = 0, date = 0;
	int64_t ms = 0, zone = 0;
	time_t t;

	if (year < 0 || !skip_one_of(&s, "-") || (month = read_digits(&s, 2)) < 0 ||
	    !skip_one_of(&s, "-") || (date = read_digits(&s, 2)) < 0)
		return (-1);
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	tm.tm_mday = date;
	back = tm;
	t = timegm(&back);
	if (back.tm_mon != tm.tm_mon || back.tm_mday != tm.tm_mday || back.tm_year != tm.tm_year)
		return (-1); /* the 31st of a month that has 30 */
	if (day != NULL)
		*day = *s == '\0';
	if (*s != '\0' &&
	    (!skip_one_of(&s, "Tt ") || (ms = clock_ms(&s)) == -1 ||
		(zone = zone_ms(&s)) == INT64_MIN || *s != '\0'))
		return (-1);
	ms += (int64_t)t * 1000 - zone;
	return (ms >= 0 ? ms : -1);
}

char *
iso_text(int64_t ms, char out[ISO_TEXT])
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm;
	size_t n = strftime(out, ISO_TEXT, "%Y-%m-%dT%H:%M:%S", gmtime_r(&t, &tm));

	snprintf(out + n, ISO_TEXT - n, ".%03dZ", (int)(ms % 1000));
	return (out);
}
