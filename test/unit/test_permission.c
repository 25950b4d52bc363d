#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "common/base/log.h"
#include "opsd/auth/permission.h"
#include "opsd/auth/session.h"
#include "opsd/auth/token.h"
#include "opsd/auth/user.h"
#include "opsd/store/catalog.h"
#include "test/unit/folder.h"

/* Who somebody is, and what that user may: roles, sessions, tokens.  The linker gives us the clock. */

static _Atomic int ahead_s;

int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);

int
__wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	int rc = __real_clock_gettime(id, ts);

	if (id == CLOCK_REALTIME)
		ts->tv_sec += ahead_s;
	return (rc);
}

/* ---- rights ---- */

struct somebody {
	struct user u;
	struct user_role roles[2];
	struct table *t;
};

static void
give(struct somebody *s, const char *permission)
{
	struct user_role *r = &s->roles[s->u.nroles];

	r->permission = json_loads(permission, 0, NULL);
	assert_non_null(r->permission);
	r->attributes = permission_index(r->permission);
	s->u.roles[s->u.nroles++] = r;
}

static void
somebody(struct somebody *s, const char *first, const char *second)
{
	memset(s, 0, sizeof(*s));
	s->u.name = (char *)"jane";
	s->t = table_new("dev", "dog", "id");
	s->t->id = TABLE_USER_FIRST;
	give(s, first);
	if (second != NULL)
		give(s, second);
}

static void
leave(struct somebody *s)
{
	for (size_t i = 0; i < s->u.nroles; i++) {
		json_decref(s->roles[i].permission);
		json_decref(s->roles[i].attributes);
	}
	table_unref(s->t);
}

#define RULES(list) "{\"dev\":{\"tables\":{\"dog\":{" list "}}}}"

static void
test_table_rights(void **state)
{
	struct somebody s;

	somebody(&s, RULES("\"read\":true,\"insert\":true,\"update\":false"), NULL);
	assert_true(permission_table(&s.u, s.t, MAY_READ));
	assert_true(permission_table(&s.u, s.t, MAY_READ | MAY_INSERT));
	assert_false(permission_table(&s.u, s.t, MAY_READ | MAY_UPDATE));
	assert_false(permission_table(&s.u, s.t, MAY_DELETE));
	assert_true(permission_attribute(&s.u, s.t, "any", MAY_READ));
	assert_true(permission_sees(&s.u, s.t));
	/* System tables are for super users, and cluster users have no rows at all. */
	s.t->id = SYS_USER;
	assert_false(permission_table(&s.u, s.t, MAY_READ));
	s.t->id = TABLE_USER_FIRST;
	s.roles[0].cluster_user = 1;
	assert_false(permission_sees(&s.u, s.t));
	s.roles[0].cluster_user = 0;
	s.u.super_user = 1;
	assert_true(permission_table(&s.u, s.t, MAY_READ | MAY_INSERT | MAY_UPDATE | MAY_DELETE));
	leave(&s);
}

static void
test_attribute_rights(void **state)
{
	struct somebody s;

	somebody(&s,
	    RULES("\"read\":true,\"update\":true,\"attribute_permissions\":["
		  "{\"attribute_name\":\"a\",\"read\":true,\"update\":true},"
		  "{\"attribute_name\":\"b\",\"read\":true,\"insert\":true}]"),
	    NULL);
	assert_true(permission_listed(&s.u, s.t));
	assert_true(permission_attribute(&s.u, s.t, "a", MAY_READ | MAY_UPDATE));
	assert_true(permission_attribute(&s.u, s.t, "b", MAY_READ));
	assert_false(permission_attribute(&s.u, s.t, "b", MAY_UPDATE));
	/* Not to the table, so not to it. */
	assert_false(permission_attribute(&s.u, s.t, "b", MAY_INSERT));
	assert_false(permission_sees_attribute(&s.u, s.t, "c"));
	assert_true(permission_attribute(&s.u, s.t, "id", MAY_READ | MAY_UPDATE));
	assert_true(permission_attribute(&s.u, s.t, "__createdtime__", MAY_READ));
	assert_false(permission_attribute(&s.u, s.t, "__createdtime__", MAY_UPDATE));
	leave(&s);
}

/* A right to the table of one role and to the attribute of another are no right together. */
static void
test_two_roles(void **state)
{
	struct somebody s;

	somebody(&s,
	    RULES("\"update\":true,\"attribute_permissions\":["
		  "{\"attribute_name\":\"a\",\"read\":true,\"update\":true}]"),
	    RULES("\"read\":true,"
		  "\"attribute_permissions\":[{\"attribute_name\":\"b\",\"read\":true}]"));
	assert_true(permission_table(&s.u, s.t, MAY_READ | MAY_UPDATE));
	assert_true(permission_attribute(&s.u, s.t, "a", MAY_UPDATE));
	assert_false(permission_attribute(&s.u, s.t, "a", MAY_READ));
	assert_true(permission_attribute(&s.u, s.t, "b", MAY_READ));
	assert_false(permission_attribute(&s.u, s.t, "b", MAY_UPDATE));
	leave(&s);
}

