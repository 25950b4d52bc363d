#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* What a service tells systemd, a message a line: notify SOCKET >FILE */
int
main(int argc, char *argv[])
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char text[4096];
	ssize_t n;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (argc != 2 || fd == -1 || strlen(argv[1]) >= sizeof sun.sun_path)
		return (2);
	strcpy(sun.sun_path, argv[1]);
	if (bind(fd, (struct sockaddr *)&sun, sizeof sun) == -1) {
		perror(argv[1]);
		return (1);
	}
	while ((n = recv(fd, text, sizeof text, 0)) >= 0) {
		for (ssize_t i = 0; i < n; i++)
			if (text[i] == '\n')
				text[i] = ' ';
		printf("%.*s\n", (int)n, text);
		fflush(stdout);
	}
	return (1);
}
