#include "config.h"

#include "crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "mem.h"

#define SCRYPT_N	16384
#define SCRYPT_R	8
#define SCRYPT_P	1
#define SALT_LEN	16
#define HASH_LEN	32
#define NONCE_LEN	12
#define TAG_LEN		16
#define TEXT_MAX	(1 << 20)	/* longest text that is sealed or hashed */
#define CN_MAX		64		/* RFC 5280: ub-common-name */
#define CERT_DAYS	3650

static const char hex_digits[] = "0123456789abcdef";

/* What OpenSSL says went wrong, as one text. */
static char *
ssl_error(const char *what)
{
	unsigned long	 code = ERR_peek_last_error();
	const char	*why = code != 0 ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	return (xasprintf("%s: %s", what, why != NULL ? why : "failed"));
}

static void
to_hex(const uint8_t *p, size_t n, char *out)
{
	size_t i;

	for (i = 0; i < n; i++) {
		out[2 * i] = hex_digits[p[i] >> 4];
		out[2 * i + 1] = hex_digits[p[i] & 15];
	}
	out[2 * n] = '\0';
}

static char *
to_base64(const uint8_t *p, size_t n)
{
	char *out = xmalloc((n + 2) / 3 * 4 + 1);

	EVP_EncodeBlock((unsigned char *)out, p, (int)n);
	return (out);
}

/* NULL when it is not base64; the caller frees. */
static uint8_t *
from_base64(const char *text, size_t len, size_t *n)
{
	uint8_t	*out;
	int	 got;

	if (len == 0 || len % 4 != 0 || len > 2 * TEXT_MAX)
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
	uint8_t	byte;
	size_t	i;

	for (i = 0; i < n; i++) {
		crypto_random(&byte, 1);
		to_hex(&byte, 1, out + 2 * i);
	}
}

void
crypto_uuid(char out[37])
{
	uint8_t	id[16];
	char	hex[33];

	crypto_random(id, sizeof(id));
	id[6] = (uint8_t)((id[6] & 0x0f) | 0x40);
	id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
	to_hex(id, sizeof(id), hex);
	snprintf(out, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

void
crypto_sha256(const void *p, size_t n, uint8_t out[32])
{
	if (EVP_Digest(p, n, out, NULL, EVP_sha256(), NULL) != 1)
		fatalx("crypto: no SHA-256");
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
	to_hex(sum, sizeof(sum), out);
}

static int
scrypt(const char *password, const uint8_t *salt, size_t salt_len, uint64_t n, uint64_t r,
    uint64_t p, uint8_t out[HASH_LEN])
{
	uint64_t memory = 128 * n * r + 128 * r * p + (1 << 20);

	return (EVP_PBE_scrypt(password, strlen(password), salt, salt_len, n, r, p, memory,
	    out, HASH_LEN) == 1 ? 0 : -1);
}

char *
crypto_hash_password(const char *password)
{
	uint8_t	 salt[SALT_LEN], hash[HASH_LEN];
	char	*salt64, *hash64, *text;

	crypto_random(salt, sizeof(salt));
	if (scrypt(password, salt, sizeof(salt), SCRYPT_N, SCRYPT_R, SCRYPT_P, hash) == -1)
		fatalx("crypto: scrypt failed");
	salt64 = to_base64(salt, sizeof(salt));
	hash64 = to_base64(hash, sizeof(hash));
	text = xasprintf("scrypt$%d$%d$%d$%s$%s", SCRYPT_N, SCRYPT_R, SCRYPT_P, salt64, hash64);
	free(salt64);
	free(hash64);
	return (text);
}

int
crypto_check_password(const char *password, const char *hashed)
{
	uint8_t		*salt = NULL, *want = NULL, got[HASH_LEN];
	size_t		 salt_len, want_len;
	unsigned	 n, r, p;
	int		 at = 0, right = 0;
	const char	*sep;

	if (sscanf(hashed, "scrypt$%7u$%3u$%3u$%n", &n, &r, &p, &at) != 3 || at == 0)
		return (0);
	/* A hash may come from elsewhere: bound what it costs. */
	if (n < 2 || n > 1048576 || (n & (n - 1)) != 0 || r < 1 || r > 32 || p < 1 || p > 16)
		return (0);
	hashed += at;
	if ((sep = strchr(hashed, '$')) == NULL)
		return (0);
	salt = from_base64(hashed, (size_t)(sep - hashed), &salt_len);
	want = from_base64(sep + 1, strlen(sep + 1), &want_len);
	if (salt != NULL && want != NULL && want_len == HASH_LEN &&
	    scrypt(password, salt, salt_len, n, r, p, got) == 0)
		right = crypto_equal(got, want, HASH_LEN);
	ERR_clear_error();
	free(salt);
	free(want);
	return (right);
}

char *
crypto_seal(const uint8_t key[32], const char *plain)
{
	EVP_CIPHER_CTX	*ctx = EVP_CIPHER_CTX_new();
	size_t		 len = strlen(plain);
	uint8_t		*box = xmalloc(NONCE_LEN + len + TAG_LEN);
	int		 n, more;
	char		*text;

	if (ctx == NULL || len > TEXT_MAX)
		fatalx("crypto: cannot seal %zu bytes", len);
	crypto_random(box, NONCE_LEN);
	if (EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, box) != 1 ||
	    EVP_EncryptUpdate(ctx, box + NONCE_LEN, &n, (const uint8_t *)plain, (int)len) != 1 ||
	    EVP_EncryptFinal_ex(ctx, box + NONCE_LEN + n, &more) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_LEN, box + NONCE_LEN + len) != 1)
		fatalx("crypto: no AES-256-GCM");
	EVP_CIPHER_CTX_free(ctx);
	text = to_base64(box, NONCE_LEN + len + TAG_LEN);
	free(box);
	return (text);
}

