#ifndef HL_DIALERS_H
#define HL_DIALERS_H

#include <jansson.h>
#include <stdint.h>

/*
 * Whether any node has a route to this one, which has none of its own, from what the hubds of all
 * say (mesh_read_pong).  Only a node's own word that it has none any more takes back its word that
 * it has one: of whoever is away what was said last holds.  No I/O.
 */
struct dialers;

enum dialers_state {
	DIALERS_SOME, /* one has, or it cannot be known */
	DIALERS_NONE, /* none that is there, but it may still lead here or was never heard of */
	DIALERS_ENDED /* whoever had one says that there is none, and so does everybody else */
};

struct dialers *dialers_new(const char *name);
void dialers_free(struct dialers *d);

void dialers_on_word(struct dialers *d, uint64_t now, const json_t *pong);
/* `linked`: names that our hub has links with; who of them has said nothing since may have a route. */
enum dialers_state dialers_look(const struct dialers *d, const json_t *linked, uint64_t since);

#endif
