#include "config.h"

#include "opsd/http/chunks.h"

#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

#include "opsd/http/head.h"

#define LINE_MAX_BYTES 4096
#define TRAILERS_MAX   100

/* The next line without its end, or NULL: not there yet, or -1 in *bad. */
static char *
read_line(struct evbuffer *in, int *bad)
{
	size_t n;
	char *line = evbuffer_readln(in, &n, EVBUFFER_EOL_CRLF_STRICT);

	*bad = line != NULL ? n > LINE_MAX_BYTES || strlen(line) != n :
			      evbuffer_get_length(in) > LINE_MAX_BYTES;
	return (line);
}

/* "1f4" or "1f4;name=value" */
static int
read_size(struct chunks *c, const char *line)
{
	size_t n = strspn(line, "0123456789abcdefABCDEF");
	int64_t size = head_number(line, n, 16);

	if (size == -1 ||
	    (line[n + strspn(line + n, " \t")] != '\0' && line[n + strspn(line + n, " \t")] != ';'))
		return (-1);
	c->left = (uint64_t)size;
	c->state = size > 0 ? CHUNK_DATA : CHUNK_TRAILER;
	return (0);
}

static int
on_line(struct chunks *c, const char *line)
{
	switch (c->state) {
	case CHUNK_SIZE:
		return (read_size(c, line));
	case CHUNK_END:
		c->state = CHUNK_SIZE;
		return (line[0] == '\0' ? 0 : -1);
	default:
		if (line[0] == '\0')
			c->state = CHUNK_OVER;
		return (c->trailers++ < TRAILERS_MAX ? 0 : -1);
	}
}

static int
read_data(struct chunks *c, struct evbuffer *in, struct evbuffer *body)
{
	size_t n = evbuffer_get_length(in);

	if (n > c->left)
		n = (size_t)c->left;
	if (evbuffer_remove_buffer(in, body, n) != (int)n)
		return (-1);
	c->left -= n;
	if (c->left == 0)
		c->state = CHUNK_END;
	return (0);
}

int
chunks_read(struct chunks *c, struct evbuffer *in, struct evbuffer *body)
{
	char *line;
	int bad = 0;

	while (!bad && c->state != CHUNK_OVER) {
		if (c->state == CHUNK_DATA) {
			if (evbuffer_get_length(in) == 0)
				return (0);
			bad = read_data(c, in, body) == -1;
			continue;
		}
		line = read_line(in, &bad);
		if (line == NULL && !bad)
			return (0);
		bad = bad || on_line(c, line) == -1;
		free(line);
	}
	return (bad ? -1 : 1);
}
