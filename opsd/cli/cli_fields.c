#include "config.h"

#include "opsd/cli/cli_fields.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "opsd/cli/cli.h"
#include "opsd/op/opdoc.h"

#define INPUT_MAX (1 << 28) /* bytes of a field or a body that stands in a file */
#define PIECE     65536

static char *hint;

const char *
cli_body_hint(void)
{
	return (hint);
}

/* ---- what stands in a file ---- */

static char *
read_input(size_t *n)
{
	struct buf b = { 0 };
	ssize_t got;

	do {
		buf_reserve(&b, PIECE);
		got = read(STDIN_FILENO, b.data + b.len, PIECE);
		b.len += got > 0 ? (size_t)got : 0;
	} while ((got > 0 && b.len <= INPUT_MAX) || (got == -1 && errno == EINTR));
	if (got == -1)
		cli_die("standard input: %s", strerror(errno));
	buf_u8(&b, 0);
	*n = b.len - 1;
	return ((char *)buf_take(&b, NULL));
}

/* The caller frees. */
static char *
read_path(const char *path, size_t *n)
{
	int input = strcmp(path, "-") == 0;
	char *text = input ? read_input(n) : file_read(path, INPUT_MAX + 1, n);

	if (text == NULL)
		cli_die("%s: %s", path, strerror(errno));
	if (*n > INPUT_MAX)
		cli_die("%s: is larger than %d bytes", path, INPUT_MAX);
	return (text);
}

/* ---- values ---- */

/* A line's end is none of a password's. */
static json_t *
text_value(const char *name, const char *text, size_t n, enum op_kind kind)
{
	json_t *v;

	if (kind == KIND_PASSWORD || kind == KIND_NEW_PASSWORD)
		n = strcspn(text, "\r\n");
	v = json_stringn(text, n);
	if (v == NULL)
		cli_die("%s: is not UTF-8", name);
	return (v);
}

static void
set_hint(const char *name, const json_error_t *err, int lines)
{
	if (hint == NULL && lines)
		hint = xasprintf("%s was sent as text, as it is not JSON: line %d: %s", name,
		    err->line, err->text);
	else if (hint == NULL)
		hint = xasprintf("%s was sent as text, as it is not JSON: %s", name, err->text);
}

/* JSON where it is an array, object, number or boolean; else text. */
static json_t *
any_value(const char *name, const char *text, size_t n, enum op_kind kind)
{
	json_error_t err;
	json_t *v = json_loadb(text, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &err);

	if (v != NULL && (kind == KIND_ANY || kind == KIND_KEYS || !json_is_null(v)) &&
	    !json_is_string(v))
		return (v);
	if (v == NULL &&
	    (kind == KIND_LIST || kind == KIND_OBJECT || text[0] == '[' || text[0] == '{'))
		set_hint(name, &err, memchr(text, '\n', n) != NULL);
	json_decref(v);
	return (text_value(name, text, n, kind));
}

/* Of an unknown operation, what stands in a file is text: certificates, say. */
static json_t *
field_value(const struct op_field *f, const char *name, const char *text, size_t n, int file)
{
	enum op_kind kind = f != NULL             ? f->kind :
	    file || strcmp(name, "username") == 0 ? KIND_TEXT :
	    strcmp(name, "password") == 0         ? KIND_PASSWORD :
						    KIND_ANY;

	if (kind < KIND_NUMBER)
		return (text_value(name, text, n, kind));
	return (any_value(name, text, n, kind));
}

/* ---- fields ---- */

/* For the program itself, with any operation. */
static const char *const own[] = { "json", "as", "wait", "target", "insecure", "username",
	"password" };

static int
is_own(const struct op_doc *op, const char *name)
{
	if (strcmp(name, "file") == 0)
		return (strcmp(op->name, "get_backup") == 0);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (strcmp(name, own[i]) == 0)
			return (1);
	return (0);
}

static const struct op_field *
find_field(const struct op_doc *op, const char *name)
{
	const struct op_field *f = op != NULL ? opdoc_field(op, name) : NULL;
	const char *near;

	if (op == NULL || f != NULL || is_own(op, name))
		return (f);
	near = opdoc_near_field(op, name);
	if (near != NULL)
		cli_die("%s has no field '%s', did you mean '%s'?", op->name, name, near);
	cli_die("%s has no field '%s', see hubleaf help %s", op->name, name, op->name);
}

