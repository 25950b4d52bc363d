#include "config.h"

#include "opsd/http/exchange.h"

#include <assert.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

#include "common/base/clock.h"
#include "common/base/worker.h"
#include "opsd/auth/authlog.h"
#include "opsd/auth/user.h"
#include "opsd/http/http.h"
#include "opsd/watch/metrics.h"

#define CODED_MIN   1024    /* bytes of an answer, below which a coding gains nothing */
#define LONG_ANSWER 65536   /* beyond, others do not wait until it is written and coded */
#define MUCH        1048576 /* bytes of a body and its values, to be given back at once */

const char *
http_reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{ 200, "OK" },
		{ 204, "No Content" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" },
		{ 417, "Expectation Failed" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
		{ 507, "Insufficient Storage" },
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return (reasons[i].reason);
	return (status < 500 ? "Error" : "Server Error");
}

/* ---- headers ---- */

const char *
request_header(const struct request *r, const char *name)
{
	return (head_find(&r->http->head, name));
}

enum format
request_format(const struct request *r, int rows)
{
	return (format_wanted(head_find(&r->http->head, "Accept"), rows));
}

void
reply_header(struct request *r, const char *name, const char *value)
{
	/* A line of its own would be another header. */
	assert(name[strcspn(name, "\r\n:")] == '\0' && value[strcspn(value, "\r\n")] == '\0');
	buf_addf(&r->http->headers, "%s: %s\r\n", name, value);
}

void
reply_last(struct request *r)
{
	r->http->last = 1;
}

static void
answer_headers(struct exchange *x, struct buf *b)
{
	cors_headers(x->thread->http->cors, head_find(&x->head, "Origin"), b);
	buf_addf(b, "server-timing: db;dur=%.3f\r\nContent-Type: %s\r\n",
	    (double)(mono_us() - x->r.began_us) / 1000.0,
	    x->type != NULL ? x->type : "application/json");
	if (x->coding != CODING_NONE)
		buf_addf(b, "Content-Encoding: %s\r\nVary: Accept-Encoding\r\n",
		    coding_name(x->coding));
	if (x->status == 401)
		buf_addf(b, "WWW-Authenticate: Basic\r\n");
	buf_add(b, x->headers.data, x->headers.len);
}

/* ---- the end of a request ---- */

void
exchange_answered(struct exchange *x, int status)
{
	const struct http *h = x->thread->http;

	if (status != 0 && !x->told)
		metrics_request(h->watch->metrics,
		    x->r.op != NULL ? h->api->number(x->r.op) + 1 : 0, status,
		    mono_us() - x->r.began_us);
	x->told = 1;
}

void
http_count(const struct request *r, int *connections, int *requests)
{
	*connections = r->http->thread->http->conns;
	*requests = r->http->thread->http->open;
}

static void
log_who(struct exchange *x)
{
	struct authlog_event e = {
		.user = x->r.user != NULL ? x->r.user->name : NULL,
		.from = x->r.from,
		.local = x->r.local,
		.method = x->head.method,
		.path = x->head.path,
		.operation = x->r.op != NULL ? x->r.op->name : NULL,
		.authorization = request_header(&x->r, "Authorization"),
		.has_cookie = request_header(&x->r, "Cookie") != NULL,
		.certified = x->certified,
	};

	authlog_request(&x->thread->http->data->live, &e, x->check_error);
}

void
exchange_log_who(struct exchange *x)
{
	/* Those that were not looked at are neither good nor bad. */
	int looked = x->check_status != 429 && x->check_status != 503;

	if (x->known && !x->logged && (x->r.user != NULL || (x->check_error != NULL && looked)))
		log_who(x);
	x->logged = 1;
}

/* Of many values the allocator would keep what they took. */
static void
values_over(json_t *v, uint64_t bytes)
{
	json_decref(v);
#ifdef __GLIBC__
	if (bytes > MUCH)
		malloc_trim(0);
#endif
}

/* Freeing many values takes long. */
static void
long_body_over(void *body)
{
	values_over(body, UINT64_MAX);
}

static void
body_over(struct exchange *x)
{
	if (x->text != NULL)
		evbuffer_free(x->text);
	if (x->bytes > MUCH && !x->thread->http->data->stopping)
		workers_run(x->thread->http->bodies, long_body_over, x->r.body);
	else
		json_decref(x->r.body);
}

void
exchange_free(struct exchange *x)
{
	struct http *h = x->thread->http;

	exchange_log_who(x);
	exchange_answered(x, x->status);
	body_over(x);
	coder_free(x->coder);
	user_unref(x->r.user);
	head_free(&x->head);
	buf_free(&x->headers);
	buf_free(&x->out);
	free(x->check_error);
	h->bytes -= x->bytes;
	h->nobodies -= x->counted;
	free(x);
	h->open--;
	http_unref(h);
}

/* On the request's own thread: to the client, if it is there. */
static void
send_out(struct exchange *x)
{
	struct conn *c = x->conn;
	struct buf headers = { 0 };

	x->conn = NULL;
	answer_headers(x, &headers);
	c->close |= x->last;
	conn_answer(c, x->status, &headers, &x->out);
	buf_free(&headers);
}

static void
send_answer(void *arg)
{
	struct exchange *x = arg;

	if (x->conn != NULL)
		send_out(x);
	exchange_free(x);
}

static enum coding
wanted_coding(const struct exchange *x)
{
	return (coding_wanted(head_find(&x->head, "Accept-Encoding")));
}

/* The answer in the coding that the client wants most, when that makes it shorter. */
static void
encode_body(struct exchange *x)
{
	enum coding c = x->out.len >= CODED_MIN ? wanted_coding(x) : CODING_NONE;
	struct coder *w = c != CODING_NONE ? coder_new(c) : NULL;
	struct buf out = { 0 };

	if (w != NULL && coder_add(w, x->out.data, x->out.len, 1, &out) == 0 &&
	    out.len < x->out.len) {
		buf_free(&x->out);
		x->out = out;
		x->coding = c;
	} else
		buf_free(&out);
	coder_free(w);
}

/* JSON text becomes what the client accepts. */
static void
rewrite_body(struct exchange *x)
{
	struct buf out = { 0 };
	size_t had = x->out.len;
	json_t *v;

	if (x->rewrite == FORMAT_JSON)
		return;
	v = json_loadb((const char *)x->out.data, had, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	if (v == NULL)
		v = json_null();
	buf_free(&x->out);
	format_json(x->rewrite, &out, v);
	x->out = out;
	values_over(v, had);
}

static void
finish_and_post(void *arg)
{
	struct exchange *x = arg;

	rewrite_body(x);
	encode_body(x);
	if (!http_post(x->thread, send_answer, x))
		exchange_free(x);
}

/* ---- the end ---- */

void
exchange_hold(struct exchange *x)
{
	atomic_fetch_add(&x->holds, 1);
}

void
exchange_release(struct exchange *x)
{
	if (atomic_fetch_sub(&x->holds, 1) == 1)
		x->leave(x);
}

void
exchange_handle(struct exchange *x, void (*run)(struct request *r))
{
	exchange_hold(x);
	run(&x->r);
	exchange_release(x);
}

/* What is owed is given: it ends so as soon as nobody uses it. */
static void
leave_by(struct exchange *x, void (*how)(struct exchange *x))
{
	x->leave = how;
	exchange_release(x);
}

/* What takes long is not done on the thread that others wait for. */
static void
leave_answered(struct exchange *x)
{
	if (!pthread_equal(pthread_self(), x->thread->id))
		finish_and_post(x);
	else if (x->out.len > LONG_ANSWER &&
	    (x->rewrite != FORMAT_JSON || wanted_coding(x) != CODING_NONE) &&
	    !x->thread->http->data->stopping)
		workers_run(x->thread->http->bodies, finish_and_post, x);
	else {
		rewrite_body(x);
		encode_body(x);
		send_answer(x);
	}
}

/* Takes the bytes. */
static void
reply_as(struct request *r, int status, const char *type, enum format f, struct buf *bytes)
{
	struct exchange *x = r->http;

	x->status = status;
	x->type = type;
	x->rewrite = f;
	x->out = *bytes;
	memset(bytes, 0, sizeof(*bytes));
	leave_by(x, leave_answered);
}

void
reply_body(struct request *r, int status, const char *type, struct buf *bytes)
{
	reply_as(r, status, type, FORMAT_JSON, bytes);
}

void
reply_text(struct request *r, int status, struct buf *json)
{
	enum format f = request_format(r, 0);

	reply_as(r, status, f == FORMAT_JSON ? NULL : format_type(f), f, json);
}

/* ---- an answer in pieces ---- */

static void
begin_answer(struct request *r, int status, const char *type, int64_t length)
{
	struct exchange *x = r->http;
	struct buf headers = { 0 };

	x->status = status;
	x->type = type;
	if (x->conn == NULL)
		return;
	if (length == -1 && (x->coding = wanted_coding(x)) != CODING_NONE &&
	    (x->coder = coder_new(x->coding)) == NULL)
		x->coding = CODING_NONE;
	answer_headers(x, &headers);
	x->conn->close |= x->last;
	conn_begin(x->conn, status, &headers, length);
	buf_free(&headers);
}

void
reply_begin(struct request *r, int status, const char *type)
{
	begin_answer(r, status, type, -1);
}

void
reply_begin_sized(struct request *r, int status, const char *type, uint64_t length)
{
	begin_answer(r, status, type, (int64_t)length);
}

void
reply_more(struct request *r, struct buf *bytes)
{
	struct exchange *x = r->http;
	struct buf coded = { 0 };

	if (x->conn != NULL && x->coder == NULL)
		conn_piece(x->conn, bytes);
	else if (x->conn != NULL) {
		/* If it fails, it fails to end as well. */
		coder_add(x->coder, bytes->data, bytes->len, 0, &coded);
		conn_piece(x->conn, &coded);
		buf_free(&coded);
	}
	buf_clear(bytes);
}

/* How one in pieces ends, on the request's own thread. */
static void
end_pieces(void *arg)
{
	struct exchange *x = arg;
	struct conn *c = x->conn;
	struct buf coded = { 0 };
	int whole = !x->cut && (x->coder == NULL || coder_add(x->coder, NULL, 0, 1, &coded) == 0);

	exchange_free(x);
	if (c != NULL && whole) {
		conn_piece(c, &coded);
		conn_end(c);
	} else if (c != NULL)
		conn_cut(c);
	buf_free(&coded);
}

static void
leave_pieces(struct exchange *x)
{
	if (pthread_equal(pthread_self(), x->thread->id))
		end_pieces(x);
	else if (!http_post(x->thread, end_pieces, x))
		exchange_free(x);
}

void
reply_end(struct request *r)
{
	leave_by(r->http, leave_pieces);
}

void
reply_abort(struct request *r)
{
	r->http->cut = 1;
	leave_by(r->http, leave_pieces);
}

int
request_gone(const struct request *r)
{
	return (r->http->conn == NULL);
}

static void
run_again(void *arg)
{
	struct exchange *x = arg;

	x->again(&x->r, x->again_arg);
}

void
request_again(struct request *r, void (*fn)(struct request *r, void *arg), void *arg)
{
	struct exchange *x = r->http;

	x->again = fn;
	x->again_arg = arg;
	x->paused = x->conn != NULL && conn_full(x->conn);
	if (!x->paused)
		http_post(x->thread, run_again, x);
}

int
request_resume(struct request *r, void (*fn)(struct request *r, void *arg), void *arg)
{
	struct exchange *x = r->http;

	x->again = fn;
	x->again_arg = arg;
	if (http_post(x->thread, run_again, x))
		return (0);
	leave_by(x, exchange_free);
	return (-1);
}

void
exchange_drained(struct exchange *x)
{
	if (!x->paused || conn_full(x->conn))
		return;
	x->paused = 0;
	run_again(x);
}

void
exchange_gone(struct exchange *x)
{
	x->conn = NULL;
	if (x->stage == READING_BODY)
		exchange_free(x);
	else if (x->paused) {
		x->paused = 0;
		run_again(x);
	}
}
