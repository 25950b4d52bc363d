#ifndef HL_CRC32C_H
#define HL_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/*
 * CRC-32C (Castagnoli's polynomial, RFC 3720) of n bytes that follow those whose CRC is
 * `crc`; 0: none.  By the processor's instruction where it has one.  Any thread.
 */
uint32_t crc32c(uint32_t crc, const void *p, size_t n);
uint32_t crc32c_table(uint32_t crc, const void *p, size_t n); /* without that instruction */

#endif
