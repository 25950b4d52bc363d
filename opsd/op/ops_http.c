#include "config.h"

#include "opsd/op/node.h"

#include "opsd/http/http.h"
#include "opsd/op/op.h"

struct http *
ops_http(struct ops *o, char **err)
{
	struct http_needs needs = { o, &o->data, o->auth, &o->watch, o->bodies, &op_api };

	return (http_start(&needs, err));
}
