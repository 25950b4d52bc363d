#include "config.h"

#include "opsd/cluster/statement.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/nodename.h"
#include "common/conf/repaddress.h"
#include "common/conf/settings.h"
#include "common/tls/serial.h"
#include "opsd/cluster/peerjson.h"
#include "opsd/pki/signer.h"

#define TEXT_VERSION 1
#define COUNTER_MAX  0xffff
#define MS_MAX       (INT64_C(1) << 47)
#define HASH_HEX     (PEM_HASH - 1)
#define FIELDS_MAX   16
#define SHORT_MAX    1024 /* characters of what has no names and certificates in it */

static const char *const kind_names[STATEMENT_KINDS] = { "member", "revoked", "authority",
	"introduction" };

const char *
statement_kind_name(enum statement_kind kind)
{
	return (kind_names[kind]);
}

static int
kind_number(const char *name, int kinds)
{
	for (int i = 0; i < kinds; i++)
		if (strcmp(name, kind_names[i]) == 0)
			return (i);
	return (-1);
}

int
statement_kind_read(const char *name)
{
	return (kind_number(name, STATEMENT_INTRODUCTION));
}

const char *
statement_field(const struct statement *s, const char *field)
{
	return (json_string_value(json_object_get(s->body, field)));
}

/* ---- reading ---- */

static int
is_hex_of(const char *text, size_t n)
{
	return (strlen(text) == n && strspn(text, "0123456789abcdef") == n);
}

static void
read_stamp(struct statement *s, struct peerjson *w)
{
	uint64_t v[2];

	peerjson_numbers(w, json_object_get(s->body, "stamp"), "stamp", v, 2);
	if (v[0] >= MS_MAX || v[1] > COUNTER_MAX)
		peerjson_fault(w, "stamp", "is no time");
	s->time = v[0] << 16 | v[1];
}

static void
check_spki(const struct statement *s, struct peerjson *w, int required)
{
	const json_t *v = json_object_get(s->body, "spki");

	if ((v != NULL || required) &&
	    (!json_is_string(v) || !is_hex_of(json_string_value(v), HASH_HEX)))
		peerjson_fault(w, "spki", "must be %d hexadecimal digits", HASH_HEX);
}

static void
check_url(const struct statement *s, struct peerjson *w)
{
	const json_t *v = json_object_get(s->body, "url");
	struct repaddress at;

	if (v != NULL && (!json_is_string(v) || repaddress_read(&at, json_string_value(v)) == -1))
		peerjson_fault(w, "url", "must be a URL such as wss://server-two:9933");
}

static void
check_remover(const struct statement *s, struct peerjson *w)
{
	const json_t *v = json_object_get(s->body, "remover");

	if (v != NULL &&
	    (!json_is_string(v) || !node_host_ok(json_string_value(v), json_string_length(v))))
		peerjson_fault(w, "remover", "must be a host name or an address");
}

static void
check_member(const struct statement *s, struct peerjson *w)
{
	const char *hostname = peerjson_text(w, s->body, "hostname");
	const json_t *name = json_object_get(s->body, "node_name");

	if (hostname != NULL && !node_host_ok(hostname, strlen(hostname)))
		peerjson_fault(w, "hostname", "must be a host name or an address");
	if (name != NULL &&
	    (!json_is_string(name) ||
		!node_name_ok(json_string_value(name), json_string_length(name))))
		peerjson_fault(w, "node_name", "must be the name of a node");
	check_spki(s, w, !s->removed);
	if (s->removed) {
		check_remover(s, w);
		return;
	}
	peerjson_flag(w, s->body, "full");
	check_url(s, w);
}

/* Nodes are known by their id, in lower case. */
static void
check_node_key(const struct statement *s, struct peerjson *w)
{
	uint8_t id[NODE_ID_LEN];

	if (node_id_read(s->key, id) == -1 || !is_hex_of(s->key, 2 * NODE_ID_LEN))
		peerjson_fault(w, "key", "must be %d hexadecimal digits", 2 * NODE_ID_LEN);
}

static void
check_revoked(const struct statement *s, struct peerjson *w)
{
	char normal[SERIAL_MAX];

	if (serial_read(s->key, normal) == -1 || strcmp(s->key, normal) != 0)
		peerjson_fault(w, "key", "must be a serial number in lower case");
	if (s->removed)
		peerjson_fault(w, "removed", "must not be: what is revoked stays so");
	peerjson_number(w, s->body, "until", INT64_MAX);
	check_spki(s, w, 0);
}

static void
check_told_authority(const struct statement *s, struct peerjson *w)
{
	if (!is_hex_of(s->key, HASH_HEX))
		peerjson_fault(w, "key", "must be %d hexadecimal digits", HASH_HEX);
	if (!s->removed)
		peerjson_text(w, s->body, "certificate");
}

static void
check_kind(const struct statement *s, struct peerjson *w)
{
	switch (s->kind) {
	case STATEMENT_MEMBER:
		check_node_key(s, w);
		check_member(s, w);
		break;
	case STATEMENT_REVOKED:
		check_revoked(s, w);
		break;
	case STATEMENT_AUTHORITY:
		check_told_authority(s, w);
		break;
	default:
		check_node_key(s, w);
		check_spki(s, w, 1);
	}
}

/* What is kept of it is no more than what it says: fields that nobody reads are few and plain. */
static void
check_size(const struct statement *s, struct peerjson *w)
{
	int is_short = s->kind == STATEMENT_REVOKED || s->kind == STATEMENT_INTRODUCTION;
	const char *field;
	json_t *v;

	if (is_short && strlen(s->text) > SHORT_MAX)
		peerjson_fault(w, "text", "must not be longer than %d characters", SHORT_MAX);
	if (json_object_size(s->body) > FIELDS_MAX)
		peerjson_fault(w, "text", "must not have more than %d fields", FIELDS_MAX);
	json_object_foreach(s->body, field, v)
		if ((json_is_array(v) && strcmp(field, "stamp") != 0) || json_is_object(v))
			peerjson_fault(w, "text", "must not have arrays and objects as values");
}

