#ifndef HL_NATSPEER_H
#define HL_NATSPEER_H

/*
 * For tests: as much of a nats-server as a publisher talks to, on the loop's thread: one client, its
 * subscriptions, and one stream that takes messages as JetStream does, each at the sequence that it expects.
 * https://docs.nats.io/reference/reference-protocols/nats-protocol
 */

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/mem.h"

#define NATSPEER_SUBS 16
#define NATSPEER_KEPT 64

struct natspeer {
	struct evconnlistener *listener;
	struct bufferevent *client;
	char url[64];
	struct {
		char subject[200], sid[16];
	} subs[NATSPEER_SUBS];
	unsigned nsubs;
	/* the stream */
	json_t *config;                 /* NULL: not made yet */
	struct buf kept[NATSPEER_KEPT]; /* sequence 1 is the first */
	unsigned n, unexpected;         /* messages; those without an expected sequence */
	unsigned acked;                 /* acknowledgements sent */
	unsigned hold_after;            /* no more of them than so many, 0: all */
	unsigned refuse_once;           /* that message is not taken, the first time */
	char *held[NATSPEER_KEPT];      /* where those go */
	unsigned nheld;
};

static inline int
natspeer_matches(const char *filter, const char *subject)
{
	size_t n = strlen(filter);

	if (n > 0 && (filter[n - 1] == '*' || filter[n - 1] == '>'))
		return (strncmp(filter, subject, n - 1) == 0);
	return (strcmp(filter, subject) == 0);
}

static inline void
natspeer_send(struct natspeer *s, const char *subject, const void *data, size_t n)
{
	struct evbuffer *out = bufferevent_get_output(s->client);

	for (unsigned i = 0; i < s->nsubs; i++)
		if (natspeer_matches(s->subs[i].subject, subject)) {
			evbuffer_add_printf(out, "MSG %s %s %zu\r\n", subject, s->subs[i].sid, n);
			evbuffer_add(out, data, n);
			evbuffer_add(out, "\r\n", 2);
			return;
		}
}

/* Takes the reference. */
static inline void
natspeer_json(struct natspeer *s, const char *subject, json_t *o)
{
	char *text = json_dumps(o, JSON_COMPACT);

	natspeer_send(s, subject, text, strlen(text));
	free(text);
	json_decref(o);
}

static inline void
natspeer_refuse(struct natspeer *s, const char *reply, int code)
{
	natspeer_json(s, reply,
	    json_pack("{s:{s:i, s:i, s:s}}", "error", "code", 400, "err_code", code, "description",
		"refused"));
}

static inline void
natspeer_ack(struct natspeer *s, const char *reply)
{
	s->acked++;
	natspeer_json(s, reply, json_pack("{s:s, s:i}", "stream", "HL_a", "seq", (int)s->acked));
}

/* Those that are held. */
static inline void
natspeer_release(struct natspeer *s)
{
	s->hold_after = 0;
	for (unsigned i = 0; i < s->nheld; i++) {
		natspeer_ack(s, s->held[i]);
		free(s->held[i]);
	}
	s->nheld = 0;
}

static inline void
natspeer_store(struct natspeer *s, const char *reply, const char *headers, const char *data,
    size_t n)
{
	const char *at = strstr(headers, "Nats-Expected-Last-Sequence:");

	if (at == NULL)
		s->unexpected++;
	else if (strtoull(at + strlen("Nats-Expected-Last-Sequence:"), NULL, 10) != s->n) {
		natspeer_refuse(s, reply, 10071);
		return;
	}
	if (s->refuse_once == s->n + 1) {
		s->refuse_once = 0;
		natspeer_refuse(s, reply, 10077);
		return;
	}
	buf_add(&s->kept[s->n++], data, n);
	if (s->hold_after != 0 && s->acked >= s->hold_after)
		s->held[s->nheld++] = xstrdup(reply);
	else
		natspeer_ack(s, reply);
}

static inline void
natspeer_ask(struct natspeer *s, const char *subject, const char *reply, const char *data, size_t n)
{
	json_t *body = json_loadb(data, n, 0, NULL);
	size_t seq = (size_t)json_integer_value(json_object_get(body, "seq"));

	if (strncmp(subject, "$JS.API.STREAM.CREATE.", 22) == 0) {
		s->config = json_incref(body);
		natspeer_json(s, reply, json_object());
	} else if (strcmp(subject, "$JS.API.STREAM.LIST") == 0)
		natspeer_json(s, reply, json_pack("{s:[], s:i}", "streams", "total", 0));
	else if (strncmp(subject, "$JS.API.STREAM.INFO.", 20) == 0 && s->config != NULL)
		natspeer_json(s, reply,
		    json_pack("{s:O, s:{s:i, s:i, s:i}}", "config", s->config, "state", "first_seq",
			1, "last_seq", (int)s->n, "messages", (int)s->n));
	else if (strncmp(subject, "$JS.API.DIRECT.GET.", 19) == 0 && seq > 0 && seq <= s->n)
		natspeer_send(s, reply, s->kept[seq - 1].data, s->kept[seq - 1].len);
	else
		natspeer_refuse(s, reply, 10059);
	json_decref(body);
}

