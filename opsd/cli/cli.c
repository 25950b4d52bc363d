#include "config.h"

#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "mem.h"
#include "yaml.h"

#define CONFIG_FILE	"/etc/hubleaf/hubleaf.yaml"
#define ANSWER_SECONDS	600
#define FIELD_FILE_MAX	(1 << 24)	/* bytes of a field that stands in a file */

struct cli {
	char		*conf_file;
	int		 nflags;	/* --KEY value, and -c FILE for daemons */
	char		**flags;
	const char	*command;
	int		 nfields;
	char		**fields;	/* key=value */
	char		*hint;		/* for a refusal: what may be wrong with a field, or NULL */
	struct conf	*conf;
};

static void __attribute__((noreturn))
usage(int status)
{
	fprintf(status == 0 ? stdout : stderr,
	    "usage: hubleaf [-c file] [--KEY value ...] command\n"
	    "  run                       start the node's daemons in the foreground\n"
	    "  status                    show the node and its cluster\n"
	    "  restore file=PATH         put a backup into the node's empty folder\n"
	    "  metrics                   print its figures, for Prometheus\n"
	    "  version                   print the version\n"
	    "  help                      print this\n"
	    "  OPERATION [key=value ...] send an operation and print the answer,\n"
	    "                            such as: hubleaf describe_table table=dog;\n"
	    "                            key@=PATH takes the text of a file\n"
	    "With an operation:\n"
	    "  json=true                 print JSON instead of YAML\n"
	    "  target=URL                send it there instead of the local domain socket,\n"
	    "                            with username=NAME password=TEXT\n"
	    "                            or CLI_TARGET_USERNAME, CLI_TARGET_PASSWORD\n"
	    "  insecure=true             with https: do not verify the certificate\n"
	    "  wait=true                 wait for the job that it starts, with status for\n"
	    "                            tables that catch up\n"
	    "  file=PATH                 with get_backup: write the backup there\n");
	exit(status);
}

static void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "hubleaf: ");
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	exit(1);
}

/* ---- arguments ---- */

static void
push(char ***list, int *n, char *arg)
{
	*list = xrealloc(*list, (size_t)(*n + 2) * sizeof(**list));
	(*list)[(*n)++] = arg;
	(*list)[*n] = NULL;
}

static void
parse_args(struct cli *c, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		char *arg = argv[i];

		if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)
			c->command = "help";
		else if (strcmp(arg, "--version") == 0 || strcmp(arg, "-v") == 0)
			c->command = "version";
		else if (strcmp(arg, "-c") == 0 && i + 1 < argc)
			c->conf_file = argv[++i];
		else if (strncmp(arg, "--", 2) == 0) {
			push(&c->flags, &c->nflags, arg);
			if (strchr(arg, '=') == NULL && i + 1 < argc)
				push(&c->flags, &c->nflags, argv[++i]);
		} else if (arg[0] == '-')
			usage(2);
		else if (c->command == NULL)
			c->command = arg;
		else
			push(&c->fields, &c->nfields, arg);
	}
}

static void
load_conf(struct cli *c)
{
	const char *env = getenv("HUBLEAF_CONFIG");
	char *err = NULL;

	if (c->conf_file == NULL && env != NULL && env[0] != '\0')
		c->conf_file = (char *)(uintptr_t)env;
	if (c->conf_file == NULL && access(CONFIG_FILE, R_OK) == 0)
		c->conf_file = (char *)(uintptr_t)CONFIG_FILE;
	c->conf = conf_load(c->conf_file, c->nflags, c->flags, &err);
	if (c->conf == NULL)
		die("%s", err);
}

/* ---- operations ---- */

/* JSON where it is an array, object, number or boolean; else text. */
static json_t *
field_value(struct cli *c, const char *name, const char *text)
{
	json_error_t err;
	json_t *v;

	if (strcmp(name, "username") != 0 && strcmp(name, "password") != 0) {
		v = json_loads(text, JSON_DECODE_ANY, &err);
		if (v != NULL && !json_is_string(v) && !json_is_null(v))
			return (v);
		if (v == NULL && (text[0] == '[' || text[0] == '{') && c->hint == NULL)
			c->hint = xasprintf("%s was sent as text, as it is not JSON: %s", name, err.text);
		json_decref(v);
	}
	v = json_string(text);
	if (v == NULL)
		die("%s: is not UTF-8", name);
	return (v);
}

