#include "config.h"

#include "common/base/mem.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"

#define LARGE (4 << 20) /* a password's hash takes 16 MiB for a moment, a frame 64 KiB */
#define SPARE (2 << 20) /* free at the heap's end that is kept */

static void *
mem_need(void *p, size_t n)
{
	if (p == NULL)
		fatalx("out of memory (%zu bytes)", n);
	return (p);
}

void *
xmalloc(size_t n)
{
	return (mem_need(malloc(n ? n : 1), n));
}

void *
xcalloc(size_t n, size_t size)
{
	return (mem_need(calloc(n ? n : 1, size ? size : 1), n));
}

void *
xrealloc(void *p, size_t n)
{
	return (mem_need(realloc(p, n ? n : 1), n));
}

char *
xstrdup(const char *s)
{
	return (s == NULL ? NULL : xmemdup(s, strlen(s) + 1));
}

char *
xstrndup(const char *s, size_t n)
{
	return (mem_need(strndup(s, n), n));
}

void *
xmemdup(const void *p, size_t n)
{
	void *copy = xmalloc(n);

	if (n > 0)
		memcpy(copy, p, n);
	return (copy);
}

char *
xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		fatal("vasprintf");
	return (s);
}

void
mem_wipe(char *text)
{
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	free(text);
}

void
mem_give_back(void)
{
	mallopt(M_MMAP_THRESHOLD, LARGE);
	mallopt(M_TRIM_THRESHOLD, SPARE);
}
