#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/conf/settings.h"
#include "common/tls/pem.h"
#include "opsd/pki/ca.h"
#include "opsd/pki/csr.h"
#include "opsd/pki/due.h"
#include "opsd/pki/issue.h"
#include "opsd/pki/joins.h"
#include "opsd/pki/ledger.h"
#include "opsd/pki/pki_priv.h"
#include "opsd/pki/retained.h"
#include "test/unit/opendata.h"

/* What a node keeps of certificates: its files, what it has signed, tokens, what is revoked. */

#define NODE   "0123456789abcdef0123456789abcdef"
#define OTHER  "ffffffffffffffffffffffffffffffff"
#define PIN    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HOUR   3600000
#define RACERS 8

static struct opendata node;
static struct pki *pki;

static void
open_pki(void)
{
	char *err = NULL;

	opendata_open(&node, "node");
	node_id_hex(node.data.node_id, node.data.node_hex);
	pki = pki_start(&node.data, &err);
	if (pki == NULL)
		fatalx("%s", err);
}

static void
close_pki(void)
{
	pki_stop(pki);
	opendata_close(&node);
}

/* Anew, with nothing in it. */
static int
begin_node(void **state)
{
	char *command = xasprintf("rm -rf %s/node && mkdir -p %s/node/keys", folder, folder);
	int rc = system(command);

	free(command);
	open_pki();
	return (rc);
}

static int
end_node(void **state)
{
	close_pki();
	return (0);
}

static char *
csr_for(const char *hostname, const char *id)
{
	char *key, *text, *err = NULL;

	assert_int_equal(csr_make(hostname, id, &key, &text, &err), 0);
	mem_wipe(key);
	return (text);
}

/* The status of a signature, and its serial in `serial` unless that is NULL. */
static int
sign_for(const char *hostname, const char *id, const char *join, char *serial)
{
	struct issue_order o = { .join = join, .by = join == NULL ? "admin" : NULL };
	char *csr = csr_for(hostname, id), *err = NULL;
	json_t *answer = NULL;
	int status;

	o.csr = csr;
	status = issue_sign(pki, &o, &answer, &err);
	assert_int_equal(status == 200, err == NULL);
	if (serial != NULL)
		snprintf(serial, SERIAL_MAX, "%s",
		    json_string_value(json_object_get(answer, "serial_number")));
	json_decref(answer);
	free(err);
	free(csr);
	return (status);
}

static char *
token_of(const char *hostname, uint64_t ms)
{
	struct join_terms terms = { "admin", hostname, wall_ms() + ms };
	int status;
	char *err = NULL, *token = pki_join_token(pki, PIN, &terms, &status, &err);

	assert_int_equal(status, 200);
	assert_non_null(token);
	return (token);
}

/* ---- tokens ---- */

static void
test_token_once(void **state)
{
	char *token = token_of(NULL, HOUR);
	struct join_token parts;

	assert_int_equal(strlen(token), 5 + 64 + 1 + 32);
	assert_int_equal(joins_read(token, &parts), 0);
	assert_string_equal(parts.pin, PIN);
	assert_int_equal(sign_for("server-two", NODE, token, NULL), 200);
	assert_int_equal(sign_for("server-three", OTHER, token, NULL), 401);
	close_pki();
	open_pki();
	assert_int_equal(sign_for("server-three", OTHER, token, NULL), 401);
	mem_wipe(token);
}

static void
test_token_kept(void **state)
{
	char *token = token_of(NULL, HOUR), *text;
	struct join_token parts;
	json_t *all = joins_all(pki->joins);

	/* What is kept is of no use to who reads it. */
	joins_read(token, &parts);
	text = json_dumps(all, 0);
	assert_null(strstr(text, parts.secret));
	free(text);
	json_decref(all);
	close_pki();
	open_pki();
	assert_int_equal(sign_for("server-two", NODE, token, NULL), 200);
	mem_wipe(token);
}

static void
test_token_over(void **state)
{
	char *token = token_of(NULL, 0), *good;
	json_t *all;

	assert_int_equal(sign_for("server-two", NODE, token, NULL), 401);
	good = token_of(NULL, HOUR);
	all = joins_all(pki->joins);
	assert_int_equal(json_object_size(all), 1); /* that one is forgotten */
	json_decref(all);
	mem_wipe(token);
	mem_wipe(good);
}

static void
copy_store(const char *from, const char *to)
{
	char *command = xasprintf("rm -rf %s/%s && cp -a %s/%s %s/%s", folder, to, folder, from,
	    folder, to);

	assert_int_equal(system(command), 0);
	free(command);
}

/* The store as it was before brings back no token that was used since. */
static void
test_token_restored(void **state)
{
	static const char broken[] = "{\"v\":1,\"tokens\":{\"a\":1}}";
	char *token = token_of(NULL, HOUR), *path = xasprintf("%s/node/joins.json", folder);
	struct stat st;

	close_pki();
	copy_store("node/database", "kept");
	open_pki();
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(sign_for("server-two", NODE, token, NULL), 200);
	close_pki();
	copy_store("kept", "node/database");
	open_pki();
	assert_int_equal(ledger_count(pki->ledger, LEDGER_ISSUED), 0);
	assert_int_equal(sign_for("server-three", OTHER, token, NULL), 401);
	/* What cannot be read is none. */
	close_pki();
	assert_int_equal(file_put(path, 0600, broken, strlen(broken)), 0);
	open_pki();
	assert_int_equal(sign_for("server-three", OTHER, token, NULL), 401);
	free(path);
	mem_wipe(token);
}

