#include "config.h"

#include "auth.h"

#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <uthash.h>

#include "clock.h"
#include "log.h"
#include "mem.h"
#include "op.h"
#include "ops.h"
#include "sysrow.h"
#include "worker.h"

/*
 * A password takes tens of milliseconds to check, so one thread does that, and
 * what it verified is remembered by a salted hash of the header.
 */
#define CACHE_MAX	10000
#define WAITING_MAX	512
#define HEADER_MAX	4096

struct verified {
	uint8_t		 id[32];
	struct user	*user;
	uint64_t	 until_us;
	UT_hash_handle	 hh;
};

struct auth {
	struct ops	*ops;
	struct workers	*worker;
	pthread_mutex_t	 lock;		/* all below */
	struct verified	*cache;
	uint64_t	 generation;	/* of users and roles */
	uint64_t	 failed_us;	/* when a failure was logged last */
	unsigned	 failed;	/* not logged since */
	uint8_t		 salt[32];
	char		*nobody;	/* a hash to check when there is no such user */
};

struct check {
	struct auth	*auth;
	uint8_t		 id[32];
	char		*header, *from;
	void		(*done)(struct user *u, int status, const char *error, void *arg);
	void		*arg;
};

/* ---- users ---- */

struct user *
user_ref(struct user *u)
{
	u->refs++;
	return (u);
}

void
user_unref(struct user *u)
{
	if (u == NULL || --u->refs > 0)
		return;
	free(u->name);
	free(u->role);
	free(u->role_id);
	json_decref(u->permission);
	free(u);
}

struct user *
auth_local_user(void)
{
	struct user *u = xcalloc(1, sizeof(*u));

	u->refs = 1;
	u->name = xstrdup("hubleaf");
	u->role = xstrdup("super_user");
	u->role_id = xstrdup("super_user");
	u->permission = json_pack("{s:b}", "super_user", 1);
	u->super_user = 1;
	u->active = 1;
	return (u);
}

static struct user *
user_from_row(struct ops *ops, const json_t *row)
{
	const char *role_id = json_string_value(json_object_get(row, "role"));
	json_t *role = role_id != NULL ? sysrow_get(ops, SYS_ROLE, role_id) : NULL;
	struct user *u = xcalloc(1, sizeof(*u));

	u->refs = 1;
	u->name = xstrdup(json_string_value(json_object_get(row, "username")));
	u->active = !json_is_false(json_object_get(row, "active"));
	u->role_id = xstrdup(role_id);
	u->role = xstrdup(json_string_value(json_object_get(role, "role")));
	u->permission = json_incref(json_object_get(role, "permission"));
	u->super_user = json_is_true(json_object_get(u->permission, "super_user"));
	u->cluster_user = json_is_true(json_object_get(u->permission, "cluster_user"));
	json_decref(role);
	return (u);
}

char *
auth_cluster_password(struct ops *ops, const char *username)
{
	json_t *row = sysrow_get(ops, SYS_USER, username);
	const char *sealed = json_string_value(json_object_get(row, "sealed"));
	struct user *u = row != NULL ? user_from_row(ops, row) : NULL;
	char *plain = NULL;

	if (u != NULL && u->cluster_user && u->active && sealed != NULL)
		plain = crypto_open(ops->key, sealed);
	user_unref(u);
	json_decref(row);
	return (plain);
}

int
auth_hidden_attribute(uint32_t table_id, const char *name)
{
	return (table_id == SYS_USER && (strcmp(name, "password") == 0 ||
	    strcmp(name, "sealed") == 0 || strcmp(name, "hash") == 0 ||
	    strcmp(name, "refresh_token") == 0));
}

/* ---- what was verified ---- */

static void
cache_drop(struct auth *a, struct verified *v)
{
	HASH_DEL(a->cache, v);
	user_unref(v->user);
	free(v);
}

static void
cache_clear(struct auth *a)
{
	struct verified *v, *tmp;

	HASH_ITER(hh, a->cache, v, tmp)
		cache_drop(a, v);
}

