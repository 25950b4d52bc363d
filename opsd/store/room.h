#ifndef HL_ROOM_H
#define HL_ROOM_H

#include <stdint.h>

/* Whether there is disk enough for RocksDB: it asserts, in places, that it can write. */

uint64_t room_free(const char *path); /* bytes; UINT64_MAX when it cannot be told */
/*
 * What opening the store in this folder may take: its write-ahead logs become tables, and
 * there are small files beside.
 */
uint64_t room_to_open(const char *path);
int room_store_is_there(const char *path); /* with something in it */

#endif