static void
test_token_wrong(void **state)
{
	static const char *const texts[] = { "", "hlj1.", "hlj2." PIN "." NODE, PIN "." NODE,
		"hlj1." PIN, "hlj1." PIN ".", "hlj1." PIN "." NODE "0", "hlj1." PIN "." NODE " ",
		"hlj1." PIN "." NODE };
	char *token = token_of(NULL, HOUR);

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(sign_for("server-two", NODE, texts[i], NULL), 401);
	token[strlen(token) - 1] = token[strlen(token) - 1] == '0' ? '1' : '0';
	assert_int_equal(sign_for("server-two", NODE, token, NULL), 401);
	mem_wipe(token);
}

static void
test_token_refused(void **state)
{
	char *token = token_of("Server-Two", HOUR);

	/* It is not used up by what comes to nothing. */
	assert_int_equal(sign_for("server-three", NODE, token, NULL), 403);
	assert_int_equal(sign_for("server-two", node.data.node_hex, token, NULL), 409);
	assert_int_equal(sign_for("server-two", NODE, token, NULL), 200);
	mem_wipe(token);
}

struct racer {
	const char *token;
	char *csr;
	pthread_barrier_t *start;
	int status;
};

static void *
race_for_it(void *arg)
{
	struct racer *r = arg;
	struct issue_order o = { .join = r->token, .csr = r->csr };
	json_t *answer = NULL;
	char *err = NULL;

	pthread_barrier_wait(r->start);
	r->status = issue_sign(pki, &o, &answer, &err);
	json_decref(answer);
	free(err);
	return (NULL);
}

static struct racer
new_racer(const char *token, pthread_barrier_t *start)
{
	static unsigned number;
	char id[CSR_NODE + 1], *name = xasprintf("server-%u", ++number);
	struct racer r = { .token = token, .start = start };

	snprintf(id, sizeof(id), "%032x", number);
	r.csr = csr_for(name, id);
	free(name);
	return (r);
}

/* How many of them got a certificate. */
static int
race_once(void)
{
	struct racer r[RACERS];
	pthread_t t[RACERS];
	pthread_barrier_t start;
	char *token = token_of(NULL, HOUR);
	int won = 0;

	pthread_barrier_init(&start, NULL, RACERS);
	for (unsigned i = 0; i < RACERS; i++)
		r[i] = new_racer(token, &start);
	for (unsigned i = 0; i < RACERS; i++)
		pthread_create(&t[i], NULL, race_for_it, &r[i]);
	for (unsigned i = 0; i < RACERS; i++) {
		pthread_join(t[i], NULL);
		free(r[i].csr);
		won += r[i].status == 200;
		assert_true(r[i].status == 200 || r[i].status == 401);
	}
	pthread_barrier_destroy(&start);
	mem_wipe(token);
	return (won);
}

static void
test_token_raced(void **state)
{
	for (unsigned i = 1; i <= 20; i++) {
		assert_int_equal(race_once(), 1);
		assert_int_equal(ledger_count(pki->ledger, LEDGER_ISSUED), i);
	}
}

/* ---- signatures ---- */

static void
test_names_taken(void **state)
{
	char serial[SERIAL_MAX], *err = NULL;
	json_t *list;

	assert_int_equal(sign_for("server-two", NODE, NULL, serial), 200);
	assert_int_equal(sign_for("SERVER-TWO", NODE, NULL, NULL), 200); /* once more, the same */
	assert_int_equal(sign_for("server-two", OTHER, NULL, NULL), 409);
	assert_int_equal(sign_for("server-three", NODE, NULL, NULL), 409);
	assert_int_equal(sign_for("server-three", OTHER, NULL, NULL), 200);
	assert_int_equal(sign_for("me", node.data.node_hex, NULL, NULL), 409);
	list = ledger_all(pki->ledger, LEDGER_ISSUED);
	assert_int_equal(json_object_size(list), 3);
	json_decref(list);
	/* Once its certificates are revoked it may come under another name, or another as it. */
	list = json_array();
	{
		json_t *all = ledger_all(pki->ledger, LEDGER_ISSUED), *one;
		const char *key;

		json_object_foreach(all, key, one)
			json_array_append_new(list, json_string(key));
		json_decref(all);
	}
	assert_int_equal(pki_revoke(pki, list, 0, "admin", &err), 200);
	assert_int_equal(sign_for("server-three", NODE, NULL, NULL), 200);
	json_decref(list);
}

/* Comes up with what was signed under that serial number, for that name, as it was asked for. */
static int
confirm(const char *serial, char **err)
{
	json_t *issued = ledger_get(pki->ledger, LEDGER_ISSUED, serial);
	struct issue_shown shown = { serial, "server-two", NODE, PIN };
	int rc;

	if (issued != NULL)
		shown.spki = json_string_value(json_object_get(issued, "spki"));
	rc = issue_confirm(pki, &shown, err);
	json_decref(issued);
	return (rc);
}

