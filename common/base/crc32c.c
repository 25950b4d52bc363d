#include "config.h"

#include "common/base/crc32c.h"

#include <pthread.h>
#include <string.h>
#ifdef __aarch64__
#include <sys/auxv.h>
#endif

#define POLYNOMIAL UINT32_C(0x82f63b78) /* reflected */
#define SLICES     8

/* slices[k][b]: byte b with k zero bytes after it. */
static uint32_t slices[SLICES][256];
static pthread_once_t made = PTHREAD_ONCE_INIT;
static int has_instruction;

/* Eight bytes at a time, each by its own table. */
static uint32_t
by_slices(uint32_t crc, const uint8_t *p, size_t n)
{
	for (; n >= SLICES; p += SLICES, n -= SLICES) {
		crc ^= (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
		    (uint32_t)p[3] << 24;
		crc = slices[7][crc & 0xff] ^ slices[6][crc >> 8 & 0xff] ^
		    slices[5][crc >> 16 & 0xff] ^ slices[4][crc >> 24] ^ slices[3][p[4]] ^
		    slices[2][p[5]] ^ slices[1][p[6]] ^ slices[0][p[7]];
	}
	for (; n > 0; p++, n--)
		crc = slices[0][(crc ^ *p) & 0xff] ^ crc >> 8;
	return (crc);
}

#if defined(__x86_64__)

static int
find_instruction(void)
{
	return (__builtin_cpu_supports("sse4.2") != 0);
}

__attribute__((target("sse4.2"))) static uint32_t
by_instruction(uint32_t crc, const uint8_t *p, size_t n)
{
	uint64_t word, c = crc;

	for (; n >= sizeof(word); p += sizeof(word), n -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		c = __builtin_ia32_crc32di(c, word);
	}
	for (crc = (uint32_t)c; n > 0; p++, n--)
		crc = __builtin_ia32_crc32qi(crc, *p);
	return (crc);
}

#elif defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__

static int
find_instruction(void)
{
	return ((getauxval(AT_HWCAP) & 1UL << 7) != 0); /* HWCAP_CRC32 */
}

/* Not by builtins: gcc and clang have different ones. */
static uint32_t
by_instruction(uint32_t crc, const uint8_t *p, size_t n)
{
	uint64_t word;

	for (; n >= sizeof(word); p += sizeof(word), n -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		__asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(crc) : "r"(word));
	}
	for (; n > 0; p++, n--)
		__asm__(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1" : "+r"(crc) : "r"(*p));
	return (crc);
}

#else

static int
find_instruction(void)
{
	return (0);
}

static uint32_t
by_instruction(uint32_t crc, const uint8_t *p, size_t n)
{
	return (by_slices(crc, p, n));
}

#endif

static void
make_slices(void)
{
	for (uint32_t b = 0; b < 256; b++) {
		uint32_t crc = b;

		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
		slices[0][b] = crc;
	}
	for (int k = 1; k < SLICES; k++)
		for (int b = 0; b < 256; b++)
			slices[k][b] = slices[k - 1][b] >> 8 ^ slices[0][slices[k - 1][b] & 0xff];
	has_instruction = find_instruction();
}

uint32_t
crc32c(uint32_t crc, const void *p, size_t n)
{
	pthread_once(&made, make_slices);
	return (~(has_instruction ? by_instruction : by_slices)(~crc, p, n));
}

uint32_t
crc32c_table(uint32_t crc, const void *p, size_t n)
{
	pthread_once(&made, make_slices);
	return (~by_slices(~crc, p, n));
}
