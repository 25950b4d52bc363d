#include "config.h"

#include "opsd/auth/authlog.h"

#include <ctype.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <strings.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "opsd/auth/basic.h"
#include "opsd/auth/user.h"
#include "opsd/store/data.h"

#define SHOWN    64 /* of a name that anybody may have sent */
#define QUIET_US 1000000

struct authlog {
	struct data *data;
	pthread_mutex_t lock;
	uint64_t said_us; /* when a failure was logged last */
	unsigned more;    /* not logged since */
};

struct authlog *
authlog_new(struct data *data)
{
	struct authlog *l = xcalloc(1, sizeof(*l));

	l->data = data;
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
show_text(char shown[SHOWN + 1], const char *text)
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

	if (l->data->live.log_failed)
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
	show_text(shown, user);
	if (say && more > 0)
		log_warnx("auth: %u more failed logins", more);
	if (say)
		log_warnx("auth: failed login as '%s' from %s", shown, from);
}

/* ---- each of them, for an audit ---- */

static void
say_event(const struct authlog_event *e, const char *user, const char *by, const char *refused)
{
	const char *from = e->local ? "the domain socket" : e->from;
	const char *op = e->operation != NULL ? e->operation : "no operation";
	char name[SHOWN + 1], where[SHOWN + 1];

	show_text(name, user);
	show_text(where, e->path);
	if (refused == NULL)
		log_info("auth: success: user '%s' by %s from %s: %s %s, %s", name, by, from,
		    e->method, where, op);
	else
		log_warnx("auth: failure: user '%s' by %s from %s: %s %s, %s: %s", name, by, from,
		    e->method, where, op, refused);
}

static const char *
way_of(const struct authlog_event *e)
{
	if (e->local)
		return ("the file's rights");
	if (e->certified)
		return ("certificate");
	if (e->authorization != NULL)
		return (strncasecmp(e->authorization, "Bearer ", 7) == 0 ? "token" : "password");
	return (e->has_cookie ? "session" : "authorizeLocal");
}

static int
is_wanted(const struct live *live, const char *refused)
{
	return (refused == NULL ? live->log_good : live->log_failed);
}

void
authlog_request(const struct live *live, const struct authlog_event *e, const char *refused)
{
	const char *header = e->authorization;
	char *name = NULL, *password = NULL;

	if (!is_wanted(live, refused))
		return;
	if (refused != NULL && header != NULL && strncasecmp(header, "Basic ", 6) == 0)
		name = basic_read(header + 6, &password);
	say_event(e, refused == NULL ? e->user : name != NULL ? name : "?", way_of(e), refused);
	basic_free(name, password);
}

void
authlog_login(const struct live *live, const struct authlog_event *e, const char *refused)
{
	if (is_wanted(live, refused))
		say_event(e, e->user, "password", refused);
}
