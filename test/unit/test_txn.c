#include "config.h"

#include "opsd/store/txn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "opsd/store/key.h"
#include "opsd/store/value.h"

static const uint8_t origin[NODE_ID_LEN] = "\1\2\3\4\5\6\7\10abcdefg";

static void
add_key(struct buf *b, int id)
{
	struct buf key = { 0 };
	json_t *v = json_integer(id);

	assert_int_equal(key_from_json(&key, v), 0);
	buf_strn(b, key.data, key.len);
	json_decref(v);
	buf_free(&key);
}

static void
add_attr(struct buf *b, const char *name, int value)
{
	struct buf packed = { 0 };
	json_t *v = json_integer(value);

	buf_u8(b, (uint8_t)strlen(name));
	buf_add(b, name, strlen(name));
	value_pack(&packed, v);
	buf_blob(b, packed.data, packed.len);
	json_decref(v);
	buf_free(&packed);
}

/* insert {1, a: 10, b: 20}; delete 2; and a whole row 3 with stamps of its own. */
static void
sample(struct buf *b)
{
	struct buf state = { 0 };
	struct row r = { .created = { 7, 7 }, .cleared = { 6, 6 } };
	size_t at = txn_begin(b, TXN_WRITE, TXN_INSERT, origin, "admin", "dev", "dog", "id");

	buf_u8(b, REC_CREATED | REC_CLEARED);
	add_key(b, 1);
	buf_u32(b, 2);
	add_attr(b, "a", 10);
	add_attr(b, "b", 20);
	buf_u8(b, REC_CLEARED);
	add_key(b, 2);
	buf_u32(b, 0);
	buf_u8(b, REC_STATE);
	add_key(b, 3);
	row_encode(&r, &state);
	buf_blob(b, state.data, state.len);
	buf_free(&state);
	txn_set_count(b, at, 3);
	txn_set_stamp(b, at, 1234);
}

/* Head and every record, nothing left over. */
static int
is_whole(const void *p, size_t n)
{
	struct txn t;
	struct txn_record rec = { 0 };
	int rc;

	if (txn_read(&t, p, n) == -1)
		return (0);
	while ((rc = txn_next(&t, &rec)) == 1)
		;
	row_free(&rec.row);
	return (rc == 0);
}

static void
test_round_trip(void **state)
{
	struct buf b = { 0 };
	struct txn t;
	struct txn_record rec = { 0 };

	buf_add(&b, "before", 6); /* a transaction need not begin its buffer */
	sample(&b);
	assert_int_equal(txn_read(&t, b.data + 6, b.len - 6), 0);
	assert_true(is_whole(b.data + 6, b.len - 6));
	assert_int_equal(t.kind, TXN_WRITE);
	assert_string_equal(txn_op_name(t.op), "insert");
	assert_int_equal(t.key_len, 2);
	assert_memory_equal(t.key, "id", 2);
	assert_memory_equal(t.origin, origin, NODE_ID_LEN);
	assert_true(t.stamp.time == 1234 && t.stamp.node == UINT64_C(0x0102030405060708));
	assert_true(t.user_len == 5 && memcmp(t.user, "admin", 5) == 0);
	assert_true(t.database_len == 3 && memcmp(t.database, "dev", 3) == 0);
	assert_true(t.table_len == 3 && memcmp(t.table, "dog", 3) == 0);
	assert_int_equal(t.count, 3);
	assert_int_equal(txn_next(&t, &rec), 1);
	assert_true(row_visible(&rec.row) && rec.row.n == 2);
	assert_true(rec.row.created.time == 1234 && rec.row.cleared.time == 1234);
	assert_true(row_attr(&rec.row, "b", 1)->stamp.time == 1234);
	assert_int_equal(txn_next(&t, &rec), 1);
	assert_true(!row_visible(&rec.row) && rec.row.n == 0 && rec.row.cleared.time == 1234);
	assert_int_equal(txn_next(&t, &rec), 1);
	assert_true(rec.row.created.time == 7 && rec.row.cleared.node == 6);
	assert_int_equal(txn_next(&t, &rec), 0);
	row_free(&rec.row);
	buf_free(&b);
}

static void
test_cut_or_longer(void **state)
{
	struct buf b = { 0 };

	sample(&b);
	for (size_t n = 0; n < b.len; n++)
		assert_false(is_whole(b.data, n));
	buf_u8(&b, 0);
	assert_false(is_whole(b.data, b.len));
	buf_free(&b);
}

