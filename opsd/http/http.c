#include "config.h"

#include "opsd/http/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/listener.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/ipc/passed.h"
#include "common/ipc/sockwatch.h"
#include "common/tls/tls.h"
#include "opsd/http/http_priv.h"
#include "opsd/http/httptls.h"

#define STOP_US       5000000
#define FILES_OF_OURS 512 /* descriptors that the store and the others may need */

void
http_unref(struct http *h)
{
	if (--h->refs > 0)
		return;
	for (unsigned i = 0; i < h->n; i++)
		pthread_mutex_destroy(&h->threads[i].lock);
	free(h->socket_path);
	cors_free(h->cors);
	free(h);
}

int
http_post(struct http_thread *t, void (*fn)(void *arg), void *arg)
{
	int there;

	pthread_mutex_lock(&t->lock);
	if ((there = t->post != NULL))
		post(t->post, fn, arg);
	pthread_mutex_unlock(&t->lock);
	return (there);
}

struct httptls *
http_tls(struct http *h)
{
	struct httptls *t;

	pthread_mutex_lock(&h->tls_lock);
	t = httptls_ref(h->tls);
	pthread_mutex_unlock(&h->tls_lock);
	return (t);
}

struct ssl_st *
http_ssl(struct http *h)
{
	struct httptls *t = http_tls(h);
	struct ssl_st *ssl = tls_session(t->ctx);

	httptls_unref(t);
	return (ssl);
}

/* Connections go on with the certificate that they began with. */
void
http_reload(struct http *h)
{
	struct conf *conf = data_conf(h->data);
	struct httptls *new = NULL, *old;
	char *err = NULL;

	if (h->tls != NULL && (new = httptls_read(conf, &err)) == NULL)
		log_errorx("operations API: the certificate stays as it was: %s", err);
	if (new != NULL) {
		pthread_mutex_lock(&h->tls_lock);
		old = h->tls;
		h->tls = new;
		pthread_mutex_unlock(&h->tls_lock);
		httptls_unref(old);
	}
	free(err);
	conf_free(conf);
}

static int
listen_tls(struct http *h, const struct conf *conf, char **err)
{
	if ((h->tls = httptls_read(conf, err)) == NULL)
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
	if (listen_local(h, conf_str(conf, API_SOCKET), err) == -1)
		return (-1);
	passed_close_rest();
	return (0);
}

/* ---- life ---- */

static void *
http_main(void *arg)
{
	struct http_thread *t = arg;

	pthread_setname_np(pthread_self(), "http");
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
	TAILQ_INIT(&t->conns);
	if ((t->base = event_base_new()) == NULL)
		fatalx("http: no event base");
	t->post = post_new(t->base);
	if ((t->resume = evtimer_new(t->base, listen_resume_cb, t)) == NULL)
		fatalx("http: no event");
}

static void
thread_free(struct http_thread *t)
{
	struct conn *c;
	struct post *p;

	for (unsigned i = 0; i < t->nlisteners; i++)
		evconnlistener_free(t->listeners[i]);
	t->nlisteners = 0; /* what was posted may look */
	/* Answers in pieces that wait for their clients end now. */
	while ((c = TAILQ_FIRST(&t->conns)) != NULL)
		conn_free(c);
	pthread_mutex_lock(&t->lock);
	p = t->post;
	t->post = NULL;
	pthread_mutex_unlock(&t->lock);
	/* What was posted before that still runs. */
	event_base_loop(t->base, EVLOOP_NONBLOCK);
	post_free(p);
	sockwatch_free(t->watch);
	event_free(t->resume);
	event_base_free(t->base);
}

/* As many as there are descriptors for. */
static int
max_connections(const struct conf *conf)
{
	int64_t n = conf_int(conf, API_MAX_CONNECTIONS), files;
	struct rlimit most;

	if (getrlimit(RLIMIT_NOFILE, &most) == -1 || most.rlim_cur == RLIM_INFINITY)
		return ((int)n);
	files = (int64_t)most.rlim_cur - FILES_OF_OURS;
	if (files < 64)
		files = 64;
	if (n > files && conf_is_set(conf, API_MAX_CONNECTIONS))
		log_warnx("http: %lld connections at most, as %lld files may be open",
		    (long long)files, (long long)most.rlim_cur);
	return ((int)(n < files ? n : files));
}

static struct http_limits
http_limits(const struct conf *conf)
{
	return ((struct http_limits){
	    .headers_ms = (uint64_t)conf_int(conf, API_HEADERS_TIMEOUT),
	    .keepalive_ms = (uint64_t)conf_int(conf, API_KEEPALIVE),
	    .timeout_ms = (uint64_t)conf_int(conf, API_TIMEOUT),
	    .max_header = (uint64_t)conf_int(conf, API_MAX_HEADER),
	    .max_body = (uint64_t)conf_int(conf, API_MAX_BODY),
	    .max_bytes = (uint64_t)conf_int(conf, API_MAX_REQUEST_BYTES),
	    .scan.depth = (int)conf_int(conf, API_MAX_DEPTH),
	    .scan.values = (uint64_t)conf_int(conf, API_MAX_VALUES),
	    .max_requests = (int)conf_int(conf, API_MAX_REQUESTS),
	    .max_conns = max_connections(conf),
	});
}

struct http *
http_start(const struct http_needs *needs, char **err)
{
	struct conf *conf = data_conf(needs->data);
	long cores = conf_is_set(conf, API_THREADS) ? (long)conf_int(conf, API_THREADS) :
						      sysconf(_SC_NPROCESSORS_ONLN);
	unsigned n = cores > 0 ? (unsigned)cores : 1;
	struct http *h = xcalloc(1, sizeof(*h) + n * sizeof(h->threads[0]));
	int rc;

	h->refs = 1;
	pthread_mutex_init(&h->tls_lock, NULL);
	h->ops = needs->ops;
	h->data = needs->data;
	h->auth = needs->auth;
	h->pki = needs->pki;
	h->watch = needs->watch;
	h->bodies = needs->bodies;
	h->api = needs->api;
	h->n = n;
	h->limits = http_limits(conf);
	h->cors = cors_new(conf);
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

	for (unsigned i = 0; i < t->nlisteners; i++)
		evconnlistener_disable(t->listeners[i]);
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
		http_post(&h->threads[i], stop_accepting, &h->threads[i]);
	while (h->open > 0 && mono_us() - began < STOP_US)
		usleep(5000);
	for (unsigned i = 0; i < h->n; i++)
		http_post(&h->threads[i], end_loop, &h->threads[i]);
	for (unsigned i = 0; i < h->n; i++)
		if (h->threads[i].started)
			pthread_join(h->threads[i].id, NULL);
	for (unsigned i = 0; i < h->n; i++)
		thread_free(&h->threads[i]);
	httptls_unref(h->tls);
	if (h->socket_path != NULL)
		unlink(h->socket_path);
	http_unref(h);
}
