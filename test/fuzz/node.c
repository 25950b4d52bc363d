#include "config.h"

#include "test/fuzz/node.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <event2/event.h>
#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/ipc/svc.h"
#include "opsd/op/node.h"
#include "opsd/ops.h"

#define ANSWER_S 60L /* later is never */

#define FLAGS 14

static char *folder, *root, *files;
static char *flags[FLAGS]; /* read again while the node runs */
static int port;
static struct svc *svc;
static struct ops *ops;
static pthread_t loop;
static _Atomic int stopping;
static CURL *clients[ASKERS];

/* ---- the folder ---- */

static int
remove_cb(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	if (remove(path) == -1)
		fatal("%s", path);
	return (0);
}

static void
remove_all(const char *path)
{
	if (access(path, F_OK) == 0 && nftw(path, remove_cb, 16, FTW_DEPTH | FTW_PHYS) == -1)
		fatal("%s", path);
}

static void
node_exit(void)
{
	node_stop();
	remove_all(folder);
	free(folder);
	free(root);
	free(files);
	for (int i = 0; i < FLAGS; i++)
		free(flags[i]);
}

static void
make_folder(void)
{
	const char *tmp = getenv("TMPDIR");

	folder = xasprintf("%s/hl-fuzz.XXXXXX", tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(folder) == NULL)
		fatal("%s", folder);
	root = xasprintf("%s/root", folder);
	files = xasprintf("%s/files", folder);
	if (mkdir(files, 0700) == -1)
		fatal("%s", files);
}

const char *
node_files(void)
{
	return (files);
}

void
node_wipe(void)
{
	remove_all(root);
}

/* ---- the node ---- */

static int
free_port(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd == -1 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) == -1)
		fatal("no free port");
	close(fd);
	return (ntohs(sin.sin_port));
}

static void *
loop_main(void *arg)
{
	event_base_loop(svc->base, EVLOOP_NO_EXIT_ON_EMPTY);
	/* By a signal, that is. */
	if (!stopping)
		_exit(1);
	return (NULL);
}

/* Flags win over what set_configuration keeps: nothing gets out of the folder. */
static void
make_flags(void)
{
	char *made[] = { xstrdup("opsd"), xasprintf("--ROOTPATH=%s", root),
		xasprintf("--RUNPATH=%s/run", root), xasprintf("--STORAGE_PATH=%s/database", root),
		xstrdup("--STORAGE_WRITEASYNC=true"),
		xasprintf("--OPERATIONSAPI_NETWORK_PORT=%d", port),
		xstrdup("--OPERATIONSAPI_NETWORK_HOST=127.0.0.1"),
		xasprintf("--OPERATIONSAPI_NETWORK_DOMAINSOCKET=%s/operations-server", root),
		xstrdup("--AUTHENTICATION_CACHETTL=86400000"), xstrdup("--THREADS=1"),
		xstrdup("--LOGGING_LEVEL=error"), xasprintf("--LOGGING_ROOT=%s/log", root),
		xasprintf("--LOGGING_ROTATION_PATH=%s/log", root),
		xasprintf("--CLUSTERING_LEAFSERVER_STREAMS_PATH=%s/leaf", root) };

	_Static_assert(sizeof(made) == sizeof(flags), "FLAGS");
	memcpy(flags, made, sizeof(made));
}

static CURL *
client_new(enum asker who)
{
	CURL *c = curl_easy_init();
	char *url = xasprintf("http://127.0.0.1:%d/", port);
	char *path = xasprintf("%s/operations-server", root);

	if (c == NULL)
		fatalx("libcurl cannot be started");
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, ANSWER_S);
	if (who == AS_SUPER)
		curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, path);
	if (who == AS_READER)
		curl_easy_setopt(c, CURLOPT_USERPWD, "reader:reader");
	free(url);
	free(path);
	return (c);
}

/* By way of the loop: a break before it runs would be forgotten. */
static void
loop_break(void *arg)
{
	event_base_loopbreak(svc->base);
}

void
node_start(void)
{
	int first = folder == NULL;

	if (first) {
		make_folder();
		port = free_port();
		make_flags();
	}
	svc = svc_init("opsd", ROLE_OPSD, FLAGS, flags);
	ops = ops_start(svc);
	/* After RocksDB's own, so that it runs before them. */
	if (first)
		atexit(node_exit);
	stopping = 0;
	if (pthread_create(&loop, NULL, loop_main, NULL) != 0)
		fatalx("no thread");
	for (int i = 0; i < ASKERS; i++)
		clients[i] = client_new((enum asker)i);
}

void
node_stop(void)
{
	if (ops == NULL)
		return;
	for (int i = 0; i < ASKERS; i++)
		curl_easy_cleanup(clients[i]);
	stopping = 1;
	post(svc->post, loop_break, NULL);
	pthread_join(loop, NULL);
	ops_stop(ops);
	svc_free(svc);
	ops = NULL;
}

/* ---- requests ---- */

static struct curl_slist *
header_list(const char *type)
{
	static const char *const names[] = { "Content-Type", "Accept" };
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");
	char *line;

	for (int i = 0; i < 2; i++) {
		line = xasprintf("%s: %s", names[i], type);
		list = curl_slist_append(list, line);
		free(line);
	}
	return (list);
}

static size_t
answer_cb(char *p, size_t size, size_t n, void *arg)
{
	struct answer *a = arg;

	n *= size;
	a->text = xrealloc(a->text, a->n + n + 1);
	memcpy(a->text + a->n, p, n);
	a->n += n;
	a->text[a->n] = '\0';
	return (n);
}

void
node_ask(enum asker who, const char *type, const void *body, size_t n, struct answer *a)
{
	CURL *c = clients[who];
	struct curl_slist *headers = header_list(type);
	CURLcode code;
	long status = 0;

	memset(a, 0, sizeof(*a));
	a->text = xstrdup("");
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)n);
	curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, answer_cb);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, a);
	if ((code = curl_easy_perform(c)) != CURLE_OK) {
		fprintf(stderr, "no answer: %s\n%.*s\n", curl_easy_strerror(code), (int)n,
		    (const char *)body);
		abort();
	}
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(headers);
	a->status = (int)status;
}

void
answer_free(struct answer *a)
{
	free(a->text);
}
