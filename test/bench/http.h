#ifndef HL_BENCH_HTTP_H
#define HL_BENCH_HTTP_H

#include <sys/types.h>

#include "common/base/buf.h"

/* A client of the operations API over kept connections to 127.0.0.1. */

struct table_name {
	char *database, *table; /* both in one string that stays the caller's */
};

/* "database.table", cut in place; -1 when it is not that. */
int table_name_read(struct table_name *t, char *text);

/* Connected, blocking, without Nagle's delay; -1 with errno. */
int http_dial(uint16_t port);
/* One POST, appended; auth is "user:password" in base64. */
void http_request(struct buf *b, const char *auth, const void *body, size_t n);
/*
 * The first answer in b, when it is whole: its length, with status and where its
 * body begins.  0: not yet, -1: no such answer.
 */
ssize_t http_answer(struct buf *b, int *status, size_t *body);
/* One request and its answer on a blocking connection: the status, -1 when it broke.
 * The body is in `out` (cleared first), NUL-terminated. */
int http_ask(int fd, const char *auth, const struct buf *body, struct buf *out);
/* Rows of a table, -1 when it cannot be asked for. */
int64_t http_count(int fd, const char *auth, const struct table_name *t);

#endif
