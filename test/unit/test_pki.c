#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "common/base/mem.h"
#include "common/tls/certmake.h"
#include "common/tls/pem.h"
#include "common/tls/serial.h"
#include "opsd/pki/ca.h"
#include "opsd/pki/chain.h"
#include "opsd/pki/csr.h"
#include "opsd/pki/enrol.h"
#include "opsd/pki/renewal.h"
#include "test/unit/pkitexts.h"

/* Authorities, requests and certificates, as functions of texts. */

#define NODE "0123456789abcdef0123456789abcdef"
#define DAY  86400

static char *ca_key, *ca_cert;

static int
make_authority(void **state)
{
	char *err = NULL;

	ca_key = ca_make_key(&err);
	ca_cert = ca_make_cert(ca_key, &err);
	return (ca_cert != NULL ? 0 : -1);
}

static int
free_authority(void **state)
{
	mem_wipe(ca_key);
	free(ca_cert);
	return (0);
}

/* ---- requests ---- */

static struct csr *
request_for(const char *hostname)
{
	char *key, *text, *err = NULL;
	struct csr *c;

	assert_int_equal(csr_make(hostname, NODE, &key, &text, &err), 0);
	c = csr_read(text, &err);
	assert_non_null(c);
	mem_wipe(key);
	free(text);
	return (c);
}

static void
test_request(void **state)
{
	static const struct {
		const char *given, *read;
	} names[] = {
		{ "server-two", "server-two" },
		{ "Server-Two.Example.COM", "server-two.example.com" },
		{ "127.0.1.2", "127.0.1.2" },
		{ "2001:db8:0::1", "2001:db8::1" },
		{ "a23456789012345678901234567890123456789012345678901234567890.a2345678901234567890",
		    "a23456789012345678901234567890123456789012345678901234567890.a2345678901234567890" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct csr *c = request_for(names[i].given);

		assert_string_equal(c->hostname, names[i].read);
		assert_string_equal(c->node, NODE);
		assert_true(csr_same_host(names[i].given, c->hostname));
		csr_free(c);
	}
}

static void
test_bad_names(void **state)
{
	static const char *const names[] = { "", ".", "a.", ".a", "a..b", "*.example.com", "a b",
		"a/b", "caf\xc3\xa9",
		"a234567890123456789012345678901234567890123456789012345678901234" };
	char *key, *text, *err;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		err = NULL;
		assert_int_equal(csr_make(names[i], NODE, &key, &text, &err), -1);
		assert_non_null(err);
		free(err);
	}
	err = NULL;
	assert_int_equal(csr_make("a", "0123", &key, &text, &err), -1);
	free(err);
}

static void
refused_request(char *text, const char *why)
{
	char *err = NULL;

	assert_null(csr_read(text, &err));
	assert_string_equal(err, why);
	free(err);
	free(text);
}

#define OUR_URN "URI:" CSR_URN NODE

static void
test_bad_requests(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256"), *big = EVP_EC_gen("P-384"), *rsa = EVP_RSA_gen(2048);
	static const struct {
		const char *names, *why;
	} cases[] = {
		{ NULL, "must name the node's hostname and its id" },
		{ "DNS:a", "must name the node's hostname and its id" },
		{ OUR_URN, "must name the node's hostname and its id" },
		{ "DNS:a,DNS:b," OUR_URN, "must be for one hostname" },
		{ "DNS:a,IP:127.0.0.1," OUR_URN, "must be for one hostname" },
		{ "DNS:a," OUR_URN "," OUR_URN, "must be for one node" },
		{ "DNS:a,URI:http://x", "has a name in it that is no hostname and no node's id" },
		{ "DNS:*.a," OUR_URN, "has a name in it that is no hostname and no node's id" },
		{ "DNS:10.0.0.1," OUR_URN,
		    "has a name in it that is no hostname and no node's id" },
		{ "DNS:a,email:a@b," OUR_URN,
		    "has a name in it that is no hostname and no node's id" },
		{ "DNS:a,URI:urn:hubleaf:node:0123",
		    "has a name in it that is no hostname and no node's id" },
	};
	char *text;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		refused_request(texts_request(key, cases[i].names, 0, NULL), cases[i].why);
	refused_request(texts_request(key, "DNS:a," OUR_URN, NID_basic_constraints, "CA:TRUE"),
	    "asks for more than a hostname and a node's id");
	refused_request(texts_request(big, "DNS:a," OUR_URN, 0, NULL), "must be of a P-256 key");
	refused_request(texts_request(rsa, "DNS:a," OUR_URN, 0, NULL), "must be of a P-256 key");
	refused_request(xstrdup("nonsense"), "must be a certificate request as PEM text");
	refused_request(xstrdup(ca_cert), "must be a certificate request as PEM text");
	text = xmalloc(CSR_MAX + 2);
	memset(text, 'A', CSR_MAX + 1);
	text[CSR_MAX + 1] = '\0';
	refused_request(text, "is too long");
	EVP_PKEY_free(key);
	EVP_PKEY_free(big);
	EVP_PKEY_free(rsa);
}

