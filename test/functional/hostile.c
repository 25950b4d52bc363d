#include "config.h"

#include <arpa/inet.h>
#include <err.h>
#include <jansson.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <wslay/wslay.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/formats.h"
#include "common/base/frame.h"
#include "common/base/mem.h"
#include "common/base/seal.h"
#include "common/conf/settings.h"
#include "opsd/cluster/catchup.h"
#include "opsd/cluster/sums.h"
#include "opsd/store/key.h"
#include "opsd/store/txn.h"

/*
 * hostile ADDRESS PORT FILES ID HOSTNAME COMMAND...
 *
 * A peer with a valid certificate (FILES.pem, FILES.key) that does what no node does.  One link,
 * which it dials; commands in order, each of which prints a line:
 *
 *	hello			says who it is, and waits to be admitted
 *	ready			says that it admits the other, which wants its log
 *	ask VERB JSON		the answer's status and JSON; "@ID" stands for the id; "@/..." is a file that
 *				has it
 *	pull DB TABLE KIND RECOVERING ASKER	status, and how many rows or entries
 *	push TABLE DB NAME ORIGIN KEY SEQ	a row in the log of its table of that id, by a transaction
 *				that says that it is of DB.NAME and by ORIGIN; SEQ follows the one before
 *	want			from the log's start: the ids of tables of which frames come, until 3 s of silence
 *	noise N			N messages of any bytes
 *	raw HEX			one message
 *	flood N TYPE		N messages of that type without reading
 *	serve SECONDS		answers for its status, and has no rows and no log now: how often it was asked for
 *				them; of sums it always has the same
 *	end			how the link ends
 */
enum { HELLO = 1, READY, ASK, ANSWER, PULL, PULLED, WANT, FRAME, GOT, BYE, BEGIN };

#define ANSWER_MS 10000

struct hostile {
	SSL *ssl;
	int fd;
	wslay_frame_context_ptr frames;
	uint8_t id[NODE_ID_LEN];
	const char *hex, *hostname;
	uint32_t last;
	int over;
	char why[200];
};

/* ---- the connection ---- */

static ssize_t
hostile_send(const uint8_t *p, size_t n, int flags, void *arg)
{
	struct hostile *h = arg;
	int sent = SSL_write(h->ssl, p, n > 16384 ? 16384 : (int)n);

	if (sent <= 0)
		h->over = 1;
	return (sent > 0 ? sent : -1);
}

static ssize_t
hostile_recv(uint8_t *p, size_t n, int flags, void *arg)
{
	struct hostile *h = arg;
	int got = SSL_read(h->ssl, p, (int)n);

	if (got <= 0)
		h->over = 1;
	return (got > 0 ? got : -1);
}

static int
hostile_mask(uint8_t *p, size_t n, void *arg)
{
	memset(p, 0, n);
	return (0);
}

static void
dial(struct hostile *h, const char *address, int port, const char *files)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	char *pem = xasprintf("%s.pem", files), *key = xasprintf("%s.key", files);

	inet_pton(AF_INET, address, &to.sin_addr);
	h->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (SSL_CTX_use_certificate_chain_file(ctx, pem) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
		errx(2, "%s: no certificate and key", files);
	if (connect(h->fd, (struct sockaddr *)&to, sizeof(to)) == -1)
		err(2, "connect");
	h->ssl = SSL_new(ctx);
	SSL_set_fd(h->ssl, h->fd);
	if (SSL_connect(h->ssl) != 1)
		errx(2, "no TLS");
	SSL_CTX_free(ctx);
	free(pem);
	free(key);
}

static void
upgrade(struct hostile *h)
{
	static const struct wslay_frame_callbacks cbs = { hostile_send, hostile_recv,
		hostile_mask };
	static const char ask[] = "GET /replication HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
				  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
				  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
				  "Sec-WebSocket-Protocol: hubleaf.1\r\n\r\n";
	char head[4096] = "";
	size_t n = 0;

	SSL_write(h->ssl, ask, sizeof(ask) - 1);
	while (n < sizeof(head) - 1 && strstr(head, "\r\n\r\n") == NULL &&
	    SSL_read(h->ssl, head + n, 1) == 1)
		n++;
	if (strncmp(head, "HTTP/1.1 101", 12) != 0)
		errx(2, "no upgrade: %.60s", head);
	wslay_frame_context_init(&h->frames, &cbs, h);
}

