#include "config.h"

#include "common/tls/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/hex.h"
#include "common/base/log.h"
#include "common/base/mem.h"

#define SCRYPT_N   16384
#define SCRYPT_R   8
#define SCRYPT_P   1
#define SALT_LEN   16
#define HASH_LEN   32
#define NONCE_LEN  12
#define TAG_LEN    16
#define TEXT_MAX   (1 << 20) /* longest text that is sealed or hashed */
#define BASE64_MAX (2 * TEXT_MAX)

char *
crypto_base64(const void *p, size_t n)
{
	char *out = xmalloc((n + 2) / 3 * 4 + 1);

	EVP_EncodeBlock((unsigned char *)out, p, (int)n);
	return (out);
}

uint8_t *
crypto_base64_read(const char *text, size_t len, size_t most, size_t *n)
{
	uint8_t *out;
	int got;

	if (len == 0 || len % 4 != 0 || len > most)
		return (NULL);
	out = xmalloc(len / 4 * 3);
	got = EVP_DecodeBlock(out, (const unsigned char *)text, (int)len);
	if (got < 0) {
		ERR_clear_error();
		free(out);
		return (NULL);
	}
	if (text[len - 1] == '=')
		got--;
	if (text[len - 2] == '=')
		got--;
	*n = (size_t)got;
	return (out);
}

void
crypto_random(void *p, size_t n)
{
	if (RAND_bytes(p, (int)n) != 1)
		fatalx("crypto: no random numbers");
}

void
crypto_random_hex(char *out, size_t n)
{
	uint8_t byte;
	size_t i;

	for (i = 0; i < n; i++) {
		crypto_random(&byte, 1);
		hex_text(&byte, 1, out + 2 * i);
	}
}

void
crypto_uuid(char out[37])
{
	uint8_t id[16];
	char hex[33];

	crypto_random(id, sizeof(id));
	id[6] = (uint8_t)((id[6] & 0x0f) | 0x40);
	id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
	hex_text(id, sizeof(id), hex);
	snprintf(out, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

void
crypto_sha256(const void *p, size_t n, uint8_t out[32])
{
	if (EVP_Digest(p, n, out, NULL, EVP_sha256(), NULL) != 1)
		fatalx("crypto: no SHA-256");
}

void
crypto_sha256_hex(const void *p, size_t n, char out[65])
{
	uint8_t sum[32];

	crypto_sha256(p, n, sum);
	hex_text(sum, sizeof(sum), out);
}

int
crypto_equal(const void *a, const void *b, size_t n)
{
	return (CRYPTO_memcmp(a, b, n) == 0);
}

void
crypto_md5_hex(const void *p, size_t n, char out[33])
{
	uint8_t sum[16];

	if (EVP_Digest(p, n, sum, NULL, EVP_md5(), NULL) != 1)
		fatalx("crypto: no MD5");
	hex_text(sum, sizeof(sum), out);
}

static int
scrypt_hash(const char *password, const uint8_t *salt, size_t salt_len, uint64_t n, uint64_t r,
    uint64_t p, uint8_t out[HASH_LEN])
{
	uint64_t memory = 128 * n * r + 128 * r * p + (1 << 20);

	return (EVP_PBE_scrypt(password, strlen(password), salt, salt_len, n, r, p, memory, out,
		    HASH_LEN) == 1 ?
		0 :
		-1);
}

char *
crypto_hash_password(const char *password)
{
	uint8_t salt[SALT_LEN], hash[HASH_LEN];
	char *salt64, *hash64, *text;

	crypto_random(salt, sizeof(salt));
	if (scrypt_hash(password, salt, sizeof(salt), SCRYPT_N, SCRYPT_R, SCRYPT_P, hash) == -1)
		fatalx("crypto: scrypt failed");
	salt64 = crypto_base64(salt, sizeof(salt));
	hash64 = crypto_base64(hash, sizeof(hash));
	text = xasprintf("scrypt$%d$%d$%d$%s$%s", SCRYPT_N, SCRYPT_R, SCRYPT_P, salt64, hash64);
	free(salt64);
	free(hash64);
	return (text);
}

struct hashed {
	unsigned n, r, p;
	uint8_t *salt, *hash;
	size_t salt_len, hash_len;
};

static void
hashed_clear(struct hashed *h)
{
	ERR_clear_error();
	free(h->salt);
	free(h->hash);
}

/* To be cleared also when it is none: -1. */
static int
read_hashed(struct hashed *h, const char *text)
{
	const char *sep;
	int at = 0;

	memset(h, 0, sizeof(*h));
	if (sscanf(text, "scrypt$%7u$%3u$%3u$%n", &h->n, &h->r, &h->p, &at) != 3 || at == 0)
		return (-1);
	text += at;
	if ((sep = strchr(text, '$')) == NULL)
		return (-1);
	h->salt = crypto_base64_read(text, (size_t)(sep - text), BASE64_MAX, &h->salt_len);
	h->hash = crypto_base64_read(sep + 1, strlen(sep + 1), BASE64_MAX, &h->hash_len);
	return (h->salt != NULL && h->hash != NULL && h->hash_len == HASH_LEN ? 0 : -1);
}

/* A hash may come from elsewhere: bound what it costs. */
static int
is_bearable(const struct hashed *h)
{
	return (h->n >= 2 && h->n <= 1048576 && (h->n & (h->n - 1)) == 0 && h->r >= 1 &&
	    h->r <= 32 && h->p >= 1 && h->p <= 16);
}

int
crypto_check_password(const char *password, const char *text)
{
	uint8_t got[HASH_LEN];
	struct hashed h;
	int right = read_hashed(&h, text) == 0 && is_bearable(&h) &&
	    scrypt_hash(password, h.salt, h.salt_len, h.n, h.r, h.p, got) == 0 &&
	    crypto_equal(got, h.hash, HASH_LEN);

	hashed_clear(&h);
	return (right);
}

int
crypto_is_hash(const char *text)
{
	struct hashed h;
	int is = read_hashed(&h, text) == 0 && h.n == SCRYPT_N && h.r == SCRYPT_R &&
	    h.p == SCRYPT_P && h.salt_len == SALT_LEN;

	hashed_clear(&h);
	return (is);
}

char *
crypto_seal(const uint8_t key[32], const char *plain)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	size_t len = strlen(plain);
	uint8_t *box = xmalloc(NONCE_LEN + len + TAG_LEN);
	int n, more;
	char *text;

	if (ctx == NULL || len > TEXT_MAX)
		fatalx("crypto: cannot seal %zu bytes", len);
	crypto_random(box, NONCE_LEN);
	if (EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, box) != 1 ||
	    EVP_EncryptUpdate(ctx, box + NONCE_LEN, &n, (const uint8_t *)plain, (int)len) != 1 ||
	    EVP_EncryptFinal_ex(ctx, box + NONCE_LEN + n, &more) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_LEN, box + NONCE_LEN + len) != 1)
		fatalx("crypto: no AES-256-GCM");
	EVP_CIPHER_CTX_free(ctx);
	text = crypto_base64(box, NONCE_LEN + len + TAG_LEN);
	free(box);
	return (text);
}

