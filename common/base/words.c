#include "config.h"

#include "common/base/words.h"

#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"

#define NAME_MAX_LEN  128 /* of a name that is compared */
#define BEGINNING_MIN 3   /* letters that tell which name they begin */

static char
fold_char(char ch)
{
	return (ch == '.' ? '_' : (char)tolower((unsigned char)ch));
}

/* Levenshtein, one row at a time. */
unsigned
words_distance(const char *a, const char *b)
{
	unsigned row[NAME_MAX_LEN + 1], diag, up, best;
	size_t i, j, n = strnlen(a, NAME_MAX_LEN), m = strnlen(b, NAME_MAX_LEN);

	for (j = 0; j <= m; j++)
		row[j] = (unsigned)j;
	for (i = 1; i <= n; i++) {
		diag = row[0];
		row[0] = (unsigned)i;
		for (j = 1; j <= m; j++) {
			up = row[j];
			best = diag + (fold_char(a[i - 1]) != fold_char(b[j - 1]));
			if (up + 1 < best)
				best = up + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
			diag = up;
		}
	}
	return (row[m]);
}

unsigned
words_too_far(const char *word)
{
	return ((unsigned)strlen(word) / 4 + 2);
}

/* Who writes the beginning of a name has left out the rest. */
static unsigned
distance_to(const char *word, const char *known)
{
	size_t n = strlen(word);

	return (n >= BEGINNING_MIN && strncmp(word, known, n) == 0 ? 1 :
								     words_distance(word, known));
}

const char *
words_near(const char *word, const char *const *known)
{
	unsigned d, least = words_too_far(word);
	const char *nearest = NULL;

	for (; *known != NULL; known++)
		if ((d = distance_to(word, *known)) < least) {
			least = d;
			nearest = *known;
		}
	return (nearest);
}

char *
words_duration(uint64_t ms)
{
	static const struct {
		uint64_t seconds;
		char unit;
	} units[] = {
		{ 86400, 'd' },
		{ 3600, 'h' },
		{ 60, 'm' },
		{ 1, 's' },
	};
	struct buf b = { 0 };
	uint64_t left = ms / 1000;

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (b.len > 0 || left >= units[i].seconds || units[i].seconds == 1)
			buf_addf(&b, "%s%llu%c", b.len > 0 ? " " : "",
			    (unsigned long long)(left / units[i].seconds), units[i].unit);
		left %= units[i].seconds;
	}
	buf_u8(&b, 0);
	return ((char *)buf_take(&b, NULL));
}

int
words_real(char out[WORDS_REAL], double d)
{
	int digits, n = 0;

	/* Those below DBL_MIN have fewer digits. */
	for (digits = fabs(d) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
		n = snprintf(out, WORDS_REAL, "%.*g", digits, d);
		if (strtod(out, NULL) == d)
			break;
	}
	return (n);
}
