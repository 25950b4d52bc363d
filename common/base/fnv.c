#include "config.h"

#include "common/base/fnv.h"

#define FNV_PRIME UINT64_C(0x100000001b3)

uint64_t
fnv_bytes(uint64_t h, const void *p, size_t n)
{
	const uint8_t *b = p;

	while (n-- > 0)
		h = (h ^ *b++) * FNV_PRIME;
	return (h);
}

uint64_t
fnv_u64(uint64_t h, uint64_t number)
{
	uint8_t b[8];

	for (size_t i = 0; i < sizeof(b); i++)
		b[i] = (uint8_t)(number >> 8 * i);
	return (fnv_bytes(h, b, sizeof(b)));
}
