#ifndef HL_HEAD_H
#define HL_HEAD_H

#include <stddef.h>
#include <stdint.h>

/*
 * The head of an HTTP/1.x request: its first line and headers.  Strict: what two
 * readers could understand in two ways is refused.  No I/O.
 */
#define HEAD_MAX_HEADERS 100

struct head {
	char *text;                /* what the others point into; NULL: nothing read */
	const char *method, *path; /* path: without scheme, host and query; "" for other forms */
	int minor;                 /* of HTTP/1.x */
	size_t n;
	struct {
		const char *name, *value;
	} headers[HEAD_MAX_HEADERS];
	uint64_t length; /* of the body; 0 when chunked */
	int chunked;
	int close;   /* the client wants no other request */
	int expects; /* it waits for 100 Continue */
};

/*
 * Takes `text` of n bytes (malloc'ed, room for a NUL behind), up to the empty line.
 * 0, or a status with *why, when it is none; head_free it in both cases.
 */
int head_read(struct head *h, char *text, size_t n, const char **why);
void head_free(struct head *h);
/* A header's value by name in any case, or NULL; of several the first. */
const char *head_find(const struct head *h, const char *name);
/* Whether the word is in a comma-separated list, in any case. */
int head_lists(const char *list, const char *word);

/* Digits of the base only, all of them; -1 when not a number or beyond 2^62. */
int64_t head_number(const char *digits, size_t n, int base);

#endif
