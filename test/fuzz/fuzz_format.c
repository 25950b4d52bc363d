#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/format/format.h"

/*
 * The first byte is the format, the rest a body: refused with a text, or read, and
 * then what is written of it is read as the same.
 */
#define DEPTH 20

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
write_and_read(enum format f, const json_t *v)
{
	struct buf out = { 0 }, again = { 0 };
	char *err = NULL;
	json_t *back;

	format_json(f, &out, v);
	back = format_read(f, (const char *)out.data, out.len, DEPTH, &err);
	if (back == NULL)
		abort();
	/* Numbers may have taken another type, once. */
	format_json(f, &again, back);
	if (f != FORMAT_JSON &&
	    (out.len != again.len || memcmp(out.data, again.data, out.len) != 0))
		abort();
	json_decref(back);
	buf_free(&out);
	buf_free(&again);
}

static uint64_t
values_in(const json_t *v)
{
	uint64_t n = 1;
	const char *name;
	json_t *e;
	size_t i;

	json_array_foreach(v, i, e)
		n += values_in(e);
	json_object_foreach((json_t *)(uintptr_t)v, name, e)
		n += values_in(e);
	return (n);
}

/* What was looked at is what is read. */
static void
compare(const struct scan *s, const json_t *v)
{
	const char *name;
	json_t *e;

	/* A name may be there twice. */
	if (values_in(v) > s->values)
		abort();
	json_object_foreach(s->top, name, e)
		if (json_typeof(e) != json_typeof(json_object_get(v, name)))
			abort();
	e = json_object_get(v, "operation");
	if (json_string_length(e) < 1000 && json_is_string(e) &&
	    !json_equal(e, json_object_get(s->top, "operation")))
		abort();
}

static json_t *
read_body(enum format f, const uint8_t *data, size_t n)
{
	const struct scan_limits most = { DEPTH, 1000 };
	struct scan s;
	char *text = xmemdup(data, n), *err = NULL;
	json_t *v = NULL;
	int status;

	scan_begin(&s, &most);
	status = format_scan(f, &s, text, n, &err);
	if ((status != 0) != (err != NULL))
		abort();
	if (status == 0) {
		v = format_read(f, text, n, DEPTH, &err);
		if ((v == NULL) == (err == NULL))
			abort();
		if (v != NULL)
			compare(&s, v);
	}
	scan_end(&s);
	free(err);
	free(text);
	return (v);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf cell = { 0 };
	enum format f;
	json_t *v;

	if (n == 0)
		return (0);
	f = (enum format)(data[0] % FORMAT_CSV);
	if ((v = read_body(f, data + 1, n - 1)) == NULL)
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
