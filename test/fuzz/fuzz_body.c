#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/op/op.h"
#include "opsd/store/value.h"

/*
 * Bodies of requests: the operation is found or refused with a text, and every
 * field is what was asked for, or a fault.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
fields(const json_t *body)
{
	struct faults f = { 0 };
	const char *name, *s;
	json_t *v;

	s = field_database(&f, body);
	if ((s == NULL) != (f.n > 0))
		abort();
	json_object_foreach((json_t *)(uintptr_t)body, name, v) {
		int before = f.n;

		s = field_string(&f, body, name, 1);
		if ((s == NULL) != (f.n > before) || (s != NULL && !json_is_string(v)))
			abort();
		if (field_array(&f, body, name, 1) != (json_is_array(v) ? v : NULL))
			abort();
		if ((field_bool(&f, body, name, 1) == -1) == json_is_boolean(v))
			abort();
	}
	buf_free(&f.text);
}

/* What we print of it is JSON again. */
static void
print(const json_t *body)
{
	struct buf text = { 0 };
	json_t *back;

	value_text_json(&text, body);
	back = json_loadb((const char *)text.data, text.len, JSON_ALLOW_NUL, NULL);
	if (back == NULL)
		abort();
	json_decref(back);
	buf_free(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const struct scan_limits most = { 100, 1000 };
	struct inquiry a;
	char *text = xmemdup(data, n), *err = NULL;
	json_t *body = NULL;

	op_asked(FORMAT_JSON, text, n, &most, &a);
	if ((a.op == NULL) != (a.err != NULL) || (a.op == NULL) != (a.status != 0))
		abort();
	if (a.op != NULL) {
		body = op_body(FORMAT_JSON, text, n, 100, a.op, &err);
		if ((body == NULL) != (err != NULL))
			abort();
	}
	if (body != NULL) {
		fields(body);
		print(body);
	}
	json_decref(body);
	inquiry_free(&a);
	free(err);
	free(text);
	return (0);
}
