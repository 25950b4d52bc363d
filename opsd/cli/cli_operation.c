#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/cli/cli_command.h"
#include "opsd/cli/cli_fields.h"
#include "opsd/cli/cli_print.h"
#include "opsd/op/opdoc.h"

#define ANSWER_SECONDS 600

/* The environment comes first: then username and password are fields like others. */
static void
take_login(struct cli_target *t, json_t *body)
{
	const char *name = getenv("CLI_TARGET_USERNAME"), *password = getenv("CLI_TARGET_PASSWORD");
	char *own_name = NULL, *own_password = NULL;

	if (name == NULL || password == NULL) {
		name = own_name = cli_take(body, "username");
		password = own_password = cli_take(body, "password");
	}
	if (name != NULL && password == NULL)
		password = own_password = cli_ask_password("password: ", 0);
	if (name != NULL && password != NULL)
		target_login(t, name, password);
	free(own_name);
	free(own_password);
}

void
cli_choose_target(struct cli *c, struct cli_target *t, json_t *body)
{
	char *url = cli_take(body, "target"), *err = NULL;
	int rc;

	t->timeout_s = ANSWER_SECONDS;
	t->insecure = cli_take_flag(body, "insecure");
	if (url == NULL) {
		cli_load_conf(c, 0);
		t->socket = xstrdup(conf_str(c->conf, API_SOCKET));
		return;
	}
	rc = target_parse(t, url, &err);
	free(url);
	if (rc == -1)
		cli_die("%s", err);
	take_login(t, body);
}

static int
print_answer(const struct answer *a, enum look look)
{
	json_t *v = json_loadb(a->body, a->len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

	if (a->status >= 400)
		cli_print_error(a, v);
	else if (look == LOOK_CSV) /* as the node has written it */
		fwrite(a->body, 1, a->len, stdout);
	else if (v != NULL)
		cli_print(v, look);
	else
		printf("%s\n", a->body);
	json_decref(v);
	return (a->status >= 400);
}

/* The job that an answer began, or that was asked for; the caller frees, NULL: none. */
static char *
job_of(const json_t *body, const struct answer *a)
{
	json_t *v = json_loadb(a->body, a->len, JSON_ALLOW_NUL, NULL);
	const char *asked = json_string_value(json_object_get(body, "operation"));
	const json_t *id = asked != NULL && strcmp(asked, "get_job") == 0 ?
	    json_object_get(body, "id") :
	    json_object_get(v, "job_id");
	char *text = xstrdup(json_string_value(id));

	json_decref(v);
	return (text);
}

/* wait=true: how the job ended is the answer. */
static int
wait_job(const struct cli_target *t, const char *id, enum look look)
{
	char *err;
	json_t *row = cli_wait_job(t, id, &err);
	const char *status = json_string_value(json_object_get(row, "status"));
	int rc;

	if (row == NULL)
		cli_die("%s", err);
	rc = status == NULL || strcmp(status, "COMPLETE") != 0;
	cli_print(row, look);
	json_decref(row);
	return (rc);
}

/* After a refusal: what may be wrong. */
static void
print_hints(const struct cli *c)
{
	if (cli_body_hint() != NULL)
		fprintf(stderr, "hubleaf: %s\n", cli_body_hint());
	/* A name that is near is in the node's answer. */
	if (c->command != NULL && opdoc_find(c->command) == NULL &&
	    opdoc_near_operation(c->command) == NULL)
		fprintf(stderr, "hubleaf: 'hubleaf help operations' lists them\n");
}

int
cli_operation(struct cli *c)
{
	json_t *body = cli_operation_body(c);
	enum look look = cli_take_look(body, cli_is_sql(c) ? LOOK_TABLE : LOOK_YAML);
	int wait = cli_take_flag(body, "wait"), rc;
	char *id = NULL, *err, *text;
	struct cli_target t = { 0 };
	struct answer a;

	cli_choose_target(c, &t, body);
	t.accept = look == LOOK_CSV ? "text/csv" : NULL;
	cli_body_ask(body);
	text = json_dumps(body, JSON_COMPACT);
	if (cli_request(&t, "POST", "/", text, &a, &err) == -1)
		cli_die("%s", err);
	if (wait && a.status == 200)
		id = job_of(body, &a);
	rc = id != NULL ? wait_job(&t, id, look) : print_answer(&a, look);
	if (rc != 0)
		print_hints(c);
	free(a.body);
	free(text);
	free(id);
	target_free(&t);
	json_decref(body);
	return (rc);
}
