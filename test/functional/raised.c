#include "config.h"

#include "common/base/formats.h"

/* In place of common/base/formats.c: builds of tomorrow. */
const struct formats formats = {
	.wire_oldest = 8,
	.wire = 8,
#ifdef SAME_STORE
	.store = 9,
#else
	.store = 10,
#endif
};
