#include "config.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

/*
 * Mutations of lines of JSON that are JSON again: bytes alone hardly ever get past the
 * parser.  Beside them, libFuzzer's own.
 */

#define NODES_MAX 512
#define DEPTH_MAX 64

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t n, size_t max) __attribute__((weak));

static const char *const odd[] = {
	"null",
	"true",
	"false",
	"0",
	"-1",
	"1",
	"1.5",
	"-0.0",
	"1e308",
	"9007199254740993",
	"9223372036854775807",
	"-9223372036854775808",
	"\"\"",
	"\"*\"",
	"\"**\"",
	"\"a*\"",
	"\"/\"",
	"\"`\"",
	"\"\\u0000\"",
	"\"a\\u0000b\"",
	"\"\\ud83d\\ude00\"",
	"\"%s%n\"",
	"\"..\"",
	"\"1\"",
	"\"system\"",
	"\"data\"",
	"\"dev\"",
	"\"dog\"",
	"\"secret\"",
	"\"id\"",
	"\"name\"",
	"\"age\"",
	"\"__createdtime__\"",
	"\"__updatedtime__\"",
	"\"hdb_job\"",
	"\"hdb_nodes\"",
	"\"2024-02-30\"",
	"\"2024-01-01T00:00:00.000Z\"",
	"\"super_user\"",
	"\"insert\"",
	"\"~/x\"",
	"\"equals\"",
	"\"between\"",
	"[]",
	"{}",
	"[[[[[[[[]]]]]]]]",
	"[null]",
	"[1,2]",
	"[\"*\"]",
	"{\"\":null}",
	"{\"attribute\":\"age\",\"descending\":true}",
	"{\"search_attribute\":\"age\",\"search_type\":\"between\",\"search_value\":[1,5]}",
};

static const char *const names[] = { "", "database", "schema", "table", "primary_key",
	"hash_attribute", "attributes", "attribute", "records", "ids", "hash_values",
	"get_attributes", "search_attribute", "search_value", "value", "conditions", "operator",
	"comparator", "search_type", "limit", "offset", "sort", "reverse", "desc", "next",
	"descending", "id", "name", "age", "role", "permission", "tables", "read", "insert",
	"update", "delete", "attribute_permissions", "attribute_name", "super_user", "cluster_user",
	"structure_user", "username", "password", "active", "node_name", "subscriptions", "publish",
	"subscribe", "start_time", "routes", "host", "hostname", "port", "server", "connections",
	"timeout", "options", "keep", "seq", "force", "action", "data", "file_path", "csv_url",
	"timestamp", "date", "from_date", "to_date", "format", "path", "filename",
	"search_operation", "search_values", "from", "to", "until", "order", "level", "expires_in",
	"service", "expiration", "audit", "type", "indexed", "constructor", "operation" };

static const char *const askers[] = { "", "r ", "n ", "c ", "m ", "v " };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Where a value is: in an object under a name, or in an array. */
struct place {
	json_t *in;
	const char *name;
	size_t at;
};

struct tree {
	struct place places[NODES_MAX];
	size_t n;
};

static unsigned
below(unsigned *seed, size_t n)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (n == 0 ? 0 : (unsigned)((*seed >> 8) % n));
}

static void
collect(struct tree *t, json_t *in, int depth)
{
	const char *name;
	json_t *v;
	size_t i;

	if (depth > DEPTH_MAX)
		return;
	json_object_foreach(in, name, v) {
		if (t->n < NODES_MAX)
			t->places[t->n++] = (struct place){ in, name, 0 };
		collect(t, v, depth + 1);
	}
	json_array_foreach(in, i, v) {
		if (t->n < NODES_MAX)
			t->places[t->n++] = (struct place){ in, NULL, i };
		collect(t, v, depth + 1);
	}
}

static json_t *
place_get(const struct place *p)
{
	return (p->name != NULL ? json_object_get(p->in, p->name) : json_array_get(p->in, p->at));
}

