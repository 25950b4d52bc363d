#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/conf/conf.h"
#include "common/conf/yaml.h"

/* A configuration file: YAML in, out and in again, and through the key table. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
check_dump(const json_t *tree)
{
	char *err, *text = yaml_dump(tree);
	json_t *again = yaml_read("yaml", text, strlen(text), NULL, &err);

	if (again == NULL || !json_equal(tree, again))
		abort();
	json_decref(again);
	free(text);
}

static void
check_conf(const json_t *tree)
{
	char *err;
	struct conf *c = conf_from_tree(tree, &err), *d;
	json_t *whole, *again;

	if (c == NULL) {
		if (err == NULL || *err == '\0')
			abort();
		free(err);
		return;
	}
	whole = conf_tree(c);
	if ((d = conf_from_tree(whole, &err)) == NULL)
		abort();
	again = conf_tree(d);
	if (!json_equal(whole, again))
		abort();
	json_decref(whole);
	json_decref(again);
	conf_free(c);
	conf_free(d);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *text = xstrndup((const char *)data, n), *err;
	json_t *tree = yaml_read("yaml", text, strlen(text), NULL, &err);

	if (tree != NULL) {
		check_dump(tree);
		check_conf(tree);
	} else if (err == NULL) {
		abort();
	}
	free(err);
	json_decref(tree);
	conf_nearest(text);
	conf_find(text);
	free(text);
	return (0);
}
