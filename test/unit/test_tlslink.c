#include "config.h"

#include "common/tls/tlslink.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/ssl.h>

#include "common/base/log.h"
#include "leafd/link/peercert.h"
#include "test/unit/certs.h"
#include "test/unit/until.h"

#define BOTH "serverAuth,clientAuth"

struct end {
	struct bufferevent *bev;
	int got, ended;
	char *why;
};

static struct event_base *base;
static struct certs root, other;
static struct end server, client;

static void
read_cb(struct bufferevent *bev, void *arg)
{
	struct end *e = arg;

	e->got = 1;
}

static void
event_cb(struct bufferevent *bev, short what, void *arg)
{
	struct end *e = arg;

	if (what & BEV_EVENT_CONNECTED)
		return;
	e->ended = 1;
	if (e->why == NULL)
		e->why = tlslink_fault(bev, what & BEV_EVENT_ERROR ? errno : 0);
}

static struct tlslink *
of(const struct certs *c, const char *authorities)
{
	char *err = NULL;
	struct tlslink *t = tlslink_new(&(struct tlslink_opts){ .certificate = c->cert,
					    .key = c->key,
					    .authorities = authorities },
	    &err);

	assert_null(err);
	return (t);
}

static void
run_end(struct end *e, int fd, struct ssl_st *ssl, enum bufferevent_ssl_state state)
{
	assert_non_null(ssl);
	evutil_make_socket_nonblocking(fd);
	e->bev = bufferevent_openssl_socket_new(base, fd, ssl, state, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(e->bev, read_cb, NULL, event_cb, e);
	bufferevent_enable(e->bev, EV_READ | EV_WRITE);
	evbuffer_add(bufferevent_get_output(e->bev), "x", 1);
}

/* Both send a byte; which of them gets the other's? */
static void
run_both(struct ssl_st *s, struct ssl_st *c)
{
	int fds[2];

	memset(&server, 0, sizeof(server));
	memset(&client, 0, sizeof(client));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	run_end(&server, fds[0], s, BUFFEREVENT_SSL_ACCEPTING);
	run_end(&client, fds[1], c, BUFFEREVENT_SSL_CONNECTING);
	until((server.got && client.got) || (server.ended && client.ended));
}

/* Takes both. */
static void
meet_as(struct tlslink *s, struct tlslink *c, const char *name)
{
	struct ssl_st *from = tlslink_accept(s), *to = tlslink_connect(c, name);

	/* Sessions go on without it. */
	tlslink_free(s);
	tlslink_free(c);
	run_both(from, to);
}

static void
meet(const struct certs *s, const struct certs *c, const char *name)
{
	meet_as(of(s, root.cert), of(c, root.cert), name);
}

static void
part(void)
{
	bufferevent_free(server.bev);
	bufferevent_free(client.bev);
	free(server.why);
	free(client.why);
}

/* What the session of one shows of the other. */
static struct peercert
shown_to(const struct end *e)
{
	struct peercert p;

	assert_int_equal(peercert_read(&p, bufferevent_openssl_get_ssl(e->bev)), 0);
	return (p);
}

static void
test_both_verify(void **state)
{
	struct certs n1, n2;
	struct peercert p;

	certs_make(&n1, &root,
	    &(struct certs_wish){ .cn = "n1",
		.san = "DNS:n1.example.com,IP:127.0.1.1",
		.serial = 0xab1,
		.usage = BOTH });
	certs_make(&n2, &root,
	    &(struct certs_wish){ .cn = "n2.example.com", .serial = 0x10, .usage = BOTH });
	meet(&n1, &n2, "n1.example.com");
	assert_true(server.got && client.got);
	assert_false(
	    SSL_SESSION_is_resumable(SSL_get0_session(bufferevent_openssl_get_ssl(client.bev))));
	p = shown_to(&client);
	assert_int_equal(json_array_size(p.names), 2);
	assert_string_equal(json_string_value(json_array_get(p.names, 1)), "127.0.1.1");
	assert_string_equal(p.serial, "ab1");
	assert_string_equal(p.issuer, "CN=root");
	assert_int_equal(strlen(p.spki), 64);
	assert_true(peercert_covers(&p, "127.0.1.1") && peercert_covers(&p, "N1.example.com"));
	assert_false(peercert_covers(&p, "n1") || peercert_covers(&p, "127.0.1.2"));
	assert_true(peercert_is(&p, "0A:B1") && peercert_is(&p, "ab1") &&
	    peercert_is(&p, "0000AB1"));
	assert_false(peercert_is(&p, "ab") || peercert_is(&p, "ab10") || peercert_is(&p, ""));
	peercert_free(&p);
	/* Without alternative names the common name is one. */
	p = shown_to(&server);
	assert_int_equal(json_array_size(p.names), 1);
	assert_true(peercert_covers(&p, "n2.example.com"));
	assert_string_equal(p.serial, "10");
	peercert_free(&p);
	part();
	/* An address is a name as well. */
	meet(&n1, &n2, "127.0.1.1");
	assert_true(server.got && client.got);
	part();
	certs_free(&n1);
	certs_free(&n2);
}

static void
test_refused(void **state)
{
	static const struct certs_wish good = { .cn = "n",
		.san = "DNS:n",
		.serial = 1,
		.usage = BOTH };
	static const struct {
		struct certs_wish wish;
		int foreign;
		const char *server, *client; /* in what the one says who refuses it */
	} cases[] = {
		{ { .cn = "n", .san = "DNS:n", .serial = 2, .usage = BOTH }, 1, "local issuer",
		    "local issuer" },
		{ { .cn = "n",
		      .san = "DNS:n",
		      .serial = 2,
		      .usage = BOTH,
		      .from = -7200,
		      .to = -3600 },
		    0, "expired", "expired" },
		{ { .cn = "n",
		      .san = "DNS:n",
		      .serial = 2,
		      .usage = BOTH,
		      .from = 3600,
		      .to = 7200 },
		    0, "not yet valid", "not yet valid" },
		{ { .cn = "n", .san = "DNS:other", .serial = 2, .usage = BOTH }, 0, NULL,
		    "ostname mismatch" },
		{ { .cn = "n", .san = "DNS:n", .serial = 2, .usage = "serverAuth" }, 0, "purpose",
		    NULL },
		{ { .cn = "n", .san = "DNS:n", .serial = 2, .usage = "clientAuth" }, 0, NULL,
		    "purpose" },
	};
	struct certs ours, theirs;
	size_t i;

	certs_make(&ours, &root, &good);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		certs_make(&theirs, cases[i].foreign ? &other : &root, &cases[i].wish);
		meet(&ours, &theirs, "n");
		assert_int_equal(server.got, cases[i].server == NULL);
		if (cases[i].server != NULL) {
			assert_non_null(strstr(server.why, cases[i].server));
			assert_non_null(strstr(client.why,
			    "the other node refuses this node's certificate: "));
		}
		part();
		meet(&theirs, &ours, "n");
		assert_int_equal(client.got, cases[i].client == NULL);
		if (cases[i].client != NULL)
			assert_non_null(strstr(client.why, cases[i].client));
		part();
		certs_free(&theirs);
	}
	certs_free(&ours);
}

