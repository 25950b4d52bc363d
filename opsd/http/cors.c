#include "config.h"

#include "opsd/http/cors.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/mem.h"

struct cors {
	int on;
	int any;
	json_t *list;
};

static int
lists_origin(const json_t *list, const char *origin)
{
	const json_t *e;
	size_t i;

	json_array_foreach(list, i, e)
		if (json_is_string(e) && strcasecmp(json_string_value(e), origin) == 0)
			return (1);
	return (0);
}

struct cors *
cors_new(const struct conf *conf)
{
	struct cors *c = xcalloc(1, sizeof(*c));

	c->on = conf_bool(conf, API_CORS);
	c->list = json_deep_copy(conf_list(conf, API_CORS_LIST));
	c->any = json_array_size(c->list) == 0 || lists_origin(c->list, "*");
	return (c);
}

void
cors_free(struct cors *c)
{
	if (c == NULL)
		return;
	json_decref(c->list);
	free(c);
}

int
cors_names(const struct cors *c, const char *origin)
{
	return (c->on && lists_origin(c->list, origin));
}

/* "null" is whoever hides his origin: only when it is named. */
static int
allows_origin(const struct cors *c, const char *origin)
{
	return (lists_origin(c->list, origin) || (c->any && strcasecmp(origin, "null") != 0));
}

void
cors_headers(const struct cors *c, const char *origin, struct buf *headers)
{
	if (!c->on)
		return;
	buf_addf(headers, "Vary: Origin\r\n");
	if (origin != NULL && allows_origin(c, origin))
		buf_addf(headers,
		    "Access-Control-Allow-Origin: %s\r\n"
		    "Access-Control-Allow-Credentials: true\r\n",
		    origin);
}

void
cors_preflight(const struct cors *c, const char *origin, struct buf *headers)
{
	if (c->on && origin != NULL && allows_origin(c, origin))
		buf_addf(headers,
		    "Access-Control-Allow-Methods: POST, GET, PUT, DELETE, PATCH, OPTIONS\r\n"
		    "Access-Control-Allow-Headers: Accept, Content-Type, Authorization\r\n"
		    "Access-Control-Max-Age: 600\r\n");
}
