#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Starts a program as systemd does with sockets: passed ADDRESS PORT [ADDRESS PORT]... -- COMMAND [ARG]...
 * They listen when it begins, and are held here as well for as long as it runs.
 */
#define TRIES 50

static int
bound_there(const char *address, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST }, *ai;
	int on = 1, fd = -1;

	if (getaddrinfo(address, port, &hints, &ai) == 0 &&
	    (fd = socket(ai->ai_family, SOCK_STREAM, 0)) != -1) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		/* Who held them for the one before may not be gone yet. */
		for (int i = 0; i < TRIES; i++, usleep(100000))
			if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0)
				return (listen(fd, 16) == 0 ? fd : -1);
	}
	perror(address);
	exit(1);
}

static void
hold_on(void)
{
	if (fork() != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
}

int
main(int argc, char *argv[])
{
	int at = 1, n = 0, fd;
	char text[16];

	for (; at + 1 < argc && strcmp(argv[at], "--") != 0; at += 2, n++) {
		fd = bound_there(argv[at], argv[at + 1]);
		if (fd != 3 + n) {
			dup2(fd, 3 + n);
			close(fd);
		}
	}
	if (at + 1 >= argc)
		return (2);
	hold_on();
	snprintf(text, sizeof(text), "%d", n);
	setenv("LISTEN_FDS", text, 1);
	snprintf(text, sizeof(text), "%d", (int)getpid());
	setenv("LISTEN_PID", text, 1);
	execv(argv[at + 1], argv + at + 1);
	perror(argv[at + 1]);
	return (1);
}
