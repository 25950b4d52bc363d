#include "config.h"

#include "opsd/auth/token.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/hex.h"
#include "common/base/mem.h"
#include "common/tls/crypto.h"
#include "opsd/auth/user.h"

#define TOKEN_MAX 8192
#define KEY_BITS  2048
#define PASS_LEN  64
#define HEADER    "{\"alg\":\"RS256\",\"typ\":\"JWT\"}"
#define MARK_HEX  (2 * sizeof(((struct user *)0)->mark) + 1)

static const char *const kinds[] = { "operation", "refresh" };

struct tokens {
	char *dir;
	pthread_mutex_t lock;
	EVP_PKEY *key; /* under lock until it is there; then it stays */
};

/* ---- the key pair ---- */

static FILE *
open_key(const struct tokens *t, const char *name, int make)
{
	char *path = xasprintf("%s/%s", t->dir, name);
	int fd = open(path, make ? O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC : O_RDONLY | O_CLOEXEC,
	    0600);
	FILE *f = fd != -1 ? fdopen(fd, make ? "w" : "r") : NULL;

	if (f == NULL && fd != -1)
		close(fd);
	free(path);
	return (f);
}

/* On disk before the next file is written; -1 with errno. */
static int
close_key(FILE *f)
{
	int rc = fflush(f) == 0 && fsync(fileno(f)) == 0 ? 0 : -1, error = errno;

	fclose(f);
	errno = error;
	return (rc);
}

static EVP_PKEY *
load_pair(const struct tokens *t)
{
	char pass[PASS_LEN + 1] = "";
	EVP_PKEY *key = NULL;
	FILE *f;

	if ((f = open_key(t, ".jwtPass", 0)) == NULL)
		return (NULL);
	if (fgets(pass, sizeof(pass), f) != NULL)
		pass[strcspn(pass, "\r\n")] = '\0';
	fclose(f);
	if ((f = open_key(t, ".jwtPrivate.key", 0)) != NULL) {
		key = PEM_read_PrivateKey(f, NULL, NULL, pass);
		fclose(f);
	}
	explicit_bzero(pass, sizeof(pass));
	if (key != NULL && (!EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_get_bits(key) < KEY_BITS)) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	return (key);
}

/* The private key is last: without it the others are made again. */
static int
save_pair(const struct tokens *t, EVP_PKEY *key)
{
	char pass[PASS_LEN + 1];
	int ok = 0;
	FILE *f;

	crypto_random_hex(pass, PASS_LEN / 2);
	if ((f = open_key(t, ".jwtPass", 1)) != NULL) {
		ok = fputs(pass, f) >= 0;
		ok = close_key(f) == 0 && ok;
	}
	if (ok && (f = open_key(t, ".jwtPublic.key", 1)) != NULL) {
		ok = PEM_write_PUBKEY(f, key) == 1;
		ok = close_key(f) == 0 && ok;
	}
	if (ok && (f = open_key(t, ".jwtPrivate.key", 1)) != NULL) {
		ok = PEM_write_PKCS8PrivateKey(f, key, EVP_aes_256_cbc(), pass, PASS_LEN, NULL,
			 NULL) == 1;
		ok = close_key(f) == 0 && ok;
	} else
		ok = 0;
	explicit_bzero(pass, sizeof(pass));
	return (ok ? 0 : -1);
}

/* NULL: there is none, and with `make` that it cannot be made. */
static EVP_PKEY *
key_pair(struct tokens *t, int make)
{
	EVP_PKEY *key;

	pthread_mutex_lock(&t->lock);
	if (t->key == NULL)
		t->key = load_pair(t);
	if (t->key == NULL && make && (key = EVP_RSA_gen(KEY_BITS)) != NULL) {
		if (save_pair(t, key) == 0)
			t->key = key;
		else
			EVP_PKEY_free(key);
	}
	key = t->key;
	pthread_mutex_unlock(&t->lock);
	return (key);
}

struct tokens *
tokens_new(const char *keys_dir)
{
	struct tokens *t = xcalloc(1, sizeof(*t));

	t->dir = xstrdup(keys_dir);
	pthread_mutex_init(&t->lock, NULL);
	return (t);
}

void
tokens_free(struct tokens *t)
{
	if (t == NULL)
		return;
	EVP_PKEY_free(t->key);
	pthread_mutex_destroy(&t->lock);
	free(t->dir);
	free(t);
}

/* ---- base64url without padding: RFC 7515, appendix C ---- */

static void
url_encode(struct buf *out, const void *p, size_t n)
{
	char *text = xmalloc(n / 3 * 4 + 5);
	int len = EVP_EncodeBlock((unsigned char *)text, p, (int)n);

	while (len > 0 && text[len - 1] == '=')
		len--;
	for (int i = 0; i < len; i++)
		text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
	buf_add(out, text, (size_t)len);
	free(text);
}

