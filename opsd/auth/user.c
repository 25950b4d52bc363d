#include "config.h"

#include "opsd/auth/user.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/tls/crypto.h"
#include "opsd/auth/permission.h"
#include "opsd/store/data.h"
#include "opsd/store/sysrow.h"

struct user *
user_ref(struct user *u)
{
	u->refs++;
	return (u);
}

static void
role_free(struct user_role *r)
{
	free(r->id);
	free(r->name);
	json_decref(r->permission);
	json_decref(r->attributes);
	json_decref(r->operations);
	free(r);
}

void
user_unref(struct user *u)
{
	if (u == NULL || --u->refs > 0)
		return;
	if (u->whole != NULL)
		user_unref(u->whole);
	else {
		for (size_t i = 0; i < u->nroles; i++)
			role_free(u->roles[i]);
		free(u->name);
	}
	free(u);
}

/* ---- roles ---- */

static json_t *
operations_of(const json_t *permission)
{
	const json_t *list = json_object_get(permission, "operations"), *e;
	json_t *names;
	size_t i;

	/* An object under that name is the permission of a database. */
	if (!json_is_array(list))
		return (NULL);
	names = json_object();
	json_array_foreach((json_t *)(uintptr_t)list, i, e)
		if (json_is_string(e))
			json_object_set_new(names, json_string_value(e), json_null());
	return (names);
}

/* A row of hdb_role as one of the user's roles. */
static void
add_role(struct user *u, const json_t *row)
{
	json_t *permission = json_object_get(row, "permission");
	struct user_role *r;

	if (!json_is_object(permission) || u->nroles == USER_ROLES_MAX)
		return;
	r = xcalloc(1, sizeof(*r));
	r->id = xstrdup(json_string_value(json_object_get(row, "id")));
	r->name = xstrdup(json_string_value(json_object_get(row, "role")));
	r->permission = json_incref(permission);
	r->attributes = permission_index(permission);
	r->operations = operations_of(permission);
	r->super_user = json_is_true(json_object_get(permission, "super_user"));
	r->cluster_user = json_is_true(json_object_get(permission, "cluster_user"));
	u->roles[u->nroles++] = r;
	u->super_user |= r->super_user;
	u->cluster_user |= r->cluster_user;
	u->limited |= r->operations != NULL;
}

struct user *
user_part(struct user *u)
{
	struct user *part = xcalloc(1, sizeof(*part));

	part->refs = 1;
	part->name = u->name;
	part->active = u->active;
	memcpy(part->mark, u->mark, sizeof(part->mark));
	part->whole = user_ref(u);
	return (part);
}

void
user_part_add(struct user *part, size_t role)
{
	struct user_role *r = part->whole->roles[role];

	part->roles[part->nroles++] = r;
	part->super_user |= r->super_user;
	part->cluster_user |= r->cluster_user;
}

int
user_is_super_without(const struct user *u, const char *role_id)
{
	for (size_t i = 0; i < u->nroles; i++)
		if (u->roles[i]->super_user && strcmp(u->roles[i]->id, role_id) != 0)
			return (1);
	return (0);
}

int
user_is_cluster_without(const struct user *u, const char *role_id)
{
	for (size_t i = 0; i < u->nroles; i++)
		if (u->roles[i]->cluster_user && strcmp(u->roles[i]->id, role_id) != 0)
			return (1);
	return (0);
}

json_t *
user_role_ids(const json_t *row)
{
	json_t *v = json_object_get(row, "role");

	if (json_is_array(v))
		return (json_incref(v));
	return (json_is_string(v) ? json_pack("[O]", v) : json_array());
}

/* ---- users ---- */

