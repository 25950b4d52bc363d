#include "config.h"

#include "leafd/link/linkspec.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/conf/repaddress.h"

#define LISTEN_MAX   16
#define DIAL_MAX     10000
#define MAX_PAYLOAD  (100u << 20)
#define MIN_PAYLOAD  (64u << 10)
#define HELLO_STRING 2048 /* bytes of one of its texts */

static char *
text_of(const json_t *o, const char *key)
{
	return (xstrdup(json_string_value(json_object_get(o, key))));
}

/* 0: it is none */
static uint16_t
port_of(const json_t *o)
{
	json_int_t port = json_integer_value(json_object_get(o, "port"));

	return (port > 0 && port < 65536 ? (uint16_t)port : 0);
}

#define HOST_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._:%"

static int
is_host(const char *text)
{
	size_t n = strlen(text);

	return (n > 0 && n <= 253 && strspn(text, HOST_CHARS) == n);
}

static int
read_listen(struct linkspec *s, const json_t *list)
{
	size_t i, n = json_array_size(list);
	struct linkspec_listen *l;
	const json_t *o;

	if (n > LISTEN_MAX)
		return (-1);
	s->listen = xcalloc(n + 1, sizeof(*s->listen));
	json_array_foreach(list, i, o) {
		l = &s->listen[s->nlisten++];
		l->host = text_of(o, "host");
		l->port = port_of(o);
		l->secure = json_is_true(json_object_get(o, "secure"));
		if (l->port == 0)
			return (-1);
	}
	return (0);
}

static int
read_dial(struct linkspec *s, const json_t *list)
{
	size_t i, n = json_array_size(list);
	struct linkspec_dial *d;
	const json_t *o;

	if (n > DIAL_MAX)
		return (-1);
	s->dial = xcalloc(n + 1, sizeof(*s->dial));
	json_array_foreach(list, i, o) {
		d = &s->dial[s->ndial++];
		d->key = text_of(o, "key");
		d->host = text_of(o, "host");
		d->name = text_of(o, "name");
		d->path = text_of(o, "path");
		d->port = port_of(o);
		d->secure = json_is_true(json_object_get(o, "secure"));
		if (d->key == NULL || d->host == NULL || d->port == 0)
			return (-1);
		if (d->name == NULL)
			d->name = xstrdup(d->host);
		if (d->path == NULL)
			d->path = xstrdup(REPADDRESS_PATH);
		if (d->path[0] != '/' || strpbrk(d->path, " \r\n\t") != NULL || !is_host(d->host) ||
		    !is_host(d->name))
			return (-1);
	}
	return (0);
}

/* NULL is none. */
static int
read_proxy(struct linkspec *s, const char *text)
{
	struct repaddress at;

	if (text == NULL)
		return (0);
	if (repaddress_read(&at, text) == -1 || at.scheme != REPADDRESS_BARE ||
	    at.host[0] == '\0' || at.port == 0)
		return (-1);
	s->proxy_host = xstrdup(at.host);
	s->proxy_port = (uint16_t)at.port;
	return (0);
}

static int
read_self(struct linkspec *s, const json_t *root)
{
	const json_t *hello = json_object_get(root, "hello");
	const char *id = json_string_value(json_object_get(hello, "id"));
	json_int_t max = json_integer_value(json_object_get(root, "max_payload"));
	json_int_t in_flight = json_integer_value(json_object_get(root, "in_flight"));

	if (id == NULL || node_id_read(id, s->id) == -1 ||
	    !json_is_string(json_object_get(hello, "hostname")))
		return (-1);
	node_id_hex(s->id, s->hex);
	s->hello = json_deep_copy(hello);
	s->introduced = json_deep_copy(json_object_get(root, "introduced"));
	json_object_del(s->hello, "boot"); /* that of this process is said */
	s->max_payload = max < MIN_PAYLOAD ? MIN_PAYLOAD :
	    max > MAX_PAYLOAD              ? MAX_PAYLOAD :
					     (size_t)max;
	s->in_flight = in_flight > 0 ? (uint64_t)in_flight : 0;
	s->compress = json_is_true(json_object_get(root, "compress"));
	return (0);
}

static const char *
read_all(struct linkspec *s, const json_t *root)
{
	const json_t *tls = json_object_get(root, "tls");

	if (!s->on)
		return (NULL);
	if (read_self(s, root) == -1)
		return ("hello");
	if (read_listen(s, json_object_get(root, "listen")) == -1)
		return ("listen");
	if (read_dial(s, json_object_get(root, "dial")) == -1)
		return ("dial");
	if (read_proxy(s, json_string_value(json_object_get(root, "proxy"))) == -1)
		return ("proxy");
	if (json_is_object(tls) &&
	    (!json_is_string(json_object_get(tls, "certificate")) ||
		!json_is_string(json_object_get(tls, "key"))))
		return ("tls");
	s->tls = json_is_object(tls) ? json_deep_copy(tls) : NULL;
	s->revoked = json_deep_copy(json_object_get(root, "revoked"));
	return (NULL);
}

