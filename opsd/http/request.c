#include "config.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <event2/buffer.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/worker.h"
#include "opsd/auth/auth.h"
#include "opsd/auth/user.h"
#include "opsd/http/exchange.h"
#include "opsd/store/value.h"
#include "opsd/watch/health.h"

#define OPEN_BODY_MAX 65536 /* of requests from nobody */
#define OPEN_SHARE    4     /* theirs is one of so many parts of maxRequests */
#define RETRY_AFTER   "1"
#define LONG_BODY     65536 /* beyond, others do not wait until it is read */

static const char too_many_bytes[] =
    "the requests in progress have more than "
    "operationsApi.network.maxRequestBytes, please try again later";

static void reply_login(struct exchange *x);

/* So many bytes more are in progress; -1: there are too many. */
static int
room_for(struct exchange *x, uint64_t n)
{
	struct http *h = x->thread->http;

	x->bytes += n;
	/* Not what += gives: clang takes that for atomic still. */
	return (atomic_fetch_add(&h->bytes, n) + n <= h->limits.max_bytes ? 0 : -1);
}

static void
reply_busy(struct exchange *x, const char *what)
{
	reply_header(&x->r, "Retry-After", RETRY_AFTER);
	reply_error(&x->r, 503, "%s", what);
}

/* ---- operations ---- */

static void
run_op(void *arg)
{
	struct exchange *x = arg;

	x->run(&x->r);
	exchange_release(x);
}

int
request_work(struct request *r, struct workers *w, unsigned most, void (*run)(struct request *r))
{
	struct exchange *x = r->http;

	x->run = run;
	exchange_hold(x);
	if (workers_try(w, most, run_op, x) == 0)
		return (0);
	exchange_release(x);
	return (-1);
}

static void
work_on(struct exchange *x, void (*run)(struct request *r))
{
	x->run = run;
	exchange_hold(x);
	workers_run(x->thread->http->data->workers, run_op, x);
}

/* It is for nodes that join, and comes with a token, which is no one's credentials. */
static int
is_join(const struct request *r)
{
	const char *header = request_header(r, "Authorization");

	return (r->op != NULL && r->op->right == RIGHT_JOIN && header != NULL &&
	    strncasecmp(header, "Join ", strlen("Join ")) == 0);
}

static int
may_run(struct request *r)
{
	return (r->user == NULL ? r->op->right == RIGHT_OPEN || is_join(r) :
				  r->http->thread->http->api->allowed(r));
}

static void
run_resumed(struct request *r, void *arg)
{
	exchange_handle(r->http, r->op->run);
}

static void
run_on_thread(struct request *r)
{
	int here = pthread_equal(pthread_self(), r->http->thread->id);

	if (!may_run(r) && r->user == NULL)
		reply_login(r->http);
	else if (!may_run(r))
		r->http->thread->http->api->refuse(r);
	else if (r->op->thread == ON_WORKER)
		work_on(r->http, r->op->run);
	else if (here || r->op->thread == ON_ANY)
		exchange_handle(r->http, r->op->run);
	else
		request_resume(r, run_resumed, NULL);
}

/* Nobody asks, or somebody whose credentials were refused. */
static void
reply_login(struct exchange *x)
{
	char seconds[16];

	if (x->check_status == 429) {
		snprintf(seconds, sizeof(seconds), "%u",
		    auth_retry_after(x->thread->http->auth, x->from));
		reply_header(&x->r, "Retry-After", seconds);
	}
	if (x->check_error != NULL)
		reply_error(&x->r, x->check_status, "%s", x->check_error);
	else
		reply_error(&x->r, 401, "Must login");
}

/* ---- what is asked for ---- */

/*
 * The request's body from its text: made into values when somebody may ask for that, and there
 * is room for them.  0, or the status of the answer that it gets, with *err.
 */
static int
read_operation(struct exchange *x, char *text, size_t n, char **err)
{
	const struct http_limits *l = &x->thread->http->limits;
	const struct http_api *api = x->thread->http->api;
	enum format f = format_of(head_find(&x->head, "Content-Type"));
	struct request *r = &x->r;
	struct inquiry a;
	int status;

	api->asked(f, text, n, &l->scan, &a);
	r->op = a.op;
	status = a.status;
	if (status != 0)
		*err = xstrdup(a.err);
	else if (!may_run(r))
		;
	else if (x->is_long && api->lacks_right(r, a.top))
		r->body = json_incref(a.top); /* enough for it to say so */
	else if (a.bytes > l->max_bytes) {
		/* Not 503, which says to try again. */
		*err = xasprintf("the values of the body would take more than "
				 "operationsApi.network.maxRequestBytes");
		status = 413;
	} else if (room_for(x, a.bytes) == -1)
		status = 503;
	else if ((r->body = api->body(f, text, n, l->scan.depth, r->op, err)) == NULL)
		status = 400;
	api->inquiry_free(&a);
	return (status);
}

