#include "config.h"

#include "user.h"

#include <stdlib.h>
#include <string.h>

#include "crypto.h"
#include "mem.h"
#include "ops.h"
#include "right.h"
#include "sysrow.h"

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
	json_decref(u->attributes);
	free(u);
}

struct user *
user_local(void)
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

static void
set_role(struct user *u, const json_t *role)
{
	json_t *permission = json_object_get(role, "permission");

	u->role = xstrdup(json_string_value(json_object_get(role, "role")));
	if (!json_is_object(permission))
		return;
	u->permission = json_incref(permission);
	u->super_user = json_is_true(json_object_get(permission, "super_user"));
	u->cluster_user = json_is_true(json_object_get(permission, "cluster_user"));
	u->attributes = right_index(permission);
}

struct user *
user_from_row(struct ops *ops, const json_t *row)
{
	const char *role_id = json_string_value(json_object_get(row, "role"));
	json_t *role = role_id != NULL ? sysrow_get(ops, SYS_ROLE, role_id) : NULL;
	struct user *u = xcalloc(1, sizeof(*u));

	u->refs = 1;
	u->name = xstrdup(json_string_value(json_object_get(row, "username")));
	u->active = !json_is_false(json_object_get(row, "active"));
	u->role_id = xstrdup(role_id);
	set_role(u, role);
	set_mark(u, json_string_value(json_object_get(row, "password")));
	json_decref(role);
	return (u);
}

struct user *
user_load(struct ops *ops, const char *name)
{
	json_t *row = sysrow_get(ops, SYS_USER, name);
	struct user *u = row != NULL ? user_from_row(ops, row) : NULL;

	json_decref(row);
	return (u);
}

json_t *
user_row(struct ops *ops, const char *name, const char *password, const char *role_id,
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
		json_object_set_new(row, "refresh_token", json_null());
	}
	free(hashed);
	free(sealed);
	return (row);
}

static enum cluster_secret
open_secret(struct ops *ops, const json_t *row, char **password)
{
	const char *sealed = json_string_value(json_object_get(row, "sealed"));
	struct user *u = row != NULL ? user_from_row(ops, row) : NULL;
	int may = u != NULL && u->cluster_user && u->active;

	user_unref(u);
	if (!may)
		return (SECRET_NO_USER);
	if (sealed == NULL)
		return (SECRET_NOT_KEPT);
	*password = crypto_open(ops->key, sealed);
	return (*password != NULL ? SECRET_KNOWN : SECRET_SEALED);
}

enum cluster_secret
user_cluster_secret(struct ops *ops, const char *username, char **password)
{
	json_t *row = username != NULL ? sysrow_get(ops, SYS_USER, username) : NULL;
	char *plain = NULL;
	enum cluster_secret secret = open_secret(ops, row, &plain);

	json_decref(row);
	if (password != NULL)
		*password = plain;
	else if (plain != NULL) {
		explicit_bzero(plain, strlen(plain));
		free(plain);
	}
	return (secret);
}

int
user_hidden_attribute(uint32_t table_id, const char *name)
{
	return (table_id == SYS_USER && (strcmp(name, "password") == 0 ||
	    strcmp(name, "sealed") == 0 || strcmp(name, "hash") == 0 ||
	    strcmp(name, "refresh_token") == 0));
}
