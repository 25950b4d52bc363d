#ifndef HL_CRYPTO_H
#define HL_CRYPTO_H

#include <stddef.h>
#include <stdint.h>

/* Random bytes, hashes, passwords, and what is kept sealed on disk. */

void crypto_random(void *p, size_t n);
/* As 2 * n hexadecimal digits and NUL. */
void crypto_random_hex(char *out, size_t n);
/* Version 4 UUID as 36 characters and NUL. */
void crypto_uuid(char out[37]);
void crypto_sha256(const void *p, size_t n, uint8_t out[32]);
void crypto_sha256_hex(const void *p, size_t n, char out[65]);
int crypto_equal(const void *a, const void *b, size_t n); /* constant time */
/* MD5 in hex (stream names as the peers show them). */
void crypto_md5_hex(const void *p, size_t n, char out[33]);

/* scrypt, as text "scrypt$N$r$p$salt$hash"; caller frees. */
char *crypto_hash_password(const char *password);
int crypto_is_hash(const char *text); /* such a one, with the cost that is given here */
int crypto_check_password(const char *password, const char *hashed); /* 1 right, 0 wrong */

/* As base64 with padding; the caller frees. */
char *crypto_base64(const void *p, size_t n);
/* NULL when it is not that, or longer than `most` characters; the caller frees. */
uint8_t *crypto_base64_read(const char *text, size_t len, size_t most, size_t *n);
/* AES-256-GCM with a 32-byte key; base64 text, caller frees.  open gives NULL on a wrong key or text. */
char *crypto_seal(const uint8_t key[32], const char *plain);
char *crypto_open(const uint8_t key[32], const char *sealed);
/* Another key out of that one, for what the label says (HKDF with SHA-256). */
void crypto_derive(const uint8_t key[32], const char *label, uint8_t out[32]);
/* Read a 32-byte key file, or make it (0600) when absent; -1 with errno, EINVAL: it is none. */
int crypto_key_file(const char *path, uint8_t key[32]);

#endif
