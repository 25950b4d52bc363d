#include "config.h"

#include "leafd/stream_stats.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/shard.h"
#include "common/nats/subject.h"
#include "leafd/jsapi.h"

#define EACH_US 5000000

struct stream_stat { /* of one */
	char *subject;
	struct jsapi_call *call;
	int known;
	json_int_t messages, bytes;
};

struct stream_stats {
	struct jsapi *jsapi; /* NULL: stopped */
	uint64_t asked_us;
	unsigned n;
	struct stream_stat of[SHARDS_MAX];
};

struct stream_stats *
stream_stats_new(void)
{
	return (xcalloc(1, sizeof(struct stream_stats)));
}

void
stream_stats_free(struct stream_stats *m)
{
	stream_stats_stop(m);
	free(m);
}

void
stream_stats_start(struct stream_stats *m, struct jsapi *a, const char *node, unsigned streams)
{
	char *stream;

	if (m->jsapi != NULL)
		return;
	m->jsapi = a;
	m->n = streams;
	m->asked_us = 0;
	for (unsigned k = 0; k < streams; k++) {
		stream = subject_stream(jsapi_names(a), node, (struct shard){ k, streams });
		m->of[k].subject = jsapi_subject(a, NULL, "STREAM.INFO", stream);
		free(stream);
	}
}

void
stream_stats_stop(struct stream_stats *m)
{
	if (m->jsapi == NULL)
		return;
	for (unsigned k = 0; k < m->n; k++) {
		jsapi_cancel(&m->of[k].call);
		free(m->of[k].subject);
		m->of[k] = (struct stream_stat){ 0 };
	}
	m->jsapi = NULL;
}

static void
on_stats(const struct jsapi_answer *ans, void *arg)
{
	struct stream_stat *one = arg;
	const json_t *state = json_object_get(ans->root, "state");

	one->known = ans->why == NULL && state != NULL;
	one->messages = json_integer_value(json_object_get(state, "messages"));
	one->bytes = json_integer_value(json_object_get(state, "bytes"));
}

void
stream_stats_now(struct stream_stats *m)
{
	if (m->jsapi == NULL || (m->asked_us != 0 && mono_us() - m->asked_us < EACH_US))
		return;
	m->asked_us = mono_us();
	for (unsigned k = 0; k < m->n; k++)
		if (m->of[k].call == NULL)
			jsapi_ask(m->jsapi, &m->of[k].call, m->of[k].subject, NULL, on_stats,
			    &m->of[k]);
}

json_t *
stream_stats_json(const struct stream_stats *m)
{
	json_int_t messages = 0, bytes = 0;
	json_t *list = json_array(), *all;

	for (unsigned k = 0; k < m->n && m->of[k].known; k++) {
		messages += m->of[k].messages;
		bytes += m->of[k].bytes;
		json_array_append_new(list,
		    json_pack("{s:I, s:I}", "messages", m->of[k].messages, "bytes",
			m->of[k].bytes));
	}
	if (m->jsapi == NULL || json_array_size(list) < m->n) {
		json_decref(list);
		return (json_null());
	}
	all = json_pack("{s:I, s:I}", "messages", messages, "bytes", bytes);
	if (m->n > 1)
		json_object_set(all, "shards", list);
	json_decref(list);
	return (all);
}