/* Its signature was so many milliseconds ago. */
static void
make_older(const char *serial, int64_t ms)
{
	json_t *issued = ledger_get(pki->ledger, LEDGER_ISSUED, serial);
	struct ledger_change c = { LEDGER_ISSUED, serial, issued };
	char *err = NULL;

	json_object_set_new(issued, "at", json_integer((json_int_t)wall_ms() - ms));
	assert_int_equal(ledger_write(pki->ledger, &c, 1, &err), 200);
	json_decref(issued);
}

static void
test_confirmed(void **state)
{
	char serial[SERIAL_MAX], *err = NULL;

	assert_int_equal(sign_for("server-two", NODE, NULL, serial), 200);
	make_older(serial, ISSUE_CONFIRM_MS - 5000);
	assert_int_equal(confirm(serial, &err), 0);
	make_older(serial, 10 * ISSUE_CONFIRM_MS);
	assert_int_equal(confirm(serial, &err), 0);
	assert_int_equal(sign_for("server-three", OTHER, NULL, NULL), 200);
	assert_false(pki_is_revoked(pki, serial));
	/* Of another authority. */
	assert_int_equal(confirm("ab12", &err), 0);
}

/* Another authority gives its own certificate the number of one that was never used. */
static void
test_confirmed_by_another(void **state)
{
	char serial[SERIAL_MAX], *err = NULL;
	struct issue_shown shown = { serial, "server-two", NODE, PIN };

	assert_int_equal(sign_for("server-two", NODE, NULL, serial), 200);
	assert_int_equal(issue_confirm(pki, &shown, &err), 0);
	make_older(serial, ISSUE_CONFIRM_MS + 1000);
	assert_int_equal(confirm(serial, &err), -1);
	free(err);
}

static int
revoke_signed(const char *hostname, const char *id, size_t *n)
{
	json_t *issued = issue_signed(pki, hostname, id);
	char *err = NULL;
	int status = issue_revoke(pki, issued, "admin", n, &err);

	json_decref(issued);
	return (status);
}

/* Who is removed has none left, of before or not used yet. */
static void
test_revoked_by_name(void **state)
{
	char one[SERIAL_MAX], two[SERIAL_MAX], three[SERIAL_MAX], *err = NULL;
	json_t *all;
	size_t n;

	assert_int_equal(sign_for("server-two", NODE, NULL, one), 200);
	assert_int_equal(confirm(one, &err), 0);
	assert_int_equal(sign_for("server-two", NODE, NULL, two), 200);
	assert_int_equal(sign_for("server-three", OTHER, NULL, three), 200);
	/* Another node had the name before. */
	assert_int_equal(revoke_signed("server-two", "0123", &n), 200);
	assert_int_equal(n, 0);
	assert_int_equal(revoke_signed("SERVER-two", NULL, &n), 200);
	assert_int_equal(n, 2);
	assert_true(pki_is_revoked(pki, one) && pki_is_revoked(pki, two));
	assert_false(pki_is_revoked(pki, three));
	assert_int_equal(revoke_signed("server-two", NULL, &n), 200);
	assert_int_equal(n, 0);
	/* As long as it would be good. */
	all = pki_revoked(pki);
	assert_in_range(json_integer_value(json_object_get(json_object_get(all, one), "until")),
	    wall_ms() / 1000 + 89 * 86400, wall_ms() / 1000 + 91 * 86400);
	json_decref(all);
}

/* What it gets when it is added again stands: only what was there before is revoked. */
static void
test_revoked_until_then(void **state)
{
	char one[SERIAL_MAX], two[SERIAL_MAX], *err = NULL;
	json_t *issued;
	size_t n;

	assert_int_equal(sign_for("server-two", NODE, NULL, one), 200);
	issued = issue_signed(pki, "server-two", NODE);
	assert_int_equal(sign_for("server-two", NODE, NULL, two), 200);
	assert_int_equal(issue_revoke(pki, issued, "admin", &n, &err), 200);
	assert_int_equal(n, 1);
	assert_true(pki_is_revoked(pki, one));
	assert_false(pki_is_revoked(pki, two));
	json_decref(issued);
}

static void
test_never_used(void **state)
{
	char serial[SERIAL_MAX], *err = NULL;

	assert_int_equal(sign_for("server-two", NODE, NULL, serial), 200);
	make_older(serial, ISSUE_CONFIRM_MS + 1000);
	assert_int_equal(confirm(serial, &err), -1);
	assert_non_null(strstr(err, "was not used within 60 seconds"));
	free(err);
	/* The next signature finds it, and the name is free. */
	assert_int_equal(sign_for("server-two", OTHER, NULL, NULL), 200);
	assert_true(pki_is_revoked(pki, serial));
	err = NULL;
	assert_int_equal(confirm(serial, &err), -1);
	assert_non_null(strstr(err, "has been revoked"));
	free(err);
	close_pki();
	open_pki();
	assert_true(pki_is_revoked(pki, serial));
}

/* For a member's own key, with credentials: it may come up when it can. */
static void
test_renews(void **state)
{
	char *csr = csr_for("server-two", NODE), *err = NULL, serial[SERIAL_MAX];
	struct issue_order o = { .csr = csr, .by = "admin", .renews = 1 };
	json_t *answer;

	assert_int_equal(issue_sign(pki, &o, &answer, &err), 200);
	snprintf(serial, sizeof(serial), "%s",
	    json_string_value(json_object_get(answer, "serial_number")));
	json_decref(answer);
	make_older(serial, HOUR);
	assert_int_equal(sign_for("server-two", NODE, NULL, NULL), 200);
	assert_false(pki_is_revoked(pki, serial));
	assert_int_equal(confirm(serial, &err), 0);
	free(csr);
}

