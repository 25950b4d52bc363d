#include "config.h"

#include "opsd/pki/joins.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/tls/crypto.h"
#include "opsd/pki/ledger.h"

#define BEGIN       "hlj1."
#define HEX_DIGITS  "0123456789abcdef"
#define HASH_DIGITS 64

/* ---- the text ---- */

/* So many digits of lower-case hex, and then `end`. */
static const char *
take_digits(const char *at, size_t n, char end, char *out)
{
	if (strspn(at, HEX_DIGITS) != n || at[n] != end)
		return (NULL);
	memcpy(out, at, n);
	out[n] = '\0';
	return (at + n + (end != '\0'));
}

int
joins_read(const char *text, struct join_token *out)
{
	const char *at = text;

	memset(out, 0, sizeof(*out));
	if (strncmp(at, BEGIN, strlen(BEGIN)) != 0)
		return (-1);
	at = take_digits(at + strlen(BEGIN), JOINS_PIN, '.', out->pin);
	if (at != NULL && take_digits(at, sizeof(out->secret) - 1, '\0', out->secret) != NULL)
		return (0);
	explicit_bzero(out, sizeof(*out));
	return (-1);
}

static void
hash_secret(const char *secret, char out[HASH_DIGITS + 1])
{
	crypto_sha256_hex(secret, strlen(secret), out);
}

/* ---- keeping ---- */

char *
joins_make(struct ledger *l, const char *pin, const struct join_terms *t, int *status, char **err)
{
	char secret[2 * JOINS_SECRET + 1], hash[HASH_DIGITS + 1], *text = NULL;
	json_t *record;
	struct ledger_change c = { LEDGER_JOIN, hash, NULL };

	joins_sweep(l, wall_ms());
	if (ledger_count(l, LEDGER_JOIN) >= JOINS_MOST) {
		*status = 409;
		*err = xasprintf("There are %d tokens that no node has used yet", JOINS_MOST);
		return (NULL);
	}
	crypto_random_hex(secret, JOINS_SECRET);
	hash_secret(secret, hash);
	c.record = record = json_pack("{s:I, s:I, s:s, s:s*}", "until", (json_int_t)t->until, "at",
	    (json_int_t)wall_ms(), "by", t->by, "hostname", t->hostname);
	if ((*status = ledger_write(l, &c, 1, err)) == 200)
		text = xasprintf(BEGIN "%s.%s", pin, secret);
	json_decref(record);
	explicit_bzero(secret, sizeof(secret));
	return (text);
}

static int
has_lapsed(const json_t *record, uint64_t now_ms)
{
	return ((uint64_t)json_integer_value(json_object_get(record, "until")) <= now_ms);
}

/* Each is looked at, and wholly, so that how long it takes says nothing of any. */
static const char *
find_hash(json_t *all, const char *hash)
{
	const char *key, *found = NULL;
	json_t *record;

	json_object_foreach(all, key, record)
		if (strlen(key) == HASH_DIGITS && crypto_equal(key, hash, HASH_DIGITS))
			found = key;
	return (found);
}

char *
joins_find(struct ledger *l, const char *text, uint64_t now_ms)
{
	json_t *all = ledger_all(l, LEDGER_JOIN);
	char hash[HASH_DIGITS + 1], *key = NULL;
	struct join_token token;
	const char *found;

	if (joins_read(text, &token) == 0) {
		hash_secret(token.secret, hash);
		found = find_hash(all, hash);
		if (found != NULL && !has_lapsed(json_object_get(all, found), now_ms))
			key = xstrdup(found);
	}
	explicit_bzero(&token, sizeof(token));
	json_decref(all);
	return (key);
}

void
joins_sweep(struct ledger *l, uint64_t now_ms)
{
	json_t *all = ledger_all(l, LEDGER_JOIN), *record;
	struct ledger_change *gone = xcalloc(json_object_size(all) + 1, sizeof(*gone));
	size_t n = 0;
	const char *key;
	char *err = NULL;

	json_object_foreach(all, key, record)
		if (has_lapsed(record, now_ms))
			gone[n++] = (struct ledger_change){ LEDGER_JOIN, key, NULL };
	/* Those that stay are over all the same. */
	(void)ledger_write(l, gone, n, &err);
	free(err);
	free(gone);
	json_decref(all);
}
