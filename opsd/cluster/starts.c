#include "config.h"

#include "opsd/cluster/starts.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "common/base/mem.h"

#define STARTS_MAX 4 /* of one node that are remembered */
#define TURNS      2 /* one that was late is no other node */

struct node_start {
	char *boot; /* NULL: none */
	uint64_t asked_ms;
};

struct node_starts {
	uint8_t id[NODE_ID_LEN];
	struct node_start all[STARTS_MAX];
	struct node_start *newest;
	int turns; /* how often one came back that was not the newest */
	UT_hash_handle hh;
};

struct starts {
	struct node_starts *nodes;
};

struct starts *
starts_new(void)
{
	return (xcalloc(1, sizeof(struct starts)));
}

void
starts_free(struct starts *s)
{
	struct node_starts *n, *tmp;

	if (s == NULL)
		return;
	HASH_ITER(hh, s->nodes, n, tmp) {
		for (int i = 0; i < STARTS_MAX; i++)
			free(n->all[i].boot);
		HASH_DEL(s->nodes, n);
		free(n);
	}
	free(s);
}

static struct node_starts *
starts_of(struct starts *s, const uint8_t *id)
{
	struct node_starts *n;

	HASH_FIND(hh, s->nodes, id, NODE_ID_LEN, n);
	if (n == NULL) {
		n = xcalloc(1, sizeof(*n));
		memcpy(n->id, id, NODE_ID_LEN);
		HASH_ADD(hh, s->nodes, id, NODE_ID_LEN, n);
	}
	return (n);
}

/* The one with that mark; a new one takes the place of whichever asked least lately. */
static struct node_start *
which_start(struct node_starts *n, const char *boot)
{
	struct node_start *oldest = &n->all[0];

	for (int i = 0; i < STARTS_MAX; i++) {
		struct node_start *one = &n->all[i];

		if (one->boot != NULL && strcmp(one->boot, boot) == 0)
			return (one);
		if (one->asked_ms < oldest->asked_ms)
			oldest = one;
	}
	free(oldest->boot);
	*oldest = (struct node_start){ xstrdup(boot), 0 };
	return (oldest);
}

static int
others_there(const struct node_starts *n, const struct node_start *but, uint64_t now_ms)
{
	for (int i = 0; i < STARTS_MAX; i++)
		if (&n->all[i] != but && n->all[i].boot != NULL &&
		    n->all[i].asked_ms + STARTS_KEPT_MS > now_ms)
			return (1);
	return (0);
}

int
starts_ask(struct starts *s, const uint8_t id[NODE_ID_LEN], const char *boot, uint64_t now_ms)
{
	struct node_starts *n = starts_of(s, id);
	struct node_start *one = which_start(n, boot);

	if (one != n->newest && one->asked_ms != 0)
		n->turns++;
	one->asked_ms = now_ms;
	n->newest = one;
	if (!others_there(n, one, now_ms))
		n->turns = 0;
	return (n->turns >= TURNS);
}
