#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "common/base/mem.h"
#include "opsd/pki/pki.h"
#include "opsd/pki/usercert.h"
#include "test/unit/certs.h"
#include "test/unit/opendata.h"

/* Which certificates of clients stand for a user, and for whom. */

static struct opendata o;
static struct pki *pki;
static struct certs authority, other;
static X509_STORE *trusted;

static int
open_all(void **state)
{
	struct certs_wish w = { .cn = "authority", .serial = 1, .authority = 1 };
	char *err = NULL;

	if (make_folder(state) == -1)
		return (-1);
	opendata_open(&o, "a");
	pki = pki_start(&o.data, &err);
	certs_make(&authority, NULL, &w);
	certs_make(&other, NULL, &w);
	trusted = X509_STORE_new();
	X509_STORE_add_cert(trusted, authority.x);
	return (pki != NULL ? 0 : -1);
}

static int
close_all(void **state)
{
	X509_STORE_free(trusted);
	certs_free(&authority);
	certs_free(&other);
	pki_stop(pki);
	opendata_close(&o);
	return (remove_folder(state));
}

static struct usercert
read_one(X509 *x)
{
	STACK_OF(X509) *certs = sk_X509_new_null();
	struct usercert u;

	sk_X509_push(certs, x);
	usercert_read(&u, pki, certs, trusted, time(NULL));
	sk_X509_free(certs);
	return (u);
}

static void
expect(const struct certs *by, struct certs_wish w, const char *name, const char *fault)
{
	struct certs c;
	struct usercert u;

	certs_make(&c, by, &w);
	u = read_one(c.x);
	if (name != NULL)
		assert_string_equal(u.name, name);
	else
		assert_null(u.name);
	if (fault == NULL)
		assert_null(u.fault);
	else if (u.fault == NULL || strstr(u.fault, fault) == NULL)
		fail_msg("got %s, wanted %s", u.fault, fault);
	usercert_clear(&u);
	certs_free(&c);
}

#define CLIENT "clientAuth"

static void
test_good(void **state)
{
	expect(&authority, (struct certs_wish){ .cn = "ann", .usage = CLIENT, .serial = 2 }, "ann",
	    NULL);
	/* Other names say nothing. */
	expect(&authority,
	    (struct certs_wish){ .cn = "ann", .san = "DNS:joe", .usage = CLIENT, .serial = 3 },
	    "ann", NULL);
}

/* Each of these could be that of a node, which is good as a server and as a client. */
static void
test_of_nodes(void **state)
{
	static const char why[] = "for servers as well";

	expect(&authority,
	    (struct certs_wish){ .cn = "ann", .usage = "serverAuth,clientAuth", .serial = 4 },
	    "ann", why);
	expect(&authority, (struct certs_wish){ .cn = "ann", .serial = 5 }, "ann",
	    "does not say what it is for");
	expect(&authority, (struct certs_wish){ .cn = "ann", .usage = "serverAuth", .serial = 6 },
	    "ann", "not for clients");
	expect(&authority,
	    (struct certs_wish){ .cn = "ann", .usage = "emailProtection", .serial = 7 }, "ann",
	    "not for clients");
}

static void
test_times(void **state)
{
	expect(&authority,
	    (struct certs_wish){ .cn = "ann",
		.usage = CLIENT,
		.serial = 8,
		.from = -120,
		.to = -60 },
	    "ann", "has expired");
	expect(&authority,
	    (struct certs_wish){ .cn = "ann", .usage = CLIENT, .serial = 9, .from = 600 }, "ann",
	    "is not good yet");
}

static void
test_foreign(void **state)
{
	struct certs self;
	struct certs_wish w = { .cn = "ann", .usage = CLIENT, .serial = 10 };
	struct usercert u;

	expect(&other, w, "ann", "cannot be verified");
	certs_make(&self, NULL, &w);
	u = read_one(self.x);
	assert_non_null(strstr(u.fault, "leads to no authority that this node trusts"));
	usercert_clear(&u);
	certs_free(&self);
}

static void
test_revoked(void **state)
{
	json_t *serials = json_pack("[s]", "0B");
	char *err = NULL;

	expect(&authority, (struct certs_wish){ .cn = "ann", .usage = CLIENT, .serial = 11 }, "ann",
	    NULL);
	assert_int_equal(pki_revoke(pki, serials, 0, "tester", &err), 200);
	expect(&authority, (struct certs_wish){ .cn = "ann", .usage = CLIENT, .serial = 11 }, "ann",
	    "has been revoked: its serial number is b");
	json_decref(serials);
}

/* A certificate as it would be signed, with that subject. */
static struct usercert
read_subject(const char *const *names, const int *lengths, int n)
{
	struct certs c;
	struct certs_wish w = { .cn = "x", .usage = CLIENT, .serial = 12 };
	X509_NAME *subject = X509_NAME_new();
	struct usercert u;

	certs_make(&c, &authority, &w);
	for (int i = 0; i < n; i++)
		X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
		    (const unsigned char *)names[i], lengths[i], -1, 0);
	X509_set_subject_name(c.x, subject);
	X509_sign(c.x, authority.pkey, EVP_sha256());
	u = read_one(c.x);
	X509_NAME_free(subject);
	certs_free(&c);
	return (u);
}

static void
test_subjects(void **state)
{
	static const struct {
		const char *names[2];
		int lengths[2], n;
		const char *name;
	} cases[] = {
		{ { "\xc3\xa9milie" }, { -1 }, 1, "\xc3\xa9milie" },
		{ { NULL }, { 0 }, 0, NULL },
		{ { "ann", "root" }, { -1, -1 }, 2, NULL },
		{ { "ann\0x" }, { 5 }, 1, NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct usercert u = read_subject(cases[i].names, cases[i].lengths, cases[i].n);

		assert_null(u.fault);
		if (cases[i].name != NULL)
			assert_string_equal(u.name, cases[i].name);
		else
			assert_null(u.name);
		usercert_clear(&u);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_of_nodes),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_revoked),
		cmocka_unit_test(test_subjects),
	};

	return (cmocka_run_group_tests(tests, open_all, close_all));
}
