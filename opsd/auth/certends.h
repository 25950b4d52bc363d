#ifndef HL_CERTENDS_H
#define HL_CERTENDS_H

#include <jansson.h>

/*
 * Until when the certificates that are in force are good: of a file the first that ends, with
 * what leads to its authority.
 */
struct data;
struct event;

/* [{"certificate": its file, "uses": "clustering", "https" or both, or "replication",
 * "ends": seconds since 1970, "renewed": true of one that the node itself renews}];
 * what cannot be read is not among them.  New reference. */
json_t *certends(struct data *data);
/* Of one of these: that it ends within tls.expiryWarning, or did; NULL: later.  Caller frees. */
char *certends_warning(struct data *data, const json_t *end);

/* Says so in the log, now and every day, until the event is freed. */
struct event *certends_watch(struct data *data);

#endif
