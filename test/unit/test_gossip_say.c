#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/conf/repconf.h"
#include "common/conf/settings.h"
#include "opsd/cluster/gossip.h"
#include "opsd/cluster/roster.h"
#include "opsd/pki/pki.h"
#include "test/unit/openrep.h"

/* What a node says of itself to all, and with which key it goes on after a restart; on a real store. */

static int
setup(void **state)
{
	openrep_begin(state, NULL, NULL);
	return (0);
}

static struct openrep *
with_keys(struct openrep *r)
{
	char *err = NULL, *keys = conf_path(r->o.svc.conf, "keys");

	file_make_folder(keys);
	free(keys);
	node_id_hex(r->o.data.node_id, r->o.data.node_hex);
	r->o.data.live.links = 1;
	r->rep.pki = pki_start(&r->o.data, &err);
	assert_null(err);
	assert_non_null(r->rep.pki);
	return (r);
}

static void
without_keys(struct openrep *r)
{
	workers_stop(r->o.data.workers);
	r->o.data.workers = NULL;
	pki_stop(r->rep.pki);
	r->rep.pki = NULL;
}

/* What it shows on links; keyfiles_clear. */
static struct keypair
own_pair(struct openrep *r)
{
	char *hostname = repconf_hostname(r->o.svc.conf), *err = NULL;
	struct keypair pair = { 0 };

	if (pki_identity(r->rep.pki, hostname, &pair, &err) == -1)
		fail_msg("%s: %s", hostname, err);
	free(hostname);
	return (pair);
}

static void
say_self(struct openrep *r)
{
	struct keypair pair = own_pair(r);

	gossip_say_self(&r->rep, pair.key);
	keyfiles_clear(&pair);
}

/* As a restart has it: what was said is in the store, and there is no key to sign with. */
static void
forget_key(struct openrep *r)
{
	roster_sign_with(r->rep.roster, NULL);
	assert_false(roster_may_sign(r->rep.roster));
}

static void
test_goes_on_with_its_key(void **state)
{
	struct openrep *r = with_keys(*state);
	json_t *fields = json_pack("{s:i}", "until", 0);
	char *err = NULL;

	say_self(r);
	forget_key(r);
	gossip_say_resume(&r->rep);
	assert_true(roster_may_sign(r->rep.roster));
	/* It is the key by which it is known: what it says counts. */
	assert_int_equal(gossip_say(&r->rep, STATEMENT_REVOKED, "ab", fields, &err), 200);
	assert_true(roster_revokes(r->rep.roster, "ab"));
	json_decref(fields);
	without_keys(r);
}

/* The first that it says may come with another key. */
static void
test_has_said_nothing(void **state)
{
	struct openrep *r = with_keys(*state);

	gossip_say_resume(&r->rep);
	assert_false(roster_may_sign(r->rep.roster));
	without_keys(r);
}

/* What it has said was as another node. */
static void
test_has_another_id(void **state)
{
	struct openrep *r = with_keys(*state);

	say_self(r);
	forget_key(r);
	r->o.data.log.renewed = 1;
	gossip_say_resume(&r->rep);
	assert_false(roster_may_sign(r->rep.roster));
	r->o.data.log.renewed = 0;
	without_keys(r);
}

static void
test_has_no_links(void **state)
{
	struct openrep *r = with_keys(*state);

	say_self(r);
	forget_key(r);
	r->o.data.live.links = 0;
	gossip_say_resume(&r->rep);
	assert_false(roster_may_sign(r->rep.roster));
	without_keys(r);
	gossip_say_resume(&r->rep);
	assert_false(roster_may_sign(r->rep.roster));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_goes_on_with_its_key, setup, openrep_end),
		cmocka_unit_test_setup_teardown(test_has_said_nothing, setup, openrep_end),
		cmocka_unit_test_setup_teardown(test_has_another_id, setup, openrep_end),
		cmocka_unit_test_setup_teardown(test_has_no_links, setup, openrep_end),
	};

	return (cmocka_run_group_tests(tests, make_folder, remove_folder));
}
