#include "config.h"

#include "hubd/advertise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "common/tls/certinfo.h"
#include "test/unit/folder.h"

/* A certificate with these names, or NULL for none; nobody has signed it. */
static void
write_cert(const char *path, const char *alt)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	X509_EXTENSION *ext = alt == NULL ?
	    NULL :
	    X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alt);
	FILE *f = fopen(path, "w");

	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 60);
	X509_set_pubkey(cert, key);
	if (ext != NULL)
		X509_add_ext(cert, ext, -1);
	assert_int_not_equal(X509_sign(cert, key, EVP_sha256()), 0);
	assert_int_equal(PEM_write_X509(f, cert), 1);
	fclose(f);
	X509_EXTENSION_free(ext);
	X509_free(cert);
	EVP_PKEY_free(key);
}

/* want: NULL, or "?": none, and that cannot be right. */
static void
advertises(const char *alt, const char *listen, const char *want)
{
	char *path = in_folder("cert"), *why = NULL, *name;

	write_cert(path, alt);
	name = advertise_name(path, listen, &why);
	if (want == NULL || *want == '?') {
		if (name != NULL)
			fail_msg("%s at %s: %s", alt, listen, name);
		assert_int_equal(why != NULL, want != NULL);
	} else {
		assert_non_null(name);
		assert_string_equal(name, want);
		assert_null(why);
	}
	free(name);
	free(why);
	free(path);
}

static void
test_loopback(void **state)
{
	advertises("DNS:localhost", "127.0.0.1", "localhost");
	advertises("DNS:localhost", "localhost", "localhost");
	advertises("DNS:*.example,DNS:LOCALHOST", "127.0.0.1", "LOCALHOST");
	advertises("IP:127.0.0.1,DNS:localhost", "127.0.0.1", "127.0.0.1");
	/* From elsewhere that is another host. */
	advertises("DNS:localhost,DNS:a.localhost,IP:127.0.0.1,IP:::1", "0.0.0.0", "?");
	advertises("DNS:localhost", "::", "?");
}

static void
test_others(void **state)
{
	/* Addresses of others: this one is behind them, or shares the certificate. */
	advertises("IP:192.0.2.1", "0.0.0.0", NULL);
	advertises("IP:2001:db8::1,DNS:localhost", "127.0.0.1", NULL);
	advertises("IP:127.0.0.2", "127.0.0.1", NULL);
	/* It is seen with one of them, and which one leads here from there is not known here. */
	advertises("IP:127.0.0.1,IP:::1", "127.0.0.1", NULL);
	advertises("DNS:nowhere.invalid", "0.0.0.0", "?");
	advertises("DNS:192.0.2.1.", "0.0.0.0", "?");
	advertises(NULL, "0.0.0.0", "?");
	advertises("email:a@b.example,URI:https://localhost/", "127.0.0.1", "?");
}

static void
test_names(void **state)
{
	char *path = in_folder("cert");
	json_t *names, *want = json_pack("[s, s, s]", "b.example", "10.0.0.2", "2001:db8::1");

	write_cert(path,
	    "DNS:b.example,IP:10.0.0.2,email:a@b.example,IP:2001:db8::1,DNS:a b,DNS:x\"y");
	names = certinfo_names(path);
	assert_true(json_equal(names, want));
	json_decref(names);
	json_decref(want);
	names = certinfo_names("/nowhere/cert");
	assert_int_equal(json_array_size(names), 0);
	json_decref(names);
	free(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loopback),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_names),
	};

	return (cmocka_run_group_tests(tests, make_folder, remove_folder));
}
