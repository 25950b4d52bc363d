#include "config.h"

#include "common/base/formats.h"

/* In place of common/base/formats.c: builds of tomorrow. */
const struct formats formats = {
	.wire_oldest = FORMATS_WIRE + 1,
	.wire = FORMATS_WIRE + 1,
#ifdef SAME_STORE
	.store = FORMATS_STORE,
#else
	.store = FORMATS_STORE + 1,
#endif
};
