#include "config.h"

#include "leafd/link/ws.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include <event2/bufferevent.h>
#include <event2/event.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "leafd/link/ws_priv.h"
#include "test/unit/until.h"

#define HEADROOM 5
#define MAX      (1u << 20)

struct end {
	struct ws *ws;
	int opened, ended, drained;
	unsigned code;
	char why[200];
	unsigned messages, pongs;
	struct buf last;
	int take, stop, quit; /* at the next message: keep its memory, pause, free all */
	uint8_t *taken;
};

static struct event_base *base;
static struct end server, client;

static void
on_open(struct ws *w, void *arg)
{
	struct end *e = arg;

	assert_ptr_equal(w, e->ws);
	e->opened++;
}

static void
on_message(struct ws *w, struct buf *m, void *arg)
{
	struct end *e = arg;

	assert_true(m->len >= HEADROOM);
	e->messages++;
	buf_clear(&e->last);
	buf_add(&e->last, m->data + HEADROOM, m->len - HEADROOM);
	if (e->take)
		e->taken = buf_take(m, NULL);
	if (e->stop)
		ws_pause(w, 1);
	if (e->quit) {
		ws_free(w);
		e->ws = NULL;
	}
}

static void
on_pong(struct ws *w, uint64_t us, void *arg)
{
	struct end *e = arg;

	assert_true(us < 60000000);
	e->pongs++;
}

static void
on_drained(struct ws *w, void *arg)
{
	struct end *e = arg;

	e->drained++;
}

static void
on_closed(struct ws *w, unsigned code, const char *why, void *arg)
{
	struct end *e = arg;

	assert_int_equal(e->ended, 0);
	e->ended = 1;
	e->code = code;
	snprintf(e->why, sizeof(e->why), "%s", why);
}

static const struct ws_ops ops = { on_open, on_message, on_pong, on_drained, on_closed };
static const struct ws_opts opts = {
	.path = "/replication",
	.protocol = "hubleaf.1",
	.host = "n2:9933",
	.headroom = HEADROOM,
	.max = MAX,
	.max_head = 1024,
};

static struct bufferevent *
buffered(int fd)
{
	evutil_make_socket_nonblocking(fd);
	return (bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE));
}

static void
open_both(void)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	memset(&server, 0, sizeof(server));
	memset(&client, 0, sizeof(client));
	server.ws = ws_server(buffered(fds[0]), &opts, &ops, &server);
	client.ws = ws_client(buffered(fds[1]), &opts, &ops, &client);
	until(server.opened && client.opened);
}

/* A server, and what a client of another make is to it. */
static int
open_raw(void)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	memset(&server, 0, sizeof(server));
	memset(&client, 0, sizeof(client));
	server.ws = ws_server(buffered(fds[0]), &opts, &ops, &server);
	return (fds[1]);
}

static void
close_both(void)
{
	ws_free(server.ws);
	ws_free(client.ws);
	buf_free(&server.last);
	buf_free(&client.last);
	free(server.taken);
	free(client.taken);
}

static void
say(int fd, const void *p, size_t n)
{
	assert_int_equal(write(fd, p, n), (ssize_t)n);
	event_base_loop(base, EVLOOP_NONBLOCK);
}

/* What has come, as a text. */
static const char *
hear(int fd)
{
	static char text[2048];
	ssize_t n;

	event_base_loop(base, EVLOOP_NONBLOCK);
	n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	text[n > 0 ? n : 0] = '\0';
	return (text);
}

#define ASK                                                                                  \
	"GET /replication HTTP/1.1\r\nHost: n2\r\nUpgrade: websocket\r\n"                    \
	"Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" \
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat, hubleaf.1\r\n\r\n"

