#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format.h"

/*
 * The first byte is the format, the rest a body: refused with a text, or read, and
 * then what is written of it is read as the same.
 */
#define DEPTH	20

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
write_and_read(enum format f, const json_t *v)
{
	struct buf	 out = { 0 }, again = { 0 };
	char		*err = NULL;
	json_t		*back;

	format_json(f, &out, v);
	back = format_read(f, (const char *)out.data, out.len, DEPTH, &err);
	if (back == NULL)
		abort();
	/* Numbers may have taken another type, once. */
	format_json(f, &again, back);
	if (f != FORMAT_JSON && (out.len != again.len || memcmp(out.data, again.data, out.len) != 0))
		abort();
	json_decref(back);
	buf_free(&out);
	buf_free(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf	 cell = { 0 };
	enum format	 f;
	char		*err = NULL;
	json_t		*v;

	if (n == 0)
		return (0);
	f = (enum format)(data[0] % FORMAT_CSV);
	v = format_read(f, (const char *)data + 1, n - 1, DEPTH, &err);
	if ((v == NULL) == (err == NULL))
		abort();
	free(err);
	if (v == NULL)
		return (0);
	if (f != FORMAT_JSON || json_is_object(v) || json_is_array(v)) {
		write_and_read(FORMAT_CBOR, v);
		write_and_read(FORMAT_MSGPACK, v);
	}
	if (json_is_object(v) || json_is_array(v))
		write_and_read(FORMAT_JSON, v);
	format_json(FORMAT_CSV, &cell, v);
	buf_free(&cell);
	json_decref(v);
	return (0);
}