static void
test_retained(void **state)
{
	char secret[] = "Basic c2VjcmV0OnNlY3JldA==", pin[] = PIN, *err = NULL, *path, *text;
	struct retained r = { secret, 9926, 0, pin }, got;
	json_t *hosts;

	assert_false(retained_get(pki, "server-two", &got));
	retained_clear(&got);
	assert_int_equal(retained_put(pki, "server-two", &r, &err), 0);
	r.verify_tls = 1;
	r.pin = NULL;
	assert_int_equal(retained_put(pki, "server-three", &r, &err), 0);
	close_pki();
	open_pki();
	assert_true(retained_get(pki, "SERVER-TWO", &got));
	assert_string_equal(got.authorization, secret);
	assert_string_equal(got.pin, PIN);
	assert_true(got.port == 9926 && !got.verify_tls);
	retained_clear(&got);
	path = in_folder("node/keys/retained");
	text = file_read(path, 100000, NULL);
	assert_null(strstr(text, "server-two"));
	assert_null(strstr(text, "c2VjcmV0"));
	free(text);
	assert_int_equal(retained_drop(pki, "Server-Two", &err), 0);
	assert_int_equal(retained_drop(pki, "nobody", &err), 0);
	hosts = retained_hosts(pki);
	assert_int_equal(json_array_size(hosts), 1);
	assert_string_equal(json_string_value(json_array_get(hosts, 0)), "server-three");
	json_decref(hosts);
	/* Another node's key opens nothing. */
	node.data.key[0] ^= 1;
	assert_false(retained_get(pki, "server-three", &got));
	retained_clear(&got);
	node.data.key[0] ^= 1;
	assert_int_equal(retained_drop(pki, "server-three", &err), 0);
	assert_int_equal(access(path, F_OK), -1);
	free(path);
}

static void
test_authority_with_it(void **state)
{
	char *err = NULL, *key = ca_make_key(&err), *theirs = ca_make_cert(key, &err);
	char *csr = csr_for("server-two", NODE), *two;
	struct issue_order o = { .csr = csr, .by = "admin", .authority = theirs };
	json_t *answer, *list;

	assert_int_equal(issue_sign(pki, &o, &answer, &err), 200);
	assert_int_equal(json_array_size(json_object_get(answer, "authorities")), 1); /* ours */
	list = pki_authority_list(pki);
	assert_int_equal(json_array_size(list), 1);
	json_decref(list);
	/* It is trusted once its node has come up. */
	assert_int_equal(confirm(json_string_value(json_object_get(answer, "serial_number")), &err),
	    0);
	list = pki_authority_list(pki);
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(json_string_value(json_array_get(list, 1)), theirs);
	json_decref(list);
	json_decref(answer);
	o.authority = "nonsense";
	assert_int_equal(issue_sign(pki, &o, &answer, &err), 400);
	free(err);
	/* Not with another one behind it. */
	o.authority = two = xasprintf("%s%s", theirs, theirs);
	assert_int_equal(issue_sign(pki, &o, &answer, &err), 400);
	free(err);
	free(two);
	free(csr);
	free(theirs);
	mem_wipe(key);
}

/* ---- a node that has a certificate already ---- */

static int
is_trusted(const char *authority)
{
	json_t *list = pki_authority_list(pki), *one;
	size_t i;
	int is = 0;

	json_array_foreach(list, i, one)
		is |= strcmp(json_string_value(one), authority) == 0;
	json_decref(list);
	return (is);
}

struct having {
	char *key, *authority;
	struct ca_signed has;
	char spki[PEM_HASH];
};

static void
have_certificate(struct having *h)
{
	char *err = NULL, *text = csr_for("server-two", NODE);
	struct csr *csr = csr_read(text, &err);

	h->key = ca_make_key(&err);
	h->authority = ca_make_cert(h->key, &err);
	assert_int_equal(ca_sign(h->key, h->authority, csr, 86400, &h->has, &err), 0);
	pem_spki(csr_key(csr), h->spki);
	csr_free(csr);
	free(text);
}

static void
having_clear(struct having *h)
{
	ca_signed_clear(&h->has);
	mem_wipe(h->key);
	free(h->authority);
}

/* The status of letting it in. */
static int
let_in(const struct having *h, const char *hostname, const char *id)
{
	struct issue_order o = { .certificate = h->has.certificate,
		.hostname = hostname,
		.node = id,
		.by = "admin",
		.authority = h->authority };
	json_t *answer = NULL;
	char *err = NULL;
	int status = issue_sign(pki, &o, &answer, &err);

	assert_null(json_object_get(answer, "certificate"));
	assert_int_equal(status == 200, json_is_array(json_object_get(answer, "authorities")));
	json_decref(answer);
	free(err);
	return (status);
}

