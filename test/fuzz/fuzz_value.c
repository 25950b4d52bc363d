#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "opsd/store/value.h"

/* Values from peers: what is valid becomes JSON, and that becomes the same value again. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
again(const json_t *v)
{
	struct buf b = { 0 };
	json_t *back;

	value_pack(&b, v);
	back = value_to_json(b.data, b.len);
	if (!value_valid(b.data, b.len) || !json_equal(v, back))
		abort();
	json_decref(back);
	buf_free(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf text = { 0 }, key = { 0 };
	struct scalar sc;
	json_t *v = value_to_json(data, n), *parsed;

	if ((v != NULL) != value_valid(data, n))
		abort();
	value_text(&text, data, n);
	parsed = json_loadb((const char *)text.data, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL,
	    NULL);
	if (v != NULL) {
		again(v);
		if (parsed == NULL || json_typeof(parsed) == JSON_NULL) {
			if (!json_is_null(v))
				abort();
		}
	}
	if (value_scalar(&sc, data, n) == 0) {
		key_from_scalar(&key, &sc);
		if (key_span(key.data, key.len) != key.len)
			abort();
	}
	json_decref(parsed);
	json_decref(v);
	buf_free(&text);
	buf_free(&key);
	return (0);
}