static void
test_no_certificate(void **state)
{
	SSL_CTX *plain = SSL_CTX_new(TLS_client_method());
	struct tlslink *t;
	struct certs n;
	SSL *ssl;

	certs_make(&n, &root, &(struct certs_wish){ .cn = "n", .serial = 1, .usage = BOTH });
	t = of(&n, root.cert);
	ssl = tlslink_accept(t);
	run_both(ssl, SSL_new(plain));
	assert_false(server.got);
	assert_non_null(strstr(server.why, "did not return a certificate"));
	part();
	SSL_CTX_free(plain);
	tlslink_free(t);
	certs_free(&n);
}

/* Certificates between a node's and its authority come with the former, or are trusted themselves. */
static void
test_between(void **state)
{
	char chain[8192], authorities[8192];
	struct certs n, between;
	char *err = NULL;

	certs_make(&between, &root,
	    &(struct certs_wish){ .cn = "between", .serial = 2, .authority = 1 });
	certs_make(&n, &between, &(struct certs_wish){ .cn = "n", .serial = 3, .usage = BOTH });
	meet(&n, &n, "n");
	assert_false(server.got || client.got);
	part();
	meet_as(of(&n, between.cert), of(&n, between.cert), "n");
	assert_true(server.got && client.got);
	part();
	snprintf(authorities, sizeof(authorities), "%s%s", other.cert, between.cert);
	meet_as(of(&n, authorities), of(&n, authorities), "n");
	assert_true(server.got && client.got);
	part();
	snprintf(chain, sizeof(chain), "%s%s", n.cert, between.cert);
	struct tlslink_opts o = { .certificate = chain, .key = n.key, .authorities = root.cert };

	meet_as(tlslink_new(&o, &err), tlslink_new(&o, &err), "n");
	assert_true(server.got && client.got);
	part();
	certs_free(&n);
	certs_free(&between);
}