/* One whose names were changed after it was signed. */
static void
test_forged_request(void **state)
{
	char *key, *text, *err = NULL;
	X509_REQ *r;
	X509_NAME *name;

	assert_int_equal(csr_make("server-two", NODE, &key, &text, &err), 0);
	r = pem_request(text);
	name = X509_REQ_get_subject_name(r);
	X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)"x", -1, -1, 0);
	X509_REQ_set_subject_name(r, name);
	refused_request(pem_from_request(r), "is not signed with its own key");
	X509_REQ_free(r);
	mem_wipe(key);
	free(text);
}

/* ---- authorities ---- */

static void
test_authority(void **state)
{
	char hash[PEM_HASH], again[PEM_HASH], *err = NULL;
	char *other = ca_make_cert(ca_key, &err), *key = ca_make_key(&err), *text;

	assert_int_equal(ca_check(ca_key, ca_cert, &err), 0);
	assert_int_equal(ca_check(ca_key, other, &err), 0);
	text = ca_read(ca_cert, hash);
	assert_string_equal(text, ca_cert);
	free(text);
	free(ca_read(other, again));
	assert_string_equal(hash, again);
	/* One, and nothing besides it. */
	text = xasprintf("%s%s", ca_cert, other);
	assert_null(ca_read(text, hash));
	free(text);
	text = xasprintf("%s-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
	    ca_cert);
	assert_null(ca_read(text, hash));
	free(text);
	text = xasprintf("hello\n%s", ca_cert);
	free(other);
	other = ca_read(text, hash);
	assert_string_equal(other, ca_cert);
	free(text);
	assert_null(ca_read(NULL, hash));
	assert_int_equal(ca_check(key, ca_cert, &err), -1);
	assert_string_equal(err, "the key is not that of the certificate");
	free(err);
	assert_int_equal(ca_check("", ca_cert, &err), -1);
	free(err);
	free(other);
	mem_wipe(key);
}

static struct ca_signed
signed_for(const char *hostname, int64_t seconds)
{
	struct csr *c = request_for(hostname);
	struct ca_signed s;
	char *err = NULL;

	assert_int_equal(ca_sign(ca_key, ca_cert, c, seconds, &s, &err), 0);
	csr_free(c);
	return (s);
}

static struct chain_rules
our_rules(const char *hostname)
{
	return ((struct chain_rules){
	    .authorities = ca_cert,
	    .hostname = hostname,
	    .node = NODE,
	    .now = (int64_t)time(NULL),
	});
}

static void
taken(const char *certs, const struct chain_rules *r)
{
	char *err = NULL;

	if (chain_check(certs, r, &err) == -1)
		fail_msg("%s", err);
}

static void
refused_cert(const char *certs, const struct chain_rules *r, const char *why)
{
	char *err = NULL;

	assert_int_equal(chain_check(certs, r, &err), -1);
	if (strstr(err, why) == NULL)
		fail_msg("%s, not %s", err, why);
	assert_int_equal(strncmp(err, "the certificate", 15), 0);
	free(err);
}

static void
test_signed(void **state)
{
	static const char *const names[] = { "server-two", "127.0.1.2", "2001:db8::1" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct ca_signed s = signed_for(names[i], 90 * DAY);
		struct chain_rules r = our_rules(names[i]);
		int64_t until = (int64_t)time(NULL) + 90 * DAY;

		taken(s.certificate, &r);
		assert_true(s.until >= until - 60 && s.until <= until);
		assert_int_equal(strlen(s.serial), 32);
		r.hostname = "server-three";
		refused_cert(s.certificate, &r, "is not for 'server-three'");
		ca_signed_clear(&s);
	}
}

/* An operator's authority may be of a key that has its own digest. */
static void
test_ed25519_authority(void **state)
{
	EVP_PKEY *pair = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	char *key = pem_from_key(pair), *err = NULL, *cert = ca_make_cert(key, &err);
	struct csr *c = request_for("server-two");
	struct chain_rules r = our_rules("server-two");
	struct ca_signed s;

	assert_non_null(cert);
	assert_int_equal(ca_sign(key, cert, c, DAY, &s, &err), 0);
	r.authorities = cert;
	taken(s.certificate, &r);
	ca_signed_clear(&s);
	csr_free(c);
	free(cert);
	mem_wipe(key);
	EVP_PKEY_free(pair);
}

