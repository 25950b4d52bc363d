#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/nats/leaflinks.h"

static void
test_numbers(void **state)
{
	struct leaflinks *l = leaflinks_new();

	leaflinks_line(l, "10.0.0.2:5 - lid:6 - Leafnode connection created ");
	leaflinks_line(l, "[::1]:7 - lid_ws:8 - Leafnode connection created ");
	/* Of others, and what is no such line. */
	leaflinks_line(l, "10.0.0.3:5 - rid:9 - Route connection created");
	leaflinks_line(l, "10.0.0.3:5 - lid:9 - JetStream using domains: local \"\", remote \"\"");
	leaflinks_line(l, "10.0.0.3:5 - lid - Leafnode connection created");
	leaflinks_line(l, " - lid");
	leaflinks_line(l, "");
	assert_int_equal(leaflinks_number(l, "10.0.0.2:5"), 6);
	assert_int_equal(leaflinks_number(l, "[::1]:7"), 8);
	assert_int_equal(leaflinks_number(l, "10.0.0.3:5"), 0);
	leaflinks_line(l,
	    "10.0.0.2:5 - lid:6 - Leafnode connection closed: Kicked - Account: DATA");
	assert_int_equal(leaflinks_number(l, "10.0.0.2:5"), 0);
	/* The address is used again; and a server that starts anew has none. */
	leaflinks_line(l, "[::1]:7 - lid:12 - Leafnode connection created ");
	assert_int_equal(leaflinks_number(l, "[::1]:7"), 12);
	leaflinks_line(l, "Starting nats-server");
	assert_int_equal(leaflinks_number(l, "[::1]:7"), 0);
	leaflinks_line(l, "[::1]:7 - lid:3 - Leafnode connection created ");
	leaflinks_free(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