char *
crypto_open(const uint8_t key[32], const char *sealed)
{
	EVP_CIPHER_CTX	*ctx;
	size_t		 n, len;
	uint8_t		*box = from_base64(sealed, strlen(sealed), &n);
	char		*plain;
	int		 got, more;

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

static int
write_all(int fd, const void *p, size_t n)
{
	const uint8_t	*at = p;
	ssize_t		 w;

	while (n > 0) {
		w = write(fd, at, n);
		if (w == -1 && errno == EINTR)
			continue;
		if (w <= 0)
			return (-1);
		at += w;
		n -= (size_t)w;
	}
	return (0);
}

/* So that the name of a new file survives a crash as well. */
static void
sync_folder_of(const char *path)
{
	const char	*slash = strrchr(path, '/');
	char		*folder = slash == NULL ? xstrdup(".") :
	    xstrndup(path, slash == path ? 1 : (size_t)(slash - path));
	int		 fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	free(folder);
	if (fd == -1)
		return;
	(void)fsync(fd);
	close(fd);
}

/* Write a whole file under its name in one step; -1 with errno. */
static int
write_file(const char *path, mode_t mode, const void *p, size_t n)
{
	char	*tmp = xasprintf("%s.new", path);
	int	 fd, saved;

	(void)unlink(tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd == -1)
		goto fail;
	if (write_all(fd, p, n) == -1 || fsync(fd) == -1 || rename(tmp, path) == -1)
		goto fail;
	close(fd);
	free(tmp);
	sync_folder_of(path);
	return (0);
fail:
	saved = errno;
	if (fd != -1) {
		close(fd);
		(void)unlink(tmp);
	}
	free(tmp);
	errno = saved;
	return (-1);
}

int
crypto_key_file(const char *path, uint8_t key[32])
{
	uint8_t	buf[33];
	ssize_t	n;
	int	fd = open(path, O_RDONLY | O_CLOEXEC), saved;

	if (fd == -1) {
		if (errno != ENOENT)
			return (-1);
		crypto_random(key, 32);
		return (write_file(path, 0600, key, 32));
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

static int
add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION	*ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	int		 ok = ext != NULL && X509_add_ext(cert, ext, -1) == 1;

	X509_EXTENSION_free(ext);
	return (ok);
}

/* Built by hand, not as configuration text, which a name could break out of. */
static int
add_alt_name(X509 *cert, const char *name)
{
	GENERAL_NAMES	*names = GENERAL_NAMES_new();
	GENERAL_NAME	*gen = GENERAL_NAME_new();
	ASN1_IA5STRING	*text = ASN1_IA5STRING_new();
	int		 ok = 0;

	if (names != NULL && gen != NULL && text != NULL &&
	    ASN1_STRING_set(text, name, -1) == 1) {
		GENERAL_NAME_set0_value(gen, GEN_DNS, text);
		text = NULL;
		if (sk_GENERAL_NAME_push(names, gen) > 0) {
			gen = NULL;
			ok = X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0) == 1;
		}
	}
	ASN1_IA5STRING_free(text);
	GENERAL_NAME_free(gen);
	GENERAL_NAMES_free(names);
	return (ok);
}

static int
set_subject(X509 *cert, const char *name)
{
	const char *cn = strlen(name) <= CN_MAX ? name : "hubleaf";

	return (X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8,
	    (const unsigned char *)cn, -1, -1, 0) == 1);
}

