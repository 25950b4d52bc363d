#include "config.h"

#include "common/ipc/usock.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/log.h"

_Static_assert(USOCK_PATH_MAX == sizeof(((struct sockaddr_un *)0)->sun_path) - 1, "a path and NUL");

static int
usock_address(struct sockaddr_un *sun, const char *path)
{
	size_t n = strlen(path);

	*sun = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (n > USOCK_PATH_MAX) {
		errno = ENAMETOOLONG;
		return (-1);
	}
	memcpy(sun->sun_path, path, n + 1);
	return (0);
}

static int
usock_fail(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
	return (-1);
}

int
usock_bind(const char *path, mode_t mode)
{
	struct sockaddr_un sun;
	struct stat st;
	int fd;

	if (usock_address(&sun, path) == -1)
		return (-1);
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path);
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) == -1)
		return (-1);
	/* Nobody can connect before it listens, so the mode is right in time. */
	if (bind(fd, (struct sockaddr *)&sun, sizeof sun) == -1 || chmod(path, mode) == -1)
		return (usock_fail(fd));
	return (fd);
}

int
usock_connect(const char *path, int flags)
{
	struct sockaddr_un sun;
	int fd;

	if (usock_address(&sun, path) == -1)
		return (-1);
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0)) == -1)
		return (-1);
	if (connect(fd, (struct sockaddr *)&sun, sizeof sun) == -1)
		return (usock_fail(fd));
	return (fd);
}

int
usock_trusted(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof cred;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1) {
		log_warn("peer's credentials");
		return (0);
	}
	if (cred.uid == geteuid() || cred.uid == 0)
		return (1);
	log_warnx("peer of uid %u, pid %d is refused", (unsigned)cred.uid, (int)cred.pid);
	return (0);
}
