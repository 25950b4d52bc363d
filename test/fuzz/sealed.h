#ifndef HL_SEALED_H
#define HL_SEALED_H

#include "common/base/mem.h"
#include "common/base/seal.h"

/*
 * For targets that read what is sealed (seal.h): the same bytes with a seal that is right, so
 * that what is behind it is reached.  To be freed; NULL: they are too few.
 */
static inline uint8_t *
sealed(const uint8_t *data, size_t n)
{
	struct buf b = { 0 };
	size_t len;

	if (n < SEAL_LEN)
		return (NULL);
	seal_begin(&b);
	buf_add(&b, data + SEAL_LEN, n - SEAL_LEN);
	seal_end(&b, 0, n);
	return (buf_take(&b, &len));
}

#endif