static void
test_messages_go_both_ways(void **state)
{
	char *large = xmalloc(MAX);
	size_t i;

	for (i = 0; i < MAX; i++)
		large[i] = (char)(i * 7 + i / 251);
	open_both();
	ws_send(client.ws, "he", 2, "llo", 3);
	until(server.messages == 1);
	assert_int_equal(server.last.len, 5);
	assert_memory_equal(server.last.data, "hello", 5);
	for (i = 0; i < 100; i++)
		ws_send(server.ws, &large[i], 1, large, i * 1000);
	until(client.messages == 100);
	assert_int_equal(client.last.len, 99001);
	assert_memory_equal(client.last.data + 1, large, 99000);
	assert_true(server.drained > 0);
	/* The largest that may be, masked and not, and nothing. */
	server.take = 1;
	ws_send(client.ws, large, 1, large + 1, MAX - 1);
	until(server.messages == 2);
	assert_memory_equal(server.taken + HEADROOM, large, MAX);
	server.take = 0;
	ws_send(server.ws, large, MAX, NULL, 0);
	ws_send(client.ws, "", 0, NULL, 0);
	until(client.messages == 101 && server.messages == 3);
	assert_memory_equal(client.last.data, large, MAX);
	assert_int_equal(server.last.len, 0);
	assert_int_equal(ws_queued(server.ws), 0);
	close_both();
	free(large);
}

static void
test_pings_are_answered(void **state)
{
	open_both();
	ws_ping(client.ws);
	ws_ping(server.ws);
	until(client.pongs == 1 && server.pongs == 1);
	assert_int_equal(client.messages + server.messages, 0);
	close_both();
}

static void
open_upgraded(int *fd)
{
	*fd = open_raw();
	say(*fd, ASK, sizeof(ASK) - 1);
	until(server.opened);
	assert_memory_equal(hear(*fd) + 9, "101", 3);
}

/* One that answers no ping of ours, or one a second time, is none. */
static void
test_pongs(void **state)
{
	char pong[14] = "\x8a\x88\0\0\0\0unasked?";
	int fd;

	open_upgraded(&fd);
	say(fd, pong, sizeof(pong));
	ws_ping(server.ws);
	say(fd, pong, sizeof(pong));
	assert_int_equal(server.pongs, 0);
	memcpy(pong + 6, hear(fd) + 2, 8);
	say(fd, pong, sizeof(pong));
	until(server.pongs == 1);
	say(fd, pong, sizeof(pong));
	say(fd, "\x82\x81\0\0\0\0a", 7);
	until(server.messages == 1);
	assert_int_equal(server.pongs, 1);
	close(fd);
	close_both();
}

/* Pings of one that reads no answers take no more memory than so much. */
static void
test_many_pings(void **state)
{
	char ping[131] = "\x89\xfd\0\0\0\0";
	int fd;

	open_upgraded(&fd);
	for (int i = 0; i < 10000; i++)
		say(fd, ping, sizeof(ping));
	assert_true(ws_queued(server.ws) < (64u << 10) + 200);
	assert_false(server.ended);
	close(fd);
	until(server.ended);
	close_both();
}

/* The end that the other wishes is agreed to, with its code. */
static void
test_bye(void **state)
{
	static const struct {
		const char *said, *answer;
		size_t n, nanswer;
	} cases[] = {
		{ "\x88\x82\0\0\0\0\x03\xf1", "\x88\x02\x03\xf1", 8, 4 },
		{ "\x88\x80\0\0\0\0", "\x88\x02\x03\xe8", 6, 4 },
	};
	int fd;

	for (size_t i = 0; i < 2; i++) {
		open_upgraded(&fd);
		say(fd, cases[i].said, cases[i].n);
		until(server.ended);
		assert_memory_equal(hear(fd), cases[i].answer, cases[i].nanswer);
		close(fd);
		close_both();
	}
}

static void
test_too_large(void **state)
{
	open_both();
	ws_set_max(server.ws, 100);
	ws_send(client.ws, "x", 1, ASK, 100);
	until(server.ended && client.ended);
	assert_int_equal(server.code, WS_TOO_BIG);
	assert_int_equal(client.code, WS_TOO_BIG);
	assert_int_equal(server.messages, 0);
	close_both();
}

static void
test_end(void **state)
{
	open_both();
	ws_send(server.ws, "last", 4, NULL, 0);
	ws_close(server.ws, WS_REFUSED, "is not a member");
	until(server.ended && client.ended);
	assert_int_equal(client.messages, 1);
	assert_int_equal(client.code, WS_REFUSED);
	assert_string_equal(client.why, "is not a member");
	assert_int_equal(server.code, WS_REFUSED);
	close_both();
	/* Without a word. */
	open_both();
	ws_free(client.ws);
	client.ws = NULL;
	until(server.ended);
	assert_int_equal(server.code, WS_ABNORMAL);
	close_both();
}

