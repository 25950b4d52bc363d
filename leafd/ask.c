#include "config.h"

#include "leafd/ask.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/base/mem.h"

#define API_TIMEOUT_MS	3000

/* Either raw or api is set, none once called off. */
struct ask {
	struct asker	*a;
	struct ask	**handle;
	void		(*raw)(const struct nats_msg *m, void *arg);
	void		(*api)(const struct ask_answer *ans, void *arg);
	void		*arg;
	struct ask	*prev, *next;
};

struct asker {
	struct nats	*nats;
	struct ask	*asks;
};

struct asker *
asker_new(struct nats *n)
{
	struct asker *a = xcalloc(1, sizeof(*a));

	a->nats = n;
	return (a);
}

void
asker_free(struct asker *a)
{
	struct ask *q, *tmp;

	if (a == NULL)
		return;
	DL_FOREACH_SAFE(a->asks, q, tmp) {
		if (q->handle != NULL)
			*q->handle = NULL;
		free(q);
	}
	free(a);
}

struct nats *
asker_nats(struct asker *a)
{
	return (a->nats);
}

static void
give_api(const struct nats_msg *m, void (*cb)(const struct ask_answer *, void *), void *arg)
{
	struct ask_answer	 ans = { .why = "no answer" };
	json_t			*root = NULL;
	const json_t		*e;

	if (m != NULL) {
		root = json_loadb((const char *)m->data, m->len, 0, NULL);
		ans.why = json_is_object(root) ? NULL : "broken answer";
	}
	ans.root = root;
	e = json_object_get(root, "error");
	if (e != NULL) {
		ans.why = json_string_value(json_object_get(e, "description"));
		ans.err_code = (int)json_integer_value(json_object_get(e, "err_code"));
		if (ans.why == NULL)
			ans.why = "refused";
	}
	cb(&ans, arg);
	json_decref(root);
}

static void
ask_answer_cb(const struct nats_msg *m, void *arg)
{
	struct ask	*q = arg;
	struct ask	 copy = *q;

	DL_DELETE(q->a->asks, q);
	if (q->handle != NULL)
		*q->handle = NULL;
	free(q);
	if (copy.raw != NULL)
		copy.raw(m, copy.arg);
	else if (copy.api != NULL)
		give_api(m, copy.api, copy.arg);
}

static struct ask *
ask_new(struct asker *a, struct ask **handle, void *arg)
{
	struct ask *q = xcalloc(1, sizeof(*q));

	q->a = a;
	q->handle = handle;
	q->arg = arg;
	DL_APPEND(a->asks, q);
	if (handle != NULL) {
		ask_cancel(handle);
		*handle = q;
	}
	return (q);
}

void
ask_raw(struct asker *a, struct ask **handle, const char *subject, const void *data,
    size_t len, unsigned timeout_ms, void (*cb)(const struct nats_msg *m, void *arg), void *arg)
{
	struct ask *q = ask_new(a, handle, arg);

	q->raw = cb;
	nats_request(a->nats, subject, data, len, timeout_ms, ask_answer_cb, q);
}

void
ask_api(struct asker *a, struct ask **handle, const char *subject, json_t *body,
    void (*cb)(const struct ask_answer *ans, void *arg), void *arg)
{
	struct ask	*q = ask_new(a, handle, arg);
	char		*text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;

	q->api = cb;
	nats_request(a->nats, subject, text, text != NULL ? strlen(text) : 0, API_TIMEOUT_MS,
	    ask_answer_cb, q);
	free(text);
	json_decref(body);
}

void
ask_cancel(struct ask **handle)
{
	struct ask *q = *handle;

	if (q == NULL)
		return;
	q->handle = NULL;
	q->raw = NULL;
	q->api = NULL;
	*handle = NULL;
}
