#include "config.h"

#include "http.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>

#include "auth.h"
#include "clock.h"
#include "log.h"
#include "mem.h"
#include "ops.h"
#include "worker.h"

#define BACKLOG		1024
#define HEADERS_MAX	65536
#define COPY_MAX	4096		/* smaller answers are copied behind their header */
#define STOP_US		5000000
#define OPEN_BODY_MAX	65536		/* of requests from nobody */

enum way { WAY_PLAIN, WAY_TLS, WAY_LOCAL, WAYS };

/* One evhttp: a thread's requests of one way in. */
struct front {
	struct http_thread	*thread;
	enum way		 way;
	struct evhttp		*evhttp;
	struct evconnlistener	*listener;	/* evhttp's */
};

struct http_thread {
	struct http		*http;
	pthread_t		 id;
	int			 started;
	struct event_base	*base;
	struct front		 fronts[WAYS];
	pthread_mutex_t		 lock;
	struct post		*post;		/* under lock; NULL when stopped */
};

struct http {
	_Atomic int		 refs;		/* one, and one for each request */
	_Atomic int		 open;		/* requests */
	_Atomic int		 stopping;
	struct ops		*ops;
	struct ssl_ctx_st	*tls;
	char			*socket_path;
	struct timeval		 keepalive;
	size_t			 max_body;
	unsigned		 n;
	struct http_thread	 threads[];
};

struct http_conn_ctx {
	struct request		 r;		/* first */
	struct http_thread	*thread;
	enum way		 way;
	struct evhttp_request	*req;		/* NULL: the client went away */
	struct buf		 from, headers;	/* name NUL value NUL ... */
	struct buf		 reply_headers;	/* the same */
	int			 status;	/* of the answer */
	struct buf		 out;
	void			(*again)(struct request *r, void *arg);
	void			*again_arg;
	struct user		*checked;	/* auth's answer on its way to the thread */
	int			 check_status;
	char			*check_error;
};

/* ---- headers, kept as names and values with a NUL after each ---- */

static void
header_add(struct buf *b, const char *name, const char *value)
{
	buf_add(b, name, strlen(name) + 1);
	buf_add(b, value, strlen(value) + 1);
}

/* The header after name, or the first for NULL; NULL when there are no more. */
static const char *
header_next(const struct buf *b, const char *name, const char **value)
{
	const char *next = (const char *)b->data;

	if (name != NULL) {
		next = name + strlen(name) + 1;
		next += strlen(next) + 1;
	}
	if (b->len == 0 || next == (const char *)b->data + b->len)
		return (NULL);
	*value = next + strlen(next) + 1;
	return (next);
}

const char *
request_header(const struct request *r, const char *name)
{
	const char *value, *at = NULL;

	while ((at = header_next(&r->http->headers, at, &value)) != NULL)
		if (strcasecmp(at, name) == 0)
			return (value);
	return (NULL);
}

void
reply_header(struct request *r, const char *name, const char *value)
{
	/* A line of its own would be another header. */
	assert(name[strcspn(name, "\r\n:")] == '\0' && value[strcspn(value, "\r\n")] == '\0');
	header_add(&r->http->reply_headers, name, value);
}

/* ---- the end of a request ---- */

static void
http_unref(struct http *h)
{
	if (--h->refs > 0)
		return;
	for (unsigned i = 0; i < h->n; i++)
		pthread_mutex_destroy(&h->threads[i].lock);
	free(h->socket_path);
	free(h);
}

static void
ctx_free(struct http_conn_ctx *c)
{
	struct http *h = c->thread->http;

	json_decref(c->r.body);
	user_unref(c->r.user);
	buf_free(&c->from);
	buf_free(&c->headers);
	buf_free(&c->reply_headers);
	buf_free(&c->out);
	free(c->check_error);
	free(c);
	h->open--;
	http_unref(h);
}

static const char *
reason(int status)
{
	switch (status) {
	case 200: return ("OK");
	case 400: return ("Bad Request");
	case 401: return ("Unauthorized");
	case 403: return ("Forbidden");
	case 404: return ("Not Found");
	case 405: return ("Method Not Allowed");
	case 409: return ("Conflict");
	case 413: return ("Content Too Large");
	case 500: return ("Internal Server Error");
	case 503: return ("Service Unavailable");
	case 504: return ("Gateway Timeout");
	case 507: return ("Insufficient Storage");
	}
	return (status < 500 ? "Error" : "Server Error");
}