static void
put_frame(struct hostile *h, uint8_t opcode, const void *p, size_t n)
{
	struct wslay_frame_iocb io = { .fin = 1, .opcode = opcode, .mask = 1, .payload_length = n };
	ssize_t sent;

	do {
		io.data = p;
		io.data_length = n;
		sent = wslay_frame_send(h->frames, &io);
		if (sent < 0)
			return;
		p = (const uint8_t *)p + sent;
		n -= (size_t)sent;
	} while (n > 0 && !h->over);
}

static void
put(struct hostile *h, struct buf *b)
{
	put_frame(h, WSLAY_BINARY_FRAME, b->data, b->len);
	buf_free(b);
}

/* Whether something is there to be read within that time. */
static int
hostile_waits(struct hostile *h, int ms)
{
	struct pollfd p = { h->fd, POLLIN, 0 };

	return (SSL_pending(h->ssl) > 0 || poll(&p, 1, ms) > 0);
}

static void
note_close(struct hostile *h, const struct buf *m)
{
	size_t n = m->len > 2 ? m->len - 2 : 0;

	h->over = 1;
	if (n >= sizeof(h->why))
		n = sizeof(h->why) - 1;
	if (n > 0)
		memcpy(h->why, m->data + 2, n);
}

/* The next message; 0: there is none in time, or the link is over. */
static int
take(struct hostile *h, struct buf *m, int ms)
{
	struct wslay_frame_iocb io;
	uint64_t left = 0;
	int begun = 0;
	ssize_t n;

	buf_clear(m);
	while (!h->over && (begun || hostile_waits(h, ms))) {
		memset(&io, 0, sizeof(io));
		if ((n = wslay_frame_recv(h->frames, &io)) < 0)
			return (0);
		if (!begun)
			left = io.payload_length;
		begun = 1;
		buf_add(m, io.data, (size_t)n);
		if ((left -= (uint64_t)n) > 0)
			continue;
		if (io.opcode == WSLAY_CONNECTION_CLOSE)
			note_close(h, m);
		else if (io.opcode == WSLAY_PING)
			put_frame(h, WSLAY_PONG, m->data, m->len);
		else if (io.opcode == WSLAY_BINARY_FRAME && m->len > 0)
			return (1);
		begun = 0;
		buf_clear(m);
	}
	return (0);
}

/* One of that type; others are passed over. */
static int
take_type(struct hostile *h, struct buf *m, uint8_t type)
{
	while (take(h, m, ANSWER_MS))
		if (m->data[0] == type)
			return (1);
	return (0);
}

/* ---- commands ---- */

static void
say_hello(struct hostile *h, char **arg)
{
	json_t *o = json_pack("{s:[i,i], s:s, s:s, s:s, s:I, s:s, s:I}", "format",
	    (int)formats.wire_oldest, (int)formats.wire, "id", h->hex, "hostname", h->hostname,
	    "version", "0", "now", (json_int_t)wall_ms(), "boot", "x", "max",
	    (json_int_t)(8 << 20));
	char *text = json_dumps(o, JSON_COMPACT);
	struct buf b = { 0 }, m = { 0 };

	buf_u8(&b, HELLO);
	buf_add(&b, text, strlen(text));
	put(h, &b);
	printf("%s\n", take_type(h, &m, READY) ? "admitted" : "refused");
	buf_free(&m);
	free(text);
	json_decref(o);
}

static void
say_ready(struct hostile *h, char **arg)
{
	struct buf b = { 0 }, m = { 0 };

	buf_u8(&b, READY);
	put(h, &b);
	printf("%s\n", take_type(h, &m, WANT) ? "wanted" : "not wanted");
	/* Frames before that are of before. */
	buf_u8(&b, BEGIN);
	put(h, &b);
	buf_free(&m);
}