/* Text, whatever it looks like: so that a private key is not seen among the arguments. */
static json_t *
file_value(const char *path)
{
	size_t n;
	char *text = file_read(path, FIELD_FILE_MAX + 1, &n);
	json_t *v;

	if (text == NULL)
		die("%s: %s", path, strerror(errno));
	if (n > FIELD_FILE_MAX)
		die("%s: is larger than %d bytes", path, FIELD_FILE_MAX);
	if ((v = json_stringn(text, n)) == NULL)
		die("%s: is not UTF-8", path);
	explicit_bzero(text, n);
	free(text);
	return (v);
}

/* "name=value", or "name@=path". */
static void
add_field(struct cli *c, json_t *body, char *field)
{
	char *eq = strchr(field, '=');

	if (eq == NULL || eq == field || (eq == field + 1 && *field == '@'))
		die("'%s' is not key=value", field);
	*eq = '\0';
	if (eq[-1] != '@') {
		json_object_set_new(body, field, field_value(c, field, eq + 1));
		return;
	}
	eq[-1] = '\0';
	json_object_set_new(body, field, file_value(eq + 1));
}

static json_t *
operation_body(struct cli *c)
{
	json_t *body = json_pack("{s:s}", "operation", c->command);

	for (int i = 0; i < c->nfields; i++)
		add_field(c, body, c->fields[i]);
	return (body);
}

/* A field for the program itself leaves the body; the caller frees. */
static char *
take_field(json_t *body, const char *name)
{
	json_t *v = json_object_get(body, name);
	char *text = NULL;

	if (json_is_string(v))
		text = xstrdup(json_string_value(v));
	else if (v != NULL)
		text = json_dumps(v, JSON_ENCODE_ANY);
	json_object_del(body, name);
	return (text);
}

static int
take_flag(json_t *body, const char *name)
{
	char *text = take_field(body, name);
	int on = text != NULL && strcmp(text, "true") == 0;

	free(text);
	return (on);
}

/* The environment comes first: then username and password are fields like others. */
static void
login(struct target *t, json_t *body)
{
	const char *name = getenv("CLI_TARGET_USERNAME"), *password = getenv("CLI_TARGET_PASSWORD");
	char *own_name = NULL, *own_password = NULL;

	if (name == NULL || password == NULL) {
		name = own_name = take_field(body, "username");
		password = own_password = take_field(body, "password");
	}
	if (name != NULL && password != NULL)
		target_login(t, name, password);
	free(own_name);
	free(own_password);
}

static void
choose_target(struct cli *c, struct target *t, json_t *body)
{
	char *url = take_field(body, "target"), *err = NULL;
	int rc;

	t->timeout_s = ANSWER_SECONDS;
	t->insecure = take_flag(body, "insecure");
	if (url == NULL) {
		load_conf(c);
		t->socket = xstrdup(conf_str(c->conf, API_SOCKET));
		return;
	}
	rc = target_parse(t, url, &err);
	free(url);
	if (rc == -1)
		die("%s", err);
	login(t, body);
}

static void
print(const json_t *v, int as_json)
{
	char *text = as_json ? json_dumps(v, JSON_INDENT(2) | JSON_ENCODE_ANY) : yaml_dump(v);
	size_t n = text != NULL ? strlen(text) : 0;

	if (n > 0)
		printf("%s%s", text, text[n - 1] == '\n' ? "" : "\n");
	free(text);
}

void
cli_print_error(const struct answer *a, const json_t *v)
{
	const char *error = json_string_value(json_object_get(v, "error"));

	if (error != NULL && json_object_size(v) == 1)
		fprintf(stderr, "hubleaf: %s\n", error);
	else
		fprintf(stderr, "hubleaf: status %d: %s\n", a->status, a->body);
}

