#ifndef HL_FUZZ_FEED_H
#define HL_FUZZ_FEED_H

#include <stddef.h>
#include <stdint.h>

/* For targets that read from a socket: the loop, and bytes that arrive in pieces. */
struct event_base;

struct event_base *feed_loop(void); /* one for all inputs */
/*
 * All of p into fd, so many bytes at a time (0: all), with a turn of the loop after each, as long as
 * somebody listens at its other end.  What we are told back is not looked at.
 */
void feed_all(int fd, const uint8_t *p, size_t n, size_t step);

#endif