/* Takes v; NULL deletes. */
static void
place_put(const struct place *p, json_t *v)
{
	char *name = xstrdup(p->name);

	if (name != NULL && v != NULL)
		json_object_set_new(p->in, name, v);
	else if (name != NULL)
		json_object_del(p->in, name);
	else if (v != NULL)
		json_array_set_new(p->in, p->at, v);
	else
		json_array_remove(p->in, p->at);
	free(name);
}

static json_t *
odd_value(unsigned *seed)
{
	char *text;
	json_t *v;

	if (below(seed, 12) > 0)
		return (json_loads(odd[below(seed, COUNT(odd))], JSON_DECODE_ANY | JSON_ALLOW_NUL,
		    NULL));
	/* As long as names may be, or one more. */
	text = xmalloc(301);
	memset(text, 'x', 301);
	v = json_stringn(text, 249 + below(seed, 52));
	free(text);
	return (v);
}

static json_t *
wrapped(json_t *v, unsigned *seed)
{
	if (below(seed, 2))
		return (json_pack("[O]", v));
	return (json_pack("{s:O}", names[below(seed, COUNT(names))], v));
}

/* One more in what is there, or the name moved. */
static void
grow(json_t *in, json_t *v, unsigned *seed)
{
	if (json_is_object(in))
		json_object_set(in, names[below(seed, COUNT(names))], v);
	else if (json_is_array(in))
		json_array_insert(in, below(seed, json_array_size(in) + 1), v);
}

static void
change(json_t *body, struct tree *t, unsigned *seed)
{
	struct place *p = &t->places[below(seed, t->n)], *other = &t->places[below(seed, t->n)];
	json_t *v;

	switch (below(seed, 7)) {
	case 0:
		place_put(p, NULL);
		break;
	case 1:
	case 2:
		place_put(p, odd_value(seed));
		break;
	case 3:
		place_put(p, json_deep_copy(place_get(other)));
		break;
	case 4:
		place_put(p, wrapped(place_get(p), seed));
		break;
	case 5:
		v = odd_value(seed);
		grow(json_is_object(place_get(p)) || json_is_array(place_get(p)) ? place_get(p) :
										   body,
		    v, seed);
		json_decref(v);
		break;
	default:
		v = json_deep_copy(place_get(other));
		place_put(p, NULL);
		grow(body, v, seed);
		json_decref(v);
	}
}

/* The line's new text, or NULL. */
static char *
mutate_line(const uint8_t *line, size_t n, unsigned *seed)
{
	size_t who = n > 1 && line[1] == ' ' && line[0] != '{' ? 2 : 0;
	json_t *body = json_loadb((const char *)line + who, n - who,
	    JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	unsigned times = 1 + below(seed, 3);
	char *text, *out = NULL;
	struct tree *t = xcalloc(1, sizeof(*t));

	while (body != NULL && times-- > 0) {
		t->n = 0;
		collect(t, body, 0);
		if (t->n > 0)
			change(body, t, seed);
	}
	free(t);
	text = json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY);
	if (text != NULL && below(seed, 8) == 0)
		out = xasprintf("%s%s", askers[below(seed, COUNT(askers))], text);
	else if (text != NULL)
		out = xasprintf("%.*s%s", (int)who, (const char *)line, text);
	free(text);
	json_decref(body);
	return (out);
}

/* Any line of the input. */
static const uint8_t *
some_line(const uint8_t *data, size_t n, unsigned *seed, size_t *len)
{
	const uint8_t *at = data + below(seed, n + 1), *end = data + n;

	while (at > data && at[-1] != '\n')
		at--;
	*len = 0;
	while (at + *len < end && at[*len] != '\n')
		++*len;
	return (at);
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed)
{
	size_t len, was, rest;
	const uint8_t *line;
	uint8_t *at;
	char *text;

	if (LLVMFuzzerMutate != NULL && below(&seed, 4) == 0)
		return (LLVMFuzzerMutate(data, n, max));
	line = some_line(data, n, &seed, &was);
	text = mutate_line(line, was, &seed);
	len = text != NULL ? strlen(text) : 0;
	if (text != NULL && n - was + len <= max) {
		at = data + (line - data);
		rest = n - (size_t)(line - data) - was;
		memmove(at + len, at + was, rest);
		memcpy(at, text, len);
		n = n - was + len;
	}
	free(text);
	return (n);
}
