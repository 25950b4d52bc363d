#include "config.h"

#include "opsd/http/head.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TOKEN "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

struct fault {
	int status;
	const char *why;
};

static int
head_fault(struct fault *f, int status, const char *why)
{
	*f = (struct fault){ status, why };
	return (-1);
}

int64_t
head_number(const char *digits, size_t n, int base)
{
	int64_t v = 0;

	if (n == 0)
		return (-1);
	for (; n > 0; n--, digits++) {
		int d = *digits >= '0' && *digits <= '9'           ? *digits - '0' :
		    (*digits | 32) >= 'a' && (*digits | 32) <= 'f' ? (*digits | 32) - 'a' + 10 :
								     16;

		if (d >= base || v > (INT64_MAX >> 1) / base - 1)
			return (-1);
		v = v * base + d;
	}
	return (v);
}

int
head_lists(const char *list, const char *word)
{
	size_t n, len = strlen(word);

	for (; list != NULL && *list != '\0'; list += n + (list[n] == ',')) {
		list += strspn(list, " \t");
		n = strcspn(list, ",");
		if (strncasecmp(list, word, len) == 0 && strspn(list + len, " \t") + len == n)
			return (1);
	}
	return (0);
}

const char *
head_find(const struct head *h, const char *name)
{
	for (size_t i = 0; i < h->n; i++)
		if (strcasecmp(h->headers[i].name, name) == 0)
			return (h->headers[i].value);
	return (NULL);
}

/* The line at *at, ended by a NUL instead of CR LF; NULL after the last. */
static char *
next_line(char **at)
{
	char *line = *at, *end = strstr(line, "\r\n");

	if (end == NULL || end == line)
		return (NULL);
	*end = '\0';
	*at = end + 2;
	return (line);
}

/* "/x?y" and "http://host/x?y" ask for "/x". */
static void
read_path(struct head *h, char *target)
{
	char *path = target;

	if (strncasecmp(target, "http://", 7) == 0 || strncasecmp(target, "https://", 8) == 0) {
		path = strstr(target, "://") + 3;
		path += strcspn(path, "/?");
		if (*path != '/')
			path[0] = '\0';
	}
	path[strcspn(path, "?#")] = '\0';
	h->path = path[0] == '\0' ? "/" : path;
}

static int
read_first(struct head *h, char *line, struct fault *f)
{
	char *target, *version;

	if ((target = strchr(line, ' ')) == NULL || (version = strchr(target + 1, ' ')) == NULL)
		return (head_fault(f, 400, "the first line is not 'METHOD /path HTTP/1.1'"));
	*target++ = '\0';
	*version++ = '\0';
	if (line[0] == '\0' || line[strspn(line, TOKEN)] != '\0')
		return (head_fault(f, 400, "the method is no word"));
	for (const char *p = target; *p != '\0'; p++)
		if (*p <= ' ' || *p == 0x7f)
			return (head_fault(f, 400, "the path has characters that must be escaped"));
	if (strncmp(version, "HTTP/", 5) != 0 || strlen(version) != 8)
		return (head_fault(f, 400, "the first line is not 'METHOD /path HTTP/1.1'"));
	if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0)
		return (head_fault(f, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here"));
	h->method = line;
	h->minor = version[7] - '0';
	read_path(h, target);
	return (0);
}

static int
read_field(struct head *h, char *line, struct fault *f)
{
	size_t name = strspn(line, TOKEN), n;
	char *value = line + name;

	if (name == 0 || *value != ':')
		return (head_fault(f, 400, "a header is not 'Name: value'"));
	*value++ = '\0';
	value += strspn(value, " \t");
	for (n = strlen(value); n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\t'); n--)
		value[n - 1] = '\0';
	for (const char *p = value; *p != '\0'; p++)
		if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f)
			return (head_fault(f, 400, "a header has control characters"));
	if (h->n == HEAD_MAX_HEADERS)
		return (head_fault(f, 431, "too many headers"));
	h->headers[h->n].name = line;
	h->headers[h->n++].value = value;
	return (0);
}

static size_t
count_of(const struct head *h, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < h->n; i++)
		n += strcasecmp(h->headers[i].name, name) == 0;
	return (n);
}

/* How long the body is: to be wrong here is to take bodies for requests. */
static int
read_framing(struct head *h, struct fault *f)
{
	const char *length = head_find(h, "Content-Length");
	const char *coding = head_find(h, "Transfer-Encoding");
	int64_t n = length != NULL ? head_number(length, strlen(length), 10) : 0;

	if (coding != NULL && strcasecmp(coding, "chunked") != 0)
		return (head_fault(f, 501, "the only Transfer-Encoding here is chunked"));
	if (coding != NULL &&
	    (length != NULL || h->minor == 0 || count_of(h, "Transfer-Encoding") > 1))
		return (head_fault(f, 400, "Transfer-Encoding must be alone, and in HTTP/1.1"));
	if (n == -1 || count_of(h, "Content-Length") > 1)
		return (head_fault(f, 400, "Content-Length is not one number"));
	h->chunked = coding != NULL;
	h->length = (uint64_t)n;
	return (0);
}

static int
read_meaning(struct head *h, struct fault *f)
{
	const char *connection = head_find(h, "Connection");
	const char *expect = head_find(h, "Expect");

	if (count_of(h, "Host") > 1 || (count_of(h, "Host") == 0 && h->minor > 0))
		return (head_fault(f, 400, "there must be one Host header"));
	if (expect != NULL && strcasecmp(expect, "100-continue") != 0)
		return (head_fault(f, 417, "the only Expect here is 100-continue"));
	h->expects = expect != NULL && h->minor > 0;
	h->close = head_lists(connection, "close") ||
	    (h->minor == 0 && !head_lists(connection, "keep-alive"));
	return (read_framing(h, f));
}

static int
read_lines(struct head *h, size_t n, struct fault *f)
{
	char *at = h->text, *line;

	if (strlen(at) != n)
		return (head_fault(f, 400, "there is a NUL character in the head"));
	if ((line = next_line(&at)) == NULL)
		return (head_fault(f, 400, "the first line is not 'METHOD /path HTTP/1.1'"));
	if (read_first(h, line, f) == -1)
		return (-1);
	while ((line = next_line(&at)) != NULL)
		if (read_field(h, line, f) == -1)
			return (-1);
	if (strcmp(at, "\r\n") != 0)
		return (head_fault(f, 400, "the head does not end with an empty line"));
	return (read_meaning(h, f));
}

int
head_read(struct head *h, char *text, size_t n, const char **why)
{
	struct fault f = { 0 };

	h->text = text;
	h->text[n] = '\0';
	h->method = h->path = "";
	h->minor = 1;
	h->n = 0;
	h->length = 0;
	h->chunked = h->expects = 0;
	h->close = 1;
	if (read_lines(h, n, &f) == 0)
		return (0);
	*why = f.why;
	return (f.status);
}

void
head_free(struct head *h)
{
	free(h->text);
	h->text = NULL;
}
