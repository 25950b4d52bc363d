#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/mem.h"
#include "opsd/cluster/member.h"

/* Who may be linked: each refusal, and what is no reason for one. */

static const uint8_t own[NODE_ID_LEN] = "here-here-here-", there[NODE_ID_LEN] = "there-there-the",
		     other[NODE_ID_LEN] = "other-other-oth";

static struct member_claim claim;
static struct member_facts facts;

/* "boston.example", which is in the routes, has never been here, and comes over TLS. */
static int
setup(void **state)
{
	claim = (struct member_claim){
		.is = { .hostname = (char *)"boston.example",
		    .spki = (char *)"11aa",
		    .serial = (char *)"77" },
		.names = json_pack("[s,s]", "boston.example", "10.0.0.1"),
		.secure = 1,
	};
	memcpy(claim.is.id, there, NODE_ID_LEN);
	facts = (struct member_facts){ .own_id = own, .routed = 1 };
	return (0);
}

static int
teardown(void **state)
{
	json_decref(claim.names);
	return (0);
}

/* The status; a refusal has these words. */
static void
assert_check(int status, const char *words)
{
	char *why;

	assert_int_equal(member_check(&claim, &facts, &why), status);
	if (words == NULL)
		assert_null(why);
	else if (why == NULL || strstr(why, words) == NULL)
		fail_msg("%s", why != NULL ? why : "no reason");
	free(why);
}

static void
test_member(void **state)
{
	assert_check(200, NULL);
	facts.routed = 0;
	assert_check(403,
	    "is no member of this cluster: add_node it on the node that refuses it, or "
	    "name it in replication.routes there");
	facts.subscribed = 1;
	facts.spki = "11aa";
	assert_check(200, NULL);
	facts.subscribed = 0;
	facts.spki = NULL;
	facts.invited = 1; /* we have signed its certificate */
	assert_check(200, NULL);
}

static void
test_own_id(void **state)
{
	memcpy(claim.is.id, own, NODE_ID_LEN);
	assert_check(409, "renew_node_id");
}

static void
set_names(const char *name)
{
	json_decref(claim.names);
	claim.names = name != NULL ? json_pack("[s]", name) : json_array();
}

static void
test_names(void **state)
{
	set_names("austin.example");
	assert_check(403, "it names 'austin.example'");
	set_names(NULL);
	assert_check(403, "it names none");
	set_names("BOSTON.example");
	assert_check(200, NULL);
	set_names("*.example");
	assert_check(200, NULL);
	claim.is.hostname = (char *)"a.boston.example";
	assert_check(403, "is not for that host");
	claim.is.hostname = (char *)"example";
	assert_check(403, "is not for that host");
	/* Without TLS there is no certificate to look at. */
	claim.secure = 0;
	assert_check(200, NULL);
}

static void
test_revoked(void **state)
{
	facts.revoked = 1;
	assert_check(403, "serial number 77, is revoked");
}

static void
test_format(void **state)
{
	claim.format_fault = (char *)"they cannot work together";
	assert_check(409, "they cannot work together");
}

static void
test_pin(void **state)
{
	struct member known = { .hostname = (char *)"boston.example", .spki = (char *)"11aa" };

	memcpy(known.id, there, NODE_ID_LEN);
	facts.by_id = facts.by_hostname = &known;
	assert_check(200, NULL);
	claim.is.spki = (char *)"22bb";
	assert_check(409, "remove_node with \"node_name\": \"boston.example\"");
	facts.invited = 1; /* we have signed it: the new key is its own */
	assert_check(200, NULL);
	facts.invited = 0;
	claim.secure = 0;
	claim.is.spki = NULL;
	assert_check(403, "now comes without TLS");
	known.spki = NULL; /* it has never shown one */
	assert_check(200, NULL);
}

/* Never linked with this node, but all members know it: by that key, and no other. */
static void
test_key_all_know(void **state)
{
	facts.routed = 0;
	facts.discovered = 1;
	facts.spki = "22bb";
	assert_check(409, "shows another key than before");
	facts.spki = "11aa";
	assert_check(200, NULL);
}

/* Known over NATS alone: by the key that it has told there. */
static void
test_subscribed(void **state)
{
	facts.routed = 0;
	facts.subscribed = 1;
	assert_check(403, "is no member of this cluster");
	facts.spki = "22bb";
	assert_check(409, "shows another key than before");
	facts.spki = "11aa";
	assert_check(200, NULL);
}

