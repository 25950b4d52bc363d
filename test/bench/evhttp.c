#include "config.h"

#include <err.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <inttypes.h>
#include <jansson.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * evhttp PORT THREADS: the limit beside inserts.  Parses the same requests with
 * jansson, looks at the records, answers the same, and does nothing else.
 */
#define THREADS_MAX 64

static int
listener(uint16_t port)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd == -1 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) == -1 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == -1 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) == -1 || listen(fd, 512) == -1)
		err(1, "port %u", (unsigned)port);
	return (fd);
}

static void
add_ids(struct evbuffer *out, const json_t *records)
{
	const json_t *record;
	size_t i;

	json_array_foreach(records, i, record)
		evbuffer_add_printf(out, "%s%" JSON_INTEGER_FORMAT, i > 0 ? "," : "",
		    json_integer_value(json_object_get(record, "id")));
}

static void
evhttp_request_cb(struct evhttp_request *req, void *arg)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(req), *out = evbuffer_new();
	size_t n = evbuffer_get_length(in);
	json_t *body = json_loadb((const char *)evbuffer_pullup(in, -1), n, JSON_REJECT_DUPLICATES,
	    NULL);
	const json_t *records = json_object_get(body, "records");
	size_t count = json_array_size(records);

	if (out == NULL)
		errx(1, "no memory");
	evbuffer_add_printf(out,
	    "{\"message\":\"inserted %zu of %zu records\","
	    "\"inserted_hashes\":[",
	    count, count);
	add_ids(out, records);
	evbuffer_add_printf(out, "],\"skipped_hashes\":[]}");
	json_decref(body);
	evhttp_add_header(evhttp_request_get_output_headers(req), "Content-Type",
	    "application/json");
	evhttp_send_reply(req, 200, "OK", out);
	evbuffer_free(out);
}

static void *
serve(void *arg)
{
	uint16_t *port = arg;
	struct event_base *base = event_base_new();
	struct evhttp *http = base != NULL ? evhttp_new(base) : NULL;

	if (http == NULL)
		errx(1, "no event loop");
	evhttp_set_allowed_methods(http, EVHTTP_REQ_POST | EVHTTP_REQ_GET);
	evhttp_set_gencb(http, evhttp_request_cb, NULL);
	if (evhttp_accept_socket(http, listener(*port)) == -1)
		errx(1, "cannot listen");
	event_base_dispatch(base);
	return (NULL);
}

int
main(int argc, char *argv[])
{
	uint16_t port = argc == 3 ? (uint16_t)atoi(argv[1]) : 0;
	int threads = argc == 3 ? atoi(argv[2]) : 0;
	pthread_t t;

	if (port == 0 || threads < 1 || threads > THREADS_MAX)
		errx(2, "usage: evhttp PORT THREADS");
	signal(SIGPIPE, SIG_IGN);
	for (int i = 1; i < threads; i++)
		if (pthread_create(&t, NULL, serve, &port) != 0)
			errx(1, "no thread");
	serve(&port);
	return (0);
}