/* One that does not agree to the end is not waited for. */
static void
test_end_alone(void **state)
{
	int fd = open_raw();

	say(fd, ASK, sizeof(ASK) - 1);
	until(server.opened);
	ws_close(server.ws, WS_GOING_AWAY, "over");
	assert_int_equal(server.ended, 0);
	until(server.ended);
	assert_int_equal(server.code, WS_GOING_AWAY);
	close(fd);
	close_both();
}

/* What is paused has nothing more delivered, also not of what was read already. */
static void
test_pause(void **state)
{
	unsigned i;

	open_both();
	server.stop = 1;
	for (i = 0; i < 10; i++)
		ws_send(client.ws, "m", 1, NULL, 0);
	until(server.messages == 1);
	for (i = 0; i < 20; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(server.messages, 1);
	server.stop = 0;
	ws_pause(server.ws, 0);
	until(server.messages == 10);
	server.quit = 1;
	ws_send(client.ws, "m", 1, NULL, 0);
	ws_send(client.ws, "m", 1, NULL, 0);
	until(server.ws == NULL);
	assert_int_equal(server.messages, 11);
	assert_int_equal(server.ended, 0);
	close_both();
}

static void
test_upgrade(void **state)
{
	static const struct {
		const char *from, *to, *status;
	} cases[] = {
		{ "GET ", "GET ", "101" },
		{ "GET ", "POST ", "405" },
		{ "GET /replication HTTP/1.1", "\x16\x03\x01", "400" },
		{ "/replication ", "/replication?x=1 ", "101" },
		{ "/replication ", "/replications ", "404" },
		{ "/replication ", "/ ", "404" },
		{ "HTTP/1.1", "HTTP/1.0", "400" },
		{ "Host: n2\r\n", "", "400" },
		{ "Upgrade: websocket\r\n", "", "426" },
		{ "Upgrade: websocket\r\n", "upgrade:WebSocket\r\n", "101" },
		{ "keep-alive, Upgrade", "keep-alive", "426" },
		{ "Version: 13", "Version: 8", "426" },
		{ "nonce", "nonce", "101" },
		{ "dGhl", "dGh", "400" },
		{ "dGhl", "dG-l", "400" },
		{ "hubleaf.1", "hubleaf.2", "400" },
		{ "chat, hubleaf.1", "chat\r\nSec-WebSocket-Protocol: hubleaf.1", "101" },
	};
	char head[1024], *at;
	size_t i;
	int fd;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(head, sizeof(head), "%s", ASK);
		if ((at = strstr(head, cases[i].from)) != NULL)
			snprintf(at, sizeof(head) - (size_t)(at - head), "%s%s", cases[i].to,
			    strstr(ASK, cases[i].from) + strlen(cases[i].from));
		fd = open_raw();
		say(fd, head, strlen(head));
		assert_memory_equal(hear(fd) + 9, cases[i].status, 3);
		assert_int_equal(server.opened, strcmp(cases[i].status, "101") == 0);
		if (!server.opened)
			until(server.ended);
		close(fd);
		close_both();
	}
}

