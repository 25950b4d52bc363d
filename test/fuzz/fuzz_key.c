#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "opsd/store/key.h"

/* Keys from peers: what is a key is made again from its value, byte for byte. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct rd r = rd_init(data, n);
	struct buf b = { 0 };
	size_t len = key_len(data, n);
	json_t *v = key_to_json(&r);

	if ((v != NULL) != (len > 0) || key_span(data, n) < len)
		abort();
	if (v != NULL &&
	    (key_from_json(&b, v) == -1 || b.len != len || memcmp(b.data, data, len) != 0 ||
		rd_left(&r) != n - len))
		abort();
	json_decref(v);
	buf_free(&b);
	return (0);
}