static char *
ask_password(const struct op_field *f)
{
	char *prompt = xasprintf("%s: ", f->name);
	char *text = cli_ask_password(prompt, f->kind == KIND_NEW_PASSWORD);

	free(prompt);
	return (text);
}

/* A name alone: a password is asked for. */
static void
add_asked(const struct op_doc *op, json_t *body, const char *name)
{
	const struct op_field *f = op != NULL ? opdoc_field(op, name) : NULL;
	char *text;

	if (f == NULL || (f->kind != KIND_PASSWORD && f->kind != KIND_NEW_PASSWORD))
		cli_die("'%s' is not key=value", name);
	if ((text = ask_password(f)) == NULL)
		cli_die("there is no terminal to ask for '%s': %s@=PATH takes it from a file, "
			"%s@=- from standard input",
		    name, name, name);
	/* Left to the node, which may make one. */
	if (*text != '\0')
		json_object_set_new(body, name, json_string(text));
	mem_wipe(text);
}

/* "name=value", or "name@=path". */
static void
add_field(const struct op_doc *op, json_t *body, char *field)
{
	char *eq = strchr(field, '='), *text;
	const struct op_field *f;
	size_t n;

	if (eq == NULL) {
		add_asked(op, body, field);
		return;
	}
	if (eq == field || (eq == field + 1 && *field == '@'))
		cli_die("'%s' is not key=value", field);
	*eq++ = '\0';
	if (eq[-2] != '@') {
		f = find_field(op, field);
		json_object_set_new(body, field, field_value(f, field, eq, strlen(eq), 0));
		return;
	}
	eq[-2] = '\0';
	f = find_field(op, field);
	text = read_path(eq, &n);
	json_object_set_new(body, field, field_value(f, field, text, n, 1));
	explicit_bzero(text, n);
	free(text);
}

/* A whole body, in a file; what it has is sent as it is. */
static void
add_body(json_t *body, const char *path)
{
	const char *wanted = json_string_value(json_object_get(body, "operation")), *is;
	json_error_t err;
	size_t n;
	char *text = read_path(path, &n);
	json_t *v = json_loadb(text, n, JSON_ALLOW_NUL, &err);

	if (v == NULL)
		cli_die("%s: is not JSON: line %d, column %d: %s", path, err.line, err.column,
		    err.text);
	if (!json_is_object(v))
		cli_die("%s: is not an object", path);
	is = json_string_value(json_object_get(v, "operation"));
	if (wanted != NULL && is != NULL && strcmp(is, wanted) != 0)
		cli_die("%s: is of the operation '%s', not of '%s'", path, is, wanted);
	json_object_update(body, v);
	json_decref(v);
	explicit_bzero(text, n);
	free(text);
}

json_t *
cli_body(const char *operation, int n, char **fields)
{
	const struct op_doc *op = operation != NULL ? opdoc_find(operation) : NULL;
	json_t *body = json_object();

	if (operation != NULL)
		json_object_set_new(body, "operation", json_string(operation));
	for (int i = 0; i < n; i++)
		if (fields[i][0] == '@' && fields[i][1] != '=')
			add_body(body, fields[i] + 1);
		else
			add_field(op, body, fields[i]);
	return (body);
}

void
cli_body_ask(json_t *body)
{
	const char *name = json_string_value(json_object_get(body, "operation"));
	const struct op_doc *op = name != NULL ? opdoc_find(name) : NULL;

	if (op == NULL || !isatty(STDIN_FILENO))
		return;
	for (const struct op_field *f = op->fields; f->name != NULL; f++)
		if (f->kind == KIND_NEW_PASSWORD && f->absent == OP_REQUIRED &&
		    json_object_get(body, f->name) == NULL)
			add_asked(op, body, f->name);
}

char *
cli_take(json_t *body, const char *name)
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

int
cli_take_flag(json_t *body, const char *name)
{
	char *text = cli_take(body, name);
	int on = text != NULL && strcmp(text, "true") == 0;

	free(text);
	return (on);
}
