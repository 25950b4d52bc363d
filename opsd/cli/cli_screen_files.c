#include "config.h"

#include "opsd/cli/cli.h"

#include <stdlib.h>
#include <string.h>

#include "opsd/cli/cli_plain.h"
#include "opsd/cli/cli_print.h"
#include "opsd/cli/cli_screen_files.h"

/* SQLite files on the screen of `hubleaf status`. */

#define FILES_MAX 8

static const char *
file_text(const json_t *o, const char *name)
{
	const char *text = json_string_value(json_object_get(o, name));

	return (text != NULL ? text : "");
}

static long long
file_number(const json_t *o, const char *name)
{
	return ((long long)json_integer_value(json_object_get(o, name)));
}

/* What is wrong mostly begins with the path. */
static void
put_state(struct buf *out, const json_t *file)
{
	const char *path = file_text(file, "path"), *state = file_text(file, "state");

	if (strcmp(state, "ok") == 0)
		return;
	buf_addf(out, "warning: sqlite: ");
	if (strstr(state, path) == NULL) {
		cli_plain(out, path);
		buf_addf(out, ": ");
	}
	cli_plain(out, state);
	buf_u8(out, '\n');
}

static void
put_refused(struct buf *out, const json_t *file, const json_t *table)
{
	const json_t *first = json_array_get(json_object_get(table, "refused_rows"), 0);
	char *id = json_dumps(json_object_get(first, "id"), JSON_COMPACT | JSON_ENCODE_ANY);
	long long n = file_number(table, "refused");

	buf_addf(out, "pending: sqlite: ");
	cli_plain(out, file_text(file, "path"));
	buf_addf(out, ": %lld row%s of '", n, n == 1 ? "" : "s");
	cli_plain(out, file_text(table, "table"));
	buf_addf(out, n == 1 ? "' is not taken" : "' are not taken");
	if (id != NULL) {
		buf_addf(out, n == 1 ? ": " : ", such as ");
		cli_plain(out, id);
		buf_addf(out, ": ");
		cli_plain(out, file_text(first, "reason"));
	}
	buf_u8(out, '\n');
	free(id);
}

void
cli_screen_files_wrong(struct buf *out, const json_t *files)
{
	const json_t *file, *table;
	size_t i, k;
	int n = 0;

	json_array_foreach(files, i, file) {
		if (i < FILES_MAX)
			put_state(out, file);
		json_array_foreach(json_object_get(file, "tables"), k, table)
			if (file_number(table, "refused") > 0 && n++ < FILES_MAX)
				put_refused(out, file, table);
	}
}

void
cli_screen_files(struct buf *out, const json_t *files)
{
	json_t *lines = json_array();
	const json_t *file;
	size_t i, n = json_array_size(files);

	json_array_foreach(files, i, file)
		if (i < FILES_MAX) {
			size_t tables = json_array_size(json_object_get(file, "tables"));

			json_array_append_new(lines,
			    json_pack("[s, s, o, o, o]", file_text(file, "path"),
				strcmp(file_text(file, "state"), "ok") == 0 ? "ok" : "not ok",
				json_sprintf("%zu table%s", tables, tables == 1 ? "" : "s"),
				json_sprintf("log %lld", file_number(file, "log_rows")),
				json_sprintf("pending %lld", file_number(file, "pending_rows"))));
		}
	if (n > 0) {
		buf_u8(out, '\n');
		cli_table(out, lines);
	}
	if (n > FILES_MAX)
		buf_addf(out, "and %zu more: hubleaf status --long\n", n - FILES_MAX);
	json_decref(lines);
}