/* As all that nodes say; nonsense stays as it is. */
static char *
with_formats(const char *text)
{
	json_t *o = json_loads(text, 0, NULL);
	char *all;

	if (!json_is_object(o)) {
		json_decref(o);
		return (xstrdup(text));
	}
	json_object_set_new(o, "formats",
	    json_pack("[i,i]", (int)formats.wire_oldest, (int)formats.wire));
	all = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return (all);
}

static void
ask(struct hostile *h, char **arg)
{
	char *file = arg[1][0] == '@' ? file_read(arg[1] + 1, 64 << 20, NULL) : NULL;
	const char *given = file != NULL ? file : arg[1];
	const char *at = strstr(given, "@ID");
	char *named = at == NULL ? xstrdup(given) :
				   xasprintf("%.*s%s%s", (int)(at - given), given, h->hex, at + 3);
	char *text = with_formats(named);
	struct buf b = { 0 }, m = { 0 };
	struct rd r;
	const uint8_t *p;
	uint16_t status;
	size_t n;

	buf_u8(&b, ASK);
	buf_u32(&b, ++h->last);
	buf_str(&b, arg[0]);
	buf_blob(&b, text, strlen(text));
	put(h, &b);
	if (take_type(h, &m, ANSWER)) {
		r = rd_init(m.data + 5, m.len - 5);
		status = rd_u16(&r);
		p = rd_blob(&r, &n);
		printf("%u %.*s\n", status, (int)n, (const char *)p);
	} else
		printf("no answer\n");
	buf_free(&m);
	free(text);
	free(named);
	free(file);
}

static void
pull(struct hostile *h, char **arg)
{
	struct catchup_question q = { .kind = (enum catchup_kind)atoi(arg[2]),
		.recovering = atoi(arg[3]),
		.database = arg[0],
		.name = arg[1],
		.dblen = strlen(arg[0]),
		.nlen = strlen(arg[1]),
		.max = 1 << 20 };
	struct catchup_answer a = { 0 };
	struct buf b = { 0 }, m = { 0 }, question = { 0 };
	struct rd r;
	const uint8_t *p;
	size_t n;

	node_id_read(strcmp(arg[4], "@ID") == 0 ? h->hex : arg[4], q.asker);
	catchup_question_write(&question, &q);
	buf_u8(&b, PULL);
	buf_u32(&b, ++h->last);
	buf_blob(&b, question.data, question.len);
	put(h, &b);
	if (take_type(h, &m, PULLED)) {
		r = rd_init(m.data + 5, m.len - 5);
		rd_u16(&r);
		p = rd_blob(&r, &n);
		catchup_answer_read(&a, q.kind, p, n);
	}
	printf("%u %u\n", a.status, a.count);
	buf_free(&question);
	buf_free(&m);
}

/* A transaction with one row. */
static void
write_txn(struct hostile *h, struct buf *b, char **arg)
{
	uint8_t origin[NODE_ID_LEN];
	struct buf key = { 0 };
	size_t at;

	node_id_read(strcmp(arg[3], "@ID") == 0 ? h->hex : arg[3], origin);
	at = txn_begin(b, TXN_WRITE, TXN_UPSERT, origin, "mallory", arg[1], arg[2], "id");
	txn_set_stamp(b, at, wall_ms() << 16);
	buf_u8(b, REC_CREATED);
	key_from_string(&key, arg[4], strlen(arg[4]));
	buf_strn(b, key.data, key.len);
	buf_u32(b, 0);
	txn_set_count(b, at, 1);
	buf_free(&key);
}