/* PUB subject [reply] size, HPUB subject reply header-size size; 0: not all of it is there. */
static inline int
natspeer_published(struct natspeer *s, struct evbuffer *in, const char *line, size_t line_len)
{
	char subject[300] = "", reply[300] = "", *text, *headers;
	size_t head = 0, size = 0;

	if (sscanf(line, "HPUB %299s %299s %zu %zu", subject, reply, &head, &size) != 4 &&
	    sscanf(line, "PUB %299s %299s %zu", subject, reply, &size) != 3)
		return (1);
	if (evbuffer_get_length(in) < line_len + 2 + size + 2)
		return (0);
	evbuffer_drain(in, line_len + 2);
	text = xmalloc(size + 2);
	evbuffer_remove(in, text, size + 2);
	headers = xstrndup(text, head);
	if (strncmp(subject, "hl.txn.", 7) == 0 || strncmp(subject, "hl.shard.", 9) == 0)
		natspeer_store(s, reply, headers, text + head, size - head);
	else
		natspeer_ask(s, subject, reply, text + head, size - head);
	free(headers);
	free(text);
	return (2);
}

static inline void
natspeer_read_cb(struct bufferevent *bev, void *arg)
{
	struct natspeer *s = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	size_t n;
	char line[1024];

	for (;;) {
		struct evbuffer_ptr end = evbuffer_search_eol(in, NULL, &n,
		    EVBUFFER_EOL_CRLF_STRICT);
		size_t len = end.pos < 0 ? 0 : (size_t)end.pos;
		int took;

		if (end.pos < 0)
			return;
		evbuffer_copyout(in, line, len < sizeof(line) ? len : sizeof(line) - 1);
		line[len < sizeof(line) ? len : sizeof(line) - 1] = '\0';
		if ((took = natspeer_published(s, in, line, len)) == 0)
			return;
		if (took == 2)
			continue;
		evbuffer_drain(in, len + 2);
		if (strcmp(line, "PING") == 0)
			evbuffer_add_printf(bufferevent_get_output(bev), "PONG\r\n");
		else if (s->nsubs < NATSPEER_SUBS &&
		    sscanf(line, "SUB %199s %15s", s->subs[s->nsubs].subject,
			s->subs[s->nsubs].sid) == 2)
			s->nsubs++;
	}
}

static inline void
natspeer_accept_cb(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len,
    void *arg)
{
	struct natspeer *s = arg;

	(void)sa;
	(void)len;
	s->client = bufferevent_socket_new(evconnlistener_get_base(l), fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(s->client, natspeer_read_cb, NULL, NULL, s);
	bufferevent_enable(s->client, EV_READ | EV_WRITE);
	evbuffer_add_printf(bufferevent_get_output(s->client),
	    "INFO {\"server_id\":\"A\",\"version\":"
	    "\"2.10.27\",\"proto\":1,\"headers\":true,\"max_payload\":8388608}\r\n");
}

static inline void
natspeer_open(struct natspeer *s, struct event_base *base)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);

	memset(s, 0, sizeof(*s));
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->listener = evconnlistener_new_bind(base, natspeer_accept_cb, s, LEV_OPT_CLOSE_ON_FREE, 8,
	    (struct sockaddr *)&sin, sizeof(sin));
	if (s->listener == NULL ||
	    getsockname(evconnlistener_get_fd(s->listener), (struct sockaddr *)&sin, &len) == -1)
		abort();
	snprintf(s->url, sizeof(s->url), "nats://127.0.0.1:%d", ntohs(sin.sin_port));
}

static inline void
natspeer_close(struct natspeer *s)
{
	if (s->client != NULL)
		bufferevent_free(s->client);
	evconnlistener_free(s->listener);
	json_decref(s->config);
	for (unsigned i = 0; i < s->n; i++)
		buf_free(&s->kept[i]);
	for (unsigned i = 0; i < s->nheld; i++)
		free(s->held[i]);
}

#endif
