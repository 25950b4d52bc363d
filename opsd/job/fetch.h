#ifndef HL_FETCH_H
#define HL_FETCH_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What is behind a URL, in pieces: the only file beside opsd/pki/enrol_http.c that includes <curl/curl.h>.  http and
 * https alone, redirects too; certificates are verified; what is encoded for the way, as with
 * gzip, is decoded.  Each address is looked at when it is connected to, whatever name or
 * redirect led there; no proxy is used, as that would connect to any for us.
 */
struct fetch {
	const char *url;
	const json_t *headers; /* sent along: an object of strings, or NULL */
	uint64_t max;          /* bytes of the body, decoded */
	int loopback;          /* also from this machine itself (reach.h) */
	int (*data)(const void *p, size_t n, void *arg); /* not 0: enough */
	int (*stopped)(void *arg);                       /* not 0: give up */
	void *arg;
};

int fetch_start(char **err); /* once, before there are threads; -1 with *err */
int fetch_url_ok(const char *url);
/* What is wrong with headers to send along, or NULL; the caller frees. */
char *fetch_headers_fault(const json_t *headers);
/* 0; 1 when `data` or `stopped` ended it; -1 with *err (caller frees).  Blocks. */
int fetch_run(const struct fetch *f, char **err);

#endif
