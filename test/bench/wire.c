#include "config.h"

#include <arpa/inet.h>
#include <err.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/tls/tlslink.h"
#include "test/bench/db.h"
#include "test/bench/sample.h"

/*
 * wire: the limits beside links.  A row is written with fsync here, goes over TLS, and is
 * written with fsync there: two threads, two stores, a connection as links have it, and nothing else.
 *
 *	wire flow FOLDER NAME SECONDS		rows a second, so many at once as clients write
 *	wire latency FOLDER NAME SECONDS RATE	median and 99th percentile, microseconds
 *	wire read FOLDER NAME N			rows a second of N that are in the store here
 *
 * Certificate and key are FOLDER/NAME.pem and .key, the authority FOLDER/ca.pem; they are for
 * the host NAME.  The stores go below FOLDER.
 */
#define AT_ONCE  64
#define IO       (256u << 10)
#define TEXT_MAX (64u << 10)
#define PAUSE_US 100

struct wire {
	const char *folder, *name;
	struct tlslink *tls;
	rocksdb_t *here, *there;
	SSL *out, *in;
	uint64_t sent;
	uint64_t *took_us; /* or NULL */
	uint64_t came, last_us;
};

static char *
read_text(const struct wire *w, const char *name, const char *kind)
{
	char *path = xasprintf("%s/%s.%s", w->folder, name, kind);
	char *text = file_read(path, TEXT_MAX, NULL);

	if (text == NULL)
		err(1, "%s", path);
	free(path);
	return (text);
}

static void
make_tls(struct wire *w)
{
	char *certificate = read_text(w, w->name, "pem"), *key = read_text(w, w->name, "key");
	char *authority = read_text(w, "ca", "pem"), *why = NULL;

	w->tls = tlslink_new(&(struct tlslink_opts){ certificate, key, authority, 0 }, &why);
	if (w->tls == NULL)
		errx(1, "TLS: %s", why);
	free(certificate);
	free(key);
	free(authority);
}

static SSL *
speak(SSL *s, int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (s == NULL || SSL_set_fd(s, fd) != 1)
		errx(1, "no TLS");
	return (s);
}

/* Both ends shake hands at once. */
static void *
accept_main(void *arg)
{
	struct wire *w = arg;

	if (SSL_accept(w->in) != 1)
		errx(1, "the connection is not accepted");
	return (NULL);
}

static void
connect_both(struct wire *w)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	int from = socket(AF_INET, SOCK_STREAM, 0), listener = socket(AF_INET, SOCK_STREAM, 0), to;
	pthread_t accepting;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (struct sockaddr *)&at, len) == -1 || listen(listener, 1) == -1 ||
	    getsockname(listener, (struct sockaddr *)&at, &len) == -1 ||
	    connect(from, (struct sockaddr *)&at, len) == -1 ||
	    (to = accept(listener, NULL, NULL)) == -1)
		err(1, "no connection");
	close(listener);
	w->out = speak(tlslink_connect(w->tls, w->name), from);
	w->in = speak(tlslink_accept(w->tls), to);
	if (pthread_create(&accepting, NULL, accept_main, w) != 0)
		errx(1, "no thread");
	if (SSL_connect(w->out) != 1)
		errx(1, "the connection is refused");
	pthread_join(accepting, NULL);
}

/* ---- there ---- */

/* All whole ones of n bytes, in one batch; how many bytes. */
static size_t
keep_messages(struct wire *w, rocksdb_writebatch_t *b, const uint8_t *p, size_t n)
{
	size_t at, from = w->came;
	uint64_t sent_us;

	for (at = 0; at + SAMPLE_MESSAGE <= n; at += SAMPLE_MESSAGE)
		db_put(b, w->came++, p + at, SAMPLE_MESSAGE);
	if (at == 0)
		return (0);
	db_write(w->there, b);
	w->last_us = mono_us();
	for (size_t i = 0; w->took_us != NULL && from + i < w->came; i++) {
		memcpy(&sent_us, p + i * SAMPLE_MESSAGE, sizeof(sent_us));
		w->took_us[from + i] = w->last_us - sent_us;
	}
	return (at);
}

static int
is_more(SSL *s)
{
	struct pollfd fd = { .fd = SSL_get_fd(s), .events = POLLIN };

	return (SSL_has_pending(s) || poll(&fd, 1, 0) == 1);
}

static void *
there_main(void *arg)
{
	struct wire *w = arg;
	rocksdb_writebatch_t *b = rocksdb_writebatch_create();
	uint8_t *p = xmalloc(IO);
	size_t have = 0, used;
	int n;

	while ((n = SSL_read(w->in, p + have, (int)(IO - have))) > 0) {
		have += (size_t)n;
		/* Whatever has come meanwhile is written with it. */
		while (have < IO && is_more(w->in) &&
		    (n = SSL_read(w->in, p + have, (int)(IO - have))) > 0)
			have += (size_t)n;
		used = keep_messages(w, b, p, have);
		memmove(p, p + used, have - used);
		have -= used;
	}
	rocksdb_writebatch_destroy(b);
	free(p);
	return (NULL);
}

/* ---- here ---- */

static void
send_messages(struct wire *w, const void *p, size_t n)
{
	if (SSL_write(w->out, p, (int)(n * SAMPLE_MESSAGE)) <= 0)
		errx(1, "the connection was closed");
	w->sent += n;
}

