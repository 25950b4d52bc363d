#include "config.h"

#include "opsd/cli/cli_print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/words.h"
#include "common/conf/yaml.h"
#include "opsd/cli/cli.h"
#include "opsd/cli/cli_fields.h"
#include "opsd/cli/cli_plain.h"

enum look
cli_take_look(json_t *body, enum look otherwise)
{
	enum look look = cli_take_flag(body, "json") ? LOOK_JSON : otherwise;
	char *word = cli_take(body, "as");

	if (word == NULL)
		return (look);
	if (strcmp(word, "table") == 0)
		look = LOOK_TABLE;
	else if (strcmp(word, "json") == 0)
		look = LOOK_JSON;
	else if (strcmp(word, "yaml") == 0)
		look = LOOK_YAML;
	else if (strcmp(word, "csv") == 0)
		look = LOOK_CSV;
	else
		cli_die("'as' must be one of [yaml, json, table, csv]");
	free(word);
	return (look);
}

/* ---- JSON: numbers as they were sent ---- */

static void put_json(struct buf *out, const json_t *v, int depth);

/* depth -1: all in one line. */
static void
put_break(struct buf *out, int depth)
{
	if (depth >= 0)
		buf_addf(out, "\n%*s", depth * 2, "");
}

/* JSON text, with those controls escaped that JSON leaves and terminals obey: of each the last byte is its number. */
static void
put_escaped(struct buf *out, const char *text)
{
	size_t n;

	for (; *text != '\0'; text += n > 0 ? n : 1)
		if ((n = cli_control(text)) > 0)
			buf_addf(out, "\\u%04X", (unsigned char)text[n - 1]);
		else
			buf_u8(out, (uint8_t)*text);
}

static void
put_plain(struct buf *out, const json_t *v)
{
	char *text, real[WORDS_REAL];

	if (json_is_real(v)) {
		words_real(real, json_real_value(v));
		buf_addf(out, "%s", real);
		return;
	}
	text = json_dumps(v, JSON_ENCODE_ANY);
	put_escaped(out, text != NULL ? text : "null");
	free(text);
}

static void
put_name(struct buf *out, const char *name)
{
	json_t *text = json_string(name);

	put_plain(out, text);
	buf_addf(out, ": ");
	json_decref(text);
}

static void
put_json(struct buf *out, const json_t *v, int depth)
{
	int inside = depth == -1 ? -1 : depth + 1, n = 0;
	const char *name, *sep = depth == -1 ? ", " : ",";
	json_t *e;
	size_t i;

	if (!json_is_object(v) && !json_is_array(v)) {
		put_plain(out, v);
		return;
	}
	buf_u8(out, json_is_object(v) ? '{' : '[');
	json_object_foreach((json_t *)(uintptr_t)v, name, e) {
		buf_addf(out, "%s", n++ > 0 ? sep : "");
		put_break(out, inside);
		put_name(out, name);
		put_json(out, e, inside);
	}
	json_array_foreach(v, i, e) {
		buf_addf(out, "%s", n++ > 0 ? sep : "");
		put_break(out, inside);
		put_json(out, e, inside);
	}
	if (n > 0)
		put_break(out, depth);
	buf_u8(out, json_is_object(v) ? '}' : ']');
}

/* ---- tables ---- */

/* Of a role with its permission, which would fill the screen; NULL: it is none. */
static const char *
shown_role(const json_t *v)
{
	return (json_object_get(v, "permission") != NULL ?
		json_string_value(json_object_get(v, "role")) :
		NULL);
}

/* "a, b" of one or a list of roles; 0: it is neither. */
static int
put_roles(struct buf *out, const json_t *v)
{
	const json_t *e;
	size_t i;

	if (shown_role(v) != NULL)
		buf_addf(out, "%s", shown_role(v));
	json_array_foreach(v, i, e)
		if (shown_role(e) == NULL)
			return (0);
	json_array_foreach(v, i, e)
		buf_addf(out, "%s%s", i > 0 ? ", " : "", shown_role(e));
	return (out->len > 0);
}

/* Text as it is, but in one line; roles by name; all else as JSON. */
static json_t *
cell_of(const json_t *v)
{
	struct buf b = { 0 };
	json_t *text;

	if (v == NULL)
		return (json_string(""));
	if (json_is_string(v) && strpbrk(json_string_value(v), "\n\r\t") == NULL)
		return (json_string(json_string_value(v)));
	if (!put_roles(&b, v))
		put_json(&b, v, -1);
	text = json_stringn((const char *)b.data, b.len);
	buf_free(&b);
	return (text);
}

/* Every name that one of the objects has, in the order in which they come. */
static json_t *
column_names(const json_t *list)
{
	json_t *names = json_object(), *o, *v;
	const char *name;
	size_t i;

	json_array_foreach(list, i, o)
		json_object_foreach(o, name, v)
			json_object_set_new(names, name, json_null());
	return (names);
}

static json_t *
lines_of(const json_t *list)
{
	json_t *names = column_names(list), *lines = json_array(), *line = json_array(), *o, *null;
	const char *name;
	size_t i;

	json_object_foreach(names, name, null)
		json_array_append_new(line, json_string(name));
	json_array_append_new(lines, line);
	json_array_foreach(list, i, o) {
		line = json_array();
		json_object_foreach(names, name, null)
			json_array_append_new(line, cell_of(json_object_get(o, name)));
		json_array_append_new(lines, line);
	}
	json_decref(names);
	return (lines);
}

/* The list itself, or the only thing in an object; NULL: there is none of objects. */
static const json_t *
list_in(const json_t *v)
{
	const json_t *e;
	size_t i;

	if (json_is_object(v) && json_object_size(v) == 1)
		v = json_object_iter_value(json_object_iter((json_t *)(uintptr_t)v));
	if (!json_is_array(v))
		return (NULL);
	json_array_foreach(v, i, e)
		if (!json_is_object(e))
			return (NULL);
	return (v);
}

static void
put_table(struct buf *out, const json_t *list)
{
	json_t *lines = lines_of(list);

	cli_table(out, lines);
	json_decref(lines);
}

/* ---- all ---- */

static void
put_yaml(struct buf *out, const json_t *v)
{
	char *text = yaml_dump(v);

	if (text != NULL)
		buf_add(out, text, strlen(text));
	free(text);
}

void
cli_print(const json_t *v, enum look look)
{
	const json_t *list = look == LOOK_TABLE ? list_in(v) : NULL;
	struct buf out = { 0 };

	if (list != NULL)
		put_table(&out, list);
	else if (look == LOOK_JSON)
		put_json(&out, v, 0);
	else
		put_yaml(&out, v);
	if (out.len > 0) {
		fwrite(out.data, 1, out.len, stdout);
		if (out.data[out.len - 1] != '\n')
			putchar('\n');
	}
	buf_free(&out);
}
