#include "config.h"

#include "common/base/alive.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* "/PATH", or "@NAME" of the abstract ones. */
static int
alive_connect(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t n = path != NULL ? strlen(path) : 0;
	int fd;

	if (n < 2 || n >= sizeof sun.sun_path || (path[0] != '/' && path[0] != '@'))
		return (-1);
	memcpy(sun.sun_path, path, n);
	if (path[0] == '@')
		sun.sun_path[0] = '\0';
	if ((fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) == -1)
		return (-1);
	n += offsetof(struct sockaddr_un, sun_path);
	if (connect(fd, (struct sockaddr *)&sun, (socklen_t)n) == 0)
		return (fd);
	close(fd);
	return (-1);
}

/* -1: nobody is there any more. */
static int
alive_send(int fd)
{
	int unread = 0;

	if (ioctl(fd, SIOCOUTQ, &unread) == 0 && unread > 0)
		return (0);
	if (send(fd, "WATCHDOG=1", 10, MSG_DONTWAIT | MSG_NOSIGNAL) == -1 && errno != EAGAIN)
		return (-1);
	return (0);
}

void
alive_say(void)
{
	static int fd = -1;

	if (fd != -1 && alive_send(fd) == 0)
		return;
	if (fd != -1)
		close(fd);
	fd = alive_connect(getenv("NOTIFY_SOCKET"));
	if (fd != -1)
		(void)alive_send(fd);
}
