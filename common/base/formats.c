#include "config.h"

#include "common/base/formats.h"

const struct formats formats = {
	.wire_oldest = 7,
	.wire = 7,
	.store = 10,
};
