#include "config.h"

#include "opsd/cli/cli.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/words.h"
#include "opsd/cli/cli_command.h"
#include "opsd/cli/cli_fields.h"
#include "opsd/cli/cli_help.h"
#include "opsd/cli/cli_plain.h"
#include "opsd/cli/cli_print.h"
#include "opsd/op/opdoc.h"

#define CONFIG_FILE    "/etc/hubleaf/hubleaf.yaml"
#define STATUS_SECONDS 30

static void
tell_plain(const char *before, const char *text)
{
	struct buf line = { 0 };

	cli_plain(&line, text);
	fprintf(stderr, "hubleaf: %s%.*s\n", before, (int)line.len, (const char *)line.data);
	buf_free(&line);
}

void
cli_die(const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) == -1)
		text = NULL;
	va_end(ap);
	tell_plain("", text != NULL ? text : "no memory");
	free(text);
	exit(1);
}

static __attribute__((noreturn)) void
die_usage(void)
{
	cli_help_usage(stderr);
	exit(2);
}

/* ---- arguments ---- */

void
cli_push(char ***list, int *n, char *arg)
{
	*list = xrealloc(*list, (size_t)(*n + 2) * sizeof(**list));
	(*list)[(*n)++] = arg;
	(*list)[*n] = NULL;
}

static __attribute__((noreturn)) void
die_flag(const char *arg, int needs_value)
{
	if (needs_value)
		fprintf(stderr, "hubleaf: '%s' needs a value\n", arg); /* one of ours */
	else if (strcmp(arg, "-config") == 0)
		tell_plain("",
		    "'-config' is -c here, and the file is YAML: hubleaf "
		    "convert-config FILE makes it of HarmonyLite's");
	else
		tell_plain("unknown flag: ", arg);
	fprintf(stderr, "hubleaf --help says how it is used\n");
	exit(2);
}

/* -cluster-addr VALUE, or -cluster-addr=VALUE; returns the last argument that it takes. */
static int
take_cluster(struct cli *c, int i, int argc, char **argv)
{
	const char *flag = cli_is_cluster(argv[i]), *value = strchr(argv[i], '=');

	if (value != NULL)
		value++;
	else if (i + 1 < argc)
		value = argv[++i];
	else
		die_flag(flag, 1);
	cli_take_cluster(c, flag, value);
	return (i);
}

/* One that is neither ours nor a key would have no effect: it is misspelt. */
static __attribute__((noreturn)) void
unknown_option(const char *name)
{
	static const char *const options[] = { "long", "keep", "help", "version" };
	const char *near = conf_nearest(name);
	unsigned least = words_distance(name, near), d;
	char *key = xstrdup(near);

	for (char *p = key; *p != '\0'; p++)
		*p = *p == '.' ? '_' : (char)toupper((unsigned char)*p);
	near = key;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if ((d = words_distance(name, options[i])) < least) {
			least = d;
			near = options[i];
		}
	cli_die("unknown flag '--%s', did you mean '--%s'?", name, near);
}

/* --KEY value, or --KEY=value; returns the last argument that it takes. */
static int
take_flag(struct cli *c, int i, int argc, char **argv)
{
	char *name = xstrndup(argv[i] + 2, strcspn(argv[i] + 2, "="));

	if (conf_find(name) == -1)
		unknown_option(name);
	free(name);
	cli_push(&c->flags, &c->nflags, argv[i]);
	if (strchr(argv[i], '=') == NULL && i + 1 < argc)
		cli_push(&c->flags, &c->nflags, argv[++i]);
	return (i);
}

static void
parse_args(struct cli *c, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		char *arg = argv[i];

		if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)
			c->help = 1;
		else if (strcmp(arg, "--long") == 0)
			c->is_long = 1;
		else if (strcmp(arg, "--keep") == 0 && i + 1 < argc)
			c->keep = argv[++i];
		else if (strcmp(arg, "--version") == 0 || strcmp(arg, "-v") == 0)
			c->command = "version";
		else if (strcmp(arg, "-c") == 0 && i + 1 < argc)
			c->conf_file = argv[++i];
		else if (cli_is_cluster(arg) != NULL)
			i = take_cluster(c, i, argc, argv);
		else if (strncmp(arg, "--", 2) == 0)
			i = take_flag(c, i, argc, argv);
		else if (arg[0] == '-')
			die_flag(arg, strcmp(arg, "-c") == 0);
		else if (c->command == NULL)
			c->command = arg;
		else
			cli_push(&c->fields, &c->nfields, arg);
	}
}

#define TOML_HINT \
	": is it TOML? hubleaf convert-config FILE prints HarmonyLite's configuration as YAML"

static int
is_toml(const char *file)
{
	size_t n = file != NULL ? strlen(file) : 0;

	return (n > 5 && strcmp(file + n - 5, ".toml") == 0);
}

