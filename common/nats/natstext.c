#include "config.h"

#include "common/nats/natstext.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/address.h"
#include "common/conf/natsconf.h"

#define HOST_MAX 255

void
natstext_quote(struct buf *b, const char *s)
{
	buf_u8(b, '"');
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			buf_addf(b, "\\%c", *s);
		else if ((unsigned char)*s < 0x20 || *s == 0x7f)
			buf_addf(b, "\\x%02x", (unsigned char)*s);
		else
			buf_u8(b, (uint8_t)*s);
	}
	buf_u8(b, '"');
}

void
natstext_string(struct buf *b, const char *key, const char *value)
{
	buf_addf(b, "%s: ", key);
	natstext_quote(b, value);
	buf_u8(b, '\n');
}

void
natstext_address(struct buf *b, const struct conf *c, enum conf_key host, enum conf_key port)
{
	natstext_string(b, "host", conf_str(c, host));
	buf_addf(b, "port: %" PRId64 "\n", conf_int(c, port));
}

void
natstext_limits(struct buf *b, const struct conf *c)
{
	buf_addf(b, "max_payload: %" PRId64 "\n", natsconf_max_payload(c));
	buf_addf(b, "write_deadline: \"10s\"\nping_interval: \"20s\"\n");
}

void
natstext_log_level(struct buf *b, const struct conf *c)
{
	const char *level = conf_str(c, CL_LOG_LEVEL);
	int trace = strcmp(level, "trace") == 0;

	buf_addf(b, "debug: %s\n", trace || strcmp(level, "debug") == 0 ? "true" : "false");
	buf_addf(b, "trace: %s\n", trace ? "true" : "false");
}

void
natstext_tls_suites(struct buf *b)
{
	buf_addf(b,
	    "cipher_suites: [\n"
	    "\"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384\"\n"
	    "\"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384\"\n"
	    "\"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256\"\n"
	    "\"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\"\n]\n");
}

void
natstext_tls_files(struct buf *b, const struct settings *s)
{
	natstext_string(b, "cert_file", s->cert);
	natstext_string(b, "key_file", s->key);
	if (s->ca != NULL)
		natstext_string(b, "ca_file", s->ca);
}

void
natstext_user(struct buf *b, const struct settings *s)
{
	natstext_string(b, "user", s->user);
	natstext_string(b, "password", s->password);
}

void
natstext_made(struct buf *b, const struct settings *s)
{
	if (s->made != NULL)
		buf_addf(b, "# certificate %s\n", s->made);
}

/* Who has no password is not to come in by another way than a leaf link. */
static void
add_link_users(struct buf *b, const json_t *users)
{
	const json_t *u;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)users, i, u) {
		buf_addf(b, "}, {\n");
		natstext_string(b, "user", json_string_value(u));
		buf_addf(b, "allowed_connection_types: [ \"LEAFNODE\", \"LEAFNODE_WS\" ]\n");
	}
}

/* A user that a certificate names and that has a password is refused: nobody says one there. */
static void
add_removed(struct buf *b, const struct natstext_accounts *a)
{
	char name[SETTINGS_CERT_NAME_LEN];
	const json_t *id;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)a->removed, i, id) {
		settings_cert_name(json_string_value(id), name);
		buf_addf(b, "}, {\n");
		natstext_string(b, "user", name);
		natstext_string(b, "password", a->sys_password);
	}
}

void
natstext_accounts(struct buf *b, const struct settings *s, const struct natstext_accounts *a)
{
	buf_addf(b, "accounts {\nSYS { users: [ {\n");
	natstext_string(b, "user", NATSTEXT_SYS_USER);
	natstext_string(b, "password", a->sys_password);
	buf_addf(b, "} ] }\nDATA { %susers: [ {\n", a->data);
	natstext_user(b, s);
	add_link_users(b, a->link_users);
	add_removed(b, a);
	buf_addf(b, "} ] }\n}\nsystem_account: SYS\n");
}

int
natstext_route(const json_t *route, const char **host, int64_t *port)
{
	const json_t *p = json_object_get(route, "port");

	*host = json_string_value(json_object_get(route, "host"));
	*port = json_is_string(p) ? strtoll(json_string_value(p), NULL, 10) : json_integer_value(p);
	if (*host == NULL || **host == '\0' || strlen(*host) > HOST_MAX)
		return (-1);
	/* It goes into a URL: names and addresses only. */
	if ((*host)[strspn(*host,
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789-._:%[]")] != '\0')
		return (-1);
	return (*port >= 1 && *port <= 65535 ? 0 : -1);
}

/* As in a URL's user part (RFC 3986: unreserved stays). */
static void
add_percent(struct buf *b, const char *s)
{
	static const char plain[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

	for (; *s != '\0'; s++) {
		if (strchr(plain, *s) != NULL)
			buf_u8(b, (uint8_t)*s);
		else
			buf_addf(b, "%%%02X", (unsigned char)*s);
	}
}

static void
add_host_port(struct buf *b, const char *host, int64_t port)
{
	char *text = address_join(host, (unsigned)port);

	buf_add(b, text, strlen(text));
	free(text);
}

void
natstext_route_url(struct buf *b, const struct natstext_login *l, const char *scheme,
    const char *host, int64_t port)
{
	struct buf url = { 0 };

	buf_addf(&url, "%s://", scheme);
	if (l->user != NULL) {
		add_percent(&url, l->user);
		buf_u8(&url, ':');
		add_percent(&url, l->password);
		buf_u8(&url, '@');
	}
	add_host_port(&url, host, port);
	buf_u8(&url, 0);
	natstext_quote(b, (const char *)url.data);
	buf_u8(b, '\n');
	buf_free(&url);
}

const char *
natstext_dialled(const char *host)
{
	if (*host == '\0' || strcmp(host, "0.0.0.0") == 0)
		return ("127.0.0.1");
	if (strcmp(host, "::") == 0 || strcmp(host, "[::]") == 0)
		return ("::1");
	return (host);
}

char *
natstext_url(const char *host, int64_t port)
{
	struct buf b = { 0 };

	buf_addf(&b, "nats://");
	add_host_port(&b, natstext_dialled(host), port);
	buf_u8(&b, 0);
	return ((char *)buf_take(&b, NULL));
}

char *
natstext_host_port(const char *host, int64_t port)
{
	struct buf b = { 0 };

	add_host_port(&b, host, port);
	buf_u8(&b, 0);
	return ((char *)buf_take(&b, NULL));
}

char *
natstext_leaf_url(const struct conf *c)
{
	struct repaddress leaf = natsconf_leaf(c);

	return (natstext_url(leaf.host, leaf.port));
}
