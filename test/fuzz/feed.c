#include "config.h"

#include "test/fuzz/feed.h"

#include <event2/event.h>
#include <signal.h>
#include <sys/socket.h>

#include "common/base/log.h"

#define PIECES_MAX 256

struct event_base *
feed_loop(void)
{
	static struct event_base *base;

	if (base == NULL) {
		signal(SIGPIPE, SIG_IGN);
		log_init("fuzz", (enum log_level)0);
		base = event_base_new();
	}
	return (base);
}

/* 1 as long as somebody listens. */
static int
feed_piece(int fd, const uint8_t *p, size_t n)
{
	char away[4096];
	ssize_t r = send(fd, p, n, MSG_DONTWAIT);

	event_base_loop(feed_loop(), EVLOOP_NONBLOCK);
	while (recv(fd, away, sizeof(away), MSG_DONTWAIT) > 0)
		continue;
	return (r == (ssize_t)n);
}

void
feed_all(int fd, const uint8_t *p, size_t n, size_t step)
{
	if (step == 0 || n / step > PIECES_MAX)
		step = n;
	for (; n > 0; p += step, n -= step) {
		step = step < n ? step : n;
		if (!feed_piece(fd, p, step))
			return;
	}
}
