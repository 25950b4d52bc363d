#include "config.h"

#include "opsd/job/fetch.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "opsd/job/reach.h"

#define REDIRECTS   5
#define CONNECT_S   10
#define STALL_S     60 /* at less than so many bytes a second */
#define STALL_BYTES 1000
#define HEADERS_MAX 100

struct fetching {
	const struct fetch *f;
	uint64_t got;
	int enough, too_much;
	const char *refused; /* the kind of address */
};

int
fetch_start(char **err)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
		return (0);
	*err = xasprintf("libcurl cannot be started");
	return (-1);
}

static int
part_is(CURLU *u, CURLUPart part, const char *a, const char *b)
{
	char *text = NULL;
	int yes;

	if (curl_url_get(u, part, &text, 0) != CURLUE_OK)
		return (0);
	yes = a == NULL ? text[0] != '\0' : strcmp(text, a) == 0 || strcmp(text, b) == 0;
	curl_free(text);
	return (yes);
}

int
fetch_url_ok(const char *url)
{
	CURLU *u = curl_url();
	int ok;

	ok = u != NULL && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
	    part_is(u, CURLUPART_SCHEME, "http", "https") && part_is(u, CURLUPART_HOST, NULL, NULL);
	curl_url_cleanup(u);
	return (ok);
}

char *
fetch_headers_fault(const json_t *headers)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789"
				    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	const char *name, *value;
	json_t *v;

	if (headers != NULL && !json_is_object(headers))
		return (xstrdup("'passthrough_headers' must be of type object"));
	if (json_object_size(headers) > HEADERS_MAX)
		return (xasprintf("'passthrough_headers' are more than %d", HEADERS_MAX));
	json_object_foreach((json_t *)(uintptr_t)headers, name, v) {
		value = json_string_value(v);
		if (value == NULL)
			return (xasprintf("'passthrough_headers.%.100s' must be a string", name));
		if (name[0] == '\0' || name[strspn(name, token)] != '\0' ||
		    strlen(value) != json_string_length(v) || strpbrk(value, "\r\n") != NULL)
			return (xasprintf("'passthrough_headers.%.100s' is no header", name));
	}
	return (NULL);
}

static struct curl_slist *
header_list(const json_t *headers)
{
	struct curl_slist *list = NULL;
	const char *name, *value;
	char *line;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)headers, name, v) {
		value = json_string_value(v);
		/* libcurl's way to send an empty one. */
		line = value[0] != '\0' ? xasprintf("%s: %s", name, value) : xasprintf("%s;", name);
		list = curl_slist_append(list, line);
		free(line);
	}
	return (list);
}

static size_t
fetch_write_cb(char *p, size_t size, size_t n, void *arg)
{
	struct fetching *g = arg;

	n *= size;
	g->got += n;
	g->too_much = g->got > g->f->max;
	if (!g->too_much)
		g->enough = g->f->data(p, n, g->f->arg);
	return (g->too_much || g->enough ? CURL_WRITEFUNC_ERROR : n);
}

static int
fetch_progress_cb(void *arg, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up)
{
	struct fetching *g = arg;

	g->enough = g->enough || g->f->stopped(g->f->arg);
	return (g->enough);
}

static curl_socket_t
fetch_open_cb(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct fetching *g = arg;

	g->refused = reach_refusal(&to->addr, g->f->loopback);
	if (g->refused != NULL)
		return (CURL_SOCKET_BAD);
	return (socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol));
}

static int
set_options(CURL *c, struct fetching *g, struct curl_slist *headers, char *error)
{
	const struct fetch *f = g->f;

	return (curl_easy_setopt(c, CURLOPT_URL, f->url) != CURLE_OK ||
		    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK ||
		    curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "http,https") != CURLE_OK ||
		    curl_easy_setopt(c, CURLOPT_PROXY, "") != CURLE_OK ||
		    curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, fetch_open_cb) != CURLE_OK ||
		    curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, g) != CURLE_OK ||
		    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L) != CURLE_OK ||
		    curl_easy_setopt(c, CURLOPT_MAXREDIRS, (long)REDIRECTS) != CURLE_OK ||
		    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) != CURLE_OK ||
		    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S) != CURLE_OK ||
		    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, (long)STALL_BYTES) != CURLE_OK ||
		    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)STALL_S) != CURLE_OK ||
		    curl_easy_setopt(c, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)f->max) !=
			CURLE_OK ||
		    curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L) != CURLE_OK ||
		    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, error) != CURLE_OK ||
		    curl_easy_setopt(c, CURLOPT_USERAGENT, PACKAGE_NAME "/" PACKAGE_VERSION) !=
			CURLE_OK ||
		    curl_easy_setopt(c, CURLOPT_ACCEPT_ENCODING, "") != CURLE_OK ||
		    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers) != CURLE_OK ||
		    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L) != CURLE_OK ||
		    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, fetch_progress_cb) != CURLE_OK ||
		    curl_easy_setopt(c, CURLOPT_XFERINFODATA, g) != CURLE_OK ||
		    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, fetch_write_cb) != CURLE_OK ||
		    curl_easy_setopt(c, CURLOPT_WRITEDATA, g) != CURLE_OK ?
		-1 :
		0);
}

int
fetch_run(const struct fetch *f, char **err)
{
	char error[CURL_ERROR_SIZE] = "";
	struct fetching g = { .f = f };
	struct curl_slist *headers = header_list(f->headers);
	CURL *c = curl_easy_init();
	CURLcode code = CURLE_FAILED_INIT;

	if (c != NULL && set_options(c, &g, headers, error) == 0)
		code = curl_easy_perform(c);
	curl_easy_cleanup(c);
	curl_slist_free_all(headers);
	if (code == CURLE_OK)
		return (0);
	if (g.enough)
		return (1);
	if (g.refused != NULL)
		*err = xasprintf("it leads to a %s address, %s", g.refused,
		    strcmp(g.refused, "loopback") == 0 ? "for super users only" :
							 "from which nothing is read");
	else if (g.too_much || code == CURLE_FILESIZE_EXCEEDED)
		*err = xasprintf("it is larger than jobs.maxFileSize (%llu bytes)",
		    (unsigned long long)f->max);
	else
		*err = xstrdup(error[0] != '\0' ? error : curl_easy_strerror(code));
	return (-1);
}