static void
test_let_in(void **state)
{
	struct having h;
	struct issue_shown shown = { h.has.serial, "server-two", NODE, h.spki };
	char *err = NULL;
	size_t n;

	have_certificate(&h);
	assert_int_equal(let_in(&h, "server-three", NODE), 400);
	assert_int_equal(let_in(&h, "server-two", OTHER), 400);
	assert_int_equal(let_in(&h, "server-two", "x"), 400);
	assert_false(is_trusted(h.authority));
	assert_int_equal(issue_invites(pki, &shown), 0);
	assert_int_equal(let_in(&h, "server-two", NODE), 200);
	assert_true(is_trusted(h.authority));
	assert_int_not_equal(issue_invites(pki, &shown), 0);
	/* Its name is its own, and it is not ours to revoke. */
	assert_int_equal(sign_for("server-two", OTHER, NULL, NULL), 409);
	assert_int_equal(issue_confirm(pki, &shown, &err), 0);
	make_older(h.has.serial, HOUR);
	issue_sweep(pki);
	assert_true(is_trusted(h.authority));
	assert_int_equal(revoke_signed("server-two", NULL, &n), 200);
	assert_int_equal(n, 0);
	assert_false(pki_is_revoked(pki, h.has.serial));
	/* But the name is free. */
	assert_int_equal(issue_invites(pki, &shown), 0);
	assert_int_equal(sign_for("server-two", OTHER, NULL, NULL), 200);
	having_clear(&h);
}

/* No link came up, or its node has taken it back: it is as if it had never been. */
static void
test_let_in_for_nothing(void **state)
{
	struct having h;
	struct issue_shown shown = { h.has.serial, "server-two", NODE, h.spki };
	char *err = NULL;

	have_certificate(&h);
	for (int withdrawn = 0; withdrawn < 2; withdrawn++) {
		assert_int_equal(let_in(&h, "server-two", NODE), 200);
		if (withdrawn) {
			assert_int_equal(issue_confirm(pki, &shown, &err), 0);
			assert_false(issue_may_withdraw(pki, h.has.serial, OTHER));
			assert_int_equal(issue_withdraw(pki, h.has.serial, OTHER, &err), 404);
			free(err);
			assert_int_equal(issue_withdraw(pki, h.has.serial, NODE, &err), 200);
		} else {
			make_older(h.has.serial, ISSUE_CONFIRM_MS + 1000);
			issue_sweep(pki);
		}
		assert_false(is_trusted(h.authority));
		assert_false(pki_is_revoked(pki, h.has.serial));
		assert_int_equal(issue_invites(pki, &shown), 0);
	}
	having_clear(&h);
}

/* What we have signed is good for nothing any more; but not after it has been in use for long. */
static void
test_withdrawn(void **state)
{
	char serial[SERIAL_MAX], *err = NULL;

	assert_int_equal(sign_for("server-two", NODE, NULL, serial), 200);
	assert_int_equal(confirm(serial, &err), 0);
	make_older(serial, ISSUE_WITHDRAW_MS + 1000);
	assert_int_equal(issue_withdraw(pki, serial, NODE, &err), 404);
	free(err);
	assert_false(pki_is_revoked(pki, serial));
	make_older(serial, ISSUE_WITHDRAW_MS - 5000);
	assert_int_equal(issue_withdraw(pki, serial, NODE, &err), 200);
	assert_true(pki_is_revoked(pki, serial));
	assert_int_equal(issue_withdraw(pki, "zz", NODE, &err), 404);
	free(err);
}

static void
test_renewed(void **state)
{
	char *csr = csr_for("server-two", NODE), *err = NULL;
	struct issue_renewal r = { csr, "server-two", NODE };
	json_t *answer;

	assert_int_equal(issue_renew(pki, &r, &answer, &err), 200);
	make_older(json_string_value(json_object_get(answer, "serial_number")), HOUR);
	assert_int_equal(confirm(json_string_value(json_object_get(answer, "serial_number")), &err),
	    0);
	json_decref(answer);
	r.hostname = "server-three";
	assert_int_equal(issue_renew(pki, &r, &answer, &err), 403);
	free(err);
	r.hostname = "server-two";
	r.node = OTHER;
	assert_int_equal(issue_renew(pki, &r, &answer, &err), 403);
	free(err);
	r.csr = "nonsense";
	assert_int_equal(issue_renew(pki, &r, &answer, &err), 400);
	free(err);
	r = (struct issue_renewal){ csr, "server-two", NODE };
	for (int i = 1; i < ISSUE_MOST_EACH; i++) {
		assert_int_equal(issue_renew(pki, &r, &answer, &err), 200);
		json_decref(answer);
	}
	assert_int_equal(issue_renew(pki, &r, &answer, &err), 429);
	free(err);
	free(csr);
}

static void
test_revoked(void **state)
{
	json_t *serials = json_pack("[s, s]", "0x0A:1B", "ff"),
	       *bad = json_pack("[s, s]", "1", "x");
	json_t *all;
	uint64_t before;
	char *err = NULL;

	assert_int_equal(pki_revoke(pki, bad, 0, "admin", &err), 400);
	assert_non_null(strstr(err, "'revoked_certificates[1]'"));
	free(err);
	assert_false(pki_is_revoked(pki, "1"));
	before = pki_changes(pki);
	assert_int_equal(pki_revoke(pki, serials, 0, "admin", &err), 200);
	assert_true(pki_changes(pki) > before);
	before = pki_changes(pki);
	assert_int_equal(pki_revoke(pki, serials, 0, "another", &err), 200);
	assert_int_equal(pki_changes(pki), before);
	close_pki();
	open_pki();
	assert_true(pki_is_revoked(pki, "00a1b"));
	assert_true(pki_is_revoked(pki, "FF"));
	assert_false(pki_is_revoked(pki, "a1"));
	assert_false(pki_is_revoked(pki, ""));
	all = pki_revoked(pki);
	assert_int_equal(json_object_size(all), 2);
	assert_string_equal(json_string_value(json_object_get(json_object_get(all, "ff"), "by")),
	    "admin");
	json_decref(all);
	json_decref(serials);
	json_decref(bad);
}

