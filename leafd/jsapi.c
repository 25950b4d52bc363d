#include "config.h"

#include "leafd/jsapi.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/base/mem.h"
#include "common/nats/subject.h"

#define API_TIMEOUT_MS 3000

/* One of raw and api is set; none is once the call was called off. */
struct jsapi_call {
	struct jsapi *a;
	struct jsapi_call **handle;
	void (*raw)(const struct nats_msg *m, void *arg);
	void (*api)(const struct jsapi_answer *ans, void *arg);
	void *arg;
	struct jsapi_call *prev, *next;
};

struct jsapi {
	struct nats *nats;
	struct jsapi_call *asks;
};

struct jsapi *
jsapi_new(struct nats *n)
{
	struct jsapi *a = xcalloc(1, sizeof(*a));

	a->nats = n;
	return (a);
}

void
jsapi_free(struct jsapi *a)
{
	struct jsapi_call *q, *tmp;

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
jsapi_nats(struct jsapi *a)
{
	return (a->nats);
}

const struct natsconf_names *
jsapi_names(const struct jsapi *a)
{
	return (nats_names(a->nats));
}

char *
jsapi_subject(const struct jsapi *a, const char *node, const char *verb, const char *of)
{
	char *api = subject_api(nats_names(a->nats), node), *subject;

	subject = xasprintf("%s.%s%s%s", api, verb, of != NULL ? "." : "", of != NULL ? of : "");
	free(api);
	return (subject);
}

static void
give_answer(const struct nats_msg *m, void (*cb)(const struct jsapi_answer *, void *), void *arg)
{
	struct jsapi_answer ans = { .why = "no answer" };
	json_t *root = NULL;
	const json_t *e;

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
jsapi_answer_cb(const struct nats_msg *m, void *arg)
{
	struct jsapi_call *q = arg;
	struct jsapi_call copy = *q;

	DL_DELETE(q->a->asks, q);
	if (q->handle != NULL)
		*q->handle = NULL;
	free(q);
	if (copy.raw != NULL)
		copy.raw(m, copy.arg);
	else if (copy.api != NULL)
		give_answer(m, copy.api, copy.arg);
}

static struct jsapi_call *
call_new(struct jsapi *a, struct jsapi_call **handle, void *arg)
{
	struct jsapi_call *q = xcalloc(1, sizeof(*q));

	q->a = a;
	q->handle = handle;
	q->arg = arg;
	DL_APPEND(a->asks, q);
	if (handle != NULL) {
		jsapi_cancel(handle);
		*handle = q;
	}
	return (q);
}

void
jsapi_ask_raw(struct jsapi *a, struct jsapi_call **handle, const char *subject, const void *data,
    size_t len, unsigned timeout_ms, void (*cb)(const struct nats_msg *m, void *arg), void *arg)
{
	struct jsapi_call *q = call_new(a, handle, arg);

	q->raw = cb;
	nats_request(a->nats, subject, data, len, timeout_ms, jsapi_answer_cb, q);
}

void
jsapi_ask(struct jsapi *a, struct jsapi_call **handle, const char *subject, json_t *body,
    void (*cb)(const struct jsapi_answer *ans, void *arg), void *arg)
{
	struct jsapi_call *q = call_new(a, handle, arg);
	char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;

	q->api = cb;
	nats_request(a->nats, subject, text, text != NULL ? strlen(text) : 0, API_TIMEOUT_MS,
	    jsapi_answer_cb, q);
	free(text);
	json_decref(body);
}

void
jsapi_publish(struct jsapi *a, struct jsapi_call **handle, const char *subject, const char *header,
    const char *value, const void *data, size_t len,
    void (*cb)(const struct jsapi_answer *ans, void *arg), void *arg)
{
	struct jsapi_call *q = call_new(a, handle, arg);

	q->api = cb;
	nats_request_h(a->nats, subject, header, value, data, len, API_TIMEOUT_MS, jsapi_answer_cb,
	    q);
}

void
jsapi_cancel(struct jsapi_call **handle)
{
	struct jsapi_call *q = *handle;

	if (q == NULL)
		return;
	q->handle = NULL;
	q->raw = NULL;
	q->api = NULL;
	*handle = NULL;
}
