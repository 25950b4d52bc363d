#ifndef HL_WORLD_H
#define HL_WORLD_H

#include <stddef.h>
#include <stdint.h>

/*
 * Time, chance, what happens next, and the history of it.  All of a run follows from its
 * seed: whatever is drawn is drawn here, whatever happens is an event in virtual time.
 */
struct machine;

void world_begin(uint64_t seed, int loud); /* loud: the history is printed as it is made */
uint64_t world_now(void);                  /* microseconds since the beginning */

/* Uniform below n; from..to, both included; of a hundred. */
uint64_t world_below(uint64_t n);
uint64_t world_between(uint64_t from, uint64_t to);
int world_chance(unsigned percent);
void world_random(void *p, size_t n);

/*
 * fn(arg) after so many microseconds.  With a machine: in its context, and not at all once
 * its opsd has another life; `drop`, unless NULL, has the argument then.
 */
void world_at(uint64_t delay_us, struct machine *m, void (*fn)(void *arg), void *arg,
    void (*drop)(void *arg));
int world_step(void); /* the next event; 0: there is none */
void world_run_until(uint64_t us);
uint64_t world_events(void);

void world_note(const struct machine *m, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
uint64_t world_hash(void); /* of the history so far */
/* The run has failed: the end of its history is printed, and why; the process ends with 1. */
void world_fail(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

#endif