static void
release_cb(const void *data, size_t n, void *arg)
{
	free(arg);
}

/* Body into evhttp's hands; out is empty afterwards. */
static void
body_take(struct evbuffer *to, struct buf *out)
{
	uint8_t *data;
	size_t n;

	if (out->len <= COPY_MAX) {
		evbuffer_add(to, out->data, out->len);
		return;
	}
	data = buf_take(out, &n);
	if (evbuffer_add_reference(to, data, n, release_cb, data) == -1)
		free(data);
}

static void
add_headers(struct http_conn_ctx *c, struct evkeyvalq *h)
{
	const char *name = NULL, *value;
	char text[64];

	while ((name = header_next(&c->reply_headers, name, &value)) != NULL)
		evhttp_add_header(h, name, value);
	snprintf(text, sizeof(text), "db;dur=%.3f", (double)(mono_us() - c->r.began_us) / 1000.0);
	evhttp_add_header(h, "server-timing", text);
	evhttp_add_header(h, "Content-Type", "application/json");
	if (c->status == 401)
		evhttp_add_header(h, "WWW-Authenticate", "Basic");
	if (c->thread->http->stopping)
		evhttp_add_header(h, "Connection", "close");
}

/* On the request's own thread. */
static void
send_answer(void *arg)
{
	struct http_conn_ctx *c = arg;
	struct evhttp_request *req = c->req;
	struct evhttp_connection *conn = req != NULL ? evhttp_request_get_connection(req) : NULL;

	if (conn != NULL) {
		evhttp_connection_set_closecb(conn, NULL, NULL);
		add_headers(c, evhttp_request_get_output_headers(req));
		body_take(evhttp_request_get_output_buffer(req), &c->out);
		evhttp_send_reply(req, c->status, reason(c->status), NULL);
	} else if (req != NULL)
		evhttp_request_free(req);
	ctx_free(c);
}

/*
 * The connection ends while the request is worked on.  evhttp frees the request
 * with it, unless it had taken it off before: then it is ours.
 */
static void
http_close_cb(struct evhttp_connection *conn, void *arg)
{
	struct http_conn_ctx *c = arg;

	if (evhttp_request_get_connection(c->req) == NULL)
		evhttp_request_free(c->req);
	c->req = NULL;
}

/* Run fn on the request's thread; 0 when that has ended. */
static int
post_to(struct http_thread *t, void (*fn)(void *arg), void *arg)
{
	int there;

	pthread_mutex_lock(&t->lock);
	if ((there = t->post != NULL))
		post(t->post, fn, arg);
	pthread_mutex_unlock(&t->lock);
	return (there);
}

void
reply_text(struct request *r, int status, struct buf *json)
{
	struct http_conn_ctx *c = r->http;

	c->status = status;
	c->out = *json;
	memset(json, 0, sizeof(*json));
	if (pthread_equal(pthread_self(), c->thread->id))
		send_answer(c);
	else if (!post_to(c->thread, send_answer, c))
		ctx_free(c);
}

static void
run_again(void *arg)
{
	struct http_conn_ctx *c = arg;

	c->again(&c->r, c->again_arg);
}

void
request_again(struct request *r, void (*fn)(struct request *r, void *arg), void *arg)
{
	struct http_conn_ctx *c = r->http;

	c->again = fn;
	c->again_arg = arg;
	post_to(c->thread, run_again, c);
}

/* ---- operations ---- */

static void
run_op(void *arg)
{
	struct request *r = arg;

	r->op->run(r);
}

/* Nobody asks, or somebody whose credentials were refused. */
static void
reply_login(struct http_conn_ctx *c)
{
	if (c->check_error != NULL)
		reply_error(&c->r, c->check_status, "%s", c->check_error);
	else
		reply_error(&c->r, 401, "Must login");
}

static void
dispatch(struct request *r)
{
	if (r->user == NULL && r->op->right != RIGHT_OPEN)
		reply_login(r->http);
	else if (r->op->right == RIGHT_SUPER && !r->user->super_user)
		auth_reply_super(r);
	else if (r->op->thread == ON_WORKER)
		workers_run(r->ops->workers, run_op, r);
	else
		r->op->run(r);
}