static struct user *
cache_find(struct auth *a, const uint8_t id[32])
{
	struct verified *v;
	struct user *u = NULL;

	pthread_mutex_lock(&a->lock);
	HASH_FIND(hh, a->cache, id, 32, v);
	if (v != NULL && v->until_us > mono_us())
		u = user_ref(v->user);
	else if (v != NULL)
		cache_drop(a, v);
	pthread_mutex_unlock(&a->lock);
	return (u);
}

static uint64_t
cache_ttl_us(struct ops *ops)
{
	uint64_t ms;

	pthread_rwlock_rdlock(&ops->conf_lock);
	ms = (uint64_t)conf_int(ops->svc->conf, AUTH_CACHE_TTL);
	pthread_rwlock_unlock(&ops->conf_lock);
	return (ms * 1000);
}

/* Unless users or roles changed since `generation`. */
static void
cache_add(struct auth *a, const uint8_t id[32], struct user *u, uint64_t generation)
{
	struct verified *v = xcalloc(1, sizeof(*v)), *old;

	memcpy(v->id, id, sizeof(v->id));
	v->user = user_ref(u);
	v->until_us = mono_us() + cache_ttl_us(a->ops);
	pthread_mutex_lock(&a->lock);
	if (HASH_COUNT(a->cache) >= CACHE_MAX)
		cache_clear(a);
	HASH_FIND(hh, a->cache, id, 32, old);
	if (old != NULL)
		cache_drop(a, old);
	if (generation == a->generation) {
		HASH_ADD(hh, a->cache, id, sizeof(v->id), v);
		v = NULL;
	}
	pthread_mutex_unlock(&a->lock);
	if (v != NULL)
		user_unref(v->user);
	free(v);
}

static uint64_t
generation(struct auth *a)
{
	uint64_t g;

	pthread_mutex_lock(&a->lock);
	g = a->generation;
	pthread_mutex_unlock(&a->lock);
	return (g);
}

void
auth_changed(struct auth *a)
{
	pthread_mutex_lock(&a->lock);
	a->generation++;
	cache_clear(a);
	pthread_mutex_unlock(&a->lock);
}

/* ---- checking ---- */