/* A node cannot make certificates of others with its own. */
static void
test_no_authority(void **state)
{
	char *key, *text, *err = NULL, *chain;
	struct ca_signed node, forged;
	struct csr *c;
	struct chain_rules r = our_rules("server-two");

	assert_int_equal(csr_make("server-one", NODE, &key, &text, &err), 0);
	c = csr_read(text, &err);
	assert_int_equal(ca_sign(ca_key, ca_cert, c, DAY, &node, &err), 0);
	csr_free(c);
	c = request_for("server-two");
	assert_int_equal(ca_sign(key, node.certificate, c, DAY, &forged, &err), 0);
	chain = xasprintf("%s%s", forged.certificate, node.certificate);
	refused_cert(chain, &r, "cannot be verified: invalid CA certificate");
	csr_free(c);
	free(chain);
	free(text);
	mem_wipe(key);
	ca_signed_clear(&node);
	ca_signed_clear(&forged);
}

static void
test_no_longer_than_authority(void **state)
{
	struct ca_signed s = signed_for("server-two", INT64_C(20) * 365 * DAY);

	assert_true(s.until < (int64_t)time(NULL) + INT64_C(3651) * DAY);
	ca_signed_clear(&s);
}

/* ---- refusals ---- */

static void
test_times(void **state)
{
	struct ca_signed s = signed_for("server-two", 90 * DAY);
	struct chain_rules r = our_rules("server-two");

	r.now -= CERTMAKE_EARLY - 3600; /* a clock that is behind by as much is fine */
	taken(s.certificate, &r);
	r.now -= 7200;
	refused_cert(s.certificate, &r, "one of the two clocks is wrong");
	r.now = s.until + 1;
	refused_cert(s.certificate, &r, "has expired: it was good until 20");
	ca_signed_clear(&s);
}

static void
test_foreign(void **state)
{
	struct ca_signed s = signed_for("server-two", DAY);
	struct chain_rules r = our_rules("server-two");
	char *err = NULL, *key = ca_make_key(&err), *other = ca_make_cert(key, &err);
	char *own = texts_cert("server-two", "DNS:server-two", "serverAuth,clientAuth");

	r.authorities = other;
	refused_cert(s.certificate, &r, "leads to no authority that this node trusts");
	refused_cert(own, &r, "leads to no authority that this node trusts");
	r.authorities = NULL;
	refused_cert(s.certificate, &r, "leads to no authority that this node trusts");
	r.system_roots = 1;
	refused_cert(s.certificate, &r, "leads to no authority that this node trusts");
	refused_cert("nonsense", &r, "is no PEM text");
	/* What is itself trusted leads there. */
	r.authorities = own;
	taken(own, &r);
	free(own);
	free(other);
	mem_wipe(key);
	ca_signed_clear(&s);
}

