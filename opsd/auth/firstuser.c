#include "config.h"

#include "opsd/auth/firstuser.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/tls/crypto.h"
#include "opsd/auth/user.h"
#include "opsd/store/data.h"
#include "opsd/store/sysrow.h"

/* From the environment, else from systemd's credentials; the caller frees. */
static char *
given_text(const char *name, const char *file)
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

/*
 * The id of a role with this right, made under its name when absent, unless a role of other
 * rights has that id; the caller frees.  NULL with *err.
 */
static char *
default_role(struct data *data, const char *name, char **err)
{
	json_t *roles = sysrow_all(data, SYS_ROLE), *role;
	char uuid[37], *id = NULL;
	size_t i;

	json_array_foreach(roles, i, role)
		if (json_is_true(json_object_get(json_object_get(role, "permission"), name)))
			id = id != NULL ? id :
					  xstrdup(json_string_value(json_object_get(role, "id")));
	json_decref(roles);
	if (id != NULL)
		return (id);
	crypto_uuid(uuid);
	role = sysrow_get(data, SYS_ROLE, name);
	id = xstrdup(role == NULL ? name : uuid);
	json_decref(role);
	role = json_pack("{s:s, s:s, s:{s:b}}", "id", id, "role", name, "permission", name, 1);
	if (sysrow_first(data, SYS_ROLE, role, err) != 200) {
		free(id);
		id = NULL;
	}
	json_decref(role);
	return (id);
}

static int
has_super_user(struct data *data)
{
	json_t *users = sysrow_all(data, SYS_USER), *row;
	int found = 0;
	size_t i;

	json_array_foreach(users, i, row) {
		struct user *u = user_from_row(data, row);

		found |= u->super_user;
		user_unref(u);
	}
	json_decref(users);
	return (found);
}

static int
put_user(struct data *data, const char *name, const char *password, const char *role_id,
    int cluster_user, char **err)
{
	json_t *ids = role_id != NULL ? json_pack("[s]", role_id) : NULL;
	json_t *row = user_row(data, name, password, ids, cluster_user);
	int status;

	json_decref(ids);
	json_object_set_new(row, "active", json_true());
	status = role_id != NULL ? sysrow_first(data, SYS_USER, row, err) :
				   sysrow_put(data, SYS_USER, row, err);
	json_decref(row);
	return (status == 200 ? 0 : -1);
}

static int
make_admin(struct data *data, const char *role_id, char **err)
{
	char *name = given_text("HDB_ADMIN_USERNAME", "hdb_admin_username");
	char *password = given_text("HDB_ADMIN_PASSWORD", "hdb_admin_password");
	int rc = 0;

	if (!has_super_user(data)) {
		if (name != NULL && password != NULL) {
			rc = put_user(data, name, password, role_id, 0, err);
			log_info("auth: user '%s' was made, a super_user", name);
		} else
			log_info(
			    "auth: there is no administrator: the API can be used over the "
			    "domain socket only (HDB_ADMIN_USERNAME and HDB_ADMIN_PASSWORD make one)");
	}
	free(name);
	mem_wipe(password);
	return (rc);
}

/* What is done about the user with this password; NULL: nothing need be. */
static const char *
what_changes(struct data *data, const char *name, const char *password)
{
	json_t *row = sysrow_get(data, SYS_USER, name);
	char *was;
	enum cluster_secret secret = user_cluster_secret(data, name, &was);
	const char *what = NULL;

	if (row == NULL)
		what = "was made";
	else if (secret == SECRET_KNOWN)
		what = strcmp(was, password) != 0 ? "has a new password" : NULL;
	else if (secret != SECRET_NO_USER)
		what =
		    "has its password from CLUSTERING_PASSWORD: what was kept of it could not be "
		    "read with keys/node.key";
	else
		log_warnx("auth: user '%s' is no active cluster_user: CLUSTERING_PASSWORD is "
			  "ignored",
		    name);
	mem_wipe(was);
	json_decref(row);
	return (what);
}

/* The user is made when absent; its password is changed when another one is given. */
static int
make_cluster_user(struct data *data, const char *role_id, char **err)
{
	char *name = given_text("CLUSTERING_USER", "clustering_user");
	char *password = given_text("CLUSTERING_PASSWORD", "clustering_password");
	const char *what = NULL;
	json_t *row;
	int rc = 0;

	if (name == NULL)
		name = xstrdup(conf_str(data->svc->conf, CL_USER));
	if (name != NULL && password != NULL)
		what = what_changes(data, name, password);
	if (what != NULL) {
		row = sysrow_get(data, SYS_USER, name);
		rc = put_user(data, name, password, row == NULL ? role_id : NULL, 1, err);
		json_decref(row);
		log_info("auth: user '%s', a cluster_user, %s", name, what);
	}
	free(name);
	mem_wipe(password);
	return (rc);
}

int
firstuser_make(struct data *data, char **err)
{
	char *super = default_role(data, "super_user", err);
	char *cluster = super != NULL ? default_role(data, "cluster_user", err) : NULL;
	int rc = -1;

	if (cluster != NULL && make_admin(data, super, err) == 0)
		rc = make_cluster_user(data, cluster, err);
	free(super);
	free(cluster);
	return (rc);
}
