#include "config.h"

#include "common/conf/yaml_priv.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Words without quotes, as in YAML 1.2's core schema. */

static int
yaml_is_one_of(const char *s, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcmp(s, *words) == 0)
			return (1);
	return (0);
}

/* The length of a run of digits. */
static size_t
yaml_digits(const char *s)
{
	return (strspn(s, "0123456789"));
}

static int
yaml_is_int(const char *s)
{
	s += *s == '-' || *s == '+';
	return (*s != '\0' && s[yaml_digits(s)] == '\0');
}

int
yaml_is_float(const char *s)
{
	size_t whole, part = 0;

	s += *s == '-' || *s == '+';
	whole = yaml_digits(s);
	s += whole;
	if (*s == '.') {
		part = yaml_digits(++s);
		s += part;
	}
	if (whole + part == 0)
		return (0);
	if (*s == 'e' || *s == 'E') {
		s++;
		s += *s == '-' || *s == '+';
		if (yaml_digits(s) == 0)
			return (0);
		s += yaml_digits(s);
	}
	return (*s == '\0');
}

static json_t *
yaml_radix(const char *s)
{
	const char *set;
	int radix;

	if (strncmp(s, "0x", 2) == 0) {
		set = "0123456789abcdefABCDEF";
		radix = 16;
	} else if (strncmp(s, "0o", 2) == 0) {
		set = "01234567";
		radix = 8;
	} else
		return (NULL);
	s += 2;
	if (*s == '\0' || s[strspn(s, set)] != '\0')
		return (NULL);
	return (json_integer(strtoll(s, NULL, radix)));
}

json_t *
yaml_plain(const char *s)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
	static const char *const trues[] = { "true", "True", "TRUE", NULL };
	static const char *const falses[] = { "false", "False", "FALSE", NULL };
	long long i;
	double d;

	if (yaml_is_one_of(s, nulls))
		return (json_null());
	if (yaml_is_one_of(s, trues))
		return (json_true());
	if (yaml_is_one_of(s, falses))
		return (json_false());
	if (yaml_is_int(s)) {
		errno = 0;
		i = strtoll(s, NULL, 10);
		if (errno == 0)
			return (json_integer(i));
	}
	if (yaml_is_float(s)) {
		d = strtod(s, NULL);
		return (isfinite(d) ? json_real(d) : NULL);
	}
	return (yaml_radix(s));
}