const char *
user_name_fault(const char *name)
{
	if (strchr(name, ':') != NULL)
		return ("must not contain a colon");
	for (const char *p = name; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return ("must not contain control characters");
	return (strlen(name) > USER_NAME_MAX ?
		"length must be less than or equal to 250 characters long" :
		NULL);
}

struct user *
user_local(void)
{
	struct user *u = xcalloc(1, sizeof(*u));
	json_t *row = json_pack("{s:s, s:s, s:{s:b}}", "id", "super_user", "role", "super_user",
	    "permission", "super_user", 1);

	u->refs = 1;
	u->name = xstrdup("hubleaf");
	u->active = 1;
	add_role(u, row);
	json_decref(row);
	return (u);
}

/* The hash has a salt of its own, so another password, or the same again, is another mark. */
static void
set_mark(struct user *u, const char *hashed)
{
	char *text = xasprintf("mark %s", hashed != NULL ? hashed : "");
	uint8_t sum[32];

	crypto_sha256(text, strlen(text), sum);
	memcpy(u->mark, sum, sizeof(u->mark));
	free(text);
}

struct user *
user_from_row(struct data *data, const json_t *row)
{
	json_t *ids = user_role_ids(row), *id, *role;
	struct user *u = xcalloc(1, sizeof(*u));
	size_t i;

	u->refs = 1;
	u->name = xstrdup(json_string_value(json_object_get(row, "username")));
	/* Who is made has this; without it, it is a part of one, of which the rest is to come. */
	u->active = json_is_true(json_object_get(row, "active"));
	set_mark(u, json_string_value(json_object_get(row, "password")));
	json_array_foreach(ids, i, id) {
		role = json_is_string(id) ? sysrow_get(data, SYS_ROLE, json_string_value(id)) :
					    NULL;
		add_role(u, role);
		json_decref(role);
	}
	json_decref(ids);
	return (u);
}

struct user *
user_load(struct data *data, const char *name)
{
	json_t *row = sysrow_get(data, SYS_USER, name);
	struct user *u = row != NULL ? user_from_row(data, row) : NULL;

	json_decref(row);
	return (u);
}

json_t *
user_row(struct data *data, const char *name, const char *password, const json_t *role_ids,
    int cluster_user)
{
	char *hashed = password != NULL ? crypto_hash_password(password) : NULL;
	char *sealed = password != NULL && cluster_user ? crypto_seal(data->key, password) : NULL;
	json_t *row = json_pack("{s:s}", "username", name);

	/* One role, as most users have, is stored as its id alone. */
	if (role_ids != NULL)
		json_object_set(row, "role",
		    json_array_size(role_ids) == 1 ? json_array_get(role_ids, 0) :
						     (json_t *)(uintptr_t)role_ids);
	if (hashed != NULL) {
		json_object_set_new(row, "password", json_string(hashed));
		json_object_set_new(row, "sealed",
		    sealed != NULL ? json_string(sealed) : json_null());
	}
	free(hashed);
	free(sealed);
	return (row);
}

static enum cluster_secret
open_secret(struct data *data, const json_t *row, char **password)
{
	const char *sealed = json_string_value(json_object_get(row, "sealed"));
	struct user *u = row != NULL ? user_from_row(data, row) : NULL;
	int may = u != NULL && u->cluster_user && u->active;

	user_unref(u);
	if (!may)
		return (SECRET_NO_USER);
	if (sealed == NULL)
		return (SECRET_NOT_KEPT);
	*password = crypto_open(data->key, sealed);
	return (*password != NULL ? SECRET_KNOWN : SECRET_SEALED);
}

enum cluster_secret
user_cluster_secret(struct data *data, const char *username, char **password)
{
	json_t *row = username != NULL ? sysrow_get(data, SYS_USER, username) : NULL;
	char *plain = NULL;
	enum cluster_secret secret = open_secret(data, row, &plain);

	json_decref(row);
	if (password != NULL)
		*password = plain;
	else
		mem_wipe(plain);
	return (secret);
}

int
user_hidden_attribute(uint32_t table_id, const char *name, size_t n)
{
	static const char *const hidden[] = { "password", "sealed", "hash", "refresh_token" };

	for (size_t i = 0; table_id == SYS_USER && i < sizeof(hidden) / sizeof(hidden[0]); i++)
		if (strlen(hidden[i]) == n && memcmp(hidden[i], name, n) == 0)
			return (1);
	return (0);
}
