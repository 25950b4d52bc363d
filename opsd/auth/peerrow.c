#include "config.h"

#include "opsd/auth/peerrow.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/tls/crypto.h"
#include "opsd/auth/role.h"
#include "opsd/auth/user.h"
#include "opsd/store/catalog.h"
#include "opsd/store/key.h"
#include "opsd/store/row.h"
#include "opsd/store/value.h"

/* A string without a NUL in it, which is not empty. */
static const char *
plain_text(const json_t *v)
{
	const char *s = json_string_value(v);

	return (s != NULL && s[0] != '\0' && strlen(s) == json_string_length(v) ? s : NULL);
}

/* ---- values: what is wrong with one, or NULL ---- */

static const char *
password_fault(const json_t *v)
{
	const char *s = plain_text(v);

	return (s != NULL && crypto_is_hash(s) ? NULL :
						 "is no hash of a password as nodes make it");
}

static int
is_role_text(const json_t *v)
{
	const char *s = plain_text(v);

	return (s != NULL && strlen(s) <= ROLE_NAME_MAX);
}

static const char *
roles_fault(const json_t *v)
{
	const json_t *id;
	size_t i;

	if (!json_is_array(v))
		return (is_role_text(v) ? NULL : "is not the id of a role");
	if (json_array_size(v) > USER_ROLES_MAX)
		return ("names too many roles");
	json_array_foreach(v, i, id)
		if (!is_role_text(id))
			return ("names what is not the id of a role");
	return (NULL);
}

static const char *
active_fault(const json_t *v)
{
	return (json_is_boolean(v) ? NULL : "is neither true nor false");
}

static const char *
role_name_fault(const json_t *v)
{
	return (is_role_text(v) ? NULL : "is not the name of a role");
}

static const char *
permission_fault(const json_t *v)
{
	return (json_is_object(v) ? NULL : "is not an object");
}

static const struct rule {
	uint32_t table;
	const char *name;
	const char *(*fault)(const json_t *v);
} rules[] = {
	{ SYS_USER, "password", password_fault },
	{ SYS_USER, "role", roles_fault },
	{ SYS_USER, "active", active_fault },
	{ SYS_ROLE, "role", role_name_fault },
	{ SYS_ROLE, "permission", permission_fault },
};

/* ---- rows ---- */

static const struct rule *
rule_for(uint32_t table, const struct attr *a)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].table == table && strlen(rules[i].name) == a->nlen &&
		    memcmp(rules[i].name, a->name, a->nlen) == 0)
			return (&rules[i]);
	return (NULL);
}

static char *
attr_fault(uint32_t table, const struct attr *a)
{
	const struct rule *rule = rule_for(table, a);
	const char *why;
	json_t *v;

	if (rule == NULL)
		return (xasprintf("it has an attribute '%.*s', of which none is known",
		    (int)a->nlen, a->name));
	v = value_to_json(a->value, a->vlen);
	why = rule->fault(v);
	json_decref(v);
	return (why != NULL ? xasprintf("its '%s' %s", rule->name, why) : NULL);
}

static char *
peer_key_fault(uint32_t table, const json_t *key)
{
	const char *s = plain_text(key);
	const char *why = s == NULL   ? "is no text" :
	    table == SYS_USER         ? user_name_fault(s) :
	    strlen(s) > ROLE_NAME_MAX ? "is too long" :
					NULL;

	return (why != NULL ? xasprintf("its key %s", why) : NULL);
}

char *
peerrow_fault(uint32_t table, const uint8_t *key, size_t klen, const struct row *row)
{
	struct rd r = rd_init(key, klen);
	json_t *name = key_to_json(&r);
	char *why = peer_key_fault(table, name);

	json_decref(name);
	for (uint32_t i = 0; i < row->n && why == NULL; i++)
		why = attr_fault(table, &row->attrs[i]);
	return (why);
}
