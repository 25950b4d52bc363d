#ifndef HL_CLI_H
#define HL_CLI_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/conf/conf.h"

/* What the parts of the command line program share. */

/* Where requests go: the domain socket, or a host. */
struct cli_target {
	char *socket; /* or NULL */
	char *host;
	int port;
	int tls, insecure;
	char *authorization; /* value of the header, or NULL */
	const char *accept;  /* the same; borrowed */
	unsigned timeout_s;
};

struct answer {
	int status;
	char *body; /* NUL-terminated; free it */
	size_t len;
};

/* One request and its answer; 0, or -1 with *err (caller frees). */
int cli_request(const struct cli_target *t, const char *method, const char *path, const char *body,
    struct answer *a, char **err);
/* Takes the body of an answer, of `total` bytes, as it arrives; -1 with errno ends it. */
struct cli_taker {
	int (*take)(void *arg, const void *p, size_t n, uint64_t total);
	void *arg;
};
/* POST, and a success is taken so (a->body is NULL then); what is not whole is an error. */
int cli_download(const struct cli_target *t, const char *body, const struct cli_taker *taker,
    struct answer *a, char **err);
/* "https://host:port"; -1 with *err.  Port 9925 unless given. */
int target_parse(struct cli_target *t, const char *url, char **err);
void target_login(struct cli_target *t, const char *username, const char *password);
void target_free(struct cli_target *t);

/*
 * What a new node lacks, each as a text that says how to mend it; from the answers of
 * list_users, get_configuration, cluster_get_routes, cluster_network's nodes, of which one is the
 * node itself, and cluster_status.
 * One that is NULL is not judged.
 */
json_t *cli_missing(const json_t *users, const json_t *config, const json_t *routes,
    const json_t *network, const json_t *status);

/*
 * All that `hubleaf status` knows: new reference; *runs is 0 when opsd does not answer.  Without
 * conf it is another node's, which is asked alone: NULL with *err when it does not answer.
 */
json_t *cli_status(const struct conf *conf, const struct cli_target *t, int *runs, char **err);
/* The same on one screen: what is wrong first, a line a peer. */
void cli_screen(const json_t *status, struct buf *out);
/* `hubleaf top`: that screen so many times (0: until it is interrupted); the exit status. */
int cli_top(const struct conf *conf, const struct cli_target *t, double seconds, long long count);
/*
 * get_backup: into the file, which has its name only when it is whole, or to standard
 * output when it is NULL.  body: the request.  The exit status.
 */
int cli_backup(const struct cli_target *t, const char *body, const char *file);
/*
 * `hubleaf backup`: get_backup into the folder, in a file of the node's name and the time.  When it is
 * whole, older ones of this node go until there are `keep`; 0: none goes.  The exit status.
 */
int cli_keep(const struct cli_target *t, const char *folder, const char *node, unsigned keep);
/* A backup into the node's folder, what is there moved aside; the exit status. */
int cli_restore(const struct conf *conf, const char *file);
/* The daemon that runs by its pid file; 0: none. */
int cli_daemon_pid(const struct conf *conf, const char *name);
/*
 * The line of the daemon's log that says why it ended by itself, or does not get ready: its last error since it
 * was ready or was stopped.  NULL: there is none, or no log.  The caller frees.
 */
char *cli_daemon_error(const struct conf *conf, const char *daemon);
/* The same, from the last bytes of a log. */
char *cli_last_error(const char *log, size_t n);
/* Until the job has ended, its row; NULL with *err.  Shows on a terminal how far it is. */
json_t *cli_wait_job(const struct cli_target *t, const char *id, char **err);
/* Until no table is behind what reachable nodes have; -1 with *err. */
int cli_wait_tables(const struct cli_target *t, char **err);
/* Says it on standard error, and ends. */
void cli_die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* What an answer that is an error says, on standard error. */
void cli_print_error(const struct answer *a, const json_t *v);

/* `hubleaf run`: the three daemons in the foreground; the exit status. */
int cli_run(const struct conf *conf, int argc, char **argv);

#endif
