#ifndef HL_AUTHLOG_H
#define HL_AUTHLOG_H

/* Who was let in and who was not, as lines of the log.  Any thread. */
struct authlog;
struct data;
struct live;

struct authlog *authlog_new(struct data *data);
void authlog_free(struct authlog *l);
/* A wrong password: one line a second at most, unless logFailed has one for each. */
void authlog_wrong(struct authlog *l, const char *user, const char *from);

/* Somebody who asks for something; texts are borrowed. */
struct authlog_event {
	const char *user; /* who it turned out to be, or said to be */
	const char *from; /* the peer's address */
	int local;        /* it came over the domain socket */
	const char *method, *path;
	const char *operation;     /* NULL: none */
	const char *authorization; /* that header, or NULL */
	int has_cookie;
	int certified; /* the client's certificate said who it is */
};

/*
 * For logging.auditAuthEvents, which may want no line: a request whose credentials were
 * looked at, refused with that text or (NULL) those of its user.
 */
void authlog_request(const struct live *live, const struct authlog_event *e, const char *refused);
/* The same of a name and a password in its body. */
void authlog_login(const struct live *live, const struct authlog_event *e, const char *refused);

#endif
