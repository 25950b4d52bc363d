#include "config.h"

#include "opsd/cluster/discovery.h"

#include "opsd/cluster/nodes.h"
#include "opsd/cluster/roster.h"

static int
is_full_member(struct replication *rep, const uint8_t *id, uint64_t *introduced_ms)
{
	struct roster_member m = { 0 };
	int full = roster_member(rep->roster, id, &m) && m.full && !m.removed;

	*introduced_ms = m.introduced_ms;
	roster_member_clear(&m);
	return (full);
}

int
discovery_links(struct replication *rep, const uint8_t *id)
{
	uint64_t ms;

	return (is_full_member(rep, rep->data->node_id, &ms) && is_full_member(rep, id, &ms));
}

int
discovery_returns(struct replication *rep, const uint8_t *id)
{
	uint64_t ms;

	return (is_full_member(rep, id, &ms) && roster_introduced_here(rep->roster, id) &&
	    !nodes_any_active(rep->nodes));
}

static int
add_dial_of(const struct roster_member *m, void *arg)
{
	if (m->full && m->url != NULL)
		json_array_append_new(arg, json_string(m->url));
	return (0);
}

void
discovery_dials(struct replication *rep, json_t *list)
{
	uint64_t ms;

	if (is_full_member(rep, rep->data->node_id, &ms))
		roster_each(rep->roster, add_dial_of, list);
}

uint64_t
discovery_since(struct replication *rep, const uint8_t *id)
{
	uint64_t own, its;

	is_full_member(rep, rep->data->node_id, &own);
	is_full_member(rep, id, &its);
	return (own > its ? own : its);
}
