#include "config.h"

#include "common/base/formats.h"

const struct formats formats = {
	.wire_oldest = 6,
	.wire = 6,
	.store = 8,
};