/* The system's authorities count when that is asked for. */
static void
test_system_roots(void **state)
{
	char path[] = "/tmp/tlslink.XXXXXX", *err = NULL;
	struct certs n;
	int fd = mkstemp(path);

	assert_int_equal(write(fd, root.cert, strlen(root.cert)), (ssize_t)strlen(root.cert));
	close(fd);
	setenv("SSL_CERT_FILE", path, 1);
	certs_make(&n, &root, &(struct certs_wish){ .cn = "n", .serial = 1, .usage = BOTH });
	struct tlslink_opts o = { .certificate = n.cert, .key = n.key, .system_roots = 1 };

	meet_as(tlslink_new(&o, &err), tlslink_new(&o, &err), "n");
	assert_true(server.got && client.got);
	part();
	meet_as(of(&n, other.cert), of(&n, other.cert), "n");
	assert_false(server.got || client.got);
	part();
	unsetenv("SSL_CERT_FILE");
	unlink(path);
	certs_free(&n);
}

static void
test_texts_that_are_none(void **state)
{
	struct certs c, d;
	char *err = NULL;

	certs_make(&c, &root, &(struct certs_wish){ .cn = "n", .serial = 1 });
	certs_make(&d, &root, &(struct certs_wish){ .cn = "n", .serial = 1 });
	assert_null(tlslink_new(&(struct tlslink_opts){ "nothing", c.key, root.cert, 0 }, &err));
	assert_non_null(strstr(err, "the certificate: "));
	free(err);
	assert_null(tlslink_new(&(struct tlslink_opts){ c.cert, d.key, root.cert, 0 }, &err));
	assert_non_null(strstr(err, "the private key: "));
	free(err);
	assert_null(tlslink_new(&(struct tlslink_opts){ c.cert, c.key, "nothing", 0 }, &err));
	assert_non_null(strstr(err, "authorities"));
	free(err);
	certs_free(&c);
	certs_free(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_verify),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_no_certificate),
		cmocka_unit_test(test_between),
		cmocka_unit_test(test_system_roots),
		cmocka_unit_test(test_texts_that_are_none),
	};
	int failed;

	signal(SIGPIPE, SIG_IGN);
	log_init("test", LOG_ERROR);
	base = event_base_new();
	certs_make(&root, NULL, &(struct certs_wish){ .cn = "root", .serial = 1, .authority = 1 });
	certs_make(&other, NULL,
	    &(struct certs_wish){ .cn = "other", .serial = 1, .authority = 1 });
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	certs_free(&root);
	certs_free(&other);
	event_base_free(base);
	return (failed);
}
