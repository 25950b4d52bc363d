#include "config.h"

#include "common/base/formats.h"

const struct formats formats = {
	.wire_oldest = FORMATS_WIRE,
	.wire = FORMATS_WIRE,
	.store = FORMATS_STORE,
};