/* Every byte changed in some ways: refused or read, never worse. */
static void
test_flipped(void **state)
{
	struct buf b = { 0 };
	uint8_t *copy;

	sample(&b);
	for (size_t i = 0; i < b.len; i++)
		for (int bit = 0; bit < 8; bit++) {
			copy = malloc(b.len);
			assert_non_null(copy);
			memcpy(copy, b.data, b.len);
			copy[i] ^= (uint8_t)(1u << bit);
			is_whole(copy, b.len);
			free(copy);
		}
	buf_free(&b);
}

static void
assert_refused(const struct buf *b, size_t at, uint8_t byte)
{
	uint8_t *copy = malloc(b->len);

	assert_non_null(copy);
	memcpy(copy, b->data, b->len);
	copy[at] = byte;
	assert_false(is_whole(copy, b->len));
	free(copy);
}

static void
test_wrong_fields(void **state)
{
	struct buf b = { 0 };
	size_t op_at = 2 + NODE_ID_LEN + 8 + 2 + 5;

	sample(&b);
	assert_refused(&b, 0, TXN_FORMAT + 1);
	assert_refused(&b, 1, 0);
	assert_refused(&b, 1, TXN_PURGE + 1);
	assert_refused(&b, op_at, 0);
	assert_refused(&b, op_at, TXN_DELETE + 1);
	assert_refused(&b, op_at + 1, 0);
	assert_refused(&b, op_at + 1, 2);
	txn_set_stamp(&b, 0, STAMP_TIME_MAX);
	assert_false(is_whole(b.data, b.len));
	txn_set_stamp(&b, 0, STAMP_TIME_MAX - 1);
	assert_true(is_whole(b.data, b.len));
	txn_set_count(&b, 0, 2);
	assert_false(is_whole(b.data, b.len));
	txn_set_count(&b, 0, UINT32_MAX);
	assert_false(is_whole(b.data, b.len));
	buf_free(&b);
}

static void
test_faults(void **state)
{
	struct buf b = { 0 };
	char *why;

	sample(&b);
	b.data[0] = TXN_FORMAT + 5;
	why = txn_fault(b.data, b.len);
	assert_string_equal(why,
	    "a transaction is of format 7, and this version (" PACKAGE_VERSION ") reads format 2");
	free(why);
	b.data[0] = TXN_FORMAT;
	why = txn_fault(b.data, 5);
	assert_string_equal(why, "a transaction cannot be read");
	free(why);
	buf_free(&b);
}

static void
test_names(void **state)
{
	struct buf b = { 0 };
	size_t at = txn_begin(&b, TXN_WRITE, TXN_DELETE, origin, NULL, "", "t", "id");

	assert_false(is_whole(b.data, b.len));
	buf_clear(&b);
	at = txn_begin(&b, TXN_WRITE, TXN_DELETE, origin, NULL, "d", "", "id");
	assert_false(is_whole(b.data, b.len));
	buf_clear(&b);
	txn_begin(&b, TXN_WRITE, TXN_DELETE, origin, NULL, "d", "t", "");
	assert_false(is_whole(b.data, b.len));
	buf_clear(&b);
	at = txn_begin(&b, TXN_WRITE, TXN_UPDATE, origin, NULL, "d", "t", "id");
	buf_u8(&b, 0);
	add_key(&b, 1);
	buf_u32(&b, 2);
	add_attr(&b, "b", 1);
	add_attr(&b, "a", 1);
	txn_set_count(&b, at, 1);
	assert_false(is_whole(b.data, b.len)); /* out of order */
	buf_free(&b);
}

static void
test_other_kinds(void **state)
{
	struct buf b = { 0 };
	struct txn t;

	txn_begin(&b, TXN_PURGE, TXN_DELETE, origin, "u", "d", "t", "id");
	buf_u64(&b, 99);
	assert_int_equal(txn_read(&t, b.data, b.len), 0);
	assert_int_equal(t.kind, TXN_PURGE);
	assert_true(rd_u64(&t.body) == 99 && rd_done(&t.body));
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_cut_or_longer),
		cmocka_unit_test(test_flipped),
		cmocka_unit_test(test_wrong_fields),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_other_kinds),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
