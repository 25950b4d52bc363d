#include "config.h"

#include "common/base/formats.h"

/* In place of common/base/formats.c: builds of tomorrow. */
const struct formats formats = {
	.wire_oldest = 7,
	.wire = 7,
#ifdef SAME_STORE
	.store = 8,
#else
	.store = 9,
#endif
};
