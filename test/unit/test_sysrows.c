#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/tls/crypto.h"
#include "opsd/auth/user.h"
#include "opsd/cluster/catchup.h"
#include "opsd/cluster/outlet.h"
#include "opsd/store/sysrow.h"
#include "test/unit/openrep.h"

/* Users and roles: what of them this node keeps, what it takes from a peer, and what it gives. */

#define LIFE 1000u
#define MS   1700000000000 /* when boston wrote */

static int changes;
static char *hash; /* of a password */

static void
count_change(void *arg)
{
	(void)arg;
	changes++;
}

static int
setup(void **state)
{
	struct openrep *r = openrep_begin(state, "dog", NULL);

	r->o.data.users_changed = count_change;
	changes = 0;
	return (0);
}

static void
name_system(struct openrep *r)
{
	json_array_append_new(nodes_scope(r->rep.nodes)->databases, json_string("system"));
}

static void
secure_run(struct group *g, void *arg)
{
	struct peer *p = nodes_edit(g, boston, "boston");

	p->secure = *(int *)arg;
	nodes_store(g, p);
}

/* Boston, with which all databases replicate, as it is when both name system. */
static void
meet_boston(struct openrep *r, const char *databases, int secure)
{
	struct offer *o = offering_new(boston, "boston", LIFE);

	assert_int_equal(openrep_call(r, secure_run, &secure), 200);
	offering_all(o, 5);
	offering_table_in(o, "system", "hdb_user", SYS_USER, 0, "username");
	offering_table_in(o, "system", "hdb_role", SYS_ROLE, 0, "id");
	offering_table_in(o, "system", "hdb_nodes", SYS_NODES, 0, "name");
	o->scope = json_pack("{s:o, s:{}}", "databases", json_loads(databases, 0, NULL), "tables");
	assert_int_equal(openrep_take(r, o), 200);
}

static int
flows(struct openrep *r, const char *table)
{
	struct peer *p = nodes_by_id(r->rep.nodes, boston);
	int yes = peer_effective(p, "system", table) != NULL;

	peer_free(p);
	return (yes);
}

static int
has_cursor(struct openrep *r, uint32_t table)
{
	return (cursors_find(r->rep.cursors, boston, table) != NULL);
}

/* ---- what boston writes ---- */

static void
add_row(struct buf *b, const char *key, const json_t *attrs)
{
	struct buf k = { 0 }, v = { 0 };
	const char *name;
	json_t *value;

	assert_int_equal(key_from_string(&k, key, strlen(key)), 0);
	buf_u8(b, REC_CREATED | REC_CLEARED);
	buf_strn(b, k.data, k.len);
	buf_u32(b, (uint32_t)json_object_size(attrs));
	json_object_foreach((json_t *)(uintptr_t)attrs, name, value) {
		buf_clear(&v);
		value_pack(&v, value);
		buf_u8(b, (uint8_t)strlen(name));
		buf_add(b, name, strlen(name));
		buf_blob(b, v.data, v.len);
	}
	buf_free(&k);
	buf_free(&v);
}

/* Users of one transaction, [[name, {attributes in order}]...], as entry `seq` of its log. */
static void
bring(struct openrep *r, uint64_t stream, uint64_t seq, json_t *users)
{
	struct frame f = { .incarnation = LIFE, .table = SYS_USER, .window = seq };
	struct buf payload = { 0 }, bytes = { 0 };
	struct log_entry e = { .seq = seq,
		.mark = MARK(seq),
		.prev = seq - 1,
		.prev_mark = MARK(seq - 1),
		.ms = MS,
		.table = SYS_USER };
	size_t at = txn_begin(&payload, TXN_WRITE, TXN_UPSERT, boston, "", "system", "hdb_user",
		   "username"),
	       i;
	json_t *one;

	txn_set_stamp(&payload, at, (uint64_t)(MS + (int64_t)seq) << 16);
	txn_set_count(&payload, at, (uint32_t)json_array_size(users));
	json_array_foreach(users, i, one)
		add_row(&payload, json_string_value(json_array_get(one, 0)),
		    json_array_get(one, 1));
	e.payload = payload.data;
	e.len = (uint32_t)payload.len;
	memcpy(f.node, boston, NODE_ID_LEN);
	frame_add(&bytes, frame_begin(&bytes, &f), &e);
	frame_end(&bytes, 0, bytes.len, 0);
	openrep_frame_as_is(r, boston, stream, &bytes);
	buf_free(&payload);
	buf_free(&bytes);
	json_decref(users);
}

