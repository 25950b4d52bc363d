#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "opsd/cli/toml.h"

/* A configuration of TOML: what is read is JSON, and what is not says a line. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *err = NULL, *text;
	json_t *root = toml_read("t", (const char *)data, n, &err);

	if (root == NULL) {
		if (err == NULL || strncmp(err, "t:", 2) != 0)
			abort();
		free(err);
		return (0);
	}
	if ((text = json_dumps(root, JSON_COMPACT)) == NULL)
		abort();
	free(text);
	json_decref(root);
	return (0);
}
