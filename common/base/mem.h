#ifndef HL_MEM_H
#define HL_MEM_H

#include <stddef.h>
#include <string.h>

/* Memory that is there or the process ends: cap what comes from outside first. */
void *xmalloc(size_t n);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n);
char *xstrdup(const char *s); /* NULL gives NULL */
char *xstrndup(const char *s, size_t n);
void *xmemdup(const void *p, size_t n);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Byte by byte; of one that begins with all of the other, that is less.  What is empty may be NULL. */
static inline int
mem_order(const void *a, size_t alen, const void *b, size_t blen)
{
	size_t n = alen < blen ? alen : blen;
	int d = n > 0 ? memcmp(a, b, n) : 0;

	return (d != 0 ? d : (alen > blen) - (alen < blen));
}

/* Frees a text with a secret in it, of which nothing stays in memory; it may be NULL. */
void mem_wipe(char *text);

/*
 * Once, before there are other threads: what is large goes back to the system when it is
 * freed.  Left alone glibc learns from the first such block to keep all later ones.
 */
void mem_give_back(void);

#endif