/* One whose rows have all come. */
static void
met(struct openrep *r)
{
	struct buf b = { 0 };

	name_system(r);
	meet_boston(r, "[\"*\", \"system\"]", 1);
	for (uint32_t id = SYS_USER; id <= SYS_ROLE; id++) {
		struct cursors_question *q;
		struct apply *a;

		seal_begin(&b);
		buf_u16(&b, 200);
		buf_u64(&b, LIFE);
		buf_u32(&b, id);
		buf_str(&b, id == SYS_USER ? "username" : "id");
		for (int i = 0; i < 3; i++)
			buf_u64(&b, 0); /* the head */
		buf_u8(&b, 1);
		buf_blob(&b, NULL, 0);
		buf_blob(&b, NULL, 0);
		buf_u32(&b, 0);
		seal_end(&b, 0, b.len);
		openrep_ask(r, 60000000);
		q = openrep_asked(r, id);
		a = apply_answer_new(q, 1, b.data, b.len);
		assert_int_equal(commit_wait(r->o.data.commit, &a->job), 200);
		apply_free(a);
		cursors_question_free(q);
		buf_clear(&b);
	}
	buf_free(&b);
	changes = 0;
}

static int
is_there(struct openrep *r, const char *name)
{
	json_t *row = sysrow_get(&r->o.data, SYS_USER, name);

	json_decref(row);
	return (row != NULL);
}

static json_t *
good_user(const char *name)
{
	return (json_pack("[s, {s:b, s:s, s:s}]", name, "active", 1, "password", hash, "role",
	    "dev"));
}

/* ---- what there is here ---- */

static int
is_anything(const struct log_entry *e, void *arg)
{
	(void)e;
	(void)arg;
	return (1);
}

static int
is_logged(struct openrep *r, const char *text, int (*wants)(const struct log_entry *e, void *arg),
    void *arg)
{
	struct log_read q = { .max = 1 << 20, .scan = 1 << 20, .wants = wants, .arg = arg };
	struct buf out = { 0 };
	int is;

	assert_int_not_equal(txlog_read(&r->o.data.log, &q, &out), -1);
	is = out.len > 0 && memmem(out.data, out.len, text, strlen(text)) != NULL;
	buf_free(&out);
	return (is);
}

static void
put_user(struct openrep *r, const char *name, json_t *row)
{
	char *err = NULL;

	json_object_set_new(row, "username", json_string(name));
	assert_int_equal(sysrow_put(&r->o.data, SYS_USER, row, &err), 200);
	json_decref(row);
}

/* The cluster user's password, which this node's key seals, is in no row and in no log. */
static void
test_sealed_stays(void **state)
{
	struct openrep *r = *state;
	json_t *row;
	char *err = NULL;

	met(r);
	put_user(r, "clara", json_pack("{s:s, s:s}", "password", hash, "sealed", "in-a-box"));
	assert_int_equal(changes, 1);
	row = sysrow_get(&r->o.data, SYS_USER, "clara");
	assert_string_equal(json_string_value(json_object_get(row, "sealed")), "in-a-box");
	json_decref(row);
	assert_true(is_logged(r, hash, is_anything, NULL));
	assert_false(is_logged(r, "in-a-box", is_anything, NULL));
	row = sysrow_all(&r->o.data, SYS_USER);
	assert_null(json_object_get(json_array_get(row, 0), "sealed"));
	json_decref(row);
	/* What says nothing of it leaves it; it goes with its user, whoever is made of that name. */
	put_user(r, "clara", json_pack("{s:b}", "active", 1));
	row = sysrow_get(&r->o.data, SYS_USER, "clara");
	assert_non_null(json_object_get(row, "sealed"));
	json_decref(row);
	assert_int_equal(sysrow_remove(&r->o.data, SYS_USER, "clara", &err), 200);
	put_user(r, "clara", json_pack("{s:b}", "active", 1));
	row = sysrow_get(&r->o.data, SYS_USER, "clara");
	assert_null(json_object_get(row, "sealed"));
	json_decref(row);
}

