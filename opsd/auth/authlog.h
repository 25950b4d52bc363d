#ifndef HL_AUTHLOG_H
#define HL_AUTHLOG_H

/* Who was let in and who was not, as lines of the log.  Any thread. */
struct authlog;
struct ops;
struct request;

struct authlog *authlog_new(struct ops *ops);
void authlog_free(struct authlog *l);
/* A wrong password: one line a second at most, unless logFailed has one for each. */
void authlog_wrong(struct authlog *l, const char *user, const char *from);

/*
 * For logging.auditAuthEvents, which may want no line: a request whose credentials were
 * looked at, refused with that text or (NULL) those of its user, and what it asks for.
 */
void authlog_request(const struct request *r, const char *method, const char *path,
    const char *refused);
/* The same of a name and a password in its body. */
void authlog_login(const struct request *r, const char *name, const char *refused);

#endif
