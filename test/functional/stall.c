/*
 * stall.so, preloaded by health.bats: a disk that does not answer.  While the file
 * $HL_STALL is there, opsd's syncs wait for it to go.  Other programs are left alone.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char *stall; /* NULL: nothing waits */

__attribute__((constructor)) static void
begin(void)
{
	if (strcmp(program_invocation_short_name, "opsd") == 0)
		stall = getenv("HL_STALL");
}

static void
await(void)
{
	const struct timespec pause = { 0, 10000000 };

	while (stall != NULL && access(stall, F_OK) == 0)
		nanosleep(&pause, NULL);
}

int
fdatasync(int fd)
{
	await();
	return ((int)syscall(SYS_fdatasync, fd));
}

int
fsync(int fd)
{
	await();
	return ((int)syscall(SYS_fsync, fd));
}
