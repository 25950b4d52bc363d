#include "config.h"

#include "opsd/watch/logread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/base/buf.h"
#include "test/unit/folder.h"

#define LINE(ms, text) "2026-01-02T03:04:05." ms "Z [main] [info] [n1]: " text "\n"

static void
write_file(const char *name, const char *text)
{
	char *path = in_folder(name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fputs(text, f) != EOF, 1);
	fclose(f);
	free(path);
}

static int
clean(void **state)
{
	char *rm = xasprintf("rm -rf %s/*", folder);
	int rc = system(rm);

	(void)state;
	free(rm);
	return (rc);
}

/* The messages one after the other, each with a blank. */
static void
messages_are(int backwards, const char *want)
{
	struct logread *l = logread_open(folder, folder, "opsd", backwards);
	struct log_entry_text e;
	struct buf b = { 0 };

	while (logread_next(l, &e))
		buf_addf(&b, "%.*s ", (int)e.message_len, e.message);
	buf_u8(&b, 0);
	assert_string_equal((char *)b.data, want);
	buf_free(&b);
	logread_close(l);
}

static void
test_parts_of_a_line(void **state)
{
	struct logread *l;
	struct log_entry_text e;

	clean(state);
	write_file("opsd.log",
	    "2026-01-02T03:04:05.678Z [http 1] [warn] [n1]: a: b] c\n"
	    "2026-01-02T03:04:06.000Z [main] [error]: without a tag\n");
	l = logread_open(folder, folder, "opsd", 0);
	assert_int_equal(logread_next(l, &e), 1);
	assert_memory_equal(e.time, "2026-01-02T03:04:05.678Z", 24);
	assert_true(e.thread_len == 6 && memcmp(e.thread, "http 1", 6) == 0);
	assert_true(e.level_len == 4 && memcmp(e.level, "warn", 4) == 0);
	assert_true(e.tag_len == 2 && memcmp(e.tag, "n1", 2) == 0);
	assert_true(e.message_len == 7 && memcmp(e.message, "a: b] c", 7) == 0);
	assert_int_equal(logread_next(l, &e), 1);
	assert_int_equal(e.tag_len, 0);
	assert_true(e.message_len == 13 && memcmp(e.message, "without a tag", 13) == 0);
	assert_int_equal(logread_next(l, &e), 0);
	logread_close(l);
}

/* Files of before come first, in the order of their names; those of others not at all. */
static void
test_order_of_files(void **state)
{
	clean(state);
	messages_are(0, "");
	messages_are(1, "");
	write_file("opsd.log", LINE("005", "5") LINE("006", "6"));
	write_file("opsd-2026-01-02.log", LINE("003", "3") LINE("004", "4"));
	write_file("opsd-2026-01-01.log", LINE("001", "1") LINE("002", "2"));
	write_file("hubd-2026-01-01.log", LINE("000", "hubd's"));
	write_file("opsd-2026-01-01.log.gz", LINE("000", "packed"));
	write_file("opsd2.log", LINE("000", "another"));
	messages_are(0, "1 2 3 4 5 6 ");
	messages_are(1, "6 5 4 3 2 1 ");
}

static void
test_what_is_no_line(void **state)
{
	clean(state);
	write_file("opsd.log",
	    "\n\nrubbish\n" LINE("001",
		"1") "2026-01-02T03:04:05.000Z [main] info: x\n"
		     "2026-01-02T03:04:05.000Z [main] [info x\n"
		     "2026-01-02T03:04:05.000Z [main] [info]x\n"
		     "2026-01-02T03:04:05.000Z\n"
		     "2026-01-02 03:04:05.000+ [main] [info]: x\n" LINE("002",
			 "2") "2026-01-02T03:04:0");
	messages_are(0, "1 2 ");
	messages_are(1, "2 1 ");
	write_file("opsd.log", "2026-01-02T03:04:05.000Z [main] [info]: not ended");
	messages_are(0, "not ended ");
	messages_are(1, "not ended ");
}

/* A link is somebody's attempt to have another file read. */
static void
test_links_are_not_followed(void **state)
{
	char *to = in_folder("secret"), *link = in_folder("opsd-1.log.log");

	clean(state);
	write_file("secret", LINE("001", "secret"));
	write_file("opsd.log", LINE("002", "2"));
	assert_int_equal(symlink(to, link), 0);
	messages_are(0, "2 ");
	messages_are(1, "2 ");
	free(to);
	free(link);
}

/* Lines of all lengths over many blocks: the same from both ends, and none is lost. */
static void
test_blocks(void **state)
{
	enum { LINES = 3000 };
	struct buf b = { 0 };
	struct logread *l;
	struct log_entry_text e;
	char filler[300];

	clean(state);
	memset(filler, 'x', sizeof(filler));
	for (int i = 0; i < LINES; i++)
		buf_addf(&b, "2026-01-02T03:04:05.000Z [main] [info]: %04d%.*s\n", i, i * 7 % 300,
		    filler);
	buf_u8(&b, 0);
	assert_true(b.len > 5 * 65536);
	write_file("opsd.log", (char *)b.data);
	for (int backwards = 0; backwards < 2; backwards++) {
		l = logread_open(folder, folder, "opsd", backwards);
		for (int i = 0; i < LINES; i++) {
			int want = backwards ? LINES - 1 - i : i;

			assert_int_equal(logread_next(l, &e), 1);
			assert_int_equal(atoi(e.message), want);
			assert_int_equal(e.message_len, 4 + want * 7 % 300);
		}
		assert_int_equal(logread_next(l, &e), 0);
		logread_close(l);
	}
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts_of_a_line),
		cmocka_unit_test(test_order_of_files),
		cmocka_unit_test(test_what_is_no_line),
		cmocka_unit_test(test_links_are_not_followed),
		cmocka_unit_test(test_blocks),
	};

	return (cmocka_run_group_tests(tests, make_folder, remove_folder));
}