void
cli_load_conf(struct cli *c, int own)
{
	const char *env = getenv("HUBLEAF_CONFIG");
	char *err = NULL;

	if (c->conf_file == NULL && env != NULL && env[0] != '\0')
		c->conf_file = (char *)(uintptr_t)env;
	if (c->conf_file == NULL && access(CONFIG_FILE, R_OK) == 0)
		c->conf_file = (char *)(uintptr_t)CONFIG_FILE;
	c->conf = (own ? conf_load : conf_load_client)(c->conf_file, c->nflags, c->flags, &err);
	if (c->conf == NULL)
		cli_die("%s%s", err, is_toml(c->conf_file) ? TOML_HINT : "");
}

/* ---- commands ---- */

void
cli_print_error(const struct answer *a, const json_t *v)
{
	const char *error = json_string_value(json_object_get(v, "error"));
	char status[40] = "";

	if (error == NULL || json_object_size(v) != 1) {
		snprintf(status, sizeof(status), "status %d: ", a->status);
		error = a->body;
	}
	tell_plain(status, error);
}

/* hubleaf sql 'SELECT ...': what is no named field is the statement. */
static char *
statement_field(const char *field)
{
	char after = field[strcspn(field, "=@ \t\n")];
	int is_statement = after != '=' && after != '@';

	return (xasprintf("%s%s", is_statement ? "sql=" : "", field));
}

int
cli_is_sql(const struct cli *c)
{
	return (c->command != NULL && strcmp(c->command, "sql") == 0);
}

json_t *
cli_operation_body(const struct cli *c)
{
	char **fields = xcalloc((size_t)c->nfields + 1, sizeof(*fields));
	json_t *body;

	for (int i = 0; i < c->nfields; i++)
		fields[i] = cli_is_sql(c) ? statement_field(c->fields[i]) : xstrdup(c->fields[i]);
	body = cli_body(c->command, c->nfields, fields);
	for (int i = 0; i < c->nfields; i++)
		free(fields[i]);
	free(fields);
	return (body);
}

static int
run_backup(struct cli *c)
{
	json_t *body = cli_operation_body(c);
	char *file = cli_take(body, "file"), *text;
	struct cli_target t = { 0 };
	int rc;

	if (file == NULL && isatty(STDOUT_FILENO))
		cli_die("a backup is a tar: say file=PATH, or send standard output to a file");
	cli_choose_target(c, &t, body);
	text = json_dumps(body, JSON_COMPACT);
	rc = cli_backup(&t, text, file);
	free(text);
	free(file);
	target_free(&t);
	json_decref(body);
	return (rc);
}

/* What is no operation: the fields that are left are none. */
static void
check_rest(json_t *fields)
{
	const char *name = "";
	json_t *v;

	json_object_del(fields, "operation");
	json_object_foreach(fields, name, v)
		cli_die("'%s' is not a field of it, see hubleaf help", name);
	json_decref(fields);
}

static int
run_keep(struct cli *c)
{
	json_t *fields = cli_operation_body(c);
	char *keep = cli_take(fields, "keep"), *folder, *end = NULL;
	long n = c->keep != NULL ? strtol(c->keep, &end, 10) : 0;
	struct cli_target t = { 0 };
	const char *node;
	int rc;

	if (keep != NULL)
		cli_die("backup takes how many stay as --keep %s", keep);
	if ((folder = cli_take(fields, "folder")) == NULL)
		cli_die("backup takes the folder of the backups as folder=PATH");
	if (c->keep != NULL && (n < 1 || n > 1000000 || *end != '\0'))
		cli_die("--keep takes how many backups stay, from 1 to 1000000");
	cli_choose_target(c, &t, fields);
	check_rest(fields);
	node = t.host != NULL ? t.host : conf_str(c->conf, CL_NODENAME);
	rc = cli_keep(&t, folder, node != NULL ? node : "hubleaf", (unsigned)n);
	free(folder);
	target_free(&t);
	return (rc);
}

static int
run_restore(struct cli *c)
{
	json_t *body = cli_operation_body(c);
	char *file = cli_take(body, "file");
	int rc;

	if (file == NULL || json_object_size(body) > 1)
		cli_die("restore takes the backup as file=PATH, and nothing else");
	cli_load_conf(c, 0);
	rc = cli_restore(c->conf, file);
	free(file);
	json_decref(body);
	return (rc);
}

static int
run_status(struct cli *c)
{
	struct cli_target t = { 0 };
	json_t *fields = cli_operation_body(c), *o;
	enum look look = cli_take_look(fields, LOOK_YAML);
	int runs, wait = cli_take_flag(fields, "wait");
	int all = c->is_long || look != LOOK_YAML || cli_take_flag(fields, "long");
	struct buf screen = { 0 };
	char *err = NULL;

	cli_choose_target(c, &t, fields);
	t.timeout_s = STATUS_SECONDS;
	check_rest(fields);
	if (wait && cli_wait_tables(&t, &err) == -1)
		cli_die("%s", err);
	if ((o = cli_status(c->conf, &t, &runs, &err)) == NULL)
		cli_die("%s", err);
	if (all)
		cli_print(o, look);
	else {
		cli_screen(o, &screen);
		fwrite(screen.data, 1, screen.len, stdout);
	}
	buf_free(&screen);
	free(err);
	json_decref(o);
	target_free(&t);
	return (!runs);
}

