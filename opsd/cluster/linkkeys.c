#include "config.h"

#include "opsd/cluster/linkkeys.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/hex.h"
#include "common/base/mem.h"
#include "common/tls/crypto.h"

#define FORMAT 1 /* of the sealed text */

static json_t *
hex_json(const uint8_t in[32])
{
	char hex[65];
	json_t *v;

	hex_text(in, 32, hex);
	v = json_string(hex);
	explicit_bzero(hex, sizeof(hex));
	return (v);
}

static void
read_keys(struct linkkeys *l, const json_t *list)
{
	const json_t *o;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, o) {
		struct linkkey *k = &l->k[l->n];

		if (i == LINKKEYS_MAX ||
		    hex_read(json_string_value(json_object_get(o, "print")), k->print, 32) == -1 ||
		    hex_read(json_string_value(json_object_get(o, "key")), k->key, 32) == -1)
			break;
		k->since = json_integer_value(json_object_get(o, "since"));
		l->n++;
	}
}

void
linkkeys_open(struct linkkeys *l, const uint8_t node_key[32], const char *sealed)
{
	char *text = sealed != NULL ? crypto_open(node_key, sealed) : NULL;
	json_t *o = text != NULL ? json_loads(text, 0, NULL) : NULL;

	*l = (struct linkkeys){ .n = 0 };
	if (json_integer_value(json_object_get(o, "format")) == FORMAT)
		read_keys(l, json_object_get(o, "keys"));
	json_decref(o);
	mem_wipe(text);
}

char *
linkkeys_seal(const struct linkkeys *l, const uint8_t node_key[32])
{
	json_t *list = json_array(), *o = json_pack("{s:i, s:o}", "format", FORMAT, "keys", list);
	char *text, *sealed;

	for (unsigned i = 0; i < l->n; i++)
		json_array_append_new(list,
		    json_pack("{s:o, s:o, s:I}", "print", hex_json(l->k[i].print), "key",
			hex_json(l->k[i].key), "since", (json_int_t)l->k[i].since));
	text = json_dumps(o, JSON_COMPACT);
	sealed = crypto_seal(node_key, text);
	json_decref(o);
	mem_wipe(text);
	return (sealed);
}

int
linkkeys_fit(const struct linkkeys *l, const uint8_t print[32])
{
	return (l->n > 0 && crypto_equal(l->k[0].print, print, 32));
}

const uint8_t *
linkkeys_find(const struct linkkeys *l, const uint8_t print[32])
{
	for (unsigned i = 0; i < l->n; i++)
		if (crypto_equal(l->k[i].print, print, 32))
			return (l->k[i].key);
	return (NULL);
}

void
linkkeys_add(struct linkkeys *l, const uint8_t print[32], const uint8_t key[AUTHORITY_KEY_LEN],
    int64_t now)
{
	struct linkkey k = { .since = now };

	memcpy(k.print, print, sizeof(k.print));
	memcpy(k.key, key, sizeof(k.key));
	if (l->n > 0)
		l->k[1] = l->k[0];
	l->k[0] = k;
	l->n = l->n > 0 ? 2 : 1;
	explicit_bzero(&k, sizeof(k));
}

unsigned
linkkeys_use(const struct linkkeys *l, int64_t now, int64_t overlap,
    uint8_t out[LINKKEYS_MAX][AUTHORITY_KEY_LEN], int64_t *next)
{
	/* A clock that was set back ends it. */
	int64_t passed = l->n > 0 ? now - l->k[0].since : 0, quarter = overlap / 4;
	int both = l->n == 2 && passed >= 0 && passed < overlap;
	int shows_old = both && passed < quarter;

	*next = !both ? 0 : l->k[0].since + (shows_old ? quarter : overlap);
	if (l->n == 0)
		return (0);
	memcpy(out[shows_old], l->k[0].key, AUTHORITY_KEY_LEN);
	if (!both)
		return (1);
	memcpy(out[!shows_old], l->k[1].key, AUTHORITY_KEY_LEN);
	return (2);
}

void
linkkeys_clear(struct linkkeys *l)
{
	explicit_bzero(l, sizeof(*l));
}
