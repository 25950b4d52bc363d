#include "config.h"

#include "health.h"

#include "commit.h"
#include "ops.h"

/* A commit takes milliseconds: a disk that needs as long does not answer any more. */
#define STUCK_MS	10000

/*
 * A store that failed to write is not among them: the process ends and a new one that
 * cannot open it does not listen.
 */
const char *
ops_unhealthy(struct ops *ops)
{
	uint64_t busy = commit_busy_ms(ops->commit);

	if (store_free_bytes(ops->store) < ops->live.reserve)
		return ("writes are refused: free disk is below storage.reserve");
	if (commit_ahead_ms(ops->commit) > ops->live.max_skew_ms)
		return ("writes are refused: this node's clock was set back by more than "
		    "clustering.maxClockSkew");
	if (busy > STUCK_MS || busy > ops->live.queue_ms)
		return ("writes wait: the disk does not answer");
	if (commit_waited_ms(ops->commit) > ops->live.queue_ms)
		return ("writes are refused: they wait longer than storage.maxTransactionQueueTime");
	return (NULL);
}
