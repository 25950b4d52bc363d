#include "config.h"

#include "opsd/cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "opsd/cli/cli_fields.h"

/* A password is typed on the terminal, wherever standard input comes from. */

#define PASSWORD_MAX 1024
#define CTRL_C       3
#define CTRL_D       4
#define CTRL_U       21
#define BACKSPACE    8
#define RUBOUT       127

/* A byte of what is typed; 1: the line goes on. */
static int
take_byte(char *line, size_t *n, char ch)
{
	if (ch == '\n' || ch == '\r')
		return (0);
	if (ch == CTRL_U)
		*n = 0;
	else if (ch == BACKSPACE || ch == RUBOUT)
		*n -= *n > 0;
	else if (*n < PASSWORD_MAX)
		line[(*n)++] = ch;
	return (1);
}

/* 0, or -1: it ended, or was given up. */
static int
read_line(int fd, char line[PASSWORD_MAX + 1])
{
	size_t n = 0;
	ssize_t got;
	char ch;

	do {
		got = read(fd, &ch, 1);
		if (got == -1 && errno == EINTR)
			continue;
		if (got != 1 || ch == CTRL_C || ch == CTRL_D)
			return (-1);
	} while (take_byte(line, &n, ch));
	line[n] = '\0';
	return (0);
}

/* Byte by byte, unseen; a key that ends programs ends the line first, so the terminal is put right. */
static char *
ask_unseen(int fd, const char *prompt)
{
	char line[PASSWORD_MAX + 1], *password = NULL;
	struct termios was, now;

	if (tcgetattr(fd, &was) == -1)
		return (NULL);
	now = was;
	now.c_lflag &= (tcflag_t) ~(ECHO | ICANON | ISIG);
	if (tcsetattr(fd, TCSAFLUSH, &now) == -1)
		return (NULL);
	if (file_write(fd, prompt, strlen(prompt)) == 0 && read_line(fd, line) == 0)
		password = xstrdup(line);
	explicit_bzero(line, sizeof(line));
	tcsetattr(fd, TCSAFLUSH, &was);
	file_write(fd, "\n", 1);
	if (password == NULL)
		cli_die("nothing was sent");
	return (password);
}

char *
cli_ask_password(const char *prompt, int again)
{
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	char *password, *second;

	if (fd == -1)
		return (NULL);
	password = ask_unseen(fd, prompt);
	if (password != NULL && again) {
		second = ask_unseen(fd, "Again: ");
		if (second == NULL || strcmp(password, second) != 0)
			cli_die("these are two passwords, nothing was sent");
		free(second);
	}
	close(fd);
	return (password);
}
