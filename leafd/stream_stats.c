#include "config.h"

#include "leafd/stream_stats.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/nats/subject.h"
#include "leafd/jsapi.h"

#define EACH_US 5000000

struct stream_stats {
	struct jsapi *jsapi; /* NULL: stopped */
	char *subject;
	struct jsapi_call *call;
	uint64_t asked_us;
	int known;
	json_int_t messages, bytes;
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
stream_stats_start(struct stream_stats *m, struct jsapi *a, const char *node)
{
	char *stream;

	if (m->jsapi != NULL)
		return;
	stream = subject_stream(jsapi_names(a), node);
	m->jsapi = a;
	m->subject = jsapi_subject(a, NULL, "STREAM.INFO", stream);
	m->asked_us = 0;
	free(stream);
}

void
stream_stats_stop(struct stream_stats *m)
{
	if (m->jsapi == NULL)
		return;
	jsapi_cancel(&m->call);
	free(m->subject);
	m->subject = NULL;
	m->jsapi = NULL;
	m->known = 0;
}

static void
on_stats(const struct jsapi_answer *ans, void *arg)
{
	struct stream_stats *m = arg;
	const json_t *state = json_object_get(ans->root, "state");

	m->known = ans->why == NULL && state != NULL;
	m->messages = json_integer_value(json_object_get(state, "messages"));
	m->bytes = json_integer_value(json_object_get(state, "bytes"));
}

void
stream_stats_now(struct stream_stats *m)
{
	if (m->jsapi == NULL || m->call != NULL ||
	    (m->asked_us != 0 && mono_us() - m->asked_us < EACH_US))
		return;
	m->asked_us = mono_us();
	jsapi_ask(m->jsapi, &m->call, m->subject, NULL, on_stats, m);
}

json_t *
stream_stats_json(const struct stream_stats *m)
{
	if (!m->known)
		return (json_null());
	return (json_pack("{s:I, s:I}", "messages", m->messages, "bytes", m->bytes));
}
