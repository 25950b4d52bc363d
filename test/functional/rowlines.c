/*
 * An answer with rows, from standard input, as a line for each: names in order, without what is null,
 * lines sorted.  So two nodes' tables can be compared.  It fails when no rows were told.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
drop_nulls(json_t *row)
{
	const char *name;
	json_t *value;
	void *tmp;

	json_object_foreach_safe(row, tmp, name, value)
		if (json_is_null(value))
			json_object_del(row, name);
}

static int
by_text(const void *a, const void *b)
{
	return (strcmp(*(char *const *)a, *(char *const *)b));
}

int
main(void)
{
	json_error_t err;
	json_t *rows = json_loadf(stdin, JSON_DECODE_ANY, &err), *row;
	size_t i, n = json_array_size(rows);
	char **lines = calloc(n + 1, sizeof(*lines));

	if (!json_is_array(rows) || lines == NULL) {
		fprintf(stderr, "no rows\n");
		return (1);
	}
	json_array_foreach(rows, i, row) {
		drop_nulls(row);
		lines[i] = json_dumps(row, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
		if (lines[i] == NULL)
			return (1);
	}
	qsort(lines, n, sizeof(*lines), by_text);
	for (i = 0; i < n; i++) {
		puts(lines[i]);
		free(lines[i]);
	}
	free(lines);
	json_decref(rows);
	return (fflush(stdout) == 0 ? 0 : 1);
}
