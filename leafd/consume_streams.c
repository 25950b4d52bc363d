#include "config.h"

#include <stdint.h>
#include <stdlib.h>

#include "common/nats/subject.h"
#include "leafd/consume_priv.h"
#include "leafd/jsapi.h"

/*
 * How many streams a peer has is seen from their names, and looked for when one that was consumed is
 * no more: who changes the number deletes those of before.
 */

/* Of one of several numbers all streams are there, of others some: 0. */
static unsigned
number_of(const struct consumer *cr, const json_t *list)
{
	uint32_t there[SHARDS_MAX + 1] = { 0 };
	const json_t *name;
	struct shard s;
	unsigned n;
	size_t i;

	json_array_foreach(list, i, name) {
		s = json_is_string(name) ?
		    subject_stream_shard(jsapi_names(cr->c->a), cr->peer, json_string_value(name)) :
		    (struct shard){ 0, 0 };
		there[s.n] |= 1u << s.k;
	}
	/* What is consumed is there again. */
	if (there[cr->shard.n] == (1u << cr->shard.n) - 1)
		return (0);
	for (n = 2; n <= SHARDS_MAX; n++)
		if (there[n] == (1u << n) - 1)
			return (n);
	return (json_array_size(list) == 0 ? 1 : 0);
}

static void
on_names(const struct jsapi_answer *ans, void *arg)
{
	struct consumer *cr = arg;
	unsigned n;

	if (ans->why != NULL)
		return; /* it is asked again with the next attempt */
	n = number_of(cr, json_object_get(ans->root, "streams"));
	if (n != 0 && n != cr->shard.n)
		consume_streams(cr, n);
}

void
consume_look(struct consumer *cr)
{
	char *subject = jsapi_subject(cr->c->a, cr->peer, "STREAM.NAMES", NULL);
	char *several = subject_txns(jsapi_names(cr->c->a), cr->peer, (struct shard){ 0, 0 });

	jsapi_ask(cr->c->a, &cr->call, subject, json_pack("{s:s}", "subject", several), on_names,
	    cr);
	free(several);
	free(subject);
}