static void
read_head(struct statement *s, struct peerjson *w)
{
	uint64_t version = peerjson_number(w, s->body, "v", UINT32_MAX);
	const char *kind = peerjson_text(w, s->body, "kind");
	const char *key = peerjson_text(w, s->body, "key"), *by = peerjson_text(w, s->body, "by");
	int number = kind != NULL ? kind_number(kind, STATEMENT_KINDS) : -1;

	if (version != TEXT_VERSION)
		peerjson_fault(w, "v", "must be %d", TEXT_VERSION);
	if (number == -1)
		peerjson_fault(w, "kind", "is none");
	if (key != NULL && strlen(key) > STATEMENT_KEY_MAX)
		peerjson_fault(w, "key", "must not be longer than %d characters",
		    STATEMENT_KEY_MAX);
	if (by != NULL && node_id_read(by, s->by) == -1)
		peerjson_fault(w, "by", "must be the id of a node");
	read_stamp(s, w);
	s->removed = json_object_get(s->body, "removed") != NULL &&
	    peerjson_flag(w, s->body, "removed");
	if (w->fault != NULL)
		return;
	s->kind = (enum statement_kind)number;
	memcpy(s->key, key, strlen(key) + 1);
	check_size(s, w);
	check_kind(s, w);
}

static void
read_statement(struct statement *s, struct peerjson *w)
{
	s->body = json_loads(s->text, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(s->body))
		read_head(s, w);
	else
		peerjson_fault(w, "text", "must be a JSON object");
}

/* A copy of a text that has not more than so many characters. */
static char *
read_limited(struct peerjson *w, const json_t *o, const char *field, size_t most)
{
	const char *v = peerjson_text(w, o, field);

	if (v == NULL || strlen(v) <= most)
		return (xstrdup(v));
	peerjson_fault(w, field, "must not be longer than %zu characters", most);
	return (NULL);
}

struct statement *
statement_read(const json_t *o, char **fault)
{
	struct statement *s = xcalloc(1, sizeof(*s));
	struct peerjson w = { 0 };

	s->text = read_limited(&w, o, "text", STATEMENT_TEXT_MAX);
	s->signer = read_limited(&w, o, "signer", SIGNER_KEY_MAX);
	s->signature = read_limited(&w, o, "signature", SIGNER_SIGNATURE_MAX);
	if (w.fault == NULL && signer_hash(s->signer, s->by_spki) == -1)
		peerjson_fault(&w, "signer", "must be a public key");
	if (w.fault == NULL)
		read_statement(s, &w);
	if (w.fault == NULL)
		return (s);
	*fault = w.fault;
	statement_free(s);
	return (NULL);
}

int
statement_is_signed(const struct statement *s)
{
	return (signer_check(s->signer, s->signature, s->text));
}

/* ---- writing ---- */

static char *
make_text(enum statement_kind kind, const char *key, const uint8_t *by, uint64_t time,
    const json_t *fields)
{
	char hex[2 * NODE_ID_LEN + 1], *text;
	json_t *o;

	node_id_hex(by, hex);
	o = json_pack("{s:i, s:s, s:s, s:[I,i], s:s}", "v", TEXT_VERSION, "kind", kind_names[kind],
	    "key", key, "stamp", (json_int_t)(time >> 16), (int)(time & COUNTER_MAX), "by", hex);
	json_object_update_missing(o, (json_t *)(uintptr_t)fields);
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return (text);
}

struct statement *
statement_make(const struct signer *signer, enum statement_kind kind, const char *key,
    const uint8_t *by, uint64_t time, const json_t *fields)
{
	char *text = make_text(kind, key, by, time, fields), *fault = NULL;
	char *signature = signer_sign(signer, text);
	json_t *o = json_pack("{s:s, s:s, s:s*}", "text", text, "signer", signer_key(signer),
	    "signature", signature);
	struct statement *s = statement_read(o, &fault);

	json_decref(o);
	free(fault);
	free(signature);
	free(text);
	return (s);
}

json_t *
statement_write(const struct statement *s)
{
	return (json_pack("{s:s, s:s, s:s}", "text", s->text, "signer", s->signer, "signature",
	    s->signature));
}

/* ---- the rest ---- */

struct statement *
statement_copy(const struct statement *s)
{
	struct statement *c;

	if (s == NULL)
		return (NULL);
	c = xmemdup(s, sizeof(*s));
	c->body = json_deep_copy(s->body); /* who shares one counts its references together */
	c->text = xstrdup(s->text);
	c->signer = xstrdup(s->signer);
	c->signature = xstrdup(s->signature);
	return (c);
}

void
statement_free(struct statement *s)
{
	if (s == NULL)
		return;
	json_decref(s->body);
	free(s->text);
	free(s->signer);
	free(s->signature);
	free(s);
}

int
statement_is_over(const struct statement *s, uint64_t now_ms)
{
	uint64_t until = (uint64_t)json_integer_value(json_object_get(s->body, "until"));

	return (s->kind == STATEMENT_REVOKED && until != 0 &&
	    until + STATEMENT_KEPT_S < now_ms / 1000);
}

int
statement_cmp(const struct statement *a, const struct statement *b)
{
	if (a->time != b->time)
		return (a->time < b->time ? -1 : 1);
	return (strcmp(a->text, b->text));
}
