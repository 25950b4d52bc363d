#include "config.h"

#include "opsd/op/node.h"

#include "opsd/http/http.h"
#include "opsd/op/op.h"

struct http *
ops_http(struct ops *o, char **err)
{
	struct http_needs needs = { o, &o->data, o->auth, o->pki, &o->watch, o->bodies, &op_api };

	return (http_start(&needs, err));
}

static void
reload_https(void *arg)
{
	struct ops *o = arg;

	if (!o->data.stopping)
		http_reload(o->http);
}

void
ops_http_reload(struct ops *o)
{
	post(o->data.svc->post, reload_https, o);
}
