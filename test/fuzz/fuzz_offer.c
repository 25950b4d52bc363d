#include "config.h"

#include "opsd/cluster/offer.h"

#include <stdlib.h>

/* Offers of other nodes: what is read is written as it was read, and read again the same. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	json_t *o = json_loadb((const char *)data, n, 0, NULL), *first, *second;
	char *fault = NULL;
	struct offer *offer = offer_read(o, &fault), *again;

	json_decref(o);
	if ((offer == NULL) == (fault == NULL))
		abort();
	free(fault);
	fault = NULL;
	if (offer == NULL)
		return (0);
	first = offer_write(offer);
	again = offer_read(first, &fault);
	if (again == NULL)
		abort();
	second = offer_write(again);
	if (!json_equal(first, second))
		abort();
	json_decref(first);
	json_decref(second);
	offer_free(offer);
	offer_free(again);
	return (0);
}