static int
url_decode(struct buf *out, const char *s, size_t n)
{
	size_t padded = (n + 3) / 4 * 4;
	char *text = xmalloc(padded + 1);
	unsigned char *bytes = xmalloc(padded / 4 * 3 + 1);
	int len = -1;

	for (size_t i = 0; i < padded; i++)
		text[i] = i >= n                              ? '=' :
		    s[i] == '-'                               ? '+' :
		    s[i] == '_'                               ? '/' :
		    s[i] == '+' || s[i] == '/' || s[i] == '=' ? '!' :
								s[i];
	if (n % 4 != 1)
		len = EVP_DecodeBlock(bytes, (unsigned char *)text, (int)padded);
	if (len >= 0)
		buf_add(out, bytes, (size_t)len - (padded - n));
	free(text);
	free(bytes);
	return (len >= 0 ? 0 : -1);
}

/* ---- tokens ---- */

static void
mark_hex(const struct user *u, char hex[MARK_HEX])
{
	hex_text(u->mark, sizeof(u->mark), hex);
}

static int
sign_text(EVP_PKEY *key, struct buf *text)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned char sig[1024];
	size_t n = sizeof(sig);
	int ok = md != NULL && EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
	    EVP_DigestSign(md, sig, &n, text->data, text->len) == 1;

	EVP_MD_CTX_free(md);
	if (ok) {
		buf_add(text, ".", 1);
		url_encode(text, sig, n);
	}
	return (ok ? 0 : -1);
}

char *
token_make(struct tokens *t, const struct user *u, enum token_kind kind, int64_t ms, char **err)
{
	EVP_PKEY *key = key_pair(t, 1);
	json_int_t now = (json_int_t)(wall_ms() / 1000);
	struct buf text = { 0 };
	char mark[MARK_HEX], *claims, *out = NULL;
	json_t *o;

	if (key == NULL) {
		*err = xasprintf("the keys of tokens cannot be made in %s: %s", t->dir,
		    strerror(errno));
		return (NULL);
	}
	mark_hex(u, mark);
	o = json_pack("{s:s, s:b, s:s, s:I, s:I, s:s}", "username", u->name, "super_user",
	    u->super_user, "mark", mark, "iat", now, "exp", now + (ms + 999) / 1000, "sub",
	    kinds[kind]);
	claims = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	url_encode(&text, HEADER, strlen(HEADER));
	buf_add(&text, ".", 1);
	url_encode(&text, claims, strlen(claims));
	if (sign_text(key, &text) == 0)
		out = xstrndup((const char *)text.data, text.len);
	else
		*err = xstrdup("the token cannot be signed");
	free(claims);
	buf_free(&text);
	return (out);
}

static int
verify_text(EVP_PKEY *key, const char *text, size_t n, const struct buf *sig)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	int ok = md != NULL && EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
	    EVP_DigestVerify(md, sig->data, sig->len, (const unsigned char *)text, n) == 1;

	EVP_MD_CTX_free(md);
	return (ok);
}

static json_t *
read_part(const char *s, size_t n)
{
	struct buf b = { 0 };
	json_t *o = NULL;

	if (n > 0 && url_decode(&b, s, n) == 0)
		o = json_loadb((const char *)b.data, b.len, JSON_REJECT_DUPLICATES, NULL);
	buf_free(&b);
	return (o);
}

static int
claim_is(const json_t *o, const char *name, const char *value)
{
	const char *s = json_string_value(json_object_get(o, name));

	return (s != NULL && strcmp(s, value) == 0);
}

/* Its claims when the node signed it; NULL otherwise. */
static json_t *
signed_claims(struct tokens *t, const char *text)
{
	const char *claims = strchr(text, '.'),
		   *sig = claims != NULL ? strchr(claims + 1, '.') : NULL;
	EVP_PKEY *key = key_pair(t, 0);
	struct buf bytes = { 0 };
	json_t *header, *out = NULL;

	if (key == NULL || sig == NULL || strlen(text) > TOKEN_MAX)
		return (NULL);
	header = read_part(text, (size_t)(claims - text));
	if (claim_is(header, "alg", "RS256") && url_decode(&bytes, sig + 1, strlen(sig + 1)) == 0 &&
	    verify_text(key, text, (size_t)(sig - text), &bytes))
		out = read_part(claims + 1, (size_t)(sig - claims - 1));
	json_decref(header);
	buf_free(&bytes);
	return (out);
}

enum token_fault
token_read(struct tokens *t, const char *text, enum token_kind kind, json_t **claims)
{
	json_t *o = signed_claims(t, text);
	json_int_t until = json_integer_value(json_object_get(o, "exp"));

	if (!claim_is(o, "sub", kinds[kind]) || !json_is_string(json_object_get(o, "username"))) {
		json_decref(o);
		return (TOKEN_INVALID);
	}
	if ((json_int_t)(wall_ms() / 1000) >= until) {
		json_decref(o);
		return (TOKEN_EXPIRED);
	}
	*claims = o;
	return (TOKEN_GOOD);
}

int
token_is_of(const json_t *claims, const struct user *u)
{
	char mark[MARK_HEX];

	mark_hex(u, mark);
	return (claim_is(claims, "username", u->name) && claim_is(claims, "mark", mark));
}
