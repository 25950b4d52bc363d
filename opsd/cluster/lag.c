#include "config.h"

#include "opsd/cluster/lag.h"

#include "common/base/clock.h"
#include "opsd/cluster/cluster.h"
#include "opsd/cluster/cursors.h"
#include "opsd/store/catalog.h"

/* Nothing waits for longer than until now, whatever the clock was when the newest was written. */
static struct lag
ms_between(uint64_t seq, uint64_t ms, uint64_t head, uint64_t head_ms)
{
	uint64_t now = wall_ms();

	if (head <= seq)
		return ((struct lag){ 0, 0 });
	if (head_ms > now)
		head_ms = now;
	return ((struct lag){ head - seq,
	    ms != 0 && head_ms >= ms ? (int64_t)(head_ms - ms) : -1 });
}

struct lag
lag_received(const struct cursor_view *cur)
{
	return (ms_between(cur->seq, cur->ms, cur->head, cur->head_ms));
}

struct lag
lag_sent(const struct table *t, const struct peer_view *v)
{
	uint64_t ms, seq = peer_view_has(v, t->id, &ms);
	struct log_pos head = table_head(t);

	return (ms_between(seq, ms, head.seq, head.ms));
}
