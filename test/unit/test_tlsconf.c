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
	put(c, "clustering.tls.insecure", json_true());
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

/* Which of three ways, and with which files. */
static void
test_trust(void **state)
{
	char *argv[] = { (char *)"x", (char *)"--ROOTPATH", folder, NULL };
	char *err = NULL, *warnings = NULL, *made = in_folder("keys/links.pem");
	struct conf *c = conf_load(NULL, 3, argv, &err);
	struct tlsconf_links l;

	put(c, "clustering.enabled", json_true());
	assert_int_equal(tlsconf_trust(c), TLSCONF_SECRET);
	/* Nothing has to be there. */
	assert_int_equal(tlsconf_check(c, &warnings, &err), 0);
	assert_null(warnings);
	l = tlsconf_links(c);
	assert_string_equal(l.cert, made);
	assert_non_null(l.ca);
	tlsconf_links_clear(&l);
	/* An authority alone is nothing to show. */
	put(c, "clustering.tls.certificateAuthority", json_sprintf("%s/b.pem", folder));
	assert_int_equal(tlsconf_trust(c), TLSCONF_SECRET);
	assert_int_equal(tlsconf_check(c, &warnings, &err), 0);
	assert_non_null(strstr(warnings, "certificateAuthority is not used"));
	free(warnings);
	put(c, "clustering.tls.certificate", json_sprintf("%s/a.pem", folder));
	assert_int_equal(tlsconf_trust(c), TLSCONF_FILES);
	put(c, "clustering.tls.privateKey", json_sprintf("%s/a.key", folder));
	assert_int_equal(tlsconf_check(c, &warnings, &err), -1);
	assert_non_null(strstr(err, "as a server it does not pass"));
	free(err);
	free(warnings);
	put(c, "clustering.tls.insecure", json_true());
	assert_int_equal(tlsconf_trust(c), TLSCONF_INSECURE);
	conf_free(c);
	free(made);
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
		cmocka_unit_test(test_trust),
		cmocka_unit_test(test_files_of_others),
	};

	return (cmocka_run_group_tests(tests, two_pairs, remove_folder));
}
