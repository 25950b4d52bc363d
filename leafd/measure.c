#include "config.h"

#include "leafd/measure.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/nats/subject.h"
#include "leafd/ask.h"

#define EACH_US		5000000

struct measure {
	struct asker	*asker;		/* NULL: stopped */
	char		*subject;
	struct ask	*ask;
	uint64_t	 asked_us;
	int		 known;
	json_int_t	 messages, bytes;
};

struct measure *
measure_new(void)
{
	return (xcalloc(1, sizeof(struct measure)));
}

void
measure_free(struct measure *m)
{
	measure_stop(m);
	free(m);
}

void
measure_start(struct measure *m, struct asker *a, const char *node)
{
	char	*stream;

	if (m->asker != NULL)
		return;
	stream = subject_stream(node);
	m->asker = a;
	m->subject = xasprintf("$JS.API.STREAM.INFO.%s", stream);
	m->asked_us = 0;
	free(stream);
}

void
measure_stop(struct measure *m)
{
	if (m->asker == NULL)
		return;
	ask_cancel(&m->ask);
	free(m->subject);
	m->subject = NULL;
	m->asker = NULL;
	m->known = 0;
}

static void
on_info(const struct ask_answer *ans, void *arg)
{
	struct measure	*m = arg;
	const json_t	*state = json_object_get(ans->root, "state");

	m->known = ans->why == NULL && state != NULL;
	m->messages = json_integer_value(json_object_get(state, "messages"));
	m->bytes = json_integer_value(json_object_get(state, "bytes"));
}

void
measure_now(struct measure *m)
{
	if (m->asker == NULL || m->ask != NULL ||
	    (m->asked_us != 0 && mono_us() - m->asked_us < EACH_US))
		return;
	m->asked_us = mono_us();
	ask_api(m->asker, &m->ask, m->subject, NULL, on_info, m);
}

json_t *
measure_json(const struct measure *m)
{
	if (!m->known)
		return (json_null());
	return (json_pack("{s:I, s:I}", "messages", m->messages, "bytes", m->bytes));
}