static void
push(struct hostile *h, char **arg)
{
	uint64_t seq = strtoull(arg[5], NULL, 10);
	uint32_t table = (uint32_t)atoi(arg[0]);
	struct frame f = { .flags = FRAME_WINDOW_END,
		.incarnation = 1,
		.table = table,
		.window = seq };
	struct buf txn = { 0 }, frame = { 0 }, b = { 0 }, m = { 0 };
	struct log_entry e = { seq, seq, seq - 1, seq - 1, wall_ms(), table, NULL, 0 };
	size_t at;

	write_txn(h, &txn, arg);
	e.payload = txn.data;
	e.len = (uint32_t)txn.len;
	memcpy(f.node, h->id, NODE_ID_LEN);
	at = frame_begin(&frame, &f);
	frame_add(&frame, at, &e);
	frame_end(&frame, at, frame.len - at, FRAME_WINDOW_END);
	buf_u8(&b, FRAME);
	buf_add(&b, frame.data, frame.len);
	put(h, &b);
	printf("%s\n", take_type(h, &m, GOT) ? "got" : "not got");
	buf_free(&m);
	buf_free(&txn);
	buf_free(&frame);
}

static void
want(struct hostile *h, char **arg)
{
	struct buf b = { 0 }, m = { 0 };
	struct frame f;
	struct rd r;

	buf_u8(&b, WANT);
	buf_u64(&b, 0);
	buf_u64(&b, 0);
	put(h, &b);
	while (take(h, &m, 3000))
		if (m.data[0] == FRAME) {
			r = rd_init(m.data + 1, m.len - 1);
			if (frame_open(&r, &f, NULL) == 0)
				printf("%u ", f.table);
		}
	printf("\n");
	buf_free(&m);
}

static void
answer_ask(struct hostile *h, struct rd *r)
{
	uint32_t id = rd_u32(r);
	char *verb = rd_str(r);
	int is_status = verb != NULL && strcmp(verb, "status") == 0;
	char *text = xasprintf("{\"id\":\"%s\",\"name\":\"%s\",\"incarnation\":1,\"now\":%llu,"
			       "\"uptime\":1,\"ports\":{\"clustering\":0,\"operations_api\":0},"
			       "\"digest\":0,\"roster\":0,\"heads\":[],\"heads_upto\":[1,0],"
			       "\"topology_digest\":0,\"formats\":[%u,%u]}",
	    h->hex, h->hostname, (unsigned long long)wall_ms(), (unsigned)formats.wire_oldest,
	    (unsigned)formats.wire);
	struct buf b = { 0 };

	buf_u8(&b, ANSWER);
	buf_u32(&b, id);
	buf_u16(&b, is_status ? 200 : 503);
	buf_blob(&b, text, is_status ? strlen(text) : 0);
	put(h, &b);
	free(text);
	free(verb);
}

/* Always of the same rows, and that is not the end. */
static void
add_sums(struct buf *b, const struct catchup_question *q)
{
	const struct sum none = { .n = 0 };
	const uint8_t key[] = { 3 }; /* true: before all that one counts or spells */

	buf_u16(b, 200);
	buf_u64(b, 1);
	buf_u32(b, q->table);
	buf_str(b, "id");
	for (int i = 0; i < 3; i++)
		buf_u64(b, 5);
	buf_u8(b, 0);
	buf_blob(b, "{}", 2);
	buf_u32(b, 1);
	buf_strn(b, key, sizeof(key));
	buf_u32(b, 0);
	buf_add(b, none.sum, sizeof(none.sum));
}

static void
answer_pull(struct hostile *h, struct rd *r)
{
	uint32_t id = rd_u32(r);
	size_t n, at;
	const uint8_t *p = rd_blob(r, &n);
	struct catchup_question q;
	struct buf b = { 0 }, answer = { 0 };

	at = seal_begin(&answer);

	if (p != NULL && catchup_question_read(&q, p, n) == 0 && q.kind == CATCHUP_SUMS)
		add_sums(&answer, &q);
	else {
		buf_u16(&answer, 503);
		buf_u64(&answer, 1);
		buf_u32(&answer, 0);
	}
	seal_end(&answer, at, answer.len - at);
	buf_u8(&b, PULLED);
	buf_u32(&b, id);
	buf_u16(&b, 200);
	buf_blob(&b, answer.data, answer.len);
	put(h, &b);
	buf_free(&answer);
}

