#include "config.h"

#include "opsd/pki/joins.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/tls/crypto.h"

#define BEGIN       "hlj1."
#define HEX_DIGITS  "0123456789abcdef"
#define HASH_DIGITS 64
#define FORMAT      1
#define FILE_MAX    (1 << 20)

struct joins {
	char *path;
	pthread_mutex_t lock;
	json_t *tokens; /* {hash: record} */
};

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
joins_is(const char *text)
{
	return (strncmp(text, BEGIN, strlen(BEGIN)) == 0);
}

int
joins_read(const char *text, struct join_token *out)
{
	const char *at = text;

	memset(out, 0, sizeof(*out));
	if (!joins_is(at))
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

/* ---- the file ---- */

static json_t *
read_tokens(const char *path)
{
	char *text = file_read(path, FILE_MAX, NULL);
	json_t *o = text != NULL ? json_loads(text, 0, NULL) : NULL, *tokens = NULL, *one;
	const char *key;

	if (json_integer_value(json_object_get(o, "v")) == FORMAT)
		tokens = json_incref(json_object_get(o, "tokens"));
	json_object_foreach(tokens, key, one)
		if (!json_is_object(one)) {
			json_decref(tokens);
			tokens = NULL;
			break;
		}
	if (!json_is_object(tokens) && (text != NULL || errno != ENOENT))
		log_warnx("%s cannot be read: no join token that was made before is good", path);
	if (!json_is_object(tokens)) {
		json_decref(tokens);
		tokens = json_object();
	}
	json_decref(o);
	free(text);
	return (tokens);
}

/* With the lock held. */
static int
write_tokens(struct joins *j, char **err)
{
	json_t *o = json_pack("{s:i, s:O}", "v", FORMAT, "tokens", j->tokens);
	char *text = json_dumps(o, JSON_COMPACT);
	int rc = file_put_text(j->path, 0600, text, err);

	free(text);
	json_decref(o);
	return (rc);
}

struct joins *
joins_open(const char *path)
{
	struct joins *j = xcalloc(1, sizeof(*j));

	j->path = xstrdup(path);
	j->tokens = read_tokens(path);
	pthread_mutex_init(&j->lock, NULL);
	return (j);
}

void
joins_free(struct joins *j)
{
	if (j == NULL)
		return;
	pthread_mutex_destroy(&j->lock);
	json_decref(j->tokens);
	free(j->path);
	free(j);
}

json_t *
joins_all(struct joins *j)
{
	json_t *all;

	pthread_mutex_lock(&j->lock);
	all = json_deep_copy(j->tokens);
	pthread_mutex_unlock(&j->lock);
	return (all);
}

/* ---- making ---- */

static int
has_lapsed(const json_t *record, uint64_t now_ms)
{
	return ((uint64_t)json_integer_value(json_object_get(record, "until")) <= now_ms);
}

/* With the lock held. */
static void
sweep_lapsed(struct joins *j)
{
	json_t *record;
	const char *key;
	void *tmp;

	json_object_foreach_safe(j->tokens, tmp, key, record)
		if (has_lapsed(record, wall_ms()))
			json_object_del(j->tokens, key);
}

/* With the lock held: 200, or a status with *err. */
static int
keep_token(struct joins *j, const char *hash, const struct join_terms *t, char **err)
{
	sweep_lapsed(j);
	if (json_object_size(j->tokens) >= JOINS_MOST) {
		*err = xasprintf("There are %d tokens that no node has used yet", JOINS_MOST);
		return (409);
	}
	json_object_set_new(j->tokens, hash,
	    json_pack("{s:I, s:I, s:s, s:s*}", "until", (json_int_t)t->until, "at",
		(json_int_t)wall_ms(), "by", t->by, "hostname", t->hostname));
	if (write_tokens(j, err) == 0)
		return (200);
	json_object_del(j->tokens, hash);
	return (500);
}

char *
joins_make(struct joins *j, const char *pin, const struct join_terms *t, int *status, char **err)
{
	char secret[2 * JOINS_SECRET + 1], hash[HASH_DIGITS + 1], *text = NULL;

	crypto_random_hex(secret, JOINS_SECRET);
	hash_secret(secret, hash);
	pthread_mutex_lock(&j->lock);
	*status = keep_token(j, hash, t, err);
	pthread_mutex_unlock(&j->lock);
	if (*status == 200)
		text = xasprintf(BEGIN "%s.%s", pin, secret);
	explicit_bzero(secret, sizeof(secret));
	return (text);
}

/* ---- using ---- */

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

/* With the lock held; the key of its record, or NULL. */
static const char *
find_token(struct joins *j, const char *text, uint64_t now_ms)
{
	char hash[HASH_DIGITS + 1];
	struct join_token token;
	const char *found;

	if (joins_read(text, &token) == -1)
		return (NULL);
	hash_secret(token.secret, hash);
	explicit_bzero(&token, sizeof(token));
	found = find_hash(j->tokens, hash);
	return (found != NULL && !has_lapsed(json_object_get(j->tokens, found), now_ms) ? found :
											  NULL);
}

int
joins_good(struct joins *j, const char *text, uint64_t now_ms)
{
	int good;

	pthread_mutex_lock(&j->lock);
	good = find_token(j, text, now_ms) != NULL;
	pthread_mutex_unlock(&j->lock);
	return (good);
}

/* With the lock held. */
static int
take_found(struct joins *j, const char *found, struct join_taken *out, char **err)
{
	out->key = xstrdup(found);
	out->record = json_incref(json_object_get(j->tokens, found));
	json_object_del(j->tokens, out->key);
	if (write_tokens(j, err) == 0)
		return (200);
	json_object_set(j->tokens, out->key, out->record);
	joins_taken_clear(out);
	return (500);
}

int
joins_take(struct joins *j, const char *text, uint64_t now_ms, struct join_taken *out, char **err)
{
	const char *found;
	int status = 401;

	*out = (struct join_taken){ 0 };
	pthread_mutex_lock(&j->lock);
	found = find_token(j, text, now_ms);
	if (found != NULL)
		status = take_found(j, found, out, err);
	pthread_mutex_unlock(&j->lock);
	return (status);
}

/* One that cannot be written is used up after a restart. */
void
joins_give_back(struct joins *j, struct join_taken *t)
{
	char *err = NULL;

	pthread_mutex_lock(&j->lock);
	json_object_set(j->tokens, t->key, t->record);
	if (write_tokens(j, &err) == -1)
		log_warnx("%s", err);
	pthread_mutex_unlock(&j->lock);
	free(err);
}

void
joins_taken_clear(struct join_taken *t)
{
	free(t->key);
	json_decref(t->record);
	*t = (struct join_taken){ 0 };
}
