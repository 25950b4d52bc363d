#ifndef HL_CRYPTO_H
#define HL_CRYPTO_H

#include <stddef.h>
#include <stdint.h>

struct ssl_ctx_st;
struct ssl_st;

/*
 * Keys, certificates, hashes: this, certinfo.c and tlsfiles.c are the files that include
 * <openssl/...>.
 */

void crypto_random(void *p, size_t n);
/* As 2 * n hexadecimal digits and NUL. */
void crypto_random_hex(char *out, size_t n);
/* Version 4 UUID as 36 characters and NUL. */
void crypto_uuid(char out[37]);
void crypto_sha256(const void *p, size_t n, uint8_t out[32]);
int crypto_equal(const void *a, const void *b, size_t n);	/* constant time */
/* MD5 in hex (stream names as the peers show them). */
void crypto_md5_hex(const void *p, size_t n, char out[33]);

/* scrypt, as text "scrypt$N$r$p$salt$hash"; caller frees. */
char *crypto_hash_password(const char *password);
int crypto_check_password(const char *password, const char *hashed);	/* 1 right, 0 wrong */

/* AES-256-GCM with a 32-byte key; base64 text, caller frees.  open gives NULL on a wrong key or text. */
char *crypto_seal(const uint8_t key[32], const char *plain);
char *crypto_open(const uint8_t key[32], const char *sealed);
/* Read a 32-byte key file, or make it (0600) when absent; -1 with errno. */
int crypto_key_file(const char *path, uint8_t key[32]);

/* Make a P-256 key and a self-signed certificate (serverAuth, clientAuth, CN and
 * SAN = name, ten years) at the two paths, unless both exist; -1 on failure with *err. */
int crypto_make_cert(const char *key_path, const char *cert_path, const char *name, char **err);

/* The same, anew each time, for routes whose ends do not verify each other: nats-server
 * checks who connects in any case, so these are signed by an authority whose key is no
 * secret.  They encrypt; they prove nothing. */
int crypto_make_open_cert(const char *key_path, const char *cert_path, const char *ca_path,
    const char *name, char **err);

/* `ca` (may be NULL) has what is sent along with a certificate that comes without its chain. */
struct ssl_ctx_st *crypto_server_ctx(const char *cert, const char *key, const char *ca, char **err);
void crypto_ctx_free(struct ssl_ctx_st *ctx);
struct ssl_st *crypto_ssl_new(struct ssl_ctx_st *ctx);	/* for libevent, which frees it; NULL: failure */

/*
 * TLS as a client over a connected, blocking socket, which stays the caller's.
 * verify: by the system's authorities and the host's name.  NULL with *err.
 */
struct ssl_st *crypto_dial(int fd, const char *host, int verify, char **err);
int crypto_write(struct ssl_st *ssl, const void *p, size_t n);	/* all of it: 0, or -1 */
int crypto_read(struct ssl_st *ssl, void *p, size_t n);	/* bytes, 0 at the end, -1 */
void crypto_hang_up(struct ssl_st *ssl);

#endif