static void
serve(struct hostile *h, char **arg)
{
	uint64_t end = mono_us() + (uint64_t)atoi(arg[0]) * 1000000;
	struct buf m = { 0 };
	unsigned pulls = 0;
	struct rd r;

	while (!h->over && mono_us() < end) {
		if (!take(h, &m, 100))
			continue;
		r = rd_init(m.data + 1, m.len - 1);
		if (m.data[0] == ASK)
			answer_ask(h, &r);
		else if (m.data[0] == PULL) {
			answer_pull(h, &r);
			pulls++;
		}
	}
	printf("%u\n", pulls);
	buf_free(&m);
}

static void
noise(struct hostile *h, char **arg)
{
	int n = atoi(arg[0]);
	struct buf b = { 0 };
	uint8_t bytes[300];

	for (int i = 0; i < n && !h->over; i++) {
		RAND_bytes(bytes, sizeof(bytes));
		buf_add(&b, bytes, bytes[0] + 1u);
		put(h, &b);
	}
	printf("noise\n");
}

static void
raw(struct hostile *h, char **arg)
{
	const char *hex = arg[0];
	struct buf b = { 0 };
	unsigned byte;

	for (; sscanf(hex, "%2x", &byte) == 1; hex += 2)
		buf_u8(&b, (uint8_t)byte);
	put(h, &b);
	printf("raw\n");
}

static void
flood(struct hostile *h, char **arg)
{
	int n = atoi(arg[0]), type = atoi(arg[1]);
	const struct timeval patience = { 2, 0 };
	struct buf b = { 0 };
	int i;

	setsockopt(h->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	for (i = 0; i < n && !h->over; i++) {
		buf_u8(&b, (uint8_t)type);
		if (type == WANT) {
			buf_u64(&b, 0);
			buf_u64(&b, 0);
		} else {
			buf_u32(&b, ++h->last);
			buf_str(&b, "status");
			buf_blob(&b, "{}", 2);
		}
		put(h, &b);
	}
	printf("%s\n", i == n ? "all" : "cut off");
}

static void
end(struct hostile *h, char **arg)
{
	struct buf m = { 0 };

	while (take(h, &m, ANSWER_MS))
		;
	printf("%s\n", !h->over ? "it stands" : h->why[0] != '\0' ? h->why : "ended");
	buf_free(&m);
}

static const struct {
	const char *name;
	int args;
	void (*run)(struct hostile *h, char **arg);
} commands[] = {
	{ "hello", 0, say_hello },
	{ "ready", 0, say_ready },
	{ "ask", 2, ask },
	{ "pull", 5, pull },
	{ "push", 6, push },
	{ "want", 0, want },
	{ "serve", 1, serve },
	{ "noise", 1, noise },
	{ "raw", 1, raw },
	{ "flood", 2, flood },
	{ "end", 0, end },
};

/* How many arguments it took. */
static int
run(struct hostile *h, int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, argv[0]) == 0 && commands[i].args < argc) {
			commands[i].run(h, argv + 1);
			fflush(stdout);
			return (commands[i].args + 1);
		}
	errx(2, "%s: no such command, or too few arguments", argv[0]);
}

int
main(int argc, char **argv)
{
	struct hostile h = { 0 };

	if (argc < 6 || node_id_read(argv[4], h.id) == -1)
		errx(2, "usage: hostile ADDRESS PORT FILES ID HOSTNAME COMMAND...");
	signal(SIGPIPE, SIG_IGN);
	h.hex = argv[4];
	h.hostname = argv[5];
	dial(&h, argv[1], atoi(argv[2]), argv[3]);
	upgrade(&h);
	for (int i = 6; i < argc;)
		i += run(&h, argc - i, argv + i);
	wslay_frame_context_free(h.frames);
	SSL_free(h.ssl);
	close(h.fd);
	return (0);
}