struct linkspec *
linkspec_read(const void *text, size_t n, char **err)
{
	json_error_t why;
	json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why);
	struct linkspec *s = xcalloc(1, sizeof(*s));
	const char *field = json_is_object(root) ? NULL : "message";

	if (field == NULL) {
		s->on = json_object_size(root) > 0;
		field = read_all(s, root);
	}
	json_decref(root);
	if (field == NULL)
		return (s);
	*err = xasprintf("'%s' is missing or wrong", field);
	linkspec_free(s);
	return (NULL);
}

void
linkspec_dial_clear(struct linkspec_dial *d)
{
	free(d->key);
	free(d->host);
	free(d->name);
	free(d->path);
}

void
linkspec_free(struct linkspec *s)
{
	size_t i;

	if (s == NULL)
		return;
	for (i = 0; i < s->nlisten; i++)
		free(s->listen[i].host);
	for (i = 0; i < s->ndial; i++)
		linkspec_dial_clear(&s->dial[i]);
	free(s->listen);
	free(s->dial);
	free(s->proxy_host);
	json_decref(s->hello);
	json_decref(s->introduced);
	json_decref(s->tls);
	json_decref(s->revoked);
	free(s);
}

/* HELLO */

/* It may stand in a log as well. */
static int
is_short_text(const json_t *v)
{
	const char *p = json_string_value(v);
	size_t i, n = json_string_length(v);

	for (i = 0; i < n; i++)
		if ((unsigned char)p[i] < ' ' || p[i] == '\x7f')
			return (0);
	return (n > 0 && n <= HELLO_STRING);
}

static int
is_pair(const json_t *v)
{
	return (json_array_size(v) == 2 && json_is_integer(json_array_get(v, 0)) &&
	    json_is_integer(json_array_get(v, 1)));
}

/* The name of a field that is not as it should be; NULL: all are. */
static const char *
take_fields(struct linkspec_hello *h, const json_t *root)
{
	static const struct {
		const char *name;
		int needed, text;
	} fields[] = {
		{ "id", 1, 1 },
		{ "hostname", 1, 1 },
		{ "nodeName", 0, 1 },
		{ "url", 0, 1 },
		{ "version", 1, 1 },
		{ "boot", 1, 1 },
		{ "now", 1, 0 },
		{ "format", 1, 0 },
	};
	const json_t *v;
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		v = json_object_get(root, fields[i].name);
		if (v == NULL || json_is_null(v)) {
			if (fields[i].needed)
				return (fields[i].name);
			continue;
		}
		if (fields[i].text && !is_short_text(v))
			return (fields[i].name);
		json_object_set(h->said, fields[i].name, (json_t *)(uintptr_t)v);
	}
	if (!is_pair(json_object_get(root, "format")))
		return ("format");
	return (json_is_integer(json_object_get(root, "now")) ? NULL : "now");
}

static const char *
take_hello(struct linkspec_hello *h, const json_t *root)
{
	json_int_t max = json_integer_value(json_object_get(root, "max"));
	const char *field = take_fields(h, root);

	if (field != NULL)
		return (field);
	if (node_id_read(json_string_value(json_object_get(root, "id")), h->id) == -1)
		return ("id");
	if (!is_host(json_string_value(json_object_get(root, "hostname"))))
		return ("hostname");
	if (max < MIN_PAYLOAD)
		return ("max");
	node_id_hex(h->id, h->hex);
	json_object_set_new(h->said, "id", json_string(h->hex));
	if (json_is_array(json_object_get(root, "introduced")))
		json_object_set(h->said, "introduced", json_object_get(root, "introduced"));
	h->max = max > MAX_PAYLOAD ? MAX_PAYLOAD : (size_t)max;
	h->hostname = text_of(root, "hostname");
	h->boot = text_of(root, "boot");
	return (NULL);
}

int
linkspec_hello_read(struct linkspec_hello *h, const void *text, size_t n, char **err)
{
	json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
	const char *field = "message";

	memset(h, 0, sizeof(*h));
	h->said = json_object();
	if (json_is_object(root))
		field = take_hello(h, root);
	json_decref(root);
	if (field == NULL)
		return (0);
	*err = xasprintf("HELLO: '%s' is missing or wrong", field);
	linkspec_hello_free(h);
	return (-1);
}

void
linkspec_hello_free(struct linkspec_hello *h)
{
	free(h->hostname);
	free(h->boot);
	json_decref(h->said);
	memset(h, 0, sizeof(*h));
}
