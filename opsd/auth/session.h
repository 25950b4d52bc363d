#ifndef HL_SESSION_H
#define HL_SESSION_H

#include <stdint.h>

/*
 * Sessions: a cookie that stands for a login until it was not used for a day, the
 * password changes or the node starts anew.  No I/O; one caller at a time.
 */
#define SESSION_IDLE_US UINT64_C(86400000000)

struct sessions;
struct user;

struct sessions *sessions_new(unsigned max); /* of more, the one unused longest goes */
void sessions_free(struct sessions *s);
void session_add(struct sessions *s, const struct user *u, uint64_t now_us, char id[37]);
/* The name of the user that logged in, borrowed, with the mark that it had; NULL: no such session. */
const char *session_find(struct sessions *s, const char *id, uint64_t now_us, const uint8_t **mark);
void session_end(struct sessions *s, const char *id);

/*
 * The name of the cookie for pages of an origin ("https://shop.example:8080", or NULL), so
 * that two pages do not share one; the caller frees.
 */
char *session_cookie_name(const char *origin);
/* The session in a Cookie header under that name, into id; 0 when there is none. */
int session_from_cookie(const char *cookie, const char *name, char id[37]);

#endif