static void
read_body(struct http_conn_ctx *c)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(c->req);
	size_t n = evbuffer_get_length(in);
	char *err = NULL;

	c->r.op = op_read((const char *)evbuffer_pullup(in, -1), n, &c->r.body, &err);
	/* It may be long, and the request may take long. */
	evbuffer_drain(in, n);
	if (c->r.op != NULL)
		dispatch(&c->r);
	else if (c->check_error != NULL)
		reply_login(c);
	else
		reply_error(&c->r, 400, "%s", err);
	free(err);
}

static int
is_loopback(const char *address)
{
	return (strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0 ||
	    strncmp(address, "::ffff:127.", 11) == 0);
}

static int
authorize_local(struct ops *ops)
{
	int yes;

	pthread_rwlock_rdlock(&ops->conf_lock);
	yes = conf_bool(ops->svc->conf, AUTH_LOCAL);
	pthread_rwlock_unlock(&ops->conf_lock);
	return (yes);
}

/* Some operations are for nobody, too, and only the body says which it is. */
static void
nobody(struct http_conn_ctx *c)
{
	if (evbuffer_get_length(evhttp_request_get_input_buffer(c->req)) <= OPEN_BODY_MAX)
		read_body(c);
	else
		reply_login(c);
}

static void
no_credentials(struct http_conn_ctx *c)
{
	if (is_loopback(c->r.from) && authorize_local(c->r.ops)) {
		c->r.user = auth_local_user();
		read_body(c);
	} else
		nobody(c);
}

static void
user_known(void *arg)
{
	struct http_conn_ctx *c = arg;

	c->r.user = c->checked;
	if (c->req == NULL)
		ctx_free(c);
	else if (c->checked != NULL)
		read_body(c);
	else if (c->check_error != NULL)
		nobody(c);
	else
		no_credentials(c);
}

static void
on_user(struct user *u, int status, const char *error, void *arg)
{
	struct http_conn_ctx *c = arg;

	c->checked = u;
	c->check_status = status;
	c->check_error = xstrdup(error);
	if (pthread_equal(pthread_self(), c->thread->id))
		user_known(c);
	else if (!post_to(c->thread, user_known, c)) {
		user_unref(u);
		ctx_free(c);
	}
}

static const char *
peer_address(struct evhttp_request *req)
{
	struct evhttp_connection *conn = evhttp_request_get_connection(req);
	char *address = NULL;
	ev_uint16_t port;

	if (conn != NULL)
		evhttp_connection_get_peer(conn, &address, &port);
	return (address != NULL ? address : "");
}

static void
identify(struct http_conn_ctx *c)
{
	struct credentials given = { .authorization = request_header(&c->r, "Authorization"),
	    .cookie = request_header(&c->r, "Cookie"), .origin = request_header(&c->r, "Origin"),
	    .from = c->r.from, .secure = c->r.secure };

	if (c->r.local) {
		c->r.user = auth_local_user();
		read_body(c);
	} else if (given.authorization != NULL || given.cookie != NULL)
		auth_check(c->r.ops->auth, &given, on_user, c);
	else
		no_credentials(c);
}

/* What is asked for later, maybe after the client and its connection went away. */
static void
copy_request(struct http_conn_ctx *c)
{
	const struct evkeyvalq *in = evhttp_request_get_input_headers(c->req);
	const struct evkeyval *e;
	const char *from = peer_address(c->req);

	TAILQ_FOREACH(e, in, next)
		header_add(&c->headers, e->key, e->value);
	buf_add(&c->from, from, strlen(from) + 1);
	c->r.from = (const char *)c->from.data;
	c->r.secure = c->way == WAY_TLS;
	c->r.local = c->way == WAY_LOCAL;
}

static void
post_request(struct front *f, struct evhttp_request *req)
{
	struct http *h = f->thread->http;
	struct http_conn_ctx *c = xcalloc(1, sizeof(*c));

	h->refs++;
	h->open++;
	c->thread = f->thread;
	c->way = f->way;
	c->req = req;
	c->r.ops = h->ops;
	c->r.http = c;
	c->r.began_us = mono_us();
	copy_request(c);
	evhttp_connection_set_closecb(evhttp_request_get_connection(req), http_close_cb, c);
	if (h->stopping)
		reply_error(&c->r, 503, "the node is stopping");
	else
		identify(c);
}