static void
write_and_send(struct wire *w, rocksdb_writebatch_t *b, size_t n)
{
	static char messages[AT_ONCE][SAMPLE_MESSAGE];
	uint64_t now = mono_us();

	for (size_t i = 0; i < n; i++) {
		memcpy(messages[i], &now, sizeof(now));
		db_put(b, w->sent + i, messages[i], SAMPLE_MESSAGE);
	}
	db_write(w->here, b);
	send_messages(w, messages, n);
}

static void
flow(struct wire *w, double seconds)
{
	rocksdb_writebatch_t *b = rocksdb_writebatch_create();
	uint64_t until = mono_us() + (uint64_t)(seconds * 1e6);

	while (mono_us() < until)
		write_and_send(w, b, AT_ONCE);
	rocksdb_writebatch_destroy(b);
}

static void
latency(struct wire *w, double seconds, double rate)
{
	rocksdb_writebatch_t *b = rocksdb_writebatch_create();
	uint64_t began = mono_us(), n = (uint64_t)(seconds * rate);

	while (w->sent < n) {
		uint64_t due = (uint64_t)((double)(mono_us() - began) * rate / 1e6) + 1;

		due = (due < n ? due : n) - w->sent;
		if (due > 0)
			write_and_send(w, b, due < AT_ONCE ? due : AT_ONCE);
		usleep(PAUSE_US);
	}
	rocksdb_writebatch_destroy(b);
}

static void
fill(struct wire *w, uint64_t n)
{
	static const char message[SAMPLE_MESSAGE];
	rocksdb_writebatch_t *b = rocksdb_writebatch_create();

	for (uint64_t i = 1; i <= n; i++) {
		db_put(b, i, message, sizeof(message));
		if (i % 1000 == 0 || i == n)
			db_write(w->here, b);
	}
	rocksdb_writebatch_destroy(b);
}

static void
send_all(struct wire *w)
{
	rocksdb_readoptions_t *o = rocksdb_readoptions_create();
	rocksdb_iterator_t *it = rocksdb_create_iterator(w->here, o);
	char messages[AT_ONCE][SAMPLE_MESSAGE];
	size_t n = 0, len;

	for (rocksdb_iter_seek_to_first(it); rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
		memcpy(messages[n++], rocksdb_iter_value(it, &len), SAMPLE_MESSAGE);
		if (n == AT_ONCE) {
			send_messages(w, messages, n);
			n = 0;
		}
	}
	if (n > 0)
		send_messages(w, messages, n);
	rocksdb_iter_destroy(it);
	rocksdb_readoptions_destroy(o);
}

/* ---- all of it ---- */

static rocksdb_t *
store_at(const struct wire *w, const char *name)
{
	char *path = xasprintf("%s/%s", w->folder, name);
	rocksdb_t *db = db_open(path);

	free(path);
	return (db);
}

static void
wire_open(struct wire *w)
{
	make_tls(w);
	w->here = store_at(w, "wire.here");
	w->there = store_at(w, "wire.there");
	connect_both(w);
}

static void
wire_close(struct wire *w)
{
	SSL_free(w->out);
	SSL_free(w->in);
	tlslink_free(w->tls);
	rocksdb_close(w->here);
	rocksdb_close(w->there);
	free(w->took_us);
}

static void
wire_run(struct wire *w, const char *mode, double n, double rate)
{
	pthread_t there;
	uint64_t began;

	if (strcmp(mode, "read") == 0)
		fill(w, (uint64_t)n);
	if (pthread_create(&there, NULL, there_main, w) != 0)
		errx(1, "no thread");
	began = mono_us();
	if (strcmp(mode, "flow") == 0)
		flow(w, n);
	else if (strcmp(mode, "latency") == 0)
		latency(w, n, rate);
	else
		send_all(w);
	SSL_shutdown(w->out);
	pthread_join(there, NULL);
	if (w->came != w->sent)
		errx(1, "%" PRIu64 " of %" PRIu64 " rows came", w->came, w->sent);
	if (w->took_us != NULL)
		printf("%.0f %.0f\n", sample_quantile(w->took_us, w->came, 500),
		    sample_quantile(w->took_us, w->came, 990));
	else
		printf("%.0f\n", (double)w->came * 1e6 / (double)(w->last_us - began));
}

int
main(int argc, char *argv[])
{
	const char *mode = argc > 4 ? argv[1] : "";
	double n = argc > 4 ? atof(argv[4]) : 0, rate = argc > 5 ? atof(argv[5]) : 0;
	int is_latency = strcmp(mode, "latency") == 0;
	struct wire w = { 0 };

	if (n <= 0 || is_latency != (rate > 0) ||
	    (!is_latency && strcmp(mode, "flow") != 0 && strcmp(mode, "read") != 0))
		errx(2, "usage: wire flow|latency|read FOLDER NAME SECONDS|N [RATE]");
	w.folder = argv[2];
	w.name = argv[3];
	wire_open(&w);
	if (is_latency)
		w.took_us = xcalloc((size_t)(n * rate) + 1, sizeof(*w.took_us));
	wire_run(&w, mode, n, rate);
	wire_close(&w);
	return (0);
}
