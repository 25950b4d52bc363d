#ifndef HL_CLI_WATCHDOG_H
#define HL_CLI_WATCHDOG_H

#include <stdint.h>
#include <sys/types.h>

/*
 * The watchdog of `hubleaf run`: daemons tell it by sd_notify(3), as they tell systemd, that
 * they are ready and alive.  One that was ready and says nothing for too long hangs.
 */
struct watched {
	int armed;          /* it was ready, and does not stop or begin anew */
	uint64_t silent_us; /* since it last said anything, while we ran */
};

struct watchdog {
	int fd; /* -1: there is none, and nobody is judged */
	char *path;
	uint64_t limit_us, looked_us;
};

/* A message of it. */
void watched_told(struct watched *x, const char *text);

/* Its socket in this folder, which is made.  What keeps it from being there is logged. */
void watchdog_open(struct watchdog *w, const char *folder, uint64_t limit_us);
void watchdog_close(struct watchdog *w);
/* In a daemon's process, before it becomes one: whom it tells. */
void watchdog_environment(const struct watchdog *w);
/* The next message that waits, and whose it is; 0: there is none. */
pid_t watchdog_read(struct watchdog *w, char *text, size_t size);
/* How much time passed since this was last called, less what we stood still ourselves. */
uint64_t watchdog_step(struct watchdog *w, uint64_t now);
/* So much passed; whether it hangs, which is said once.  Messages are read before. */
int watched_hangs(struct watched *x, uint64_t step, uint64_t limit_us);

#endif
