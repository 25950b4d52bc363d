#ifndef HL_BENCH_ARRIVE_H
#define HL_BENCH_ARRIVE_H

#include <stdint.h>

#include "test/bench/http.h"

/*
 * When rows that are written on one node can be read on another one; a thread of
 * its own asks there.  Rows have the keys 0, 1, 2, ...
 */
struct arrive;

struct arrive_opts {
	uint16_t port;
	const char *auth;
	struct table_name table;
	unsigned pause_us; /* between questions */
	int each;          /* time of each row, not only of the last */
};

struct arrive *arrive_start(const struct arrive_opts *o);
/* A row is about to be written (one thread). */
void arrive_sent(struct arrive *a, uint64_t id);
/*
 * No more are written: waits for the rest.  Rows that came, when the last one did
 * (mono_us), and with `each` how long each took, in an array that is the caller's.
 */
uint64_t arrive_end(struct arrive *a, uint64_t *last_us, uint64_t **took_us);

#endif
