#ifndef HL_FAILURES_H
#define HL_FAILURES_H

#include <stdint.h>

/*
 * Failed logins by address (of IPv6, by /64), so that passwords cannot be guessed
 * quickly.  So many may fail at once; each is forgotten after a while.  Bounded: the
 * address that failed longest ago goes first.  Not locked; no I/O.
 */
#define FAILURES_MOST      20
#define FAILURES_FORGET_US 3000000 /* one failure */

struct failures;

struct failures *failures_new(unsigned addresses);
void failures_free(struct failures *f);
/* Seconds until the address may try again; 0: it may.  What is no address (NULL, "") always may. */
unsigned failures_wait(struct failures *f, const char *address, uint64_t now_us);
void failures_add(struct failures *f, const char *address, uint64_t now_us);
void failures_clear(struct failures *f, const char *address);

#endif