static void
test_uses(void **state)
{
	static const struct {
		const char *uses, *why;
	} cases[] = {
		{ "clientAuth", "is not for servers (serverAuth)" },
		{ "serverAuth", "is not for clients (clientAuth)" },
		{ "codeSigning", "is not for servers (serverAuth)" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *cert = texts_cert("server-two", "DNS:server-two", cases[i].uses);
		struct chain_rules r = our_rules("server-two");

		r.authorities = cert;
		refused_cert(cert, &r, cases[i].why);
		free(cert);
	}
}

static void
test_names(void **state)
{
	static const struct {
		const char *cn, *names, *hostname;
		int is;
	} cases[] = {
		{ "server-two", NULL, "server-two", 1 },
		{ "server-two", NULL, "SERVER-TWO", 1 },
		{ "server-two", "DNS:other", "server-two", 0 }, /* SAN counts when there is one */
		{ "server-two", "IP:127.0.0.1", "server-two", 0 },
		{ "server-two", "URI:urn:x:y", "server-two", 1 }, /* it has no host in it */
		{ "127.0.1.2", NULL, "127.0.1.2", 1 },
		{ "x", "IP:127.0.1.2", "127.0.1.2", 1 },
		{ "x", "DNS:127.0.1.2", "127.0.1.2", 0 },
		{ "x", "DNS:*.example.com", "a.example.com", 1 },
		{ "x", "DNS:*.example.com", "a.b.example.com", 0 },
		{ "x", "DNS:a.example.com", ".example.com", 0 },
		{ "x", "DNS:server-two", "", 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = texts_cert(cases[i].cn, cases[i].names, NULL);
		X509 *cert = pem_cert(text);

		if (chain_names(cert, cases[i].hostname) != cases[i].is)
			fail_msg("%s, %s: %s", cases[i].cn, cases[i].names, cases[i].hostname);
		X509_free(cert);
		free(text);
	}
}

static void
test_known(void **state)
{
	struct ca_signed s = signed_for("server-two", DAY);
	struct chain_rules r = our_rules("server-two");
	char spki[PEM_HASH];
	X509 *cert = pem_cert(s.certificate);
	json_t *revoked = json_pack("{s:n}", "1234");

	assert_int_equal(pem_spki(X509_get0_pubkey(cert), spki), 0);
	r.spki = spki;
	r.revoked = revoked;
	taken(s.certificate, &r);
	spki[0] = spki[0] == '0' ? '1' : '0';
	refused_cert(s.certificate, &r, "has another key");
	r.spki = NULL;
	r.node = "ffffffffffffffffffffffffffffffff";
	refused_cert(s.certificate, &r, "names another node than ffff");
	r.node = NODE;
	json_object_set_new(revoked, s.serial, json_null());
	refused_cert(s.certificate, &r, "has been revoked");
	json_decref(revoked);
	X509_free(cert);
	ca_signed_clear(&s);
}

static void
test_serials(void **state)
{
	static const struct {
		const char *text, *read;
	} cases[] = {
		{ "0A1B", "a1b" },
		{ "0x0a1b", "a1b" },
		{ "00:0A:1B", "a1b" },
		{ "0", "0" },
		{ "000", "0" },
		{ "", NULL },
		{ "0x", NULL },
		{ ":", NULL },
		{ "12g4", NULL },
		{ "-1", NULL },
		{ "1234567890123456789012345678901234567890a",
		    "1234567890123456789012345678901234567890a" },
		{ "1234567890123456789012345678901234567890ab", NULL },
	};
	char out[SERIAL_MAX];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(serial_read(cases[i].text, out), cases[i].read != NULL ? 0 : -1);
		if (cases[i].read != NULL)
			assert_string_equal(out, cases[i].read);
	}
}

static void
test_renewal(void **state)
{
	struct ca_signed s = signed_for("server-two", 90 * DAY);
	struct csr *c = request_for("server-two");
	int64_t now = (int64_t)time(NULL);
	char *err;

	assert_false(renewal_due_between(0, 90, 59));
	assert_true(renewal_due_between(0, 90, 60));
	assert_true(renewal_due_between(0, 90, 1000));
	assert_false(renewal_due(s.certificate, now + 58 * DAY));
	assert_true(renewal_due(s.certificate, now + 61 * DAY));
	assert_true(renewal_due("nonsense", now));
	/* One that is good for an hour is not due as soon as it is made. */
	ca_signed_clear(&s);
	s = signed_for("server-two", 3600);
	assert_false(renewal_due(s.certificate, now + 600));
	assert_true(renewal_due(s.certificate, now + 3000));
	assert_int_equal(renewal_may(c, "SERVER-two", NODE, &err), 0);
	assert_int_equal(renewal_may(c, "server-three", NODE, &err), -1);
	assert_string_equal(err, "the request is for 'server-two', and 'server-three' sent it");
	free(err);
	assert_int_equal(renewal_may(c, "server-two", "ff", &err), -1);
	free(err);
	csr_free(c);
	ca_signed_clear(&s);
}

/* ---- what a caller gives ---- */

static void
test_authorization(void **state)
{
#define TOKEN "hlj1." NODE NODE "." NODE
	static const struct {
		const char *given, *header;
	} cases[] = {
		{ "{\"username\": \"admin\", \"password\": \"pass:w\"}", "Basic YWRtaW46cGFzczp3" },
		{ "{\"username\": \"a:b\", \"password\": \"c\"}", NULL },
		{ "{\"username\": \"a\"}", NULL },
		{ "{}", NULL },
		{ "\"" TOKEN "\"", "Join " TOKEN },
		{ "\"Join " TOKEN "\"", "Join " TOKEN },
		{ "\"Bearer x.y.z\"", "Bearer x.y.z" },
		{ "\"hlj1." NODE NODE "\"", NULL },
		{ "\"x.y.z\"", NULL },
		{ "\"Digest x\"", NULL },
		{ "\"a\\r\\nX-Other: b\"", NULL },
		{ "\"\\u0000\"", NULL },
		{ "\"\"", NULL },
		{ "[]", NULL },
		{ "null", NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *given = json_loads(cases[i].given, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		char *err = NULL, *header = enrol_authorization(given, &err);

		assert_int_equal(header != NULL, cases[i].header != NULL);
		if (header != NULL)
			assert_string_equal(header, cases[i].header);
		else
			assert_non_null(err);
		mem_wipe(header);
		free(err);
		json_decref(given);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_bad_names),
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_forged_request),
		cmocka_unit_test(test_authority),
		cmocka_unit_test(test_signed),
		cmocka_unit_test(test_ed25519_authority),
		cmocka_unit_test(test_no_authority),
		cmocka_unit_test(test_no_longer_than_authority),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_uses),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_serials),
		cmocka_unit_test(test_renewal),
		cmocka_unit_test(test_authorization),
	};

	return (cmocka_run_group_tests(tests, make_authority, free_authority));
}