/* ---- what is no operation ---- */

static void
send_page(struct evhttp_request *req, int status, const char *type, const char *text)
{
	struct evkeyvalq *h = evhttp_request_get_output_headers(req);

	evhttp_add_header(h, "Content-Type", type);
	if (status == 405)
		evhttp_add_header(h, "Allow", "GET, HEAD, POST");
	if (evhttp_request_get_command(req) != EVHTTP_REQ_HEAD)
		evbuffer_add(evhttp_request_get_output_buffer(req), text, strlen(text));
	evhttp_send_reply(req, status, reason(status), NULL);
}

static const char page[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>hubleaf</title></head>\n"
    "<body><h1>hubleaf is running</h1>\n"
    "<p>Operations are posted to this address as JSON, such as "
    "<code>{\"operation\": \"describe_all\"}</code>.</p></body></html>\n";

static void
http_request_cb(struct evhttp_request *req, void *arg)
{
	const char *path = evhttp_request_get_uri(req);
	enum evhttp_cmd_type how = evhttp_request_get_command(req);
	int read = how == EVHTTP_REQ_GET || how == EVHTTP_REQ_HEAD;
	int health;

	if (strncmp(path, "http://", 7) == 0 || strncmp(path, "https://", 8) == 0)
		path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(req));
	health = strcspn(path, "?") == 7 && strncmp(path, "/health", 7) == 0;
	if (!health && (strcspn(path, "?") > 1 || (path[0] != '/' && path[0] != '\0')))
		send_page(req, 404, "application/json", "{\"error\":\"Not found\"}");
	else if (how == EVHTTP_REQ_POST && !health)
		post_request(arg, req);
	else if (!read)
		send_page(req, 405, "application/json", "{\"error\":\"Method not allowed\"}");
	else if (health)
		send_page(req, 200, "text/plain", "hubleaf is running.");
	else
		send_page(req, 200, "text/html; charset=utf-8", page);
}

/* ---- listening ---- */

static void
http_resume_cb(evutil_socket_t fd, short what, void *arg)
{
	evconnlistener_enable(arg);
}

/*
 * Out of descriptors, most likely: those who wait in the backlog wait a little more.
 * The argument is evhttp's, which binds listeners to itself.
 */
static void
http_accept_error_cb(struct evconnlistener *l, void *arg)
{
	struct timeval soon = { 0, 500000 };

	log_warn("http: accept");
	if (event_base_once(evconnlistener_get_base(l), -1, EV_TIMEOUT, http_resume_cb, l, &soon) == 0)
		evconnlistener_disable(l);
}

static struct bufferevent *
http_tls_cb(struct event_base *base, void *arg)
{
	struct http *h = arg;
	struct ssl_st *ssl = crypto_ssl_new(h->tls);
	struct bufferevent *b;

	if (ssl == NULL)
		return (NULL);
	b = bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING,
	    BEV_OPT_CLOSE_ON_FREE);
	if (b != NULL)
		bufferevent_openssl_set_allow_dirty_shutdown(b, 1);
	return (b);
}

static struct front *
front_new(struct http_thread *t, enum way way, struct evconnlistener *l)
{
	struct front *f = &t->fronts[way];

	f->thread = t;
	f->way = way;
	f->evhttp = evhttp_new(t->base);
	f->listener = l;
	if (f->evhttp == NULL || evhttp_bind_listener(f->evhttp, l) == NULL)
		fatalx("http: cannot listen");
	evconnlistener_set_error_cb(l, http_accept_error_cb);
	evhttp_set_gencb(f->evhttp, http_request_cb, f);
	evhttp_set_allowed_methods(f->evhttp, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD |
	    EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE |
	    EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH);
	evhttp_set_max_headers_size(f->evhttp, HEADERS_MAX);
	evhttp_set_max_body_size(f->evhttp, (ssize_t)t->http->max_body);
	evhttp_set_flags(f->evhttp, EVHTTP_SERVER_LINGERING_CLOSE);
	evhttp_set_timeout_tv(f->evhttp, &t->http->keepalive);
	evhttp_set_default_content_type(f->evhttp, NULL);
	if (way == WAY_TLS)
		evhttp_set_bevcb(f->evhttp, http_tls_cb, t->http);
	return (f);
}