static int
set_serial(X509 *cert)
{
	uint8_t	 serial[16];
	BIGNUM	*bn;
	int	 ok;

	crypto_random(serial, sizeof(serial));
	serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x40);	/* positive, of full length */
	bn = BN_bin2bn(serial, sizeof(serial), NULL);
	ok = bn != NULL && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert)) != NULL;
	BN_free(bn);
	return (ok);
}

/* Without extensions, issuer and signature. */
static X509 *
cert_new(EVP_PKEY *key, const char *name)
{
	X509 *cert = X509_new();

	if (cert == NULL)
		return (NULL);
	if (X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
	    /* A day early: peers' clocks may be behind. */
	    X509_gmtime_adj(X509_getm_notBefore(cert), -86400) != NULL &&
	    X509_time_adj_ex(X509_getm_notAfter(cert), CERT_DAYS, 0, NULL) != NULL &&
	    X509_set_pubkey(cert, key) == 1 && set_subject(cert, name))
		return (cert);
	X509_free(cert);
	return (NULL);
}

/* NULL issuer: by itself. */
static X509 *
make_node_cert(EVP_PKEY *key, const char *name, X509 *issuer, EVP_PKEY *issuer_key)
{
	X509 *cert = cert_new(key, name);

	if (cert == NULL)
		return (NULL);
	if (issuer == NULL) {
		issuer = cert;
		issuer_key = key;
	}
	if (add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
	    add_extension(cert, NID_key_usage, "critical,digitalSignature") &&
	    add_extension(cert, NID_ext_key_usage, "serverAuth,clientAuth") &&
	    add_alt_name(cert, name) &&
	    X509_set_issuer_name(cert, X509_get_subject_name(issuer)) == 1 &&
	    X509_sign(cert, issuer_key, issuer == cert ? EVP_sha256() : NULL) != 0)
		return (cert);
	X509_free(cert);
	return (NULL);
}

/* What a memory BIO holds, to a file. */
static int
write_bio(const char *path, mode_t mode, BIO *bio, char **err)
{
	char	*p;
	long	 n = BIO_get_mem_data(bio, &p);

	if (write_file(path, mode, p, (size_t)n) == 0)
		return (0);
	*err = xasprintf("%s: %s", path, strerror(errno));
	return (-1);
}

static int
write_cert(const char *path, X509 *cert, char **err)
{
	BIO	*pem = BIO_new(BIO_s_mem());
	int	 rc = -1;

	if (pem == NULL || PEM_write_bio_X509(pem, cert) != 1)
		*err = ssl_error(path);
	else
		rc = write_bio(path, 0644, pem, err);
	BIO_free(pem);
	return (rc);
}

static int
write_key(const char *path, EVP_PKEY *key, char **err)
{
	BIO	*pem = BIO_new(BIO_s_secmem());
	int	 rc = -1;

	if (pem == NULL || PEM_write_bio_PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL) != 1)
		*err = ssl_error(path);
	else
		rc = write_bio(path, 0600, pem, err);
	BIO_free(pem);
	return (rc);
}

int
crypto_make_cert(const char *key_path, const char *cert_path, const char *name, char **err)
{
	EVP_PKEY	*key;
	X509		*cert = NULL;
	int		 rc = -1;

	if (access(key_path, F_OK) == 0 && access(cert_path, F_OK) == 0)
		return (0);
	if ((key = EVP_EC_gen("P-256")) == NULL ||
	    (cert = make_node_cert(key, name, NULL, NULL)) == NULL)
		*err = ssl_error("cannot make a certificate");
	else if (write_key(key_path, key, err) == 0 && write_cert(cert_path, cert, err) == 0)
		rc = 0;
	X509_free(cert);
	EVP_PKEY_free(key);
	return (rc);
}

