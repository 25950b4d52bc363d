#include "config.h"

#include "opsd/watch/logread.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"

#define BLOCK    65536 /* a line has at most some 8 KiB */
#define TIME_LEN 24

struct logread {
	char **paths;   /* from the oldest to the current one */
	size_t n, left; /* so many were not opened yet */
	int backwards, fd;
	off_t at, size; /* forwards: of the next block; backwards: where it ends */
	char block[BLOCK];
	size_t begin, end; /* lines of the block that were not given yet */
};

static void
add_path(struct logread *l, const char *dir, const char *name)
{
	l->paths = xrealloc(l->paths, (l->n + 1) * sizeof(*l->paths));
	l->paths[l->n++] = xasprintf("%s/%s", dir, name);
}

static int
is_old_file(const struct dirent *e, const char *name)
{
	size_t n = strlen(name), len = strlen(e->d_name);

	return (len > n + 5 && strncmp(e->d_name, name, n) == 0 && e->d_name[n] == '-' &&
	    strcmp(e->d_name + len - 4, ".log") == 0);
}

struct logread *
logread_open(const char *dir, const char *old_dir, const char *name, int backwards)
{
	struct logread *l = xcalloc(1, sizeof(*l));
	char *current = xasprintf("%s.log", name);
	struct dirent **old;
	int n = scandir(old_dir, &old, NULL, alphasort);

	l->backwards = backwards;
	l->fd = -1;
	for (int i = 0; i < n; i++) {
		if (is_old_file(old[i], name))
			add_path(l, old_dir, old[i]->d_name);
		free(old[i]);
	}
	if (n >= 0)
		free(old);
	add_path(l, dir, current);
	free(current);
	l->left = l->n;
	return (l);
}

void
logread_close(struct logread *l)
{
	if (l->fd != -1)
		close(l->fd);
	for (size_t i = 0; i < l->n; i++)
		free(l->paths[i]);
	free(l->paths);
	free(l);
}

/* The next of the files that can be opened: 0 when there is none. */
static int
next_file(struct logread *l)
{
	struct stat st;

	if (l->fd != -1)
		close(l->fd);
	l->fd = -1;
	while (l->fd == -1 && l->left > 0) {
		l->left--;
		l->fd = open(l->paths[l->backwards ? l->left : l->n - 1 - l->left],
		    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	}
	if (l->fd == -1)
		return (0);
	l->size = fstat(l->fd, &st) == 0 && S_ISREG(st.st_mode) ? st.st_size : 0;
	l->at = l->backwards ? l->size : 0;
	return (1);
}

/* Whole lines into the block; 0: the file is at its end. */
static int
next_block(struct logread *l)
{
	off_t from = l->at, want = BLOCK;
	ssize_t n;
	char *p;

	if (l->fd == -1 || (l->backwards ? l->at <= 0 : l->at >= l->size))
		return (0);
	if (l->backwards) {
		from = l->at > BLOCK ? l->at - BLOCK : 0;
		want = l->at - from;
	}
	n = pread(l->fd, l->block, (size_t)want, from);
	if (n <= 0)
		return (0);
	l->begin = 0;
	l->end = (size_t)n;
	if (!l->backwards) {
		/* What is after the last line end comes with the next block. */
		p = memrchr(l->block, '\n', l->end);
		if (p != NULL)
			l->end = (size_t)(p + 1 - l->block);
	} else if (from > 0) {
		p = memchr(l->block, '\n', l->end);
		if (p != NULL && (size_t)(p + 1 - l->block) < l->end)
			l->begin = (size_t)(p + 1 - l->block);
	}
	l->at = l->backwards ? from + (off_t)l->begin : from + (off_t)l->end;
	return (1);
}

/* One line of the block, without its end. */
static void
take_line(struct logread *l, const char **line, size_t *n)
{
	char *p;

	if (l->backwards) {
		size_t end = l->end - (l->block[l->end - 1] == '\n');

		p = memrchr(l->block + l->begin, '\n', end - l->begin);
		*line = p != NULL ? p + 1 : l->block + l->begin;
		*n = (size_t)(l->block + end - *line);
		l->end = (size_t)(*line - l->block);
	} else {
		p = memchr(l->block + l->begin, '\n', l->end - l->begin);
		*line = l->block + l->begin;
		*n = p != NULL ? (size_t)(p - *line) : l->end - l->begin;
		l->begin += *n + (p != NULL);
	}
}

/* " [text]" at p; the end behind it, or NULL. */
static const char *
read_bracket(const char *p, const char *end, const char **text, size_t *n)
{
	const char *close;

	if (end - p < 3 || p[0] != ' ' || p[1] != '[' ||
	    (close = memchr(p, ']', (size_t)(end - p))) == NULL)
		return (NULL);
	*text = p + 2;
	*n = (size_t)(close - *text);
	return (close + 1);
}

static int
parse_line(const char *line, size_t n, struct log_entry_text *e)
{
	const char *end = line + n, *p = line + TIME_LEN, *after;

	memset(e, 0, sizeof(*e));
	if (n < TIME_LEN + 8 || line[TIME_LEN - 1] != 'Z')
		return (0);
	e->time = line;
	if ((p = read_bracket(p, end, &e->thread, &e->thread_len)) == NULL ||
	    (p = read_bracket(p, end, &e->level, &e->level_len)) == NULL)
		return (0);
	if ((after = read_bracket(p, end, &e->tag, &e->tag_len)) != NULL)
		p = after;
	if (end - p < 2 || p[0] != ':' || p[1] != ' ')
		return (0);
	e->message = p + 2;
	e->message_len = (size_t)(end - e->message);
	return (1);
}

int
logread_next(struct logread *l, struct log_entry_text *e)
{
	const char *line;
	size_t n;

	for (;;) {
		while (l->begin >= l->end)
			if (!next_block(l) && !next_file(l))
				return (0);
		take_line(l, &line, &n);
		if (parse_line(line, n, e))
			return (1);
	}
}
