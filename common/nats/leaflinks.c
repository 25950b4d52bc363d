#include "config.h"

#include "common/nats/leaflinks.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "common/base/mem.h"

#define LINKS_MAX 65536

struct leaflink {
	char *address;
	uint64_t number;
	UT_hash_handle hh;
};

struct leaflinks {
	struct leaflink *links;
};

struct leaflinks *
leaflinks_new(void)
{
	return (xcalloc(1, sizeof(struct leaflinks)));
}

static void
forget_leaflink(struct leaflinks *l, struct leaflink *one)
{
	if (one == NULL)
		return;
	HASH_DEL(l->links, one);
	free(one->address);
	free(one);
}

static void
forget_leaflinks(struct leaflinks *l)
{
	struct leaflink *one, *tmp;

	HASH_ITER(hh, l->links, one, tmp)
		forget_leaflink(l, one);
}

void
leaflinks_free(struct leaflinks *l)
{
	forget_leaflinks(l);
	free(l);
}

static struct leaflink *
leaflink_at(const struct leaflinks *l, const char *address)
{
	struct leaflink *one;

	HASH_FIND_STR(l->links, address, one);
	return (one);
}

/* Takes the address. */
static void
note_leaflink(struct leaflinks *l, char *address, uint64_t number)
{
	struct leaflink *one;

	forget_leaflink(l, leaflink_at(l, address));
	if (HASH_COUNT(l->links) >= LINKS_MAX) {
		free(address);
		return;
	}
	one = xcalloc(1, sizeof(*one));
	one->address = address;
	one->number = number;
	HASH_ADD_KEYPTR(hh, l->links, one->address, strlen(one->address), one);
}

/* "10.0.0.2:5 - lid:6 - Leafnode connection created", by WebSocket "lid_ws:6". */
void
leaflinks_line(struct leaflinks *l, const char *text)
{
	const char *dash = strstr(text, " - lid"),
		   *said = dash != NULL ? strstr(dash + 3, " - ") : NULL;
	const char *colon = dash != NULL ? strchr(dash, ':') : NULL;
	char *address;

	if (strncmp(text, "Starting nats-server", 20) == 0)
		forget_leaflinks(l); /* it counts from 1 again */
	if (said == NULL || colon == NULL || colon > said)
		return;
	address = xstrndup(text, (size_t)(dash - text));
	if (strncmp(said, " - Leafnode connection created", 30) == 0)
		note_leaflink(l, address, strtoull(colon + 1, NULL, 10));
	else {
		if (strncmp(said, " - Leafnode connection closed", 29) == 0)
			forget_leaflink(l, leaflink_at(l, address));
		free(address);
	}
}

uint64_t
leaflinks_number(const struct leaflinks *l, const char *address)
{
	const struct leaflink *one = leaflink_at(l, address);

	return (one != NULL ? one->number : 0);
}