/* Those of certificates that have ended are forgotten, not those whose end is not known. */
static void
test_revoked_swept(void **state)
{
	json_t *over = json_pack("[s]", "1"), *open = json_pack("[s]", "2"),
	       *now = json_pack("[s]", "3");
	int64_t today = (int64_t)(wall_ms() / 1000);
	char *err = NULL;

	assert_int_equal(pki_revoke(pki, open, 0, "admin", &err), 200);
	assert_int_equal(pki_revoke(pki, over, today - 90000, "admin", &err), 200);
	assert_true(pki_is_revoked(pki, "1"));
	assert_int_equal(pki_revoke(pki, now, today - 80000, "admin", &err), 200);
	assert_false(pki_is_revoked(pki, "1"));
	assert_true(pki_is_revoked(pki, "2") && pki_is_revoked(pki, "3"));
	assert_int_equal(pki_revoke(pki, over, today - 90000, "admin", &err), 200);
	assert_int_equal(pki_revoke(pki, over, today, "admin", &err), 200);
	assert_true(pki_is_revoked(pki, "1"));
	json_decref(over);
	json_decref(open);
	json_decref(now);
}

/* ---- files ---- */

static char *
key_file(const char *name)
{
	return (xasprintf("%s/node/keys/%s", folder, name));
}