static int
base64_value(char c)
{
	static const char alphabet[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *p = c != '\0' ? strchr(alphabet, c) : NULL;

	return (p != NULL ? (int)(p - alphabet) : -1);
}

/* As a C string, or NULL. */
static char *
base64_text(const char *s)
{
	char *out = xmalloc(strlen(s) + 1);
	size_t n = 0;
	uint32_t bits = 0;
	int have = 0, v;

	for (; (v = base64_value(*s)) != -1; s++) {
		bits = bits << 6 | (uint32_t)v;
		if ((have += 6) >= 8)
			out[n++] = (char)(bits >> (have -= 8));
	}
	out[n] = '\0';
	s += strspn(s, "= \t");
	if (*s == '\0' && strlen(out) == n)
		return (out);
	free(out);
	return (NULL);
}

static void
log_failure(struct auth *a, const char *user, const char *from)
{
	uint64_t now = mono_us();
	unsigned more = 0;
	char shown[65];
	size_t i;
	int say;

	for (i = 0; i < sizeof(shown) - 1 && user[i] != '\0'; i++)
		shown[i] = isprint((unsigned char)user[i]) ? user[i] : '?';
	shown[i] = '\0';
	pthread_mutex_lock(&a->lock);
	say = a->failed_us == 0 || now - a->failed_us > 1000000;
	if (say) {
		more = a->failed;
		a->failed = 0;
		a->failed_us = now;
	} else
		a->failed++;
	pthread_mutex_unlock(&a->lock);
	if (say && more > 0)
		log_warnx("auth: %u more failed logins", more);
	if (say)
		log_warnx("auth: failed login as '%s' from %s", shown, from);
}

/* The user with that password, or NULL. */
static struct user *
verify(struct auth *a, const char *name, const char *password)
{
	json_t *row = sysrow_get(a->ops, SYS_USER, name);
	const char *hashed = json_string_value(json_object_get(row, "password"));
	struct user *u = NULL;

	/* As long for a user who is not there. */
	if (crypto_check_password(password, hashed != NULL ? hashed : a->nobody) && hashed != NULL)
		u = user_from_row(a->ops, row);
	json_decref(row);
	return (u);
}

/* Answers with the user, or with what is wrong with it. */
static void
conclude(struct check *c, struct user *u)
{
	char *text;

	if (u->active && u->permission != NULL) {
		c->done(u, 200, NULL, c->arg);
		return;
	}
	if (!u->active)
		c->done(NULL, 401, "Cannot complete request: User is inactive", c->arg);
	else {
		text = xasprintf("User %s has no role or permissions.  Please assign the user a "
		    "valid role.", u->name);
		c->done(NULL, 403, text, c->arg);
		free(text);
	}
	user_unref(u);
}

static void
check_basic(struct check *c, const char *encoded)
{
	char *text = base64_text(encoded);
	char *password = text != NULL ? strchr(text, ':') : NULL;
	uint64_t gen = generation(c->auth);
	struct user *u = NULL;

	if (password != NULL) {
		*password++ = '\0';
		u = verify(c->auth, text, password);
	}
	if (u != NULL) {
		cache_add(c->auth, c->id, u, gen);
		conclude(c, u);
	} else {
		log_failure(c->auth, password != NULL ? text : "", c->from);
		c->done(NULL, 401, "Login failed", c->arg);
	}
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	free(text);
}

static void
check_work(void *arg)
{
	struct check *c = arg;
	struct user *u = cache_find(c->auth, c->id);

	/* Others with the same header may have waited before this one. */
	if (u != NULL)
		conclude(c, u);
	else
		check_basic(c, c->header + strlen("Basic "));
	explicit_bzero(c->header, strlen(c->header));
	free(c->header);
	free(c->from);
	free(c);
}

static void
header_id(struct auth *a, const char *header, uint8_t id[32])
{
	uint8_t text[sizeof(a->salt) + HEADER_MAX];
	size_t n = strlen(header);

	memcpy(text, a->salt, sizeof(a->salt));
	memcpy(text + sizeof(a->salt), header, n);
	crypto_sha256(text, sizeof(a->salt) + n, id);
}

void
auth_check(struct auth *a, const struct credentials *c,
    void (*done)(struct user *u, int status, const char *error, void *arg), void *arg)
{
	struct check now = { .auth = a, .done = done, .arg = arg }, *later;
	const char *header = c->authorization;
	struct user *u;

	if (header == NULL) {
		done(NULL, 401, NULL, arg);
		return;
	}
	if (strncasecmp(header, "Bearer ", 7) == 0) {
		done(NULL, 401, "invalid token", arg);
		return;
	}
	if (strncasecmp(header, "Basic ", 6) != 0 || strlen(header) > HEADER_MAX) {
		done(NULL, 401, "Must login", arg);
		return;
	}
	header_id(a, header, now.id);
	if ((u = cache_find(a, now.id)) != NULL) {
		conclude(&now, u);
		return;
	}
	later = xmemdup(&now, sizeof(now));
	later->header = xstrdup(header);
	later->from = xstrdup(c->from);
	if (workers_try(a->worker, WAITING_MAX, check_work, later) == 0)
		return;
	free(later->header);
	free(later->from);
	free(later);
	done(NULL, 503, "Too many logins are waiting to be checked, please try again later", arg);
}

/* ---- rights ---- */

int
auth_can(const struct user *u, const struct table *t, unsigned rights)
{
	static const char *const names[] = { "read", "insert", "update", "delete" };
	const json_t *tables, *rules;

	if (u->super_user)
		return (1);
	if (u->cluster_user || t->id < TABLE_USER_FIRST)
		return (0);
	tables = json_object_get(json_object_get(u->permission, t->database), "tables");
	rules = json_object_get(tables, t->name);
	for (unsigned i = 0; i < 4; i++)
		if ((rights & 1u << i) && !json_is_true(json_object_get(rules, names[i])))
			return (0);
	return (1);
}

int
auth_can_read(const struct user *u, const struct table *t)
{
	return (auth_can(u, t, AUTH_READ));
}

static void
reply_unauthorized(struct request *r, json_t *unauthorized, json_t *invalid)
{
	reply_json(r, 403, json_pack("{s:s, s:o, s:o}", "error", "This operation is not authorized "
	    "due to role restrictions and/or invalid database items", "unauthorized_access",
	    unauthorized, "invalid_schema_items", invalid));
}

void
auth_reply_super(struct request *r)
{
	char *text = xasprintf("Operation '%s' is restricted to 'super_user' roles",
	    r->op->internal);

	reply_unauthorized(r, json_pack("[s]", text), json_array());
	free(text);
}

static void
reply_table(struct request *r, const struct table *t, unsigned rights)
{
	static const char *const names[] = { "read", "insert", "update", "delete" };
	json_t *missing = json_array();
	char *text;

	/* Who may not even read is not told that the table exists. */
	if (!auth_can_read(r->user, t)) {
		text = xasprintf("Table '%s.%s' does not exist", t->database, t->name);
		reply_unauthorized(r, json_array(), json_pack("[s]", text));
		free(text);
		json_decref(missing);
		return;
	}
	for (unsigned i = 0; i < 4; i++)
		if ((rights & 1u << i) && !auth_can(r->user, t, 1u << i))
			json_array_append_new(missing, json_string(names[i]));
	reply_unauthorized(r, json_pack("[{s:s, s:s, s:o, s:[]}]", "schema", t->database, "table",
	    t->name, "required_table_permissions", missing, "required_attribute_permissions"),
	    json_array());
}

int
auth_may_read(struct request *r, const struct table *t)
{
	if (auth_can_read(r->user, t))
		return (1);
	reply_table(r, t, AUTH_READ);
	return (0);
}

int
auth_may_write(struct request *r, const struct table *t, unsigned rights, const json_t *records)
{
	if (auth_can(r->user, t, rights))
		return (1);
	reply_table(r, t, rights);
	return (0);
}

/* structure_user: true, or a list of databases. */
int
auth_may_structure(struct request *r, const char *db)
{
	const json_t *may = json_object_get(r->user->permission, "structure_user"), *v;
	size_t i;

	if (r->user->super_user || json_is_true(may))
		return (1);
	json_array_foreach(may, i, v)
		if (json_is_string(v) && strcmp(json_string_value(v), db) == 0)
			return (1);
	auth_reply_super(r);
	return (0);
}

/* ---- life ---- */

/* From the environment, else from systemd's credentials; the caller frees. */
static char *
given(const char *name, const char *file)
{
	const char *env = getenv(name), *dir = getenv("CREDENTIALS_DIRECTORY");
	char text[1024], *path;
	FILE *f;
	size_t n;

	if (env != NULL && env[0] != '\0')
		return (xstrdup(env));
	if (dir == NULL)
		return (NULL);
	path = xasprintf("%s/%s", dir, file);
	f = fopen(path, "re");
	free(path);
	if (f == NULL)
		return (NULL);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	text[strcspn(text, "\r\n")] = '\0';
	return (text[0] != '\0' ? xstrdup(text) : NULL);
}

/* The id of a role with this name, made when absent; the caller frees. NULL with *err. */
static char *
default_role(struct ops *ops, const char *name, char **err)
{
	json_t *roles = sysrow_all(ops, SYS_ROLE), *role;
	char uuid[37], *id = NULL;
	size_t i;

	json_array_foreach(roles, i, role)
		if (json_is_true(json_object_get(json_object_get(role, "permission"), name)))
			id = id != NULL ? id : xstrdup(json_string_value(json_object_get(role, "id")));
	json_decref(roles);
	if (id != NULL)
		return (id);
	crypto_uuid(uuid);
	role = json_pack("{s:s, s:s, s:{s:b}}", "id", uuid, "role", name, "permission", name, 1);
	if (sysrow_put(ops, SYS_ROLE, role, err) == 200)
		id = xstrdup(uuid);
	json_decref(role);
	return (id);
}

static int
has_super_user(struct ops *ops)
{
	json_t *users = sysrow_all(ops, SYS_USER), *row;
	int found = 0;
	size_t i;

	json_array_foreach(users, i, row) {
		struct user *u = user_from_row(ops, row);

		found |= u->super_user;
		user_unref(u);
	}
	json_decref(users);
	return (found);
}

json_t *
auth_user_row(struct ops *ops, const char *name, const char *password, const char *role_id,
    int cluster_user)
{
	char *hashed = password != NULL ? crypto_hash_password(password) : NULL;
	char *sealed = password != NULL && cluster_user ? crypto_seal(ops->key, password) : NULL;
	json_t *row = json_pack("{s:s}", "username", name);

	if (role_id != NULL)
		json_object_set_new(row, "role", json_string(role_id));
	if (hashed != NULL) {
		json_object_set_new(row, "password", json_string(hashed));
		json_object_set_new(row, "sealed", sealed != NULL ? json_string(sealed) : json_null());
	}
	free(hashed);
	free(sealed);
	return (row);
}

static int
put_user(struct ops *ops, const char *name, const char *password, const char *role_id,
    int cluster_user, char **err)
{
	json_t *row = auth_user_row(ops, name, password, role_id, cluster_user);
	int status;

	json_object_set_new(row, "active", json_true());
	status = sysrow_put(ops, SYS_USER, row, err);
	json_decref(row);
	return (status == 200 ? 0 : -1);
}

static int
make_admin(struct ops *ops, const char *role_id, char **err)
{
	char *name = given("HDB_ADMIN_USERNAME", "hdb_admin_username");
	char *password = given("HDB_ADMIN_PASSWORD", "hdb_admin_password");
	int rc = 0;

	if (!has_super_user(ops)) {
		if (name != NULL && password != NULL) {
			rc = put_user(ops, name, password, role_id, 0, err);
			log_info("auth: user '%s' was made, a super_user", name);
		} else
			log_info("auth: there is no administrator: the API can be used over the "
			    "domain socket only (HDB_ADMIN_USERNAME and HDB_ADMIN_PASSWORD make one)");
	}
	if (password != NULL)
		explicit_bzero(password, strlen(password));
	free(name);
	free(password);
	return (rc);
}

/* Made when absent; the password is changed when another one is given. */
static int
make_cluster_user(struct ops *ops, const char *role_id, char **err)
{
	char *name = given("CLUSTERING_USER", "clustering_user"), *was;
	char *password = given("CLUSTERING_PASSWORD", "clustering_password");
	json_t *row;
	int rc = 0;

	if (name == NULL)
		name = xstrdup(conf_str(ops->svc->conf, CL_USER));
	if (name != NULL && password != NULL) {
		row = sysrow_get(ops, SYS_USER, name);
		was = auth_cluster_password(ops, name);
		if (row == NULL || (was != NULL && strcmp(was, password) != 0)) {
			rc = put_user(ops, name, password, row == NULL ? role_id : NULL, 1, err);
			log_info("auth: user '%s', a cluster_user, %s", name,
			    row == NULL ? "was made" : "has a new password");
		} else if (was == NULL)
			log_warnx("auth: user '%s' is no active cluster_user: CLUSTERING_PASSWORD "
			    "is ignored", name);
		free(was);
		json_decref(row);
	}
	if (password != NULL)
		explicit_bzero(password, strlen(password));
	free(name);
	free(password);
	return (rc);
}

static int
make_defaults(struct ops *ops, char **err)
{
	char *super = default_role(ops, "super_user", err);
	char *cluster = super != NULL ? default_role(ops, "cluster_user", err) : NULL;
	int rc = -1;

	if (cluster != NULL && make_admin(ops, super, err) == 0)
		rc = make_cluster_user(ops, cluster, err);
	free(super);
	free(cluster);
	return (rc);
}

struct auth *
auth_start(struct ops *ops, char **err)
{
	struct auth *a = xcalloc(1, sizeof(*a));

	a->ops = ops;
	pthread_mutex_init(&a->lock, NULL);
	crypto_random(a->salt, sizeof(a->salt));
	a->nobody = crypto_hash_password("");
	if (make_defaults(ops, err) == 0 && (a->worker = workers_start(1, err)) != NULL)
		return (a);
	auth_stop(a);
	return (NULL);
}

void
auth_stop(struct auth *a)
{
	if (a == NULL)
		return;
	workers_stop(a->worker);
	cache_clear(a);
	pthread_mutex_destroy(&a->lock);
	free(a->nobody);
	free(a);
}