static enum coding
body_coding(const struct exchange *x)
{
	return (coding_of(head_find(&x->head, "Content-Encoding")));
}

/* The same, of a body in some coding: the limits are for what is in it. */
static int
decode_body(struct exchange *x, const void *p, size_t n, char **err)
{
	size_t most = x->nobody ? OPEN_BODY_MAX : (size_t)x->thread->http->limits.max_body;
	struct buf text = { 0 };
	int rc = coding_read(body_coding(x), p, n, most, &text), status;

	if (rc == 1) {
		*err = xasprintf("the body is larger than operationsApi.network.maxBodySize "
				 "(%zu bytes) when it is decoded",
		    most);
		status = 413;
	} else if (rc == -1) {
		*err = xasprintf("the body is broken: it is no %s", coding_name(body_coding(x)));
		status = 400;
	} else if (room_for(x, text.len) == -1)
		status = 503;
	else
		status = read_operation(x, (char *)text.data, text.len, err);
	buf_free(&text);
	return (status);
}

/* On the request's thread, or on a worker. */
static void
body_is_there(void *arg)
{
	struct exchange *x = arg;
	struct evbuffer *in = x->text;
	char *p = (char *)evbuffer_pullup(in, -1), *err = NULL;
	size_t n = evbuffer_get_length(in);
	int status;

	x->text = NULL;
	status = body_coding(x) == CODING_NONE ? read_operation(x, p, n, &err) :
						 decode_body(x, p, n, &err);
	/* It may be long, and the request may take long. */
	evbuffer_free(in);
	x->logged |= is_join(&x->r);
	exchange_log_who(x);
	if (status == 0)
		run_on_thread(&x->r);
	else if (status == 503)
		reply_busy(x, too_many_bytes);
	else if (x->check_error != NULL)
		reply_login(x);
	else
		reply_error(&x->r, status, "%s", err);
	free(err);
}

void
exchange_body(struct exchange *x)
{
	x->stage = RUNNING;
	x->text = conn_body_take(x->conn);
	x->is_long = evbuffer_get_length(x->text) > LONG_BODY || body_coding(x) != CODING_NONE;
	if (x->is_long)
		workers_run(x->thread->http->bodies, body_is_there, x);
	else
		body_is_there(x);
}

/* ---- bodies ---- */

static int
count_nobody(struct exchange *x)
{
	x->counted = 1;
	return (++x->thread->http->nobodies);
}

void
exchange_want_body(struct exchange *x)
{
	struct http *h = x->thread->http;
	uint64_t most = h->limits.max_body;

	if (x->nobody && most > OPEN_BODY_MAX)
		most = OPEN_BODY_MAX;
	if (x->r.op != NULL) {
		x->stage = RUNNING;
		run_on_thread(&x->r);
		return;
	}
	x->stage = READING_BODY;
	if (x->head.length > most)
		exchange_too_long(x);
	else if (x->nobody && count_nobody(x) > h->limits.max_requests / OPEN_SHARE + 1)
		reply_busy(x,
		    "there are more requests without credentials in progress than "
		    "operationsApi.network.maxRequests leaves room for");
	else
		conn_want_body(x->conn, most);
}

void
exchange_too_long(struct exchange *x)
{
	uint64_t most = x->thread->http->limits.max_body;

	/* Small bodies of nobody are read: some operations are for nobody, too. */
	if (x->nobody && x->head.length <= most)
		reply_login(x);
	else
		reply_error(&x->r, 413,
		    "the body is larger than "
		    "operationsApi.network.maxBodySize (%llu bytes)",
		    (unsigned long long)most);
}

int
exchange_count(struct exchange *x, uint64_t n)
{
	if (room_for(x, n) == 0)
		return (0);
	reply_busy(x, too_many_bytes);
	return (-1);
}