static void
test_authority_files(void **state)
{
	char *err = NULL, *key = key_file("ca.key"), *cert = key_file("ca.crt");
	char *first, *again, hash[PEM_HASH], same[PEM_HASH];
	struct stat st;

	assert_int_equal(access(key, F_OK), -1); /* at first need */
	first = pki_authority(pki, &err);
	assert_non_null(first);
	assert_int_equal(stat(key, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* A crash between the two. */
	assert_int_equal(unlink(cert), 0);
	again = pki_authority(pki, &err);
	free(ca_read(first, hash));
	free(ca_read(again, same));
	assert_string_equal(hash, same);
	free(again);
	again = pki_authority(pki, &err);
	assert_non_null(again);
	/* Nothing of it is replaced by itself. */
	assert_int_equal(file_put(key, 0600, "x", 1), 0);
	assert_null(pki_authority(pki, &err));
	assert_non_null(strstr(err, "put them back from a backup"));
	free(err);
	free(again);
	free(first);
	free(key);
	free(cert);
}

static void
test_identity(void **state)
{
	struct keypair a, b;
	char *err = NULL, *path = key_file(KEYFILES_NODE);
	struct stat st;

	assert_int_equal(pki_identity(pki, "server-one", &a, &err), 0);
	assert_int_equal(pki_check(pki, a.certificate, "server-one", node.data.node_hex, NULL,
			     &err),
	    0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	close_pki();
	open_pki();
	assert_int_equal(pki_identity(pki, "SERVER-one", &b, &err), 0);
	assert_string_equal(a.certificate, b.certificate);
	assert_string_equal(a.key, b.key);
	keyfiles_clear(&b);
	/* Another id, or name: another certificate. */
	node.data.node_hex[0] = node.data.node_hex[0] == '0' ? '1' : '0';
	assert_int_equal(pki_identity(pki, "server-one", &b, &err), 0);
	assert_string_not_equal(a.key, b.key);
	assert_int_equal(pki_check(pki, b.certificate, "server-one", node.data.node_hex, NULL,
			     &err),
	    0);
	keyfiles_clear(&b);
	assert_int_equal(pki_identity(pki, "127.0.1.1", &b, &err), 0);
	assert_int_equal(pki_check(pki, b.certificate, "127.0.1.1", NULL, NULL, &err), 0);
	assert_string_not_equal(a.key, b.key);
	keyfiles_clear(&b);
	assert_int_equal(pki_identity(pki, "*", &b, &err), -1);
	free(err);
	err = NULL;
	assert_int_equal(file_put(path, 0600, "x", 1), 0);
	assert_int_equal(pki_identity(pki, "server-one", &b, &err), -1);
	assert_non_null(strstr(err, "no certificate (PEM) is in it"));
	free(err);
	keyfiles_clear(&a);
	free(path);
}

/* The authority whose files are in keys/`folder`. */
static struct keypair
authority_in(const char *sub)
{
	char *dir = key_file(sub), *err = NULL;
	struct keypair ca;

	assert_int_equal(file_make_folder(dir), 0);
	assert_int_equal(keyfiles_authority(dir, 1, &ca, &err), 1);
	free(dir);
	return (ca);
}

static char *
signed_by(const char *sub, const char *csr, int64_t seconds)
{
	struct keypair ca = authority_in(sub);
	struct ca_signed s;
	char *err = NULL, *cert;
	struct csr *c = csr_read(csr, &err);

	assert_non_null(c);
	assert_int_equal(ca_sign(ca.key, ca.certificate, c, seconds, &s, &err), 0);
	cert = xstrdup(s.certificate);
	ca_signed_clear(&s);
	csr_free(c);
	keyfiles_clear(&ca);
	return (cert);
}

/* What another authority, whose files are in keys/other, has signed for us. */
static struct keypair
signed_elsewhere(const char *hostname, json_t **authorities)
{
	struct keypair ca = authority_in("other"), out = { 0 };
	char *err = NULL, *csr;

	assert_int_equal(csr_make(hostname, node.data.node_hex, &out.key, &csr, &err), 0);
	out.certificate = signed_by("other", csr, 86400);
	*authorities = json_pack("[s]", ca.certificate);
	free(csr);
	keyfiles_clear(&ca);
	return (out);
}

static void
test_adopted(void **state)
{
	json_t *authorities, *none = json_array();
	struct keypair pair = signed_elsewhere("server-one", &authorities), now;
	struct pki_adopted a = { &pair, none, "server-one", "server-two", json_object() };
	uint64_t before;
	char *err = NULL, *path = key_file(KEYFILES_NODE);

	assert_int_equal(pki_adopt(pki, &a, &err), 502); /* it leads nowhere */
	free(err);
	err = NULL;
	a.authorities = authorities;
	a.hostname = "server-three";
	assert_int_equal(pki_adopt(pki, &a, &err), 502);
	free(err);
	err = NULL;
	a.hostname = "server-one";
	/* Nothing of what cannot be kept, or is not what it should be, is trusted. */
	json_array_append_new(authorities, json_integer(5));
	assert_int_equal(pki_adopt(pki, &a, &err), 400);
	json_array_remove(authorities, 1);
	free(err);
	err = NULL;
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(pki_adopt(pki, &a, &err), 500);
	assert_int_equal(rmdir(path), 0);
	free(err);
	err = NULL;
	assert_int_equal(ledger_count(pki->ledger, LEDGER_AUTHORITY), 0);
	json_object_clear(a.added);
	before = pki_changes(pki);
	assert_int_equal(pki_adopt(pki, &a, &err), 200);
	assert_true(pki_changes(pki) > before);
	close_pki();
	open_pki();
	assert_int_equal(pki_identity(pki, "server-one", &now, &err), 0);
	assert_string_equal(now.certificate, pair.certificate);
	assert_int_equal(pki_check(pki, now.certificate, "server-one", NULL, NULL, &err), 0);
	/* A join that fails later leaves nothing, either. */
	assert_int_equal(json_object_size(a.added), 1);
	pki_put_back(pki, NULL, a.added);
	assert_int_equal(ledger_count(pki->ledger, LEDGER_AUTHORITY), 0);
	json_decref(a.added);
	free(path);
	keyfiles_clear(&now);
	keyfiles_clear(&pair);
	json_decref(authorities);
	json_decref(none);
}

/* By name, as add_certificate does: the same name again is in place of what was. */
/* Not what is due, or what is of no use: it stays as it was. */
static void
not_done(const char *certificate, const char *why)
{
	char *err = NULL;

	assert_int_equal(due_done(pki, "server-one", certificate, &err), -1);
	assert_non_null(strstr(err, why));
	free(err);
}

static void
test_due(void **state)
{
	json_t *authorities;
	struct keypair pair = signed_elsewhere("server-one", &authorities), now;
	struct pki_adopted a = { &pair, authorities, "server-one", "server-two", NULL };
	int64_t today = (int64_t)time(NULL);
	char *err = NULL, *later, *other;
	struct due_cert d;

	assert_int_equal(pki_adopt(pki, &a, &err), 200);
	assert_int_equal(due_now(pki, "server-one", today, &d), 0);
	assert_int_equal(due_now(pki, "server-three", today + 100000, &d), 0);
	assert_int_equal(due_now(pki, "server-one", today + 30000, &d), 1);
	assert_string_equal(d.issuer, "server-two");
	assert_in_range(d.until, today + 86390, today + 86410);
	assert_false(d.late);
	later = signed_by("other", d.csr, 100000);
	due_clear(&d);
	assert_int_equal(due_now(pki, "server-one", today + 60000, &d), 1);
	assert_true(d.late);
	due_clear(&d);
	not_done(pair.certificate, "ends no later");
	other = csr_for("server-one", node.data.node_hex);
	err = signed_by("other", other, 100000);
	not_done(err, "key");
	free(err);
	not_done("nonsense", "certificate");
	assert_int_equal(due_done(pki, "server-one", later, &err), 0);
	assert_int_equal(pki_identity(pki, "server-one", &now, &err), 0);
	assert_string_equal(now.certificate, later);
	assert_string_equal(now.key, pair.key);
	assert_int_equal(due_now(pki, "server-one", today + 30000, &d), 0);
	not_done(later, "ends no later");
	free(later);
	free(other);
	keyfiles_clear(&now);
	keyfiles_clear(&pair);
	json_decref(authorities);
}

/* Our own as well: who has pinned the key knows us again. */
static void
test_own_again(void **state)
{
	struct keypair first, due, now = { 0 };
	char *err = NULL, *csr, *dir = key_file("");
	uint64_t until_us = mono_us() + 10000000;

	assert_int_equal(pki_identity(pki, "server-one", &first, &err), 0);
	assert_int_equal(csr_make_again("server-one", node.data.node_hex, first.key, &csr, &err),
	    0);
	due = (struct keypair){ signed_by("", csr, 1), first.key };
	assert_int_equal(keyfiles_put_node(dir, &due, &err), 0);
	do {
		keyfiles_clear(&now);
		assert_int_equal(pki_identity(pki, "server-one", &now, &err), 0);
	} while (strcmp(now.certificate, due.certificate) == 0 && mono_us() < until_us);
	assert_string_not_equal(now.certificate, due.certificate);
	assert_string_equal(now.key, first.key);
	/* Another name is another key. */
	keyfiles_clear(&now);
	assert_int_equal(pki_identity(pki, "server-two", &now, &err), 0);
	assert_string_not_equal(now.key, first.key);
	assert_int_equal(due_now(pki, "server-two", INT64_MAX, &(struct due_cert){ 0 }), 0);
	free(due.certificate);
	free(csr);
	free(dir);
	keyfiles_clear(&now);
	keyfiles_clear(&first);
}

static void
test_named(void **state)
{
	char *err = NULL, *key = ca_make_key(&err), *one = ca_make_cert(key, &err), *text;
	char *other_key = ca_make_key(&err), *two = ca_make_cert(other_key, &err);
	json_t *list;

	text = xasprintf("%s%s", one, two);
	assert_int_equal(pki_add_named(pki, "ours", text, "admin", &err), 200);
	list = pki_authority_list(pki);
	assert_int_equal(json_array_size(list), 2);
	json_decref(list);
	assert_int_equal(pki_add_named(pki, "ours", two, "admin", &err), 200);
	close_pki();
	open_pki();
	list = pki_authority_list(pki);
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(json_string_value(json_array_get(list, 0)), two);
	json_decref(list);
	assert_int_equal(pki_add_named(pki, "ours", "nonsense", "admin", &err), 400);
	free(err);
	err = NULL;
	assert_true(pki_has_named(pki, "ours"));
	assert_int_equal(pki_remove_named(pki, "ours", &err), 200);
	assert_false(pki_has_named(pki, "ours"));
	free(text);
	free(one);
	free(two);
	mem_wipe(key);
	mem_wipe(other_key);
}

/* ---- who was asked to come ---- */

static int
is_invited(const char *serial, const char *hostname, const char *id, const char *spki)
{
	struct issue_shown shown = { serial, hostname, id, spki };

	return (issue_invites(pki, &shown) != 0);
}

static void
test_invited(void **state)
{
	char *key, *text, *err = NULL, serial[SERIAL_MAX], spki[PEM_HASH];
	EVP_PKEY *pair;
	json_t *answer = NULL, *serials;

	assert_int_equal(csr_make("server-two", NODE, &key, &text, &err), 0);
	pair = pem_key(key);
	assert_int_equal(pem_spki(pair, spki), 0);
	EVP_PKEY_free(pair);
	assert_int_equal(issue_sign(pki, &(struct issue_order){ .csr = text, .by = "admin" },
			     &answer, &err),
	    200);
	snprintf(serial, sizeof(serial), "%s",
	    json_string_value(json_object_get(answer, "serial_number")));
	assert_true(is_invited(serial, "server-two", NODE, spki));
	assert_true(is_invited(serial, "SERVER-TWO", NODE, spki));
	assert_false(is_invited(serial, "server-three", NODE, spki));
	assert_false(is_invited(serial, "server-two", OTHER, spki));
	/* Another authority has given its certificate the same serial number. */
	assert_false(is_invited(serial, "server-two", NODE, PIN));
	assert_false(is_invited("1234", "server-two", NODE, spki));
	serials = json_pack("[s]", serial);
	assert_int_equal(pki_revoke(pki, serials, 0, "admin", &err), 200);
	assert_false(is_invited(serial, "server-two", NODE, spki));
	json_decref(serials);
	json_decref(answer);
	mem_wipe(key);
	free(text);
}

int
main(void)
{
#define ON_NODE(test) cmocka_unit_test_setup_teardown(test, begin_node, end_node)
	const struct CMUnitTest tests[] = {
		ON_NODE(test_token_once),
		ON_NODE(test_token_kept),
		ON_NODE(test_token_over),
		ON_NODE(test_token_restored),
		ON_NODE(test_token_wrong),
		ON_NODE(test_token_refused),
		ON_NODE(test_token_raced),
		ON_NODE(test_names_taken),
		ON_NODE(test_confirmed),
		ON_NODE(test_confirmed_by_another),
		ON_NODE(test_revoked_by_name),
		ON_NODE(test_revoked_until_then),
		ON_NODE(test_never_used),
		ON_NODE(test_renews),
		ON_NODE(test_retained),
		ON_NODE(test_authority_with_it),
		ON_NODE(test_let_in),
		ON_NODE(test_let_in_for_nothing),
		ON_NODE(test_withdrawn),
		ON_NODE(test_renewed),
		ON_NODE(test_revoked),
		ON_NODE(test_revoked_swept),
		ON_NODE(test_authority_files),
		ON_NODE(test_identity),
		ON_NODE(test_adopted),
		ON_NODE(test_due),
		ON_NODE(test_own_again),
		ON_NODE(test_named),
		ON_NODE(test_invited),
	};

	return (cmocka_run_group_tests(tests, make_folder, remove_folder));
}
