#include "config.h"

#include "opsd/cluster/peer_view.h"

#include <stdlib.h>
#include <string.h>

#include "opsd/cluster/positions.h"

void
peer_view_clear(struct peer_view *v)
{
	json_decref(v->system_info);
	positions_free(v->received);
	free(v->refused);
	memset(v, 0, sizeof(*v));
}

uint64_t
peer_view_has(const struct peer_view *v, uint32_t table, uint64_t *ms)
{
	struct position at = { 0 };

	/* What it has of another incarnation is not of this log. */
	if (positions_get(v->received, table, &at) == -1 || at.incarnation != v->incarnation)
		at = (struct position){ 0 };
	if (ms != NULL)
		*ms = at.ms;
	return (at.seq);
}