/*
 * SO_REUSEPORT shares a port among the threads, but also with another node that
 * was given the same port: so see first whether anybody has it.
 */
static int
port_free(const struct addrinfo *ai)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, rc, error;

	if (fd == -1)
		return (-1);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	rc = bind(fd, ai->ai_addr, ai->ai_addrlen);
	error = errno;
	close(fd);
	errno = error;
	return (rc);
}

static struct evconnlistener *
listen_on(struct http_thread *t, const struct addrinfo *ai)
{
	struct evconnlistener *l = evconnlistener_new_bind(t->base, NULL, NULL,
	    LEV_OPT_REUSEABLE | LEV_OPT_REUSEABLE_PORT | LEV_OPT_CLOSE_ON_FREE |
	    LEV_OPT_CLOSE_ON_EXEC, BACKLOG, ai->ai_addr, (int)ai->ai_addrlen);
	int on = 1;

	/* Accepted sockets inherit it. */
	if (l != NULL)
		setsockopt(evconnlistener_get_fd(l), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return (l);
}

static int
listen_tcp(struct http *h, enum way way, const char *host, int64_t port, char **err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE |
	    AI_NUMERICSERV }, *ai = NULL;
	struct evconnlistener *l;
	char text[16];
	unsigned i = 0;
	int rc;

	snprintf(text, sizeof(text), "%d", (int)port);
	if ((rc = getaddrinfo(host, text, &hints, &ai)) != 0) {
		*err = xasprintf("operations API: %s: %s", host, gai_strerror(rc));
		return (-1);
	}
	if (port_free(ai) == 0)
		for (; i < h->n && (l = listen_on(&h->threads[i], ai)) != NULL; i++)
			front_new(&h->threads[i], way, l);
	if (i < h->n)
		*err = xasprintf("operations API: %s port %d: %s", host, (int)port, strerror(errno));
	freeaddrinfo(ai);
	return (i < h->n ? -1 : 0);
}

static int
bind_local(const char *path, char **err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct stat st;
	int fd = -1;

	if (strlen(path) >= sizeof(sun.sun_path)) {
		*err = xasprintf("operations API: %s: longer than %zu bytes, which is the most for "
		    "a socket", path, sizeof(sun.sun_path) - 1);
		return (-1);
	}
	memcpy(sun.sun_path, path, strlen(path) + 1);
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path);
	/* Nobody can connect before it listens, so the mode is right in time. */
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) == -1 ||
	    bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1 || chmod(path, 0660) == -1) {
		*err = xasprintf("operations API: %s: %s", path, strerror(errno));
		if (fd != -1)
			close(fd);
		return (-1);
	}
	return (fd);
}

static int
listen_local(struct http *h, const char *path, char **err)
{
	struct http_thread *t = &h->threads[0];
	struct evconnlistener *l;
	int fd;

	if ((fd = bind_local(path, err)) == -1)
		return (-1);
	h->socket_path = xstrdup(path);
	l = evconnlistener_new(t->base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE, BACKLOG, fd);
	if (l == NULL) {
		*err = xasprintf("operations API: %s: %s", path, strerror(errno));
		close(fd);
		return (-1);
	}
	front_new(t, WAY_LOCAL, l);
	return (0);
}

static int
listen_tls(struct http *h, const struct conf *conf, char **err)
{
	const char *cert = conf_str(conf, TLS_CERT), *key = conf_str(conf, TLS_KEY);
	char *own_cert = conf_path(conf, "keys/certificate.pem");
	char *own_key = conf_path(conf, "keys/privateKey.pem");

	h->tls = crypto_server_ctx(cert != NULL ? cert : own_cert, key != NULL ? key : own_key, err);
	free(own_cert);
	free(own_key);
	if (h->tls == NULL)
		return (-1);
	return (listen_tcp(h, WAY_TLS, conf_str(conf, API_HOST), conf_int(conf, API_SECURE_PORT),
	    err));
}

