#include "config.h"

#include "health.h"

#include <string.h>

#include "commit.h"
#include "ops.h"
#include "sysrow.h"

/* A commit takes milliseconds: a disk that needs as long does not answer any more. */
#define STUCK_MS	10000

/*
 * A store that failed to write is not among them: the process ends and a new one that
 * cannot open it does not listen.
 */
const char *
ops_refuses_writes(struct ops *ops)
{
	uint64_t busy = commit_busy_ms(ops->data.commit);

	if (store_read_only(ops->data.store))
		return ("writes are refused: the disk is full, and the store could only be opened for "
		    "reading");
	if (store_free_bytes(ops->data.store) < ops->data.live.reserve)
		return ("writes are refused: free disk is below storage.reserve");
	if (commit_ahead_ms(ops->data.commit) > ops->data.live.max_skew_ms)
		return ("writes are refused: this node's clock was set back by more than "
		    "clustering.maxClockSkew, or was ahead by that before");
	if (busy > STUCK_MS || busy > ops->data.live.queue_ms)
		return ("writes wait: the disk does not answer");
	if (commit_waited_ms(ops->data.commit) > ops->data.live.queue_ms)
		return ("writes are refused: they wait longer than storage.maxTransactionQueueTime");
	return (NULL);
}

const char *
ops_unhealthy(struct ops *ops)
{
	const char *why = ops_refuses_writes(ops);

	if (why == NULL && ops->unavailable)
		why = "out of service: set_status made its availability Unavailable";
	return (why);
}

void
health_load(struct ops *ops)
{
	json_t *row = sysrow_get(&ops->data, SYS_STATUS, "availability");
	const char *status = json_string_value(json_object_get(row, "status"));

	ops->unavailable = status != NULL && strcmp(status, "Unavailable") == 0;
	json_decref(row);
}
