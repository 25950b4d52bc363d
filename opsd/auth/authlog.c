#include "config.h"

#include "authlog.h"

#include <ctype.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <strings.h>

#include "basic.h"
#include "clock.h"
#include "log.h"
#include "mem.h"
#include "op.h"
#include "ops.h"
#include "user.h"

#define SHOWN	64		/* of a name that anybody may have sent */
#define QUIET_US	1000000

struct authlog {
	struct ops	*ops;
	pthread_mutex_t	 lock;
	uint64_t	 said_us;	/* when a failure was logged last */
	unsigned	 more;		/* not logged since */
};

struct authlog *
authlog_new(struct ops *ops)
{
	struct authlog *l = xcalloc(1, sizeof(*l));

	l->ops = ops;
	pthread_mutex_init(&l->lock, NULL);
	return (l);
}

void
authlog_free(struct authlog *l)
{
	pthread_mutex_destroy(&l->lock);
	free(l);
}

/* A line of the log stays one, whatever is in the text. */
static void
show(char shown[SHOWN + 1], const char *text)
{
	size_t i;

	for (i = 0; i < SHOWN && text[i] != '\0'; i++)
		shown[i] = isprint((unsigned char)text[i]) ? text[i] : '?';
	shown[i] = '\0';
}

void
authlog_wrong(struct authlog *l, const char *user, const char *from)
{
	uint64_t now = mono_us();
	char shown[SHOWN + 1];
	unsigned more = 0;
	int say;

	if (l->ops->live.log_failed)
		return;
	pthread_mutex_lock(&l->lock);
	say = l->said_us == 0 || now - l->said_us > QUIET_US;
	if (say) {
		more = l->more;
		l->more = 0;
		l->said_us = now;
	} else
		l->more++;
	pthread_mutex_unlock(&l->lock);
	show(shown, user);
	if (say && more > 0)
		log_warnx("auth: %u more failed logins", more);
	if (say)
		log_warnx("auth: failed login as '%s' from %s", shown, from);
}

/* ---- each of them, for an audit ---- */

static void
say_event(const struct request *r, const char *user, const char *by, const char *method,
    const char *path, const char *refused)
{
	const char *from = r->local ? "the domain socket" : r->from;
	const char *op = r->op != NULL ? r->op->name : "no operation";
	char name[SHOWN + 1], where[SHOWN + 1];

	show(name, user);
	show(where, path);
	if (refused == NULL)
		log_info("auth: success: user '%s' by %s from %s: %s %s, %s", name, by, from,
		    method, where, op);
	else
		log_warnx("auth: failure: user '%s' by %s from %s: %s %s, %s: %s", name, by, from,
		    method, where, op, refused);
}

static const char *
way_of(const struct request *r, const char *authorization)
{
	if (r->local)
		return ("the file's rights");
	if (authorization != NULL)
		return (strncasecmp(authorization, "Bearer ", 7) == 0 ? "token" : "password");
	return (request_header(r, "Cookie") != NULL ? "session" : "authorizeLocal");
}

void
authlog_request(const struct request *r, const char *method, const char *path,
    const char *refused)
{
	const char *header = request_header(r, "Authorization");
	char *name = NULL, *password = NULL;

	if (refused == NULL ? !r->ops->live.log_good : !r->ops->live.log_failed)
		return;
	if (refused != NULL && header != NULL && strncasecmp(header, "Basic ", 6) == 0)
		name = basic_read(header + 6, &password);
	say_event(r, refused == NULL ? r->user->name : name != NULL ? name : "?",
	    way_of(r, header), method, path, refused);
	basic_free(name, password);
}

void
authlog_login(const struct request *r, const char *name, const char *refused)
{
	if (refused == NULL ? r->ops->live.log_good : r->ops->live.log_failed)
		say_event(r, name, "password", "POST", "/", refused);
}
