#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "test/unit/folder.h"

/* Nothing may be left in it. */
static int
teardown(void **state)
{
	(void)state;
	return (rmdir(folder));
}

static void
test_put_read(void **state)
{
	char *path = in_folder("f"), *new = in_folder("f.new"), *text;
	struct stat st;
	size_t len;

	(void)state;
	assert_int_equal(file_put(path, 0600, "long text", 9), 0);
	assert_int_equal(file_put(path, 0640, "a\0b", 3), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 3);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(access(new, F_OK), -1);
	assert_non_null(text = file_read(path, 100, &len));
	assert_int_equal(len, 3);
	assert_memory_equal(text, "a\0b", 4);
	free(text);
	assert_non_null(text = file_read(path, 1, NULL));
	assert_string_equal(text, "a");
	free(text);
	assert_int_equal(unlink(path), 0);
	assert_null(file_read(path, 100, &len));
	assert_int_equal(errno, ENOENT);
	free(new);
	free(path);
}

/* A link that somebody left there leads nowhere, and a failure leaves nothing behind. */
static void
test_put_refused(void **state)
{
	char *path = in_folder("d"), *new = in_folder("d.new"), *other = in_folder("other");
	char *deep = in_folder("none/f");

	(void)state;
	assert_int_equal(symlink(other, new), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(file_put(path, 0600, "x", 1), -1);
	assert_int_equal(errno, EISDIR);
	assert_int_equal(access(other, F_OK), -1);
	assert_int_equal(access(new, F_OK), -1);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(file_put(deep, 0600, "x", 1), -1);
	assert_int_equal(errno, ENOENT);
	free(deep);
	free(other);
	free(new);
	free(path);
}

static void
test_make_folder(void **state)
{
	char *a = in_folder("a"), *c = in_folder("a/b/c"), *f = in_folder("a/b/c/f");
	char *under = in_folder("a/b/c/f/g"), *b = in_folder("a/b");

	(void)state;
	assert_int_equal(file_make_folder(c), 0);
	assert_int_equal(file_make_folder(c), 0);
	assert_int_equal(file_put(f, 0600, "", 0), 0);
	assert_int_equal(file_make_folder(f), -1);
	assert_int_equal(errno, ENOTDIR);
	assert_int_equal(file_make_folder(under), -1);
	assert_int_equal(errno, ENOTDIR);
	assert_int_equal(unlink(f), 0);
	assert_int_equal(rmdir(c), 0);
	assert_int_equal(rmdir(b), 0);
	assert_int_equal(rmdir(a), 0);
	free(b);
	free(under);
	free(f);
	free(c);
	free(a);
}

static mode_t
mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return (st.st_mode & 07777);
}

/* What others could see they see no more, whatever the umask was when it was made. */
static void
test_modes(void **state)
{
	char *a = in_folder("a"), *f = in_folder("a/f"), *g = in_folder("a/g");
	mode_t was = umask(077);

	(void)state;
	assert_int_equal(file_make_folder(a), 0);
	assert_int_equal(file_put(f, 0644, "x", 1), 0);
	assert_int_equal(file_put(g, 0400, "x", 1), 0);
	umask(was);
	assert_int_equal(mode_of(f), 0644);
	assert_int_equal(chmod(a, 0755), 0);
	assert_int_equal(file_own_folder(a), 0);
	assert_int_equal(mode_of(a), 0700);
	assert_int_equal(mode_of(f), 0600);
	assert_int_equal(mode_of(g), 0400);
	assert_int_equal(unlink(f), 0);
	assert_int_equal(unlink(g), 0);
	assert_int_equal(rmdir(a), 0);
	assert_int_equal(file_own_folder(a), -1);
	free(g);
	free(f);
	free(a);
}

/* What a link in it points at is not of the tree. */
static void
test_remove_tree(void **state)
{
	char *a = in_folder("t/a/b"), *f = in_folder("t/a/f"), *t = in_folder("t");
	char *kept = in_folder("kept"), *link = in_folder("t/a/b/link");

	(void)state;
	assert_int_equal(file_remove_tree(t), 0); /* there is none */
	assert_int_equal(file_make_folder(a), 0);
	assert_int_equal(file_put(f, 0644, "x", 1), 0);
	assert_int_equal(file_put(kept, 0644, "x", 1), 0);
	assert_int_equal(symlink(kept, link), 0);
	assert_int_equal(file_remove_tree(t), 0);
	assert_int_equal(access(t, F_OK), -1);
	assert_int_equal(unlink(kept), 0);
	free(link);
	free(kept);
	free(t);
	free(f);
	free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put_read),
		cmocka_unit_test(test_put_refused),
		cmocka_unit_test(test_make_folder),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_remove_tree),
	};

	return (cmocka_run_group_tests(tests, make_folder, teardown));
}