char *
crypto_open(const uint8_t key[32], const char *sealed)
{
	EVP_CIPHER_CTX *ctx;
	size_t n, len;
	uint8_t *box = crypto_base64_read(sealed, strlen(sealed), BASE64_MAX, &n);
	char *plain;
	int got, more;

	if (box == NULL || n < NONCE_LEN + TAG_LEN) {
		free(box);
		return (NULL);
	}
	len = n - NONCE_LEN - TAG_LEN;
	plain = xmalloc(len + 1);
	if ((ctx = EVP_CIPHER_CTX_new()) == NULL ||
	    EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, box) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_LEN, box + NONCE_LEN + len) != 1 ||
	    EVP_DecryptUpdate(ctx, (uint8_t *)plain, &got, box + NONCE_LEN, (int)len) != 1 ||
	    EVP_DecryptFinal_ex(ctx, (uint8_t *)plain + got, &more) != 1) {
		ERR_clear_error();
		free(plain);
		plain = NULL;
	} else
		plain[len] = '\0';
	EVP_CIPHER_CTX_free(ctx);
	free(box);
	return (plain);
}

void
crypto_derive(const uint8_t key[32], const char *label, uint8_t out[32])
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, NULL);
	size_t n = 32;

	if (ctx == NULL || EVP_PKEY_derive_init(ctx) != 1 ||
	    EVP_PKEY_CTX_set_hkdf_md(ctx, EVP_sha256()) != 1 ||
	    EVP_PKEY_CTX_set1_hkdf_key(ctx, key, 32) != 1 ||
	    EVP_PKEY_CTX_add1_hkdf_info(ctx, (const unsigned char *)label, (int)strlen(label)) !=
		1 ||
	    EVP_PKEY_derive(ctx, out, &n) != 1)
		fatalx("crypto: no HKDF");
	EVP_PKEY_CTX_free(ctx);
}

int
crypto_key_file(const char *path, uint8_t key[32])
{
	uint8_t buf[33];
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC), saved;

	if (fd == -1) {
		if (errno != ENOENT)
			return (-1);
		crypto_random(key, 32);
		return (file_put(path, 0600, key, 32));
	}
	n = read(fd, buf, sizeof(buf));
	saved = n == -1 ? errno : EINVAL;
	close(fd);
	if (n != 32) {
		errno = saved;
		return (-1);
	}
	memcpy(key, buf, 32);
	return (0);
}