/* A positive number; the field leaves the body. */
static double
take_number(json_t *fields, const char *name, double absent)
{
	const json_t *v = json_object_get(fields, name);
	double d = v != NULL ? json_number_value(v) : absent;

	if (v != NULL && !(d > 0 && d < 86400))
		cli_die("'%s' must be a number between 0 and 86400", name);
	json_object_del(fields, name);
	return (d);
}

static int
run_top(struct cli *c)
{
	struct cli_target t = { 0 };
	json_t *fields = cli_operation_body(c);
	double seconds = take_number(fields, "interval", 2),
	       count = take_number(fields, "count", 0);
	int rc;

	cli_choose_target(c, &t, fields);
	t.timeout_s = STATUS_SECONDS;
	check_rest(fields);
	rc = cli_top(c->conf, &t, seconds, (long long)count);
	target_free(&t);
	return (rc);
}

static int
run_metrics(struct cli *c)
{
	struct cli_target t = { .timeout_s = 30 };
	struct answer a;
	char *err;

	cli_load_conf(c, 0);
	t.socket = xstrdup(conf_str(c->conf, API_SOCKET));
	if (cli_request(&t, "GET", "/metrics", NULL, &a, &err) == -1)
		cli_die("%s", err);
	if (a.status != 200)
		cli_die("status %d: %s", a.status, a.body);
	printf("%s", a.body);
	free(a.body);
	target_free(&t);
	return (0);
}

static int
run_run(struct cli *c)
{
	static char flag[] = "-c";
	char **argv = NULL;
	int argc = 0, rc;

	cli_load_conf(c, 1);
	if (c->conf_file != NULL) {
		cli_push(&argv, &argc, flag);
		cli_push(&argv, &argc, c->conf_file);
	}
	for (int i = 0; i < c->nflags; i++)
		cli_push(&argv, &argc, c->flags[i]);
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
	const char *near;

	if (c->nfields == 0) {
		cli_help_usage(stdout);
		return (0);
	}
	if (cli_help(c->fields[0]) == 0)
		return (0);
	near = opdoc_near_operation(c->fields[0]);
	if (near != NULL)
		cli_die("there is no operation '%s', did you mean '%s'?", c->fields[0], near);
	cli_die("there is no operation '%s', see hubleaf help operations", c->fields[0]);
}

static int
run_complete(struct cli *c)
{
	cli_help_words(c->nfields > 0 ? c->fields[0] : NULL);
	return (0);
}

typedef int command_fn(struct cli *c);

static const struct {
	const char *name;
	command_fn *run;
} commands[] = {
	{ "run", run_run },
	{ "status", run_status },
	{ "top", run_top },
	{ "metrics", run_metrics },
	{ "get_backup", run_backup },
	{ "backup", run_keep },
	{ "restore", run_restore },
	{ "nats-permissions", cli_nats_permissions },
	{ "convert-config", cli_convert },
	{ "version", run_version },
	{ "help", run_help },
	{ "complete", run_complete },
};

/* NULL: it is none. */
static command_fn *
find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(name, commands[i].name) == 0)
			return (commands[i].run);
	return (NULL);
}

/*
 * `hubleaf OPERATION --help` is `hubleaf help OPERATION`, and says so if there is none; that
 * of a command is how all is used.
 */
static void
ask_for_help(struct cli *c)
{
	c->nfields = 0;
	if (c->command != NULL && c->command[0] != '@' &&
	    (opdoc_find(c->command) != NULL || find_command(c->command) == NULL))
		cli_push(&c->fields, &c->nfields, (char *)(uintptr_t)c->command);
	c->command = "help";
}

int
main(int argc, char *argv[])
{
	struct cli c = { 0 };
	command_fn *run;
	int rc;

	parse_args(&c, argc, argv);
	if (c.help)
		ask_for_help(&c);
	if (c.command == NULL)
		die_usage();
	/* A whole body says itself what is asked for. */
	if (c.command[0] == '@') {
		cli_push(&c.fields, &c.nfields, (char *)(uintptr_t)c.command);
		c.command = NULL;
	}
	run = c.command != NULL ? find_command(c.command) : NULL;
	rc = (run != NULL ? run : cli_operation)(&c);
	conf_free(c.conf);
	while (c.nmade > 0)
		free(c.made[--c.nmade]);
	free(c.made);
	free(c.flags);
	free(c.fields);
	if (fflush(stdout) == EOF)
		return (1);
	return (rc);
}
