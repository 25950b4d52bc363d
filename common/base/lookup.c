#include "config.h"

#include "common/base/lookup.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/mem.h"

struct addrinfo *
lookup_host(const char *name, int flags, uint64_t until)
{
	/* What it reads has to stay as long as it may. */
	struct {
		struct gaicb ask;
		struct addrinfo hints;
		char name[NI_MAXHOST];
	} *l = xcalloc(1, sizeof(*l));
	struct gaicb *list[] = { &l->ask };
	const struct gaicb *wait[] = { &l->ask };
	struct addrinfo *found = NULL;
	struct timespec left;
	uint64_t now = mono_us();

	left.tv_sec = now < until ? (time_t)((until - now) / 1000000) : 0;
	left.tv_nsec = now < until ? (long)((until - now) % 1000000 * 1000) : 0;
	strncpy(l->name, name, sizeof(l->name) - 1);
	l->hints.ai_socktype = SOCK_STREAM;
	l->hints.ai_flags = flags;
	l->ask.ar_name = l->name;
	l->ask.ar_request = &l->hints;
	if (getaddrinfo_a(GAI_NOWAIT, list, 1, NULL) == 0)
		(void)gai_suspend(wait, 1, &left);
	if (gai_error(&l->ask) == EAI_INPROGRESS && gai_cancel(&l->ask) == EAI_NOTCANCELED)
		return (NULL);
	if (gai_error(&l->ask) == 0)
		found = l->ask.ar_result;
	free(l);
	return (found);
}
