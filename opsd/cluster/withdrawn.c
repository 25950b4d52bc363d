#include "config.h"

#include "opsd/cluster/withdrawn.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/worker.h"
#include "common/conf/settings.h"
#include "opsd/cluster/compat.h"
#include "opsd/cluster/gossip.h"
#include "opsd/pki/issue.h"

struct withdrawal {
	struct replication *rep;
	struct carrier_reply reply;
	uint8_t id[NODE_ID_LEN];
	char *serial;
	int leaves;
	int status;
	const char *err; /* or NULL */
};

static void
withdrawal_free(struct withdrawal *w)
{
	free(w->serial);
	free(w);
}

/* Its end ends the link as well. */
static void
take_withdrawal(void *arg)
{
	struct withdrawal *w = arg;
	char hex[NODE_HEX_LEN], *err = NULL;
	int status;

	node_id_hex(w->id, hex);
	log_info("node %s takes back that it has joined", hex);
	status = issue_withdraw(w->rep->pki, w->serial, hex, &err);
	if (status == 200 && w->leaves)
		status = gossip_remove(w->rep, w->id, &err);
	if (status != 200)
		log_warnx("what node %s takes back is not all undone: %s", hex, err);
	free(err);
	withdrawal_free(w);
}

/* First the answer: the link does not outlive what is done then. */
static void
answer_withdrawal(void *arg)
{
	struct withdrawal *w = arg;
	json_t *o = json_pack("{s:s, s:s*}", "id", w->rep->data->node_hex, "error", w->err);
	char *text;

	compat_say(o);
	text = json_dumps(o, JSON_COMPACT);
	w->reply.fn(w->reply.arg, (uint16_t)w->status, text, strlen(text));
	free(text);
	json_decref(o);
	if (w->status == 200)
		workers_run(w->rep->data->workers, take_withdrawal, w);
	else
		withdrawal_free(w);
}

static void
check_withdrawal(void *arg)
{
	struct withdrawal *w = arg;
	char hex[NODE_HEX_LEN];

	node_id_hex(w->id, hex);
	w->status = 200;
	if (!issue_may_withdraw(w->rep->pki, w->serial, hex)) {
		w->status = 404;
		w->err = "it is no certificate with which that node has joined just now";
	}
	post(w->rep->data->svc->post, answer_withdrawal, w);
}

void
withdrawn_asked(struct replication *rep, const uint8_t *who, const json_t *question,
    struct carrier_reply reply)
{
	const char *serial = json_string_value(json_object_get(question, "serial"));
	struct withdrawal *w = xcalloc(1, sizeof(*w));

	*w = (struct withdrawal){ .rep = rep, .reply = reply };
	if (who == NULL || rep->pki == NULL) {
		w->status = 403;
		w->err = "that is taken back over a link alone";
	} else if (serial == NULL) {
		w->status = 400;
		w->err = "'serial' must be a string";
	}
	if (w->status != 0) {
		answer_withdrawal(w);
		return;
	}
	memcpy(w->id, who, NODE_ID_LEN);
	w->serial = xstrdup(serial);
	w->leaves = json_is_true(json_object_get(question, "leaves"));
	workers_run(rep->data->workers, check_withdrawal, w);
}
