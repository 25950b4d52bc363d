#include "config.h"

#include "common/base/formats.h"

const struct formats formats = {
	.wire_oldest = 5,
	.wire = 5,
	.store = 5,
};
