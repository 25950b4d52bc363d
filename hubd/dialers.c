#include "config.h"

#include "hubd/dialers.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "common/base/mem.h"
#include "hubd/mesh.h"

#define NODES_MAX 4096 /* a cluster is far smaller: more is a mistake */

struct dialer {
	char *key; /* its id, or its name when that is not told */
	char *name;
	uint64_t said; /* when it spoke last */
	int knows;     /* it said then where its routes lead */
	int dials;     /* one of those routes leads here */
	int sure;      /* or that none of them can lead here */
	int holds;     /* it said that one leads here, and not the opposite since */
	int held;      /* one of its routes led here at some time */
	UT_hash_handle hh;
};

struct dialers {
	char *name;
	struct dialer *nodes;
};

struct dialers *
dialers_new(const char *name)
{
	struct dialers *d = xcalloc(1, sizeof(*d));

	d->name = xstrdup(name);
	return (d);
}

void
dialers_free(struct dialers *d)
{
	struct dialer *n, *tmp;

	if (d == NULL)
		return;
	HASH_ITER(hh, d->nodes, n, tmp) {
		HASH_DEL(d->nodes, n);
		free(n->key);
		free(n->name);
		free(n);
	}
	free(d->name);
	free(d);
}

/* NULL when there are too many. */
static struct dialer *
dialer_get(struct dialers *d, const char *id, const char *name)
{
	const char *key = *id != '\0' ? id : name;
	struct dialer *n;

	HASH_FIND_STR(d->nodes, key, n);
	if (n == NULL && HASH_COUNT(d->nodes) < NODES_MAX) {
		n = xcalloc(1, sizeof(*n));
		n->key = xstrdup(key);
		HASH_ADD_KEYPTR(hh, d->nodes, n->key, strlen(n->key), n);
	}
	if (n != NULL && (n->name == NULL || strcmp(n->name, name) != 0)) {
		free(n->name);
		n->name = xstrdup(name);
	}
	return (n);
}

void
dialers_on_word(struct dialers *d, uint64_t now, const json_t *pong)
{
	const char *name = json_string_value(json_object_get(pong, "name"));
	const json_t *dials = json_object_get(pong, "dials");
	struct dialer *n;

	if (strcmp(name, d->name) == 0)
		return;
	n = dialer_get(d, json_string_value(json_object_get(pong, "node_id")), name);
	if (n == NULL)
		return;
	n->said = now;
	n->knows = json_is_array(dials);
	n->dials = mesh_has_name(dials, d->name);
	/* Each of its routes leads to a node, and none of these is ours. */
	n->sure = n->knows && !n->dials &&
	    json_array_size(json_object_get(pong, "routes")) <= json_array_size(dials);
	n->holds = n->dials || (n->holds && !n->sure);
	n->held |= n->dials;
}

static int
has_spoken(const struct dialers *d, const char *name, uint64_t since)
{
	const struct dialer *n;

	for (n = d->nodes; n != NULL; n = n->hh.next)
		if (n->said >= since && strcmp(n->name, name) == 0)
			return (1);
	return (0);
}

static int
all_spoke(const struct dialers *d, const json_t *names, uint64_t since)
{
	const json_t *name;
	size_t i;

	json_array_foreach(names, i, name)
		if (!has_spoken(d, json_string_value(name), since))
			return (0);
	return (1);
}

static int
may_dial(const struct dialer *n, uint64_t since)
{
	return (n->said < since ? n->holds : n->dials || !n->knows);
}

enum dialers_state
dialers_look(const struct dialers *d, const json_t *linked, uint64_t since)
{
	const struct dialer *n;
	int doubt = 0, held = 0;

	if (!all_spoke(d, linked, since))
		return (DIALERS_SOME);
	for (n = d->nodes; n != NULL; n = n->hh.next) {
		if (may_dial(n, since))
			return (DIALERS_SOME);
		doubt |= n->said >= since && !n->sure;
		held |= n->held;
	}
	return (held && !doubt ? DIALERS_ENDED : DIALERS_NONE);
}
