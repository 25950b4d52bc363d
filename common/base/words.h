#ifndef HL_WORDS_H
#define HL_WORDS_H

#include <stdint.h>

/* "30d 1h 18m 8s": from the greatest unit that counts.  Caller frees. */
char *words_duration(uint64_t ms);
/* How many letters differ, are missing or too many; case does not count, and "." is "_". */
unsigned words_distance(const char *a, const char *b);
/* At this distance from it, another word is meant. */
unsigned words_too_far(const char *word);
/* The one that is meant by a misspelt word, of a list that NULL ends; NULL: none is near. */
const char *words_near(const char *word, const char *const *known);

/* The shortest text that is read as this finite number again; how long it is. */
#define WORDS_REAL 40
int words_real(char out[WORDS_REAL], double d);

#endif
