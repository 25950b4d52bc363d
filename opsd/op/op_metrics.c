#include "config.h"

#include "opsd/op/op.h"

#include "common/base/worker.h"
#include "opsd/auth/permission.h"
#include "opsd/http/http.h"
#include "opsd/op/node.h"
#include "opsd/watch/metrics.h"

/* GET /metrics. */

#define WAITING_MAX  4 /* behind the one that is worked on */
#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

static void
answer_metrics(void *arg)
{
	struct request *r = arg;
	struct buf out = { 0 };
	int connections, requests;

	http_count(r, &connections, &requests);
	metrics_page(&r->ops->watch, connections, requests, &out);
	reply_body(r, 200, CONTENT_TYPE, &out);
}

/* On a thread of its own: it neither waits for what operations wait for, nor holds them up. */
static void
get_metrics(struct request *r)
{
	if (!permission_metrics(r->user))
		reply_error(r, 403,
		    "Metrics are for super users, and for roles with the permission "
		    "metrics_user");
	else if (workers_try(r->ops->pages, WAITING_MAX, answer_metrics, r) == -1)
		reply_error(r, 503, "Others are asking for the metrics, please try again later");
}

const struct op ops_pages[] = {
	{ "/metrics", "metrics", RIGHT_SELF, ON_HTTP, get_metrics },
	{ NULL },
};
