#include "config.h"

#include <stdio.h>
#include <string.h>

#include "opsd/op/opdoc.h"

/* Prints hubleaf-api(7), of the tables of operations; runs when building. */

static const char head[] = ".Dd November 28, 2026\n"
			   ".Dt HUBLEAF-API 7\n"
			   ".Os\n"
			   ".Sh NAME\n"
			   ".Nm hubleaf-api\n"
			   ".Nd the operations of a hubleaf node\n"
			   ".Sh DESCRIPTION\n"
			   "An operation is a JSON object that is posted to\n"
			   ".Pa / ,\n"
			   "with its name in\n"
			   ".Ic operation\n"
			   "and its fields beside it, or sent with\n"
			   ".Xr hubleaf 1 .\n"
			   "What they do is in\n"
			   ".Xr opsd 8 .\n"
			   "Of a field\n"
			   ".Ql routes[].host\n"
			   "the object is one of the list\n"
			   ".Ql routes ,\n"
			   "and of\n"
			   ".Ql options.keep\n"
			   "it is\n"
			   ".Ql options .\n"
			   ".Sh OPERATIONS\n";

static const char tail[] = ".Sh SEE ALSO\n"
			   ".Xr hubleaf 1 ,\n"
			   ".Xr hubleaf.yaml 5 ,\n"
			   ".Xr hubleaf 7 ,\n"
			   ".Xr opsd 8\n";

#define COLUMNS 72

static void
put_escaped(char ch)
{
	if (ch == '\\')
		fputs("\\e", stdout);
	else if (ch == '\n')
		fputs("\\en", stdout);
	else
		putchar(ch);
}

/* Each sentence begins a line, and lines are short; nothing in them is a macro. */
static void
put_sentences(const char *s)
{
	size_t column = 0;

	for (; *s != '\0'; s++, column++) {
		if (*s == ' ' && (s[-1] == '.' || column + 1 + strcspn(s + 1, " ") > COLUMNS)) {
			putchar('\n');
			column = 0;
			continue;
		}
		if (column == 0 && (*s == '.' || *s == '\''))
			fputs("\\&", stdout);
		put_escaped(*s);
	}
	putchar('\n');
}

static void
put_field(const struct op_field *f)
{
	char absent[100];

	opdoc_absent(f, absent, sizeof(absent));
	printf(".It Ic %s", f->name);
	if (f->old != NULL)
		printf(" , %s", f->old);
	printf(" No \\(em %s; ", opdoc_kind(f->kind));
	put_sentences(absent);
	put_sentences(f->line);
	if (f->kind == KIND_KEYS)
		return;
	fputs("For example\n.Li \"", stdout);
	for (const char *s = f->example; *s != '\0'; s++)
		if (*s == '"')
			fputs("\\(dq", stdout);
		else
			put_escaped(*s);
	fputs("\" .\n", stdout);
}

static void
put_operation(const struct op_doc *op)
{
	printf(".Ss %s\n", op->name);
	put_sentences(op->line);
	put_sentences(opdoc_right(op->right));
	if (op->old != NULL)
		printf("It is also called\n.Ic %s .\n", op->old);
	if (op->fields->name == NULL)
		return;
	puts(".Bl -tag -width Ds");
	for (const struct op_field *f = op->fields; f->name != NULL; f++)
		put_field(f);
	puts(".El");
}

int
main(void)
{
	const struct op_doc *op;

	fputs(head, stdout);
	for (unsigned i = 0; (op = opdoc_at(i)) != NULL; i++)
		put_operation(op);
	fputs(tail, stdout);
	return (fflush(stdout) == 0 ? 0 : 1);
}