void
exchange_refuse(struct exchange *x, int status, const char *text)
{
	struct buf headers = { 0 }, body = { 0 };
	struct conn *c = x->conn;

	if (x->stage == READING_BODY) {
		reply_error(&x->r, status, "%s", text);
		return;
	}
	/* Somebody works on it, and will answer to nobody. */
	exchange_answered(x, status);
	x->conn = NULL;
	c->close = 1;
	buf_addf(&headers, "Content-Type: application/json\r\n");
	cors_headers(x->thread->http->cors, head_find(&x->head, "Origin"), &headers);
	buf_addf(&body, "{\"error\":");
	value_text_string(&body, text, strlen(text));
	buf_addf(&body, "}");
	conn_answer(c, status, &headers, &body);
	buf_free(&headers);
	buf_free(&body);
}

/* ---- what is asked for ---- */

static void
post_request(struct exchange *x)
{
	struct http *h = x->thread->http;

	if (h->stopping)
		reply_busy(x, "the node is stopping");
	else if (h->open > h->limits.max_requests)
		reply_busy(x,
		    "there are more requests in progress than "
		    "operationsApi.network.maxRequests, please try again later");
	else if (body_coding(x) == CODING_UNKNOWN) {
		reply_header(&x->r, "Accept-Encoding", CODINGS);
		reply_error(&x->r, 415, "the body's Content-Encoding must be one of: " CODINGS);
	} else
		identify_user(x);
}

static void
reply_page(struct exchange *x, int status, const char *type, const char *text)
{
	struct buf out = { 0 };

	buf_add(&out, text, strlen(text));
	reply_body(&x->r, status, type, &out);
}

static void
reply_health(struct exchange *x)
{
	const char *why = health_fault(x->thread->http->watch);

	reply_page(x, why == NULL ? 200 : 503, "text/plain",
	    why == NULL ? "hubleaf is running." : why);
}

/* A page that not everybody may see. */
static void
get_op(struct exchange *x)
{
	x->r.op = x->thread->http->api->page(x->head.path);
	identify_user(x);
}

static void
reply_options(struct exchange *x)
{
	struct buf none = { 0 };

	cors_preflight(x->thread->http->cors, head_find(&x->head, "Origin"), &x->headers);
	reply_header(&x->r, "Allow", "GET, HEAD, POST, OPTIONS");
	reply_body(&x->r, 204, NULL, &none);
}

static const char front[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>hubleaf</title></head>\n"
    "<body><h1>hubleaf is running</h1>\n"
    "<p>Operations are posted to this address as JSON, such as "
    "<code>{\"operation\": \"describe_all\"}</code>.</p></body></html>\n";

static void
reply_front(struct exchange *x)
{
	reply_page(x, 200, "text/html; charset=utf-8", front);
}

static const struct page {
	const char *path;
	void (*get)(struct exchange *x);
	int takes_posts;
} pages[] = {
	{ "/", reply_front, 1 },
	{ "/health", reply_health, 0 },
	{ "/metrics", get_op, 0 },
};

static const struct page *
page_of(const char *path)
{
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		if (strcmp(path, pages[i].path) == 0)
			return (&pages[i]);
	return (NULL);
}

static void
find_page(struct exchange *x)
{
	const struct page *p = page_of(x->head.path);
	const char *how = x->head.method;
	int read = strcmp(how, "GET") == 0 || strcmp(how, "HEAD") == 0;

	if (strcmp(how, "OPTIONS") == 0)
		reply_options(x);
	else if (p == NULL)
		reply_error(&x->r, 404, "Not found");
	else if (strcmp(how, "POST") == 0 && p->takes_posts)
		post_request(x);
	else if (!read) {
		reply_header(&x->r, "Allow", "GET, HEAD, POST, OPTIONS");
		reply_error(&x->r, 405, "Method not allowed");
	} else
		p->get(x);
}

void
exchange_begin(struct conn *c, struct head *head)
{
	struct http *h = c->thread->http;
	struct exchange *x = xcalloc(1, sizeof(*x));

	h->refs++;
	h->open++;
	c->x = x;
	x->conn = c;
	x->thread = c->thread;
	x->holds = 1;
	x->head = *head;
	memcpy(x->from, c->from, sizeof(x->from));
	x->r = (struct request){
		.ops = h->ops,
		.http = x,
		.began_us = mono_us(),
		.from = x->from,
		.secure = c->way == WAY_TLS,
		.local = c->way == WAY_LOCAL,
	};
	if (c->surplus) {
		c->close = 1;
		reply_busy(x,
		    "there are more connections than "
		    "operationsApi.network.maxConnections, please try again later");
	} else
		find_page(x);
}