static int
listen_all(struct http *h, const struct conf *conf, char **err)
{
	if (listen_tcp(h, WAY_PLAIN, conf_str(conf, API_HOST), conf_int(conf, API_PORT), err) == -1)
		return (-1);
	if (conf_is_set(conf, API_SECURE_PORT) && listen_tls(h, conf, err) == -1)
		return (-1);
	return (listen_local(h, conf_str(conf, API_SOCKET), err));
}

/* ---- life ---- */

static void *
http_main(void *arg)
{
	struct http_thread *t = arg;

	/* Whoever looks at t->id may be faster than pthread_create's caller. */
	t->id = pthread_self();
	event_base_loop(t->base, EVLOOP_NO_EXIT_ON_EMPTY);
	return (NULL);
}

static void
thread_init(struct http *h, struct http_thread *t)
{
	t->http = h;
	pthread_mutex_init(&t->lock, NULL);
	if ((t->base = event_base_new()) == NULL)
		fatalx("http: no event base");
	t->post = post_new(t->base);
}

static void
thread_free(struct http_thread *t)
{
	struct post *p;

	pthread_mutex_lock(&t->lock);
	p = t->post;
	t->post = NULL;
	pthread_mutex_unlock(&t->lock);
	/* What was posted before that still runs. */
	event_base_loop(t->base, EVLOOP_NONBLOCK);
	for (int i = 0; i < WAYS; i++)
		if (t->fronts[i].evhttp != NULL)
			evhttp_free(t->fronts[i].evhttp);
	post_free(p);
	event_base_free(t->base);
}

struct http *
http_start(struct ops *ops, char **err)
{
	struct conf *conf = ops_conf(ops);
	long cores = conf_is_set(conf, API_THREADS) ? (long)conf_int(conf, API_THREADS) :
	    sysconf(_SC_NPROCESSORS_ONLN);
	unsigned n = cores > 0 ? (unsigned)cores : 1;
	struct http *h = xcalloc(1, sizeof(*h) + n * sizeof(h->threads[0]));
	int64_t ms = conf_int(conf, API_KEEPALIVE);
	int rc;

	h->refs = 1;
	h->ops = ops;
	h->n = n;
	h->max_body = (size_t)conf_int(conf, API_MAX_BODY);
	h->keepalive = (struct timeval){ ms / 1000, ms % 1000 * 1000 };
	for (unsigned i = 0; i < n; i++)
		thread_init(h, &h->threads[i]);
	rc = listen_all(h, conf, err);
	conf_free(conf);
	for (unsigned i = 0; i < n && rc == 0; i++) {
		struct http_thread *t = &h->threads[i];

		if (pthread_create(&t->id, NULL, http_main, t) == 0)
			t->started = 1;
		else {
			*err = xasprintf("cannot start an HTTP thread");
			rc = -1;
		}
	}
	if (rc == 0)
		return (h);
	http_stop(h);
	return (NULL);
}

static void
stop_accepting(void *arg)
{
	struct http_thread *t = arg;

	for (int i = 0; i < WAYS; i++)
		if (t->fronts[i].listener != NULL)
			evconnlistener_disable(t->fronts[i].listener);
}

/* A little later: answers just given still go out. */
static void
end_loop(void *arg)
{
	struct http_thread *t = arg;
	struct timeval soon = { 0, 50000 };

	event_base_loopexit(t->base, &soon);
}

void
http_stop(struct http *h)
{
	uint64_t began = mono_us();

	if (h == NULL)
		return;
	h->stopping = 1;
	for (unsigned i = 0; i < h->n; i++)
		post_to(&h->threads[i], stop_accepting, &h->threads[i]);
	while (h->open > 0 && mono_us() - began < STOP_US)
		usleep(5000);
	for (unsigned i = 0; i < h->n; i++)
		post_to(&h->threads[i], end_loop, &h->threads[i]);
	for (unsigned i = 0; i < h->n; i++)
		if (h->threads[i].started)
			pthread_join(h->threads[i].id, NULL);
	for (unsigned i = 0; i < h->n; i++)
		thread_free(&h->threads[i]);
	crypto_ctx_free(h->tls);
	if (h->socket_path != NULL)
		unlink(h->socket_path);
	http_unref(h);
}
