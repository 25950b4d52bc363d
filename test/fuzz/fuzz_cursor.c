#include "config.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "test/unit/cursormodel.h"

/* What happens to a cursor, chosen by bytes (test/unit/cursormodel.h): nothing that must not be comes of it. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct chooser {
	const uint8_t *at, *end;
	uint32_t more; /* chosen after the bytes */
};

static uint32_t
choose_byte(void *arg, uint32_t n)
{
	struct chooser *c = arg;
	uint32_t x;

	if (c->end - c->at >= 2) {
		x = c->at[0] | (uint32_t)c->at[1] << 8;
		c->at += 2;
	} else
		x = c->more++;
	return (n > 0 ? x % n : 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct chooser c = { data, data + n, 0 };
	struct cursormodel *m = cursormodel_new(choose_byte, &c);

	while (c.end - c.at >= 2 && cursormodel_fault(m) == NULL)
		cursormodel_step(m);
	if (cursormodel_fault(m) == NULL)
		cursormodel_rest(m);
	if (cursormodel_fault(m) != NULL) {
		fprintf(stderr, "cursor: %s\n", cursormodel_fault(m));
		abort();
	}
	cursormodel_free(m);
	return (0);
}
