#include "config.h"

#include "common/conf/confmtls.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/conf/conf_priv.h"

static void
check_mtls_field(const struct conf_info *k, const char *field, const json_t *v, struct buf *errs)
{
	char *name = xasprintf("%s.%.100s", k->name, field);

	if (strcmp(field, "required") == 0) {
		if (!json_is_boolean(v))
			conf_fault(errs, "'%s' must be a boolean", name);
	} else if (strcmp(field, "user") == 0) {
		if (!json_is_null(v) && json_string_length(v) == 0)
			conf_fault(errs, "'%s' must be the name of a user, or null", name);
	} else
		conf_fault(errs, "'%s' is not allowed", name);
	free(name);
}

json_t *
conf_check_mtls(const struct conf_info *k, const json_t *v, struct buf *errs)
{
	size_t before = errs->len;
	const char *field;
	json_t *value;

	if (!json_is_boolean(v) && !json_is_object(v))
		conf_fault(errs, "'%s' must be true, false or an object {user, required}", k->name);
	json_object_foreach((json_t *)(uintptr_t)v, field, value)
		check_mtls_field(k, field, value, errs);
	return (errs->len == before ? json_deep_copy(v) : NULL);
}

json_t *
conf_check_verification(const struct conf_info *k, const json_t *v, struct buf *errs)
{
	if (json_is_false(v))
		return (json_false());
	conf_fault(errs,
	    "'%s' must be false: list what is revoked in revokedCertificates of a route", k->name);
	return (NULL);
}

static enum conf_key
mtls_key(const struct conf *c)
{
	return (conf_is_set(c, API_MTLS) || !conf_is_set(c, HTTP_MTLS) ? API_MTLS : HTTP_MTLS);
}

struct confmtls
confmtls(const struct conf *c)
{
	const json_t *v = c->value[mtls_key(c)], *user = json_object_get(v, "user");

	return ((struct confmtls){
	    .asks = json_is_true(v) || json_is_object(v),
	    .required = json_is_true(json_object_get(v, "required")),
	    .maps = !json_is_null(user),
	    .user = json_string_value(user),
	});
}

void
conf_check_clients(const struct conf *c, struct buf *errs)
{
	if (confmtls(c).asks && conf_is_set(c, API_SECURE_PORT) && conf_str(c, TLS_CA) == NULL)
		conf_fault(errs,
		    "'%s' is required when '%s' is set: it says whose certificates of clients count",
		    conf_name(TLS_CA), conf_name(mtls_key(c)));
}