static void
test_refusals(void **state)
{
	struct somebody s;
	json_t *names = json_pack("{s:n, s:n}", "a", "secret"), *no;

	somebody(&s,
	    RULES("\"read\":true,\"attribute_permissions\":["
		  "{\"attribute_name\":\"a\",\"read\":true}]"),
	    NULL);
	no = permission_refusal(&s.u, s.t, MAY_READ, names);
	assert_non_null(no);
	assert_int_equal(json_array_size(json_object_get(no, "invalid_schema_items")), 1);
	assert_int_equal(json_array_size(json_object_get(no, "unauthorized_access")), 0);
	json_decref(no);
	json_object_del(names, "secret");
	assert_null(permission_refusal(&s.u, s.t, MAY_READ, names));
	no = permission_refusal(&s.u, s.t, MAY_DELETE, NULL);
	assert_int_equal(json_array_size(json_object_get(no, "unauthorized_access")), 1);
	json_decref(no);
	json_decref(names);
	assert_false(permission_structure(&s.u, "dev"));
	leave(&s);
	somebody(&s, "{\"structure_user\":[\"dev\"]}", NULL);
	assert_true(permission_structure(&s.u, "dev"));
	assert_false(permission_structure(&s.u, "other"));
	assert_false(permission_metrics(&s.u));
	leave(&s);
}

/* ---- sessions ---- */

static void
test_sessions(void **state)
{
	struct sessions *s = sessions_new(2);
	struct user u = { .name = (char *)"jane", .mark = "the-mark-of-jane" };
	const uint8_t *mark;
	char id[3][37], found[37], *cookie;

	session_add(s, &u, 1000, id[0]);
	session_add(s, &u, 2000, id[1]);
	assert_string_not_equal(id[0], id[1]);
	assert_string_equal(session_find(s, id[0], 3000, &mark), "jane");
	assert_memory_equal(mark, u.mark, sizeof(u.mark));
	/* The one unused longest makes room. */
	session_add(s, &u, 4000, id[2]);
	assert_null(session_find(s, id[1], 5000, &mark));
	assert_non_null(session_find(s, id[0], 5000, &mark));
	session_end(s, id[0]);
	assert_null(session_find(s, id[0], 5000, &mark));
	assert_non_null(session_find(s, id[2], 4000 + SESSION_IDLE_US, &mark));
	assert_null(session_find(s, id[2], 4001 + 2 * SESSION_IDLE_US, &mark));
	assert_null(session_find(s, id[2], 5000, &mark));
	cookie = xasprintf("x-hdb-session=%s; hdb-session=%s", id[0], id[1]);
	assert_true(session_from_cookie(cookie, "hdb-session", found));
	assert_string_equal(found, id[1]);
	assert_false(session_from_cookie(cookie, "session", found));
	free(cookie);
	sessions_free(s);
}

/* ---- tokens ---- */

static enum token_fault
fault_of(struct tokens *t, const char *text, enum token_kind kind)
{
	json_t *claims = NULL;
	enum token_fault fault = token_read(t, text, kind, &claims);

	if (fault == TOKEN_GOOD)
		json_decref(claims);
	return (fault);
}

static void
test_tokens(void **state)
{
	struct user u = { .name = (char *)"jane", .mark = "the-mark-of-jane" }, other = u;
	char *dir = in_folder(""), *err = NULL, *text, *changed, *at;
	struct tokens *t = tokens_new(dir);
	json_t *claims = NULL;

	text = token_make(t, &u, TOKEN_OPERATION, 60000, &err);
	assert_non_null(text);
	assert_int_equal(token_read(t, text, TOKEN_OPERATION, &claims), TOKEN_GOOD);
	assert_true(token_is_of(claims, &u));
	other.mark[3] ^= 1; /* another password */
	assert_false(token_is_of(claims, &other));
	other = u;
	other.name = (char *)"joan";
	assert_false(token_is_of(claims, &other));
	json_decref(claims);
	assert_int_equal(fault_of(t, text, TOKEN_REFRESH), TOKEN_INVALID);
	changed = xstrdup(text);
	*(strchr(changed, '.') + 8) ^= 1;
	assert_int_equal(fault_of(t, changed, TOKEN_OPERATION), TOKEN_INVALID);
	free(changed);
	/* Another signature. */
	changed = xstrdup(text);
	at = strrchr(changed, '.') + 8;
	*at = *at == 'A' ? 'B' : 'A';
	assert_int_equal(fault_of(t, changed, TOKEN_OPERATION), TOKEN_INVALID);
	changed[strcspn(changed, ".")] = 'x';
	assert_int_equal(fault_of(t, changed, TOKEN_OPERATION), TOKEN_INVALID);
	ahead_s = 50;
	assert_int_equal(fault_of(t, text, TOKEN_OPERATION), TOKEN_GOOD);
	ahead_s = 61;
	assert_int_equal(fault_of(t, text, TOKEN_OPERATION), TOKEN_EXPIRED);
	ahead_s = 0;
	tokens_free(t);
	/* The same keys after a restart. */
	t = tokens_new(dir);
	assert_int_equal(fault_of(t, text, TOKEN_OPERATION), TOKEN_GOOD);
	tokens_free(t);
	free(changed);
	free(text);
	free(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table_rights),
		cmocka_unit_test(test_attribute_rights),
		cmocka_unit_test(test_two_roles),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_sessions),
		cmocka_unit_test(test_tokens),
	};

	log_init("test", LOG_ERROR);
	return (cmocka_run_group_tests(tests, make_folder, remove_folder));
}
