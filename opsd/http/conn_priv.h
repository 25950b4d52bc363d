#ifndef HL_CONN_PRIV_H
#define HL_CONN_PRIV_H

#include "opsd/http/http_priv.h"

/* What conn.c (life, requests in) and answer.c (answers out) share. */

uint64_t conn_written(const struct conn *c); /* bytes of answers that the system has */
/* The client has so long for what comes next. */
void conn_deadline(struct conn *c, uint64_t ms);
const struct http_limits *conn_limits(const struct conn *c);
void conn_body_free(struct conn *c);
void conn_drop(struct conn *c); /* now, or when conn_go is through with it */
void conn_go(struct conn *c);   /* does what can be done with what is there */
/* Puts bytes on the way; takes those of a long one. */
void conn_send(struct conn *c, struct buf *b);
/* What is wrong before there is an exchange; ends the connection. */
void conn_refuse(struct conn *c, int status, const char *text);

#endif
