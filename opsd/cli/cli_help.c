#include "config.h"

#include "opsd/cli/cli_help.h"

#include <string.h>

#include "common/conf/conf.h"
#include "opsd/op/opdoc.h"

#define COLUMN 22 /* where texts begin */
#define WIDE   80

void
cli_help_usage(FILE *to)
{
	fputs("usage: hubleaf [-c file] [--KEY value ...] command\n"
	      "  run                       start the node's daemons in the foreground\n"
	      "  status [--long]           show the node and its cluster\n"
	      "  top                       show that again and again\n"
	      "  backup folder=PATH        make a backup there; --keep N: the newest N stay\n"
	      "  restore file=PATH         put a backup into the node's folder\n"
	      "  nats-permissions          print what the node may do in a NATS cluster of\n"
	      "                            yours (nats.urls), for its configuration\n"
	      "  convert-config FILE       print a HarmonyLite configuration as the node's\n"
	      "  metrics                   print its figures, for Prometheus\n"
	      "  version                   print the version\n"
	      "  help [OPERATION]          print this, or the fields of an operation;\n"
	      "                            hubleaf help operations lists them\n"
	      "  OPERATION [key=value ...] send an operation and print the answer,\n"
	      "                            such as: hubleaf describe_table table=dog;\n"
	      "                            key@=PATH takes a value from a file, @PATH a\n"
	      "                            whole body; - is standard input\n"
	      "With run:\n"
	      "  -cluster-addr HOST:PORT   turns clustering on; the hub listens there\n"
	      "  -cluster-peers HOST:PORT,...\n"
	      "                            the hubs that it connects to\n"
	      "With an operation:\n"
	      "  as=table|json|yaml|csv    how the answer is printed; json=true is as=json\n"
	      "  target=URL                send it there instead of the local domain socket,\n"
	      "                            with username=NAME (the password is asked for)\n"
	      "                            or CLI_TARGET_USERNAME, CLI_TARGET_PASSWORD\n"
	      "  insecure=true             with https: do not verify the certificate\n"
	      "  wait=true                 wait for the job that it starts, with status for\n"
	      "                            tables that catch up\n"
	      "  file=PATH                 with get_backup: write the backup there\n",
	    to);
}

/* From the column on, no line longer than the screen is wide. */
static void
put_wrapped(const char *s)
{
	size_t at = COLUMN;

	for (; *s != '\0'; s++, at++)
		if (*s == ' ' && at + 1 + strcspn(s + 1, " ") > WIDE) {
			printf("\n%*s", COLUMN, "");
			at = COLUMN - 1;
		} else
			putchar(*s);
	putchar('\n');
}

/* As a shell wants it. */
static void
put_argument(const struct op_field *f)
{
	const char *quote = strpbrk(f->example, " \t\\\"[]{}*?&;|<>()$`#~!") != NULL ? "'" : "";

	if (f->kind == KIND_KEYS) {
		printf(" %s", f->example);
		return;
	}
	if (strchr(f->example, '\n') != NULL || f->kind == KIND_PASSWORD ||
	    f->kind == KIND_NEW_PASSWORD) {
		printf(" %s@=PATH", f->name);
		return;
	}
	printf(" %s=%s%s%s", f->name, quote, f->example, quote);
}

static void
put_field(const struct op_field *f)
{
	char text[256], absent[100];
	int n;

	opdoc_absent(f, absent, sizeof(absent));
	n = printf("  %s", f->name);
	if (n >= COLUMN - 1)
		printf("\n%*s", COLUMN, "");
	else
		printf("%*s", COLUMN - n, "");
	snprintf(text, sizeof(text), "%s, %s%s%s", opdoc_kind(f->kind), absent,
	    f->old != NULL ? "; also called " : "", f->old != NULL ? f->old : "");
	put_wrapped(text);
	printf("%*s", COLUMN, "");
	put_wrapped(f->line);
	printf("%*sExample:", COLUMN, "");
	if (opdoc_is_top(f))
		put_argument(f);
	else
		printf(" %s", f->example);
	putchar('\n');
}

static void
put_operation(const struct op_doc *op)
{
	printf("%s: %s\n%s\n", op->name, op->line, opdoc_right(op->right));
	if (op->old != NULL)
		printf("It is also called %s.\n", op->old);
	printf("\n");
	for (const struct op_field *f = op->fields; f->name != NULL; f++)
		put_field(f);
	printf("%sExample:\n  hubleaf %s", op->fields->name != NULL ? "\n" : "", op->name);
	for (const struct op_field *f = op->fields; f->name != NULL; f++)
		if (opdoc_in_example(f) && f->kind != KIND_NEW_PASSWORD)
			put_argument(f);
	printf("\n");
}

static void
put_operations(void)
{
	const struct op_doc *op;

	for (unsigned i = 0; (op = opdoc_at(i)) != NULL; i++) {
		printf("%s\n%*s", op->name, COLUMN, "");
		put_wrapped(op->line);
	}
}

int
cli_help(const char *name)
{
	const struct op_doc *op = opdoc_find(name);

	if (op != NULL)
		put_operation(op);
	else if (strcmp(name, "operations") == 0)
		put_operations();
	else
		return (-1);
	return (0);
}

/* ---- completion ---- */

/* As the API has them: "jobs_retention=". */
static void
put_conf_keys(void)
{
	for (int key = 0; key < CONF_KEYS; key++) {
		for (const char *s = conf_name((enum conf_key)key); *s != '\0'; s++)
			putchar(*s == '.' ? '_' : *s);
		puts("=");
	}
}

static void
put_fields(const struct op_doc *op)
{
	for (const struct op_field *f = op->fields; f->name != NULL; f++)
		if (f->kind == KIND_KEYS)
			put_conf_keys();
		else if (opdoc_is_top(f))
			printf("%s=\n", f->name);
	fputs("as=\nwait=\ntarget=\nusername=\ninsecure=\n", stdout);
	if (strcmp(op->name, "get_backup") == 0)
		puts("file=");
}

static void
put_names(void)
{
	const struct op_doc *op;

	fputs("run\nstatus\ntop\nbackup\nrestore\nmetrics\nversion\nhelp\n", stdout);
	for (unsigned i = 0; (op = opdoc_at(i)) != NULL; i++) {
		puts(op->name);
		if (op->old != NULL)
			puts(op->old);
	}
}

void
cli_help_words(const char *name)
{
	const struct op_doc *op = name != NULL ? opdoc_find(name) : NULL;

	if (name == NULL)
		put_names();
	else if (op != NULL)
		put_fields(op);
	else if (strcmp(name, "backup") == 0)
		fputs("folder=\ntarget=\nusername=\ninsecure=\n", stdout);
	else if (strcmp(name, "restore") == 0)
		puts("file=");
	else if (strcmp(name, "status") == 0)
		fputs("as=\nwait=\ntarget=\nusername=\ninsecure=\n", stdout);
	else if (strcmp(name, "top") == 0)
		fputs("interval=\ncount=\ntarget=\nusername=\ninsecure=\n", stdout);
	else if (strcmp(name, "help") == 0)
		put_names();
}
