#include "config.h"

#include "opsd/watch/health.h"

#include <string.h>

#include "opsd/store/commit.h"
#include "opsd/store/sysrow.h"
#include "opsd/watch/watch.h"

/* A commit takes milliseconds: a disk that needs as long does not answer any more. */
#define STUCK_MS 10000

/*
 * A store that failed to write is not among them: the process ends and a new one that
 * cannot open it does not listen.
 */
const char *
health_write_fault(struct watch *w)
{
	uint64_t busy = commit_busy_ms(w->data->commit);

	if (store_read_only(w->data->store))
		return (
		    "writes are refused: the disk is full, and the store could only be opened for "
		    "reading");
	if (store_free_bytes(w->data->store) < w->data->live.reserve)
		return ("writes are refused: free disk is below storage.reserve");
	if (commit_ahead_ms(w->data->commit) > w->data->live.max_skew_ms)
		return ("writes are refused: this node's clock was set back by more than "
			"clustering.maxClockSkew, or was ahead by that before");
	if (busy > STUCK_MS || busy > w->data->live.queue_ms)
		return ("writes wait: the disk does not answer");
	if (commit_waited_ms(w->data->commit) > w->data->live.queue_ms)
		return (
		    "writes are refused: they wait longer than storage.maxTransactionQueueTime");
	return (NULL);
}

const char *
health_fault(struct watch *w)
{
	const char *why = health_write_fault(w);

	if (why == NULL && w->unavailable)
		why = "out of service: set_status made its availability Unavailable";
	return (why);
}

void
health_load(struct watch *w)
{
	json_t *row = sysrow_get(w->data, SYS_STATUS, "availability");
	const char *status = json_string_value(json_object_get(row, "status"));

	w->unavailable = status != NULL && strcmp(status, "Unavailable") == 0;
	json_decref(row);
}
