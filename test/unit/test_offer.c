#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "opsd/cluster/offer.h"

/* An offer as it travels: read and written it is what it was, and what cannot be is refused in words. */

#define ID "00112233445566778899aabbccddeeff"
#define TABLE                                                                    \
	"{\"table\":\"dog\",\"id\":7,\"head\":9,\"head_mark\":-3,\"head_ms\":5," \
	"\"definition\":{\"primary_key\":\"id\",\"attributes\":[{\"attribute\":\"id\"}]}}"
#define ITEM                                                                                            \
	"{\"database\":\"dev\",\"table\":\"*\",\"publish\":true,\"subscribe\":false,\"removed\":false," \
	"\"stamp\":[65536,-2],\"start_ms\":3,\"has_database\":true,\"tables\":[" TABLE "]}"
#define REST  "\"incarnation\":8,\"system_info\":{\"platform\":\"x\"},\"strict\":true,\"sources\":[]"
#define OFFER "{\"id\":\"" ID "\",\"name\":\"boston\"," REST ",\"subscriptions\":[" ITEM "]}"

static struct offer *
read_text(const char *text, char **fault)
{
	json_t *o = json_loads(text, 0, NULL);
	struct offer *offer;

	assert_non_null(o);
	*fault = NULL;
	offer = offer_read(o, fault);
	json_decref(o);
	assert_true((offer == NULL) == (*fault != NULL));
	return (offer);
}

static void
test_fields(void **state)
{
	char *fault;
	struct offer *o = read_text(OFFER, &fault);
	const struct offer_item *i;

	(void)state;
	assert_non_null(o);
	assert_int_equal(o->id[0], 0);
	assert_int_equal(o->id[15], 0xff);
	assert_string_equal(o->name, "boston");
	assert_int_equal(o->incarnation, 8);
	assert_true(o->strict);
	assert_string_equal(json_string_value(json_object_get(o->system_info, "platform")), "x");
	assert_int_equal(o->n, 1);
	i = &o->items[0];
	assert_string_equal(i->sub.database, "dev");
	assert_true(subscription_is_all(&i->sub));
	assert_true(i->sub.publish && !i->sub.subscribe && !i->sub.removed && i->has_database);
	assert_int_equal(i->sub.stamp.time, 65536);
	assert_true(i->sub.stamp.node == UINT64_MAX - 1);
	assert_int_equal(i->sub.start_ms, 3);
	assert_int_equal(i->n, 1);
	assert_string_equal(i->tables[0].name, "dog");
	assert_int_equal(i->tables[0].id, 7);
	assert_int_equal(i->tables[0].head.seq, 9);
	assert_true(i->tables[0].head.mark == UINT64_MAX - 2);
	assert_int_equal(i->tables[0].head.ms, 5);
	assert_string_equal(offer_key(&i->tables[0]), "id");
	offer_free(o);
}

static void
test_both_ways(void **state)
{
	char *fault;
	struct offer *o = read_text(OFFER, &fault);
	json_t *was = json_loads(OFFER, 0, NULL), *is = offer_write(o);

	(void)state;
	assert_true(json_equal(was, is));
	json_decref(was);
	json_decref(is);
	offer_free(o);
}

/* The text with one thing in place of another. */
static void
refused(const char *old, const char *new, const char *want)
{
	const char *at = strstr(OFFER, old);
	char *text, *fault;

	assert_non_null(at);
	text = malloc(sizeof(OFFER) + strlen(new));
	assert_non_null(text);
	memcpy(text, OFFER, (size_t)(at - OFFER));
	strcpy(text + (at - OFFER), new);
	strcat(text, at + strlen(old));
	assert_null(read_text(text, &fault));
	assert_string_equal(fault, want);
	free(fault);
	free(text);
}

