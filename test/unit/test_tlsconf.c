#include "config.h"

#include "common/conf/tlsconf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/tls/cert.h"
#include "test/unit/folder.h"

#define NOBODY 65534

static int
two_pairs(void **state)
{
	if (make_folder(state) == -1 || chmod(folder, 0755) == -1)
		return (-1);
	for (const char *n = "ab"; *n != '\0'; n++) {
		char *key = xasprintf("%s/%c.key", folder, *n), *err = NULL;
		char *cert = xasprintf("%s/%c.pem", folder, *n), name[] = { *n, '\0' };
		int rc = cert_make(key, cert, name, &err);

		free(key);
		free(cert);
		free(err);
		if (rc == -1)
			return (-1);
	}
	return (0);
}

static void
put(struct conf *c, const char *name, json_t *v)
{
	char *err = NULL;

	assert_int_equal(conf_set(c, (enum conf_key)conf_find(name), v, &err), 0);
	json_decref(v);
}

/* What is said of HTTPS, or clustering, with these files; the caller frees it. */
static char *
said(const char *prefix, const char *cert, const char *key)
{
	char *argv[] = { (char *)"x", (char *)"--ROOTPATH", folder, NULL };
	char *err = NULL, *warnings = NULL;
	struct conf *c = conf_load(NULL, 3, argv, &err);
	const char *names[] = { "certificate", "privateKey" }, *files[] = { cert, key };
	int rc;

	assert_non_null(c);
	put(c, "operationsApi.network.securePort", json_integer(9943));
	put(c, "clustering.enabled", json_true());
	for (int i = 0; i < 2; i++) {
		char *name = xasprintf("%s.%s", prefix, names[i]);

		put(c, name, json_sprintf("%s/%s", folder, files[i]));
		free(name);
	}
	rc = tlsconf_check(c, &warnings, &err);
	assert_int_equal(rc, err == NULL ? 0 : -1);
	free(warnings);
	conf_free(c);
	return (err);
}

static void
expect(const char *cert, const char *key, const char *text)
{
	const char *prefixes[] = { "tls", "clustering.tls" };

	for (int i = 0; i < 2; i++) {
		char *err = said(prefixes[i], cert, key);

		if (text == NULL)
			assert_null(err);
		else if (err == NULL || strstr(err, text) == NULL)
			fail_msg("%s: '%s', not '%s'", prefixes[i], err != NULL ? err : "", text);
		free(err);
	}
}

static void
test_pairs(void **state)
{
	expect("a.pem", "a.key", NULL);
	expect("none.pem", "a.key", "none.pem: No such file or directory");
	expect("a.pem", "none.key", "none.key: No such file or directory");
	expect("a.pem", "b.key", "b.key is not the key of the certificate");
	expect("a.key", "a.key", "no certificate (PEM) is in it");
	expect("a.pem", "a.pem", "no private key");
}

/* Others may not read the key: neither may a daemon that is one of them. */
static void
test_files_of_others(void **state)
{
	int root = geteuid() == 0;
	char *key = in_folder("a.key");

	if (!root)
		assert_int_equal(chmod(key, 0), 0);
	else
		assert_int_equal(seteuid(NOBODY), 0);
	expect("a.pem", "a.key", "a.key: Permission denied");
	if (root)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(chmod(key, 0600), 0);
	free(key);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_files_of_others),
	};

	return (cmocka_run_group_tests(tests, two_pairs, remove_folder));
}