/* The example of RFC 6455, 1.3; and a client that looks at what it is answered. */
static void
test_accept(void **state)
{
	char *answer, accept[WS_ACCEPT_LEN + 1], *ask, *why, *good;

	assert_int_equal(ws_shake_serve(ASK, "/replication", "hubleaf.1", &answer), 101);
	assert_non_null(strstr(answer,
	    "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
	free(answer);
	ask = ws_shake_ask("n2", "/replication", "hubleaf.1", accept);
	assert_int_equal(ws_shake_serve(ask, "/replication", "hubleaf.1", &good), 101);
	assert_null(ws_shake_check(good, "hubleaf.1", accept));
	for (size_t i = 0; good[i] != '\0'; i++) {
		char was = good[i];

		if (i > 12 && i < 32)
			continue; /* the reason's words */
		good[i] = '\x01';
		why = ws_shake_check(good, "hubleaf.1", accept);
		assert_true(why != NULL || i >= strlen(good) - 4);
		free(why);
		good[i] = was;
	}
	free(good);
	free(ask);
	why = ws_shake_check("HTTP/1.1 404 No\x1b[1m\r\n\r\n", "hubleaf.1", accept);
	assert_string_equal(why, "no upgrade to WebSocket, the answer is '404 No?[1m'");
	free(why);
}

/* Frames that no client of ours sends. */
static void
test_frames(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		unsigned code; /* 0: it goes on */
		unsigned messages;
	} cases[] = {
		{ "\x82\x81\0\0\0\0a", 7, 0, 1 },
		{ "\x82\x01"
		  "a",
		    3, WS_NOT_UNDERSTOOD, 0 },                    /* not masked */
		{ "\xc2\x81\0\0\0\0a", 7, WS_NOT_UNDERSTOOD, 0 }, /* a bit that means nothing */
		{ "\x81\x81\0\0\0\0a", 7, WS_NOT_BINARY, 0 },     /* text */
		{ "\x80\x81\0\0\0\0a", 7, WS_NOT_UNDERSTOOD, 0 }, /* goes on with nothing */
		{ "\x83\x81\0\0\0\0a", 7, WS_NOT_UNDERSTOOD, 0 }, /* no such kind */
		{ "\x8b\x80\0\0\0\0", 6, WS_NOT_UNDERSTOOD, 0 },  /* no such kind */
		{ "\x09\x80\0\0\0\0", 6, WS_NOT_UNDERSTOOD, 0 },  /* a ping in parts */
		{ "\x89\xfe\0\x80\0\0\0\0", 8, WS_NOT_UNDERSTOOD, 0 }, /* a long ping */
		{ "\x82\xfe\0\x01\0\0\0\0a", 9, WS_NOT_UNDERSTOOD, 0 },
		{ "\x82\xff\0\0\1\0\0\0\0\0\0\0\0\0a", 15, WS_TOO_BIG, 0 },
		{ "\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0a", 15, WS_NOT_UNDERSTOOD, 0 },
		/* in parts, with a ping between them */
		{ "\x02\x81\0\0\0\0a\x89\x80\0\0\0\0\x00\x81\0\0\0\0b\x80\x80\0\0\0\0", 26, 0, 1 },
		{ "\x02\x81\0\0\0\0a\x82\x81\0\0\0\0b", 14, WS_NOT_UNDERSTOOD, 0 },
		{ "\x02\x81\0\0\0\0a\x80\xff\0\0\0\0\0\x10\0\0\0\0\0\0b", 22, WS_TOO_BIG, 0 },
		{ "\x88\x80\0\0\0\0", 6, WS_NORMAL, 0 },
		{ "\x88\x82\0\0\0\0\x03\xf1", 8, WS_TOO_BIG, 0 },
	};
	size_t i, k;
	int fd, piece;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (piece = 0; piece < 2; piece++) {
			fd = open_raw();
			say(fd, ASK, sizeof(ASK) - 1);
			until(server.opened);
			for (k = 0; piece && k + 1 < cases[i].n; k++)
				say(fd, cases[i].bytes + k, 1);
			say(fd, cases[i].bytes + k, cases[i].n - k);
			k = 0;
			if (cases[i].code != 0)
				until(server.ended);
			assert_int_equal(server.code, cases[i].code);
			assert_int_equal(server.messages, cases[i].messages);
			close(fd);
			close_both();
		}
}

static void
test_long_head(void **state)
{
	char head[2048];
	int fd = open_raw();

	memset(head, 'x', sizeof(head));
	say(fd, head, sizeof(head));
	until(server.ended);
	assert_int_equal(server.code, WS_TOO_BIG);
	close(fd);
	close_both();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages_go_both_ways),
		cmocka_unit_test(test_pings_are_answered),
		cmocka_unit_test(test_pongs),
		cmocka_unit_test(test_many_pings),
		cmocka_unit_test(test_bye),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_end_alone),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_upgrade),
		cmocka_unit_test(test_accept),
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_long_head),
	};
	int failed;

	signal(SIGPIPE, SIG_IGN);
	log_init("test", LOG_ERROR);
	base = event_base_new();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	event_base_free(base);
	return (failed);
}
