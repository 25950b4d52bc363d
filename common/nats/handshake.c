#include "config.h"

#include "common/nats/handshake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

#define FAILURES_MAX 32
#define HOST_LEN     255
#define REASON_LEN   300
#define REMOVED      " - authentication error - User \"node-"
#define REFUSED      " - Leafnode Error 'Authorization Violation'"
#define WEBSOCKET    "websocket: TLS handshake error from "

struct failure {
	char host[HOST_LEN + 1];
	char reason[REASON_LEN + 1];
	unsigned port; /* of the last one */
	int is_route;
	int one_port, again; /* all had that one; there was more than one */
	uint64_t at;         /* the last one; 0: none */
};

struct handshakes {
	struct failure failures[FAILURES_MAX];
};

struct handshakes *
handshakes_new(void)
{
	return (xcalloc(1, sizeof(struct handshakes)));
}

void
handshakes_free(struct handshakes *h)
{
	free(h);
}

/* What the other end may have chosen, as plain text. */
static void
copy_plain(char *to, size_t max, const char *from, size_t len)
{
	size_t i, n = len < max ? len : max;

	for (i = 0; i < n; i++)
		to[i] = from[i] < ' ' || from[i] > '~' ? '?' : from[i];
	to[n] = '\0';
}

/* "host:port", of this length. */
static int
read_address(struct failure *f, const char *text, size_t len)
{
	size_t host = len;

	while (host > 0 && text[host - 1] != ':')
		host--;
	if (host < 2 || host == len || host - 1 > HOST_LEN)
		return (-1);
	f->port = (unsigned)strtoul(text + host, NULL, 10);
	copy_plain(f->host, HOST_LEN, text, host - 1);
	return (0);
}

/* Whoever only looks whether a port is open is none. */
static int
read_reason(struct failure *f, const char *reason)
{
	copy_plain(f->reason, REASON_LEN, reason, strlen(reason));
	return (strstr(reason, "tls: ") != NULL || strstr(reason, "x509: ") != NULL ||
		    strstr(reason, "not pinned") != NULL ?
		0 :
		-1);
}

/* "websocket: TLS handshake error from 127.0.0.1:5: tls: ..." */
static int
read_websocket(struct failure *f, const char *text)
{
	const char *end;

	text += strlen(WEBSOCKET);
	end = strstr(text, ": ");
	return (end != NULL && read_address(f, text, (size_t)(end - text)) == 0 ?
		read_reason(f, end + 2) :
		-1);
}

/* After " - lid:6"; the name in the certificate is a user here, or the other end has said no. */
static const char *
refusal_in(const char *dash)
{
	const char *said = strncmp(dash, " - lid", 6) == 0 ? strstr(dash + 3, " - ") : NULL;

	if (said != NULL &&
	    (strncmp(said, REMOVED, strlen(REMOVED)) == 0 ||
		strncmp(said, REFUSED, strlen(REFUSED)) == 0))
		return (said + 3);
	return (NULL);
}

/* "127.0.0.1:5 - rid:8 - TLS route handshake error: tls: ..."; 0 with what failed. */
static int
read_failure(struct failure *f, const char *text)
{
	static const char *const said[] = {
		" - TLS route handshake error: ",
		" - TLS leafnode handshake error: ",
		" - Error soliciting websocket connection: ",
	};
	const char *dash = strstr(text, " - "), *at;
	size_t i;

	if (strncmp(text, WEBSOCKET, strlen(WEBSOCKET)) == 0)
		return (read_websocket(f, text));
	if (dash != NULL && (at = refusal_in(dash)) != NULL) {
		copy_plain(f->reason, REASON_LEN, at, strlen(at));
		return (read_address(f, text, (size_t)(dash - text)));
	}
	for (i = 0; i < sizeof(said) / sizeof(said[0]) && dash != NULL; i++)
		if ((at = strstr(dash, said[i])) != NULL) {
			f->is_route = i == 0;
			return (read_address(f, text, (size_t)(dash - text)) == 0 ?
				read_reason(f, at + strlen(said[i])) :
				-1);
		}
	return (-1);
}

/* The same failure's place, or a free one, or that of the oldest. */
static struct failure *
failure_place(struct handshakes *h, const struct failure *f)
{
	struct failure *place = h->failures, *at;

	for (at = h->failures; at < h->failures + FAILURES_MAX; at++) {
		if (at->at != 0 && at->is_route == f->is_route && strcmp(at->host, f->host) == 0 &&
		    strcmp(at->reason, f->reason) == 0)
			return (at);
		if (at->at < place->at)
			place = at;
	}
	place->at = 0;
	return (place);
}

static void
add_failure(struct handshakes *h, struct failure *f)
{
	struct failure *place = failure_place(h, f);

	f->again = place->at != 0;
	f->one_port = place->at == 0 || (place->one_port && place->port == f->port);
	*place = *f;
}

/*
 * "127.0.0.1:5 - rid:8 - Route connection created"; a leaf link is "created" before its handshake.
 * 1 with its address.
 */
static int
read_standing(struct failure *link, const char *text)
{
	const char *dash = strstr(text, " - ");

	if (dash == NULL)
		return (0);
	link->is_route = strstr(dash, " - Route connection created") != NULL;
	return ((link->is_route || strstr(dash, " - JetStream using domains: ") != NULL) &&
	    read_address(link, text, (size_t)(dash - text)) == 0);
}

/* Who dials us has another port each time; others there that still fail do so again at once. */
static int
ends_failure(const struct failure *f, const struct failure *link)
{
	return (f->is_route == link->is_route && strcmp(f->host, link->host) == 0 &&
	    (f->port == link->port || !f->one_port || !f->again));
}

static void
forget_standing(struct handshakes *h, const char *text)
{
	struct failure link = { 0 }, *at;

	if (!read_standing(&link, text))
		return;
	for (at = h->failures; at < h->failures + FAILURES_MAX; at++)
		if (ends_failure(at, &link))
			at->at = 0;
}

void
handshakes_line(struct handshakes *h, uint64_t now, const char *text)
{
	struct failure f = { .at = now };

	if (read_failure(&f, text) == 0)
		add_failure(h, &f);
	else
		forget_standing(h, text);
}

static json_t *
failure_json(const struct failure *f)
{
	char *address = f->one_port && f->again ? xasprintf("%s:%u", f->host, f->port) :
						  xstrdup(f->host);
	json_t *o = json_pack("{s:s, s:s, s:s}", "link", f->is_route ? "route" : "leaf", "address",
	    address, "reason", f->reason);

	free(address);
	return (o);
}

json_t *
handshakes_failing(const struct handshakes *h, uint64_t since)
{
	json_t *list = json_array();
	const struct failure *f;

	for (f = h->failures; f < h->failures + FAILURES_MAX; f++)
		if (f->at != 0 && f->at >= since)
			json_array_append_new(list, failure_json(f));
	return (list);
}
