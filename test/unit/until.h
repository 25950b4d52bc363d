#ifndef HL_UNTIL_H
#define HL_UNTIL_H

/* For tests: the loop `base` runs until something is so. */

#include <event2/event.h>

#include "common/base/clock.h"

static inline void
until_wake_cb(evutil_socket_t fd, short what, void *arg)
{
}

/* Run the loop until the condition holds, 30 s at most. */
#define until(cond)                                                                            \
	do {                                                                                   \
		uint64_t until_end = mono_us() + 30000000;                                     \
		struct timeval until_tv = { 0, 5000 };                                         \
		while (!(cond) && mono_us() < until_end) {                                     \
			event_base_once(base, -1, EV_TIMEOUT, until_wake_cb, NULL, &until_tv); \
			event_base_loop(base, EVLOOP_ONCE);                                    \
		}                                                                              \
		assert_true(cond);                                                             \
	} while (0)

#endif
