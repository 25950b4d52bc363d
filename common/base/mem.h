#ifndef HL_MEM_H
#define HL_MEM_H

#include <stddef.h>

/* Memory that is there or the process ends: cap what comes from outside first. */
void *xmalloc(size_t n);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n);
char *xstrdup(const char *s); /* NULL gives NULL */
char *xstrndup(const char *s, size_t n);
void *xmemdup(const void *p, size_t n);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Frees a text with a secret in it, of which nothing stays in memory; it may be NULL. */
void mem_wipe(char *text);

/*
 * Once, before there are other threads: what is large goes back to the system when it is
 * freed.  Left alone glibc learns from the first such block to keep all later ones.
 */
void mem_give_back(void);

#endif