/* The same on every node, and no secret. */
static EVP_PKEY *
open_authority_key(void)
{
	static const char	about[] = "hubleaf: authority of nodes that do not verify each other";
	uint8_t			seed[32];

	crypto_sha256(about, sizeof(about) - 1, seed);
	return (EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed)));
}

static X509 *
make_open_authority(EVP_PKEY *key)
{
	X509 *ca = cert_new(key, "hubleaf: not verified");

	if (ca != NULL && add_extension(ca, NID_basic_constraints, "critical,CA:TRUE") &&
	    add_extension(ca, NID_key_usage, "critical,keyCertSign") &&
	    X509_set_issuer_name(ca, X509_get_subject_name(ca)) == 1 &&
	    X509_sign(ca, key, NULL) != 0)
		return (ca);
	X509_free(ca);
	return (NULL);
}

int
crypto_make_open_cert(const char *key_path, const char *cert_path, const char *ca_path,
    const char *name, char **err)
{
	EVP_PKEY	*ca_key = open_authority_key(), *key = EVP_EC_gen("P-256");
	X509		*ca = NULL, *cert = NULL;
	int		 rc = -1;

	if (ca_key == NULL || key == NULL || (ca = make_open_authority(ca_key)) == NULL ||
	    (cert = make_node_cert(key, name, ca, ca_key)) == NULL)
		*err = ssl_error("cannot make a certificate");
	else if (write_key(key_path, key, err) == 0 && write_cert(cert_path, cert, err) == 0 &&
	    write_cert(ca_path, ca, err) == 0)
		rc = 0;
	X509_free(cert);
	X509_free(ca);
	EVP_PKEY_free(key);
	EVP_PKEY_free(ca_key);
	return (rc);
}

struct ssl_ctx_st *
crypto_server_ctx(const char *cert, const char *key, const char *ca, char **err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx == NULL) {
		*err = ssl_error("TLS");
		return (NULL);
	}
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
		*err = ssl_error(cert);
	else if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
		*err = ssl_error(key);
	else if (SSL_CTX_check_private_key(ctx) != 1)
		*err = ssl_error("certificate and private key");
	else if (ca != NULL && SSL_CTX_load_verify_file(ctx, ca) != 1)
		*err = ssl_error(ca);
	else
		return (ctx);
	SSL_CTX_free(ctx);
	return (NULL);
}

void
crypto_ctx_free(struct ssl_ctx_st *ctx)
{
	SSL_CTX_free(ctx);
}

struct ssl_st *
crypto_ssl_new(struct ssl_ctx_st *ctx)
{
	return (SSL_new(ctx));
}

static int
dial_setup(SSL_CTX *ctx, SSL *ssl, int fd, const char *host, int verify)
{
	if (SSL_set_fd(ssl, fd) != 1 || SSL_set_tlsext_host_name(ssl, host) != 1)
		return (-1);
	if (!verify)
		return (0);
	SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	if (SSL_set1_host(ssl, host) != 1)
		return (-1);
	return (SSL_CTX_set_default_verify_paths(ctx) == 1 ? 0 : -1);
}

struct ssl_st *
crypto_dial(int fd, const char *host, int verify, char **err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = ctx != NULL ? SSL_new(ctx) : NULL;

	if (ssl != NULL && dial_setup(ctx, ssl, fd, host, verify) == 0 && SSL_connect(ssl) == 1) {
		SSL_CTX_free(ctx);
		return (ssl);
	}
	*err = ssl_error(host);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return (NULL);
}

int
crypto_write(struct ssl_st *ssl, const void *p, size_t n)
{
	size_t done;

	return (n == 0 || SSL_write_ex(ssl, p, n, &done) == 1 ? 0 : -1);
}

int
crypto_read(struct ssl_st *ssl, void *p, size_t n)
{
	int got = SSL_read(ssl, p, n > INT_MAX ? INT_MAX : (int)n);

	if (got > 0)
		return (got);
	return (SSL_get_error(ssl, got) == SSL_ERROR_ZERO_RETURN ? 0 : -1);
}

void
crypto_hang_up(struct ssl_st *ssl)
{
	if (ssl != NULL)
		SSL_shutdown(ssl);
	SSL_free(ssl);
}
