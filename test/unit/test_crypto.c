#include "config.h"

#include "common/tls/crypto.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/base/hex.h"
#include "common/base/mem.h"
#include "common/tls/cert.h"
#include "common/tls/tls.h"
#include "test/unit/folder.h"

static void
test_hashes(void **state)
{
	uint8_t sum[32];
	char hex[33];

	crypto_md5_hex("abc", 3, hex);
	assert_string_equal(hex, "900150983cd24fb0d6963f7d28e17f72");
	crypto_md5_hex("", 0, hex);
	assert_string_equal(hex, "d41d8cd98f00b204e9800998ecf8427e");
	crypto_sha256("abc", 3, sum);
	assert_int_equal(sum[0], 0xba);
	assert_int_equal(sum[31], 0xad);
	assert_true(crypto_equal("abc", "abc", 3));
	assert_false(crypto_equal("abc", "abd", 3));
}

static void
test_uuid(void **state)
{
	char a[37], b[37];

	crypto_uuid(a);
	crypto_uuid(b);
	assert_int_equal(strlen(a), 36);
	assert_int_equal(strspn(a, "0123456789abcdef-"), 36);
	assert_int_equal(a[14], '4');
	assert_non_null(strchr("89ab", a[19]));
	assert_string_not_equal(a, b);
}

static void
test_password(void **state)
{
	char *a = crypto_hash_password("s3cret"), *b = crypto_hash_password("s3cret");
	char *empty = crypto_hash_password("");

	assert_int_equal(strncmp(a, "scrypt$16384$8$1$", 17), 0);
	assert_string_not_equal(a, b);
	assert_true(crypto_check_password("s3cret", a));
	assert_true(crypto_check_password("s3cret", b));
	assert_false(crypto_check_password("s3cres", a));
	assert_false(crypto_check_password("", a));
	assert_true(crypto_check_password("", empty));
	a[strlen(a) - 3] ^= 1;
	assert_false(crypto_check_password("s3cret", a));
	free(a);
	free(b);
	free(empty);
}

/* A broken hash is a wrong password, and costs neither memory nor time. */
static void
test_broken_hash(void **state)
{
	static const char *const broken[] = { "", "scrypt", "scrypt$", "scrypt$1$1$1$",
		"scrypt$16384$8$1$$", "scrypt$16384$8$1$AAAA", "scrypt$16384$8$1$AAAA$",
		"scrypt$16384$8$1$AAAA$AAAA", "scrypt$16383$8$1$AAAA$AAAA",
		"scrypt$4194304$8$1$AAAA$AAAA", "scrypt$16384$999$1$AAAA$AAAA",
		"scrypt$16384$8$1$A$A", "scrypt$16384$8$1$====$====", "scrypt$-1$8$1$AAAA$AAAA",
		"$2a$10$abcdefgh" };
	size_t i;

	for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		assert_false(crypto_check_password("x", broken[i]));
}

static void
test_seal(void **state)
{
	uint8_t key[32], other[32];
	char *sealed, *again, *plain;
	size_t i;

	crypto_random(key, sizeof(key));
	crypto_random(other, sizeof(other));
	sealed = crypto_seal(key, "p\xc3\xa4ss \"word");
	again = crypto_seal(key, "p\xc3\xa4ss \"word");
	assert_string_not_equal(sealed, again);
	plain = crypto_open(key, sealed);
	assert_string_equal(plain, "p\xc3\xa4ss \"word");
	assert_null(crypto_open(other, sealed));
	for (i = 0; i + 4 < strlen(sealed); i++) {
		char was = sealed[i];

		sealed[i] = was == 'A' ? 'B' : 'A';
		assert_null(crypto_open(key, sealed));
		sealed[i] = was;
	}
	assert_null(crypto_open(key, ""));
	assert_null(crypto_open(key, "AAAA"));
	assert_null(crypto_open(key, "not base64 at all!"));
	free(plain);
	free(again);
	free(sealed);
	sealed = crypto_seal(key, "");
	plain = crypto_open(key, sealed);
	assert_string_equal(plain, "");
	free(plain);
	free(sealed);
}

static void
test_key_file(void **state)
{
	char *path = in_folder("node.key32"), *away = in_folder("no/such");
	uint8_t a[32], b[32];
	struct stat st;

	assert_int_equal(crypto_key_file(path, a), 0);
	assert_int_equal(crypto_key_file(path, b), 0);
	assert_memory_equal(a, b, 32);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(truncate(path, 31), 0);
	assert_int_equal(crypto_key_file(path, b), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(crypto_key_file(away, b), -1);
	free(path);
	free(away);
}

static void
test_cert(void **state)
{
	char *key = in_folder("n.key"), *cert = in_folder("n.crt"), *ca = in_folder("ca.crt");
	char *okey = in_folder("o.key"), *ocert = in_folder("o.crt"), *err = NULL;
	char name[] = "n1,DNS:other\n";
	struct ssl_ctx_st *ctx;

	assert_int_equal(cert_make(key, cert, name, &err), 0);
	assert_non_null(ctx = tls_server(cert, key, NULL, &err));
	tls_free(ctx);
	assert_int_equal(cert_make_open(okey, ocert, ca, "n1", &err), 0);
	assert_int_equal(cert_make_open(okey, ocert, ca, "n1", &err), 0);
	assert_non_null(ctx = tls_server(ocert, okey, NULL, &err));
	tls_free(ctx);

	/* A key of another certificate, no certificate at all. */
	assert_null(tls_server(cert, okey, NULL, &err));
	assert_non_null(err);
	free(err);
	err = NULL;
	assert_null(tls_server("/nonexistent", key, NULL, &err));
	assert_non_null(err);
	free(err);
	err = NULL;
	assert_int_equal(cert_make("/nonexistent/k", "/nonexistent/c", "n1", &err), -1);
	assert_non_null(err);
	free(err);
	free(key);
	free(cert);
	free(ca);
	free(okey);
	free(ocert);
}

/* As "openssl kdf -kdfopt info:label HKDF" has it. */
static void
test_derived(void **state)
{
	uint8_t key[32] = { 0 }, one[32], other[32];
	char hex[65];

	crypto_derive(key, "label", one);
	hex_text(one, sizeof(one), hex);
	assert_string_equal(hex,
	    "63787e3b0f7507950a3e4f321edb63b92978770da0d2b70d2a8ce1ca5b7b2413");
	crypto_derive(key, "label2", other);
	assert_false(crypto_equal(one, other, sizeof(one)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hashes),
		cmocka_unit_test(test_uuid),
		cmocka_unit_test(test_password),
		cmocka_unit_test(test_broken_hash),
		cmocka_unit_test(test_seal),
		cmocka_unit_test(test_key_file),
		cmocka_unit_test(test_cert),
		cmocka_unit_test(test_derived),
	};

	return (cmocka_run_group_tests(tests, make_folder, remove_folder));
}