static void
assert_password(struct openrep *r, const char *name, const char *text)
{
	json_t *row = sysrow_get(&r->o.data, SYS_USER, name);

	assert_string_equal(json_string_value(json_object_get(row, "password")), text);
	json_decref(row);
}

/* Who is made at the first start gives way to whatever the cluster has, also from before. */
static void
test_first_yields(void **state)
{
	struct openrep *r = *state;
	json_t *row = json_pack("{s:s, s:s}", "username", "admin", "password", "mine");
	char *err = NULL;

	met(r);
	assert_int_equal(sysrow_first(&r->o.data, SYS_USER, row, &err), 200);
	assert_password(r, "admin", "mine");
	bring(r, 0, 1, json_pack("[o]", good_user("admin")));
	assert_password(r, "admin", hash);
	/* What is gone comes as of now. */
	assert_int_equal(sysrow_remove(&r->o.data, SYS_USER, "admin", &err), 200);
	assert_int_equal(sysrow_first(&r->o.data, SYS_USER, row, &err), 200);
	assert_password(r, "admin", "mine");
	json_decref(row);
	/* Of two such the earlier. */
	assert_true(stamp_cmp(stamp_first(MS, 1), stamp_first(MS + 100, 2)) > 0);
	assert_true(stamp_first(MS, 1).time < (uint64_t)MS << 16);
	assert_true(stamp_first(UINT64_MAX, 1).time == 0);
}

/* ---- with whom ---- */

static void
test_both_name_it(void **state)
{
	struct openrep *r = *state;

	meet_boston(r, "[\"*\", \"system\"]", 1);
	assert_false(flows(r, "hdb_user")); /* "*" is all but system */
	assert_false(has_cursor(r, SYS_USER));
	name_system(r);
	assert_true(flows(r, "hdb_user") && flows(r, "hdb_role"));
	assert_false(flows(r, "hdb_nodes") || flows(r, "hdb_job"));
	meet_boston(r, "[\"*\"]", 1);
	assert_false(flows(r, "hdb_user"));
	assert_false(has_cursor(r, SYS_USER));
	meet_boston(r, "[\"system\"]", 1);
	assert_true(flows(r, "hdb_user"));
	assert_true(has_cursor(r, SYS_USER) && has_cursor(r, SYS_ROLE));
	assert_false(has_cursor(r, SYS_NODES));
}

/* ... and over TLS: else it is said, and what went on ends. */
static void
test_over_tls(void **state)
{
	struct openrep *r = *state;
	struct peer *p;

	name_system(r);
	meet_boston(r, "[\"*\", \"system\"]", 0);
	assert_false(flows(r, "hdb_user"));
	assert_false(has_cursor(r, SYS_USER));
	p = nodes_by_id(r->rep.nodes, boston);
	assert_true(peer_lacks_tls(p));
	peer_free(p);
	meet_boston(r, "[\"*\", \"system\"]", 1);
	assert_true(has_cursor(r, SYS_USER));
	p = nodes_by_id(r->rep.nodes, boston);
	assert_false(peer_lacks_tls(p));
	peer_free(p);
}

static uint16_t
pulled(struct openrep *r, const uint8_t *who, const char *table)
{
	struct catchup_question q = { .kind = CATCHUP_ROWS,
		.database = "system",
		.dblen = 6,
		.name = table,
		.nlen = strlen(table),
		.max = 1 << 20 };
	struct catchup_answer a;
	struct buf question = { 0 }, answer = { 0 };

	memcpy(q.asker, boston, NODE_ID_LEN);
	catchup_question_write(&question, &q);
	catchup_serve(&r->rep, who, question.data, question.len, &answer);
	assert_int_equal(catchup_answer_read(&a, q.kind, answer.data, answer.len), 0);
	buf_free(&question);
	buf_free(&answer);
	return (a.status);
}

/* NATS vouches for nobody: users neither leave nor come by it. */
static void
test_not_over_nats(void **state)
{
	struct openrep *r = *state;

	met(r);
	put_user(r, "own", json_pack("{s:s}", "password", hash));
	assert_true(is_logged(r, "hdb_user", is_anything, NULL));
	assert_false(is_logged(r, "hdb_user", outlet_wants, cluster_outlet(r->rep.cluster)));
	assert_int_equal(pulled(r, boston, "hdb_user"), 200);
	assert_int_equal(pulled(r, boston, "hdb_nodes"), 403);
	assert_int_equal(pulled(r, austin, "hdb_user"), 403);
	assert_int_equal(pulled(r, NULL, "hdb_user"), 403);
	bring(r, 7, 1, json_pack("[o]", good_user("ann")));
	assert_false(is_there(r, "ann"));
	bring(r, 0, 1, json_pack("[o]", good_user("ann")));
	assert_true(is_there(r, "ann"));
}

