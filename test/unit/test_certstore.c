#include "config.h"

#include "opsd/auth/certstore.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/conf/conf.h"
#include "common/tls/cert.h"
#include "common/tls/certpem.h"
#include "test/unit/folder.h"

static int
make_keys(void **state)
{
	char *keys;
	int rc;

	if (make_folder(state) == -1)
		return (-1);
	keys = in_folder("keys");
	rc = file_make_folder(keys);
	free(keys);
	return (rc);
}

/* A node's configuration; key "" for none. */
static struct conf *
node(const char *key, const char *value)
{
	char *err = NULL, *argv[] = { (char *)"x", (char *)"--ROOTPATH", folder, NULL };
	struct conf *c = conf_load(NULL, 3, argv, &err);
	json_t *v = json_string(value);

	assert_non_null(c);
	if (key[0] != '\0')
		assert_int_equal(conf_set(c, (enum conf_key)conf_find(key), v, &err), 0);
	json_decref(v);
	return (c);
}

/* ---- names ---- */

static void
test_names(void **state)
{
	char most[CERT_NAME_MAX + 2];

	memset(most, 'x', CERT_NAME_MAX);
	most[CERT_NAME_MAX] = '\0';
	assert_true(certstore_name_ok("my-cert"));
	assert_true(certstore_name_ok("2026_a.b"));
	assert_true(certstore_name_ok(most));
	strcat(most, "x");
	assert_false(certstore_name_ok(most));
	assert_false(certstore_name_ok(""));
	assert_false(certstore_name_ok(".hidden"));
	assert_false(certstore_name_ok("-----BEGIN CERTIFICATE-----"));
	assert_false(certstore_name_ok("a/b"));
	assert_false(certstore_name_ok("a b"));
	assert_false(certstore_name_ok("a\nb"));
	assert_false(certstore_name_ok("\xc3\xa4"));
}

/* ---- the bundle ---- */

static void
comes_back(const char *text, const char *first, const char *pem)
{
	json_t *list = certstore_authorities(text);
	char *again = certstore_bundle(list);

	assert_string_equal(json_string_value(json_object_get(list, first)), pem);
	assert_string_equal(again, text);
	json_decref(list);
	free(again);
}

static void
test_bundle(void **state)
{
	json_t *list;
	char *text;

	comes_back("# authority a\nA\n# authority b\nB\nB\n", "b", "B\nB\n");
	/* What somebody has put there by hand stays, and where it is. */
	comes_back("by hand\n# authority a\nA\n", "", "by hand\n");
	comes_back("a comment with # authority in it\nX\n", "",
	    "a comment with # authority in it\nX\n");
	comes_back("\xff\n# authority a\n\xfe\n", "a", "\xfe\n");

	list = certstore_authorities("");
	assert_int_equal(json_object_size(list), 0);
	json_decref(list);
	/* The same name twice, and nothing after the last. */
	list = certstore_authorities("# authority a\nA\n# authority a\nB\n# authority b");
	text = certstore_bundle(list);
	assert_string_equal(text, "# authority a\nA\nB\n# authority b\n\n");
	free(text);
	json_decref(list);
}

/* ---- files ---- */

static void
count(const struct conf *c, size_t n)
{
	json_t *list = certstore_names(c);

	assert_int_equal(json_array_size(list), n);
	json_decref(list);
}

static void
test_removing(void **state)
{
	struct conf *free_of_it = node("", ""),
		    *named = node("tls.certificate", "keys/added-x.pem");
	char *file = certstore_file("x"), *path = conf_path(named, file), *text;

	assert_string_equal(conf_str(named, TLS_CERT), path);
	assert_int_equal(file_put(path, 0600, "text", 4), 0);
	count(named, 1);
	/* It is in force: not there for us, and on disk for those. */
	assert_int_equal(certstore_remove(named, path), 0);
	assert_null(certstore_read(path));
	assert_int_equal(access(path, F_OK), 0);
	count(named, 0);
	/* Written again. */
	assert_int_equal(certstore_unmark(path), 0);
	text = certstore_read(path);
	assert_string_equal(text, "text");
	free(text);
	/* The start keeps what is named all the same, and forgets the mark. */
	assert_int_equal(certstore_remove(named, path), 0);
	certstore_sweep(named);
	count(named, 1);
	assert_int_equal(certstore_remove(named, path), 0);
	certstore_sweep(free_of_it);
	assert_int_equal(access(path, F_OK), -1);
	/* Not in force: at once, and it need not be there. */
	assert_int_equal(file_put(path, 0600, "text", 4), 0);
	assert_int_equal(certstore_remove(free_of_it, path), 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(certstore_remove(free_of_it, path), 0);
	free(path);
	free(file);
	conf_free(named);
	conf_free(free_of_it);
}

/* ---- PEM ---- */

static void
test_pem(void **state)
{
	char *key = in_folder("k"), *cert = in_folder("c"), *other = in_folder("o"), *err = NULL;
	char *ca = in_folder("ca"), *leaf = in_folder("l"), *certs, *keys, *others, *authority,
	     *all;
	struct certpem *p;

	assert_int_equal(cert_make(key, cert, "n1.example", &err), 0);
	assert_int_equal(cert_make_open(other, leaf, ca, "n1", &err), 0);
	certs = certstore_read(cert);
	keys = certstore_read(key);
	others = certstore_read(other);
	authority = certstore_read(ca);

	assert_non_null(p = certpem_new(certs, &err));
	assert_true(certpem_serves(p, 0) && certpem_serves(p, 1));
	assert_false(certpem_is_authority(p));
	assert_true(certpem_covers(p, "n1.example") && certpem_covers(p, "N1.example"));
	assert_false(certpem_covers(p, "n2.example") || certpem_covers(p, "127.0.0.1"));
	assert_int_equal(certpem_take_key(p, others, &err), -1);
	assert_string_equal(err, "is not the key of the certificate");
	free(err);
	assert_int_equal(certpem_take_key(p, certs, &err), -1);
	free(err);
	all = certpem_text(p);
	assert_string_equal(all, certs);
	mem_wipe(all);
	/* Both in one text, which has both. */
	assert_int_equal(certpem_take_key(p, keys, &err), 0);
	all = certpem_text(p);
	assert_non_null(strstr(all, "PRIVATE KEY"));
	certpem_free(p);
	assert_non_null(p = certpem_new(all, &err));
	assert_int_equal(certpem_take_key(p, all, &err), 0);
	mem_wipe(all);
	certpem_free(p);

	assert_non_null(p = certpem_new(authority, &err));
	assert_true(certpem_is_authority(p));
	assert_false(certpem_serves(p, 0));
	certpem_free(p);

	assert_null(certpem_new("", &err));
	free(err);
	assert_null(certpem_new(keys, &err));
	assert_string_equal(err, "must be a certificate as PEM text");
	free(err);
	all = xasprintf("%s%.60s", certs, certs);
	assert_null(certpem_new(all, &err));
	assert_string_equal(err, "has something broken after certificate 1");
	free(err);
	free(all);
	mem_wipe(keys);
	mem_wipe(others);
	free(certs);
	free(authority);
	free(key);
	free(cert);
	free(other);
	free(leaf);
	free(ca);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_bundle),
		cmocka_unit_test(test_removing),
		cmocka_unit_test(test_pem),
	};

	return (cmocka_run_group_tests(tests, make_keys, remove_folder));
}
