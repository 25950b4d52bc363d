#include "config.h"

#include <stdlib.h>

#include "common/conf/settings.h"
#include "opsd/cluster/catchup.h"
#include "opsd/cluster/cluster_priv.h"
#include "opsd/cluster/compat.h"
#include "opsd/cluster/peerjson.h"

/* Questions that a worker thread waits for while the loop's thread has them carried. */

struct waiting {
	struct cluster *c;
	void (*run)(struct waiting *w); /* on the loop: sees to it that waiting_end runs */
	pthread_mutex_t lock;
	pthread_cond_t cond;
	int done;
	uint16_t status;
	struct carrier_node node;
	const char *verb, *database, *table;
	const json_t *question;
	const struct buf *binary;
	uint64_t upto;
	unsigned timeout_ms;
	json_t *json;      /* an answer of JSON */
	struct buf *bytes; /* or where others go */
};

static void
waiting_end(const struct carrier_answer *a, void *arg)
{
	struct waiting *w = arg;

	pthread_mutex_lock(&w->lock);
	w->status = a->status;
	if (a->body != NULL && w->bytes != NULL)
		buf_add(w->bytes, a->body, a->n);
	else if (a->body != NULL)
		w->json = peerjson_load(a->body, a->n, JSON_DECODE_ANY);
	if (w->status == 200 && a->who != NULL && w->json != NULL &&
	    !peerjson_is_of(w->json, a->who)) {
		json_decref(w->json);
		w->json = json_pack("{s:s}", "error",
		    "'id' is not the id of the node that answers");
		w->status = 502;
	}
	w->done = 1;
	pthread_cond_signal(&w->cond);
	pthread_mutex_unlock(&w->lock);
}

static void
waiting_run(void *arg)
{
	struct waiting *w = arg;

	w->run(w);
}

/* The status; 503 while we are stopping. */
static int
wait_for(struct waiting *w)
{
	int quiet;

	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->cond, NULL);
	pthread_mutex_lock(&w->c->lock);
	quiet = w->c->quiet;
	if (!quiet)
		post(w->c->rep->data->svc->post, waiting_run, w);
	pthread_mutex_unlock(&w->c->lock);
	if (quiet)
		waiting_end(&(struct carrier_answer){ .status = 503 }, w);
	pthread_mutex_lock(&w->lock);
	while (!w->done)
		pthread_cond_wait(&w->cond, &w->lock);
	pthread_mutex_unlock(&w->lock);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->cond);
	return (w->status);
}

static void
run_ask(struct waiting *w)
{
	w->c->carrier->ask(w->c->carrier_arg, &w->node, w->verb, w->question, w->timeout_ms,
	    waiting_end, w);
}

int
cluster_ask(struct cluster *c, const char *node, const char *verb, json_t *body,
    unsigned timeout_ms, json_t **answer)
{
	struct waiting w = {
		.c = c,
		.run = run_ask,
		.node.name = node,
		.verb = verb,
		.question = body,
		.timeout_ms = timeout_ms,
	};
	char *fault = NULL;
	int status;

	compat_say(body);
	status = wait_for(&w);
	if (status == 200 && (fault = compat_fault(c->rep, w.json)) != NULL) {
		json_decref(w.json);
		w.json = compat_refusal(c->rep, fault);
		status = 409;
	}
	*answer = w.json;
	return (status);
}

static void
run_network(struct waiting *w)
{
	w->c->carrier->network(w->c->carrier_arg, w->timeout_ms, waiting_end, w);
}

json_t *
cluster_network(struct cluster *c, unsigned timeout_ms)
{
	struct waiting w = { .c = c, .run = run_network, .timeout_ms = timeout_ms };

	wait_for(&w);
	return (w.json);
}

static void
run_purge(struct waiting *w)
{
	w->c->carrier->purge(w->c->carrier_arg, w->database, w->table, w->upto, waiting_end, w);
}

int64_t
cluster_purge(struct cluster *c, const char *database, const char *table, uint64_t upto)
{
	struct waiting w = {
		.c = c,
		.run = run_purge,
		.database = database,
		.table = table,
		.upto = upto,
	};
	int64_t n = wait_for(&w) == 200 ? json_integer_value(w.json) : -1;

	json_decref(w.json);
	return (n);
}

static void
run_catch_up(struct waiting *w)
{
	w->c->carrier->catch_up(w->c->carrier_arg, &w->node, w->binary, w->timeout_ms, waiting_end,
	    w);
}

int
cluster_catch_up(struct cluster *c, const char *node, const struct catchup_question *q,
    struct buf *answer)
{
	struct buf text = { 0 };
	struct waiting w = {
		.c = c,
		.run = run_catch_up,
		.node.name = node,
		.binary = &text,
		.timeout_ms = (unsigned)data_conf_int(c->rep->data, CL_REQUEST_TIMEOUT),
		.bytes = answer,
	};
	int status;

	catchup_question_write(&text, q);
	status = wait_for(&w);
	buf_free(&text);
	return (status);
}
