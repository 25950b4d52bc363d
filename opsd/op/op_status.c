#include "config.h"

#include <string.h>

#include "common/base/log.h"
#include "opsd/auth/user.h"
#include "opsd/op/node.h"
#include "opsd/op/op.h"
#include "opsd/store/sysrow.h"
#include "opsd/watch/health.h"

/* What operators say of the node: rows of hdb_status.  One of them is obeyed, see health.h. */

#define STATUS_MAX 1000

static const char *
field_id(struct faults *f, const json_t *body, int required)
{
	const char *id = field_string(f, body, "id", required);

	if (id != NULL && strcmp(id, "primary") != 0 && strcmp(id, "maintenance") != 0 &&
	    strcmp(id, "availability") != 0)
		fault(f, "'id' must be one of [primary, maintenance, availability]");
	return (id);
}

static void
fault_status(struct faults *f, const char *id, const char *status)
{
	if (id == NULL || status == NULL)
		return;
	if (strcmp(id, "availability") == 0 && strcmp(status, "Available") != 0 &&
	    strcmp(status, "Unavailable") != 0)
		fault(f, "'status' of availability must be one of [Available, Unavailable]");
	else if (strlen(status) > STATUS_MAX)
		fault(f, "'status' length must be less than or equal to %d characters long",
		    STATUS_MAX);
}

/* Under status_lock: what is obeyed is what was written last. */
static void
obey_status(struct request *r)
{
	int was = r->ops->watch.unavailable;

	health_load(&r->ops->watch);
	if (r->ops->watch.unavailable != was)
		log_info("health: '%s' %s the node %s service", r->user->name, was ? "put" : "took",
		    was ? "back in" : "out of");
}

static void
set_status(struct request *r)
{
	struct faults f = { 0 };
	const char *id = field_id(&f, r->body, 1);
	const char *status = field_string(&f, r->body, "status", 1);
	json_t *row, *now = NULL;
	char *err = NULL;
	int code;

	fault_status(&f, id, status);
	if (faults_answer(r, &f))
		return;
	row = json_pack("{s:s, s:s}", "id", id, "status", status);
	pthread_mutex_lock(&r->ops->status_lock);
	if ((code = sysrow_put(&r->ops->data, SYS_STATUS, row, &err)) == 200) {
		obey_status(r);
		now = sysrow_get(&r->ops->data, SYS_STATUS, id);
	}
	pthread_mutex_unlock(&r->ops->status_lock);
	json_decref(row);
	if (code == 200)
		reply_json(r, 200, now);
	else
		reply_failed(r, code, err);
}

static void
reply_not_set(struct request *r, const char *id)
{
	reply_error(r, 404, "No status of '%s' is set", id);
}

static void
get_status(struct request *r)
{
	struct faults f = { 0 };
	const char *id = field_id(&f, r->body, 0);
	json_t *row;

	if (faults_answer(r, &f))
		return;
	if (id == NULL)
		reply_json(r, 200, sysrow_all(&r->ops->data, SYS_STATUS));
	else if ((row = sysrow_get(&r->ops->data, SYS_STATUS, id)) != NULL)
		reply_json(r, 200, row);
	else
		reply_not_set(r, id);
}

/* 404: there is none, as all that removes something answers. */
static int
remove_status(struct request *r, const char *id, char **err)
{
	json_t *row;
	int code = 404;

	pthread_mutex_lock(&r->ops->status_lock);
	if ((row = sysrow_get(&r->ops->data, SYS_STATUS, id)) != NULL &&
	    (code = sysrow_remove(&r->ops->data, SYS_STATUS, id, err)) == 200)
		obey_status(r);
	pthread_mutex_unlock(&r->ops->status_lock);
	json_decref(row);
	return (code);
}

static void
clear_status(struct request *r)
{
	struct faults f = { 0 };
	const char *id = field_id(&f, r->body, 1);
	char *err = NULL;
	int code;

	if (faults_answer(r, &f))
		return;
	if ((code = remove_status(r, id, &err)) == 200)
		reply_message(r, "Status successfully cleared");
	else if (code == 404)
		reply_not_set(r, id);
	else
		reply_failed(r, code, err);
}

const struct op ops_status[] = {
	{ "set_status", "setStatus", RIGHT_SUPER, ON_WORKER, set_status },
	{ "get_status", "getStatus", RIGHT_SUPER, ON_WORKER, get_status },
	{ "clear_status", "clearStatus", RIGHT_SUPER, ON_WORKER, clear_status },
	{ NULL },
};