static void
test_another_id(void **state)
{
	struct member known = { .hostname = (char *)"boston.example", .spki = (char *)"11aa" };

	memcpy(known.id, other, NODE_ID_LEN);
	facts.by_hostname = &known;
	assert_check(409, "has another node id than before");
	facts.routed = 0; /* who has nothing to do with it says so as well */
	assert_check(409,
	    "run remove_node with \"node_name\": \"boston.example\" on this node, then add_node");
	facts.invited = 1; /* it has the name of one that is another */
	assert_check(409, "has another node id than before");
}

/* The id is known with another key, and the name with another id: the key is said first. */
static void
test_another_key_and_id(void **state)
{
	struct member by_id = { .hostname = (char *)"austin.example", .spki = (char *)"22bb" };
	struct member by_hostname = { .hostname = (char *)"boston.example" };

	memcpy(by_id.id, there, NODE_ID_LEN);
	memcpy(by_hostname.id, other, NODE_ID_LEN);
	facts.by_id = &by_id;
	facts.by_hostname = &by_hostname;
	assert_check(409, "shows another key than before");
}

/* The first reason counts: what others may not learn is not told to strangers. */
static void
test_order(void **state)
{
	memcpy(claim.is.id, own, NODE_ID_LEN);
	set_names("austin.example");
	facts.revoked = 1;
	claim.format_fault = (char *)"format";
	facts.routed = 0;
	assert_check(409, "own id");
	memcpy(claim.is.id, there, NODE_ID_LEN);
	assert_check(403, "is not for that host");
	set_names("boston.example");
	assert_check(403, "revoked");
	facts.revoked = 0;
	assert_check(409, "format");
	claim.format_fault = NULL;
	assert_check(403, "no member");
}

static json_t *
link_up(const char *hostname)
{
	return (json_pack("{s:s, s:s, s:s, s:s, s:n, s:s, s:s, s:s, s:[s], s:s, s:b}", "id",
	    "00112233445566778899aabbccddeeff", "hostname", hostname, "nodeName", "boston", "url",
	    "wss://boston.example:9933", "dialled", "spki", "11aa", "serial", "77", "issuer", "CA",
	    "names", "boston.example", "address", "10.0.0.1:9933", "secure", 1));
}

static void
assert_unread(json_t *o, const char *words)
{
	struct member_claim c;
	char *fault = NULL;

	member_claim_read(&c, o, &fault);
	if (fault == NULL || strstr(fault, words) == NULL)
		fail_msg("%s", fault != NULL ? fault : "no fault");
	free(fault);
	member_claim_clear(&c);
	json_decref(o);
}

static void
test_read(void **state)
{
	json_t *o = link_up("boston.example"), *written;
	struct member_claim c, copy;
	struct member back;
	char *fault = NULL;

	member_claim_read(&c, o, &fault);
	assert_null(fault);
	assert_string_equal(c.is.node_name, "boston");
	assert_int_equal(c.is.id[15], 0xff);
	assert_true(c.secure);
	member_claim_copy(&copy, &c);
	assert_true(member_equal(&copy.is, &c.is));
	written = member_write(&c.is);
	member_read(&back, c.is.id, written, &fault);
	assert_null(fault);
	assert_true(member_equal(&back, &c.is));
	free(back.spki);
	back.spki = NULL;
	assert_false(member_equal(&back, &c.is));
	json_decref(written);
	member_clear(&back);
	member_claim_clear(&copy);
	member_claim_clear(&c);
	json_decref(o);
}

static void
test_read_faults(void **state)
{
	json_t *o = link_up("boston/example");

	assert_unread(o, "'hostname' must be a host name");
	o = link_up("boston.example");
	json_object_del(o, "spki");
	assert_unread(o, "'spki' is required");
	o = link_up("boston.example");
	json_object_set_new(o, "id", json_string("xyz"));
	assert_unread(o, "'id' must be");
	o = link_up("boston.example");
	json_object_set_new(o, "nodeName", json_string("a.b"));
	assert_unread(o, "'nodeName' must be");
	assert_unread(json_array(), "'id' is required");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_member),
		TEST(test_own_id),
		TEST(test_names),
		TEST(test_revoked),
		TEST(test_format),
		TEST(test_pin),
		TEST(test_key_all_know),
		TEST(test_subscribed),
		TEST(test_another_id),
		TEST(test_another_key_and_id),
		TEST(test_order),
		TEST(test_read),
		TEST(test_read_faults),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