/* ---- what comes ---- */

static json_t *
with(const char *name, json_t *value)
{
	json_t *user = good_user("bad");

	json_object_set_new(json_array_get(user, 1), name, value);
	return (user);
}

/* Each with a good one after it, which is not lost. */
static void
test_bad_rows(void **state)
{
	struct openrep *r = *state;
	char *big = xmalloc(301), name[16], weak[200];
	json_t *bad[12];
	size_t n = 0;

	met(r);
	memset(big, 'x', 300);
	big[300] = '\0';
	snprintf(weak, sizeof(weak), "scrypt$1048576$32$16%s", strrchr(hash, '$') - 25);
	bad[n++] = with("password", json_string("md5$1$2"));
	bad[n++] = with("password", json_string(weak));
	bad[n++] = with("password", json_null());
	bad[n++] = with("role", json_integer(7));
	bad[n++] = with("role", json_pack("[s, n]", "dev"));
	bad[n++] = with("role", json_string(big));
	bad[n++] = with("active", json_string("yes"));
	bad[n++] = with("sealed", json_string("x"));
	for (size_t i = 0; i < 3; i++) {
		bad[n] = good_user("bad");
		json_array_set_new(bad[n++], 0,
		    json_string(i == 0 ? big :
			    i == 1     ? "a:b" :
					 "a\nb"));
	}
	for (size_t i = 0; i < n; i++) {
		json_t *key = json_incref(json_array_get(bad[i], 0));

		snprintf(name, sizeof(name), "good%zu", i);
		bring(r, 0, i + 1, json_pack("[o, o]", bad[i], good_user(name)));
		assert_false(is_there(r, json_string_value(key)));
		assert_true(is_there(r, name));
		json_decref(key);
	}
	free(big);
}

/* What one node changes of a user may come before the user itself: then that is nobody yet. */
static void
test_part_of_a_user(void **state)
{
	struct openrep *r = *state;
	struct user *u;

	met(r);
	bring(r, 0, 1, json_pack("[[s, {s:s, s:s}]]", "ann", "password", hash, "role", "dev"));
	u = user_load(&r->o.data, "ann");
	assert_false(u->active);
	user_unref(u);
}

/* It counts at once, as what a call writes does; and what went with it goes. */
static void
test_users_come(void **state)
{
	struct openrep *r = *state;
	struct user *u;
	char *err = NULL;
	json_t *row;

	met(r);
	bring(r, 0, 1, json_pack("[o]", good_user("ann")));
	assert_int_equal(changes, 1);
	/* A role that has not come yet, or never will: it may nothing. */
	u = user_load(&r->o.data, "ann");
	assert_int_equal(u->nroles, 0);
	user_unref(u);
	row = json_pack("{s:s, s:s, s:{s:b}}", "id", "dev", "role", "dev", "permission",
	    "super_user", 1);
	assert_int_equal(sysrow_insert(&r->o.data, SYS_ROLE, row, &err), 200);
	json_decref(row);
	assert_int_equal(changes, 2);
	u = user_load(&r->o.data, "ann");
	assert_true(u->super_user);
	user_unref(u);
	/* The same again is no change. */
	bring(r, 0, 1, json_pack("[o]", good_user("ann")));
	assert_int_equal(changes, 2);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, openrep_end)

static int
begin(void **state)
{
	hash = crypto_hash_password("secret");
	return (make_folder(state));
}

static int
end(void **state)
{
	free(hash);
	return (remove_folder(state));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_sealed_stays),
		TEST(test_first_yields),
		TEST(test_both_name_it),
		TEST(test_over_tls),
		TEST(test_not_over_nats),
		TEST(test_bad_rows),
		TEST(test_part_of_a_user),
		TEST(test_users_come),
	};

	log_init("test", LOG_ERROR);
	return (cmocka_run_group_tests(tests, begin, end));
}