static int
print_answer(const struct answer *a, int as_json)
{
	json_t *v = json_loadb(a->body, a->len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

	if (a->status >= 400)
		cli_print_error(a, v);
	else if (v != NULL)
		print(v, as_json);
	else
		printf("%s\n", a->body);
	json_decref(v);
	return (a->status >= 400);
}

/* The job that an answer began, or that was asked for; the caller frees, NULL: none. */
static char *
job_of(const struct cli *c, const json_t *body, const struct answer *a)
{
	json_t *v = json_loadb(a->body, a->len, JSON_ALLOW_NUL, NULL);
	const json_t *id = strcmp(c->command, "get_job") == 0 ? json_object_get(body, "id") :
	    json_object_get(v, "job_id");
	char *text = xstrdup(json_string_value(id));

	json_decref(v);
	return (text);
}

/* wait=true: how the job ended is the answer. */
static int
wait_job(const struct target *t, const char *id, int as_json)
{
	char *err;
	json_t *row = cli_wait_job(t, id, &err);
	const char *status = json_string_value(json_object_get(row, "status"));
	int rc;

	if (row == NULL)
		die("%s", err);
	rc = status == NULL || strcmp(status, "COMPLETE") != 0;
	print(row, as_json);
	json_decref(row);
	return (rc);
}

static int
run_operation(struct cli *c)
{
	json_t *body = operation_body(c);
	int as_json = take_flag(body, "json"), wait = take_flag(body, "wait"), rc;
	char *id = NULL;
	struct target t = { 0 };
	struct answer a;
	char *err, *text;

	choose_target(c, &t, body);
	text = json_dumps(body, JSON_COMPACT);
	if (cli_request(&t, "POST", "/", text, &a, &err) == -1)
		die("%s", err);
	if (wait && a.status == 200)
		id = job_of(c, body, &a);
	rc = id != NULL ? wait_job(&t, id, as_json) : print_answer(&a, as_json);
	if (rc != 0 && c->hint != NULL)
		fprintf(stderr, "hubleaf: %s\n", c->hint);
	free(a.body);
	free(text);
	free(c->hint);
	free(id);
	target_free(&t);
	json_decref(body);
	return (rc);
}

static int
run_backup(struct cli *c)
{
	json_t *body = operation_body(c);
	char *file = take_field(body, "file"), *text;
	struct target t = { 0 };
	int rc;

	if (file == NULL && isatty(STDOUT_FILENO))
		die("a backup is a tar: say file=PATH, or send standard output to a file");
	choose_target(c, &t, body);
	text = json_dumps(body, JSON_COMPACT);
	rc = cli_backup(&t, text, file);
	free(text);
	free(file);
	target_free(&t);
	json_decref(body);
	return (rc);
}

static int
run_restore(struct cli *c)
{
	json_t *body = operation_body(c);
	char *file = take_field(body, "file");
	int rc;

	if (file == NULL || json_object_size(body) > 1)
		die("restore takes the backup as file=PATH, and nothing else");
	load_conf(c);
	rc = cli_restore(c->conf, file);
	free(file);
	json_decref(body);
	return (rc);
}

/* ---- the rest ---- */

static int
run_status(struct cli *c)
{
	struct target t = { .timeout_s = 30 };
	json_t *fields = operation_body(c), *o;
	int runs, as_json = take_flag(fields, "json"), wait = take_flag(fields, "wait");
	char *err;

	json_decref(fields);
	load_conf(c);
	t.socket = xstrdup(conf_str(c->conf, API_SOCKET));
	if (wait && cli_wait_tables(&t, &err) == -1)
		die("%s", err);
	o = cli_status(c->conf, &t, &runs);
	print(o, as_json);
	json_decref(o);
	target_free(&t);
	return (!runs);
}

static int
run_metrics(struct cli *c)
{
	struct target t = { .timeout_s = 30 };
	struct answer a;
	char *err;

	load_conf(c);
	t.socket = xstrdup(conf_str(c->conf, API_SOCKET));
	if (cli_request(&t, "GET", "/metrics", NULL, &a, &err) == -1)
		die("%s", err);
	if (a.status != 200)
		die("status %d: %s", a.status, a.body);
	printf("%s", a.body);
	free(a.body);
	target_free(&t);
	return (0);
}

static int
run_run(struct cli *c)
{
	char **argv = NULL;
	int argc = 0, rc;

	load_conf(c);
	if (c->conf_file != NULL) {
		push(&argv, &argc, (char *)(uintptr_t)"-c");
		push(&argv, &argc, c->conf_file);
	}
	for (int i = 0; i < c->nflags; i++)
		push(&argv, &argc, c->flags[i]);
	rc = cli_run(c->conf, argc, argv);
	free(argv);
	return (rc);
}

static int
run_version(struct cli *c)
{
	printf("%s\n", PACKAGE_VERSION);
	return (0);
}

static int
run_help(struct cli *c)
{
	usage(0);
}

static const struct {
	const char	*name;
	int		(*run)(struct cli *c);
} commands[] = {
	{ "run", run_run }, { "status", run_status }, { "metrics", run_metrics },
	{ "get_backup", run_backup }, { "restore", run_restore }, { "version", run_version }, { "help", run_help },
};

int
main(int argc, char *argv[])
{
	struct cli c = { 0 };
	int (*run)(struct cli *) = run_operation;
	int rc;

	parse_args(&c, argc, argv);
	if (c.command == NULL)
		usage(2);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(c.command, commands[i].name) == 0)
			run = commands[i].run;
	rc = run(&c);
	conf_free(c.conf);
	free(c.flags);
	free(c.fields);
	if (fflush(stdout) == EOF)
		return (1);
	return (rc);
}
