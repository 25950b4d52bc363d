#ifndef HL_FNV_H
#define HL_FNV_H

#include <stddef.h>
#include <stdint.h>

/*
 * The hash FNV-1a of 64 bits, for digests: whether what two nodes have is alike.  Who wants to
 * can make two things with one digest.  It begins with FNV_BASIS; each function takes the hash so
 * far and returns the next.
 */
#define FNV_BASIS UINT64_C(0xcbf29ce484222325)
uint64_t fnv_bytes(uint64_t h, const void *p, size_t n);
uint64_t fnv_u64(uint64_t h, uint64_t number); /* its bytes, the lowest first */

#endif
