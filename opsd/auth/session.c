#include "config.h"

#include "opsd/auth/session.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "common/base/mem.h"
#include "common/tls/crypto.h"
#include "opsd/auth/user.h"

#define ID_LEN 36

struct session {
	char id[ID_LEN + 1];
	char *user;
	uint8_t mark[16];
	uint64_t used_us;
	UT_hash_handle hh; /* in the order of use */
};

struct sessions {
	unsigned max;
	struct session *all;
};

struct sessions *
sessions_new(unsigned max)
{
	struct sessions *s = xcalloc(1, sizeof(*s));

	s->max = max;
	return (s);
}

static void
drop_session(struct sessions *s, struct session *e)
{
	HASH_DEL(s->all, e);
	free(e->user);
	free(e);
}

void
sessions_free(struct sessions *s)
{
	struct session *e, *tmp;

	if (s == NULL)
		return;
	HASH_ITER(hh, s->all, e, tmp)
		drop_session(s, e);
	free(s);
}

void
session_add(struct sessions *s, const struct user *u, uint64_t now_us, char id[ID_LEN + 1])
{
	struct session *e;

	/* The first one was not used for longest. */
	if (HASH_COUNT(s->all) >= s->max)
		drop_session(s, s->all);
	e = xcalloc(1, sizeof(*e));
	crypto_uuid(e->id);
	e->user = xstrdup(u->name);
	memcpy(e->mark, u->mark, sizeof(e->mark));
	e->used_us = now_us;
	HASH_ADD(hh, s->all, id, ID_LEN, e);
	memcpy(id, e->id, sizeof(e->id));
}

const char *
session_find(struct sessions *s, const char *id, uint64_t now_us, const uint8_t **mark)
{
	struct session *e;

	HASH_FIND(hh, s->all, id, ID_LEN, e);
	if (e == NULL)
		return (NULL);
	if (now_us - e->used_us > SESSION_IDLE_US) {
		drop_session(s, e);
		return (NULL);
	}
	e->used_us = now_us;
	HASH_DEL(s->all, e);
	HASH_ADD(hh, s->all, id, ID_LEN, e);
	*mark = e->mark;
	return (e->user);
}

void
session_end(struct sessions *s, const char *id)
{
	struct session *e;

	HASH_FIND(hh, s->all, id, ID_LEN, e);
	if (e != NULL)
		drop_session(s, e);
}

char *
session_cookie_name(const char *origin)
{
	const char *host = origin != NULL ? strstr(origin, "://") : NULL;
	char *name;

	if (host == NULL)
		return (xstrdup("hdb-session"));
	name = xasprintf("%.200s-hdb-session", host + 3);
	for (char *p = name; p < name + strlen(name) - strlen("-hdb-session"); p++)
		if (!isalnum((unsigned char)*p))
			*p = '_';
	return (name);
}

int
session_from_cookie(const char *cookie, const char *name, char id[ID_LEN + 1])
{
	size_t n = strlen(name);

	while (*cookie != '\0') {
		size_t len = strcspn(cookie, ";");

		if (len == n + 1 + ID_LEN && strncmp(cookie, name, n) == 0 && cookie[n] == '=') {
			memcpy(id, cookie + n + 1, ID_LEN);
			id[ID_LEN] = '\0';
			return (1);
		}
		cookie += len;
		cookie += strspn(cookie, "; \t");
	}
	return (0);
}
