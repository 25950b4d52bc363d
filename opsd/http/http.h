#ifndef HL_HTTP_H
#define HL_HTTP_H

struct auth;
struct data;
struct http_api;
struct ops;
struct pki;
struct request;
struct watch;
struct workers;

/*
 * Requests in, answers out.  Knows no operations: it parses, asks auth.h who it
 * is and operation.h what to run.  Each thread has its own event loop and listening
 * sockets; a request stays with its thread.
 */
struct http;

/*
 * Whether a node could listen on all of these (operationsApi.network.host) at once; -1 with *err.
 * Looks names up.
 */
int http_can_listen(const char *hosts, char **err);
/* What it needs; `ops` is what requests carry. */
struct http_needs {
	struct ops *ops;
	struct data *data;
	struct auth *auth;
	struct pki *pki;
	struct watch *watch;
	struct workers *bodies; /* read the long ones of requests */
	const struct http_api *api;
};
struct http *http_start(const struct http_needs *needs, char **err); /* NULL with *err */
/* Connections, and requests in progress with this one, of the server that has r. */
void http_count(const struct request *r, int *connections, int *requests);
/*
 * The certificate from its files anew, for connections from now on; and for all of them what is
 * asked of clients' certificates.  A fault keeps the old ones.
 */
void http_reload(struct http *h);
/*
 * No more connections; requests in progress get up to a few seconds.  Those
 * that still are not answered then may be answered for nobody, until the end of the process.
 */
void http_stop(struct http *h);

#endif
