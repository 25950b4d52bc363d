/*
 * For the C++ library that the rpm has in it: built on glibc 2.36, it asks for
 * arc4random, which the hosts that the rpm is for, of 2.34, do not have.
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>

uint32_t arc4random(void);

uint32_t
arc4random(void)
{
	uint32_t n;

	if (getrandom(&n, sizeof n, 0) != sizeof n)
		abort();
	return (n);
}
