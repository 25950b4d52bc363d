#include "config.h"

#include "opsd/cluster/warnings_priv.h"

#include "common/base/iso.h"
#include "opsd/cluster/replication.h"

/* What waits in the log while the stream cannot be had. */

/* How many of them are no longer there; *waiting: of those that are. */
static uint64_t
count_waiting(struct txlog *l, uint64_t *waiting)
{
	uint64_t acked = l->acked_inc == l->incarnation ? l->acked : 0, trimmed = l->trimmed;
	uint64_t durable = l->durable, from = acked > trimmed ? acked : trimmed;

	*waiting = durable > from ? durable - from : 0;
	return (trimmed > acked ? trimmed - acked : 0);
}

void
warnings_waiting(struct replication *rep, const json_t *leaf, json_t *list)
{
	struct txlog *l = &rep->data->log;
	const json_t *why = json_object_get(json_object_get(leaf, "server"), "error");
	uint64_t waiting, gone = count_waiting(l, &waiting), since;
	json_t *o, *message;
	char when[ISO_TEXT];

	if (!json_is_string(why) || waiting + gone == 0)
		return;
	since = txlog_ms(l, l->durable - waiting + 1);
	message = json_sprintf(
	    "%llu transactions since %s are in the log and not in the stream: other nodes get them "
	    "when the stream can be had again%s",
	    (unsigned long long)waiting, iso_text((int64_t)since, when),
	    gone == 0 ? "" :
			". Older ones are no longer kept, as the log is at its limit, three times "
			"clustering.leafServer.streams.maxAge or maxBytes: they get copies of the "
			"tables instead");
	o = warnings_add(list, "log_waits", message);
	json_object_set_new(o, "transactions", json_integer((json_int_t)waiting));
	json_object_set_new(o, "given_up", json_integer((json_int_t)gone));
	json_object_set_new(o, "since", json_integer((json_int_t)since));
}