static void
test_refused(void **state)
{
	(void)state;
	refused("\"strict\":true", "\"to\":\"0011\",\"strict\":true",
	    "'to' must be 32 hexadecimal digits");
	refused("\"strict\":true", "\"to\":7,\"strict\":true", "'to' must be a string");
	refused(ID, "0011", "'id' must be 32 hexadecimal digits");
	refused("\"id\":\"" ID "\"", "\"id\":7", "'id' must be a string");
	refused("\"boston\"", "\"bos ton\"",
	    "'name' must be 1 to 250 characters without ',', '*', "
	    "'>', white space and control characters");
	refused("\"incarnation\":8", "\"incarnation\":-8",
	    "'incarnation' must be from 0 to 4611686018427387904");
	refused("\"incarnation\":8", "\"incarnation\":8.5", "'incarnation' must be an integer");
	refused("\"system_info\":{\"platform\":\"x\"}", "\"system_info\":[]",
	    "'system_info' must be an object");
	refused("\"strict\":true", "\"strict\":1", "'strict' must be true or false");
	refused("\"strict\":true,", "", "'strict' is required");
	refused("\"subscriptions\":[" ITEM "]", "\"subscriptions\":{}",
	    "'subscriptions' must be an array");
	refused("[" ITEM "]", "[" ITEM ",7]", "'subscriptions[1].database' is required");
	refused("\"dev\"", "\"system\"",
	    "'subscriptions[0].database' 'system' has no subscriptions of its own");
	refused("[65536,-2]", "[65536]", "'subscriptions[0].stamp' must be an array of 2 integers");
	refused("\"has_database\":true", "\"has_database\":\"yes\"",
	    "'subscriptions[0].has_database' must be true or false");
	refused("[" TABLE "]", "{}", "'subscriptions[0].tables' must be an array");
	refused("[" TABLE "]", "[" TABLE ",{}]", "'subscriptions[0].tables[1].table' is required");
	refused("\"id\":7", "\"id\":4294967296",
	    "'subscriptions[0].tables[0].id' must be from 0 to 4294967295");
	refused("\"head\":9", "\"head\":-9",
	    "'subscriptions[0].tables[0].head' must be from 0 to 9223372036854775807");
	refused("\"head_mark\":-3", "\"head_mark\":null",
	    "'subscriptions[0].tables[0].head_mark' must be an integer");
	refused("\"head_ms\":5,", "", "'subscriptions[0].tables[0].head_ms' is required");
	refused("\"definition\":{", "\"definition\":7,\"x\":{",
	    "'subscriptions[0].tables[0].definition' must be an object");
	refused("\"primary_key\":\"id\",", "",
	    "'subscriptions[0].tables[0].primary_key' is required");
}

/* Over NATS a name may have moved to another node. */
static void
test_for_whom(void **state)
{
	static const uint8_t other[NODE_ID_LEN] = { 7 };
	char *fault;
	struct offer *o = read_text(OFFER, &fault), *again;
	json_t *written;

	(void)state;
	assert_true(offer_is_for(o, o->id) && offer_is_for(o, other));
	memcpy(o->to, o->id, NODE_ID_LEN);
	written = offer_write(o);
	again = offer_read(written, &fault);
	assert_non_null(again);
	assert_true(offer_is_for(again, o->id));
	assert_false(offer_is_for(again, other));
	json_decref(written);
	offer_free(again);
	offer_free(o);
}

static void
left_out(const char *name, const char *key)
{
	json_t *o = json_loads(OFFER, 0, NULL);
	json_t *table =
	    json_array_get(json_object_get(json_array_get(json_object_get(o, "subscriptions"), 0),
			       "tables"),
		0);
	char *fault = NULL;
	struct offer *offer;

	json_object_set_new(table, "table", json_string(name));
	json_object_set_new(json_object_get(table, "definition"), "primary_key", json_string(key));
	offer = offer_read(o, &fault);
	assert_non_null(offer);
	assert_int_equal(offer->items[0].n, 0);
	offer_free(offer);
	json_decref(o);
}

/* Not a reason to lose all else that is offered. */
static void
test_tables_that_cannot_be(void **state)
{
	(void)state;
	left_out("a/b", "id");
	left_out("", "id");
	left_out("dog", "a`b");
	left_out("dog", "");
}

static void
test_too_many(void **state)
{
	json_t *o = json_loads(OFFER, 0, NULL), *list = json_object_get(o, "subscriptions");
	json_t *item = json_array_get(list, 0);
	char *fault = NULL;

	(void)state;
	json_object_set_new(item, "tables", json_array());
	while (json_array_size(list) < OFFER_MAX)
		json_array_append(list, item);
	offer_free(offer_read(o, &fault));
	assert_null(fault);
	json_array_append(list, item);
	assert_null(offer_read(o, &fault));
	assert_string_equal(fault, "'subscriptions' must contain at most 40000 items");
	free(fault);
	json_decref(o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_for_whom),
		cmocka_unit_test(test_tables_that_cannot_be),
		cmocka_unit_test(test_too_many),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
