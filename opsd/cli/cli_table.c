#include "config.h"

#include "opsd/cli/cli_print.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/cli/cli_plain.h"

/* In letters, of which UTF-8 has several bytes. */
static size_t
text_width(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return (n);
}

static const char *
cell_text(const json_t *line, size_t i)
{
	const char *text = json_string_value(json_array_get(line, i));

	return (text != NULL ? text : "");
}

static void
put_cell(struct buf *out, const char *text, int follows, size_t width)
{
	size_t n = text_width(text);

	buf_addf(out, "%s", follows ? "  " : "");
	cli_plain(out, text);
	buf_addf(out, "%*s", width > n ? (int)(width - n) : 0, "");
}

void
cli_table(struct buf *out, const json_t *lines)
{
	const json_t *line;
	size_t i, k, columns = 0, *widths;

	json_array_foreach(lines, i, line)
		columns = json_array_size(line) > columns ? json_array_size(line) : columns;
	widths = xcalloc(columns + 1, sizeof(*widths));
	json_array_foreach(lines, i, line)
		for (k = 0; k < json_array_size(line); k++)
			if (text_width(cell_text(line, k)) > widths[k])
				widths[k] = text_width(cell_text(line, k));
	json_array_foreach(lines, i, line) {
		size_t last = json_array_size(line);

		for (; last > 0 && cell_text(line, last - 1)[0] == '\0'; last--)
			;
		for (k = 0; k < last; k++)
			put_cell(out, cell_text(line, k), k > 0, k + 1 < last ? widths[k] : 0);
		buf_u8(out, '\n');
	}
	free(widths);
}
