#include "config.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "common/base/log.h"
#include "common/base/logbrake.h"
#include "common/base/mem.h"
#include "common/tls/crypto.h"
#include "common/tls/tlslink.h"
#include "leafd/link/dial.h"
#include "leafd/link/link_priv.h"

/* Whom to dial, and when again: each target by itself, later and later. */

#define WAIT_MIN_MS 100
#define WAIT_MAX_MS 30000

struct target {
	struct target *prev, *next;
	struct links *ls;
	struct linkspec_dial d;
	struct dial *dial;   /* it is being connected to */
	int busy;            /* there is a link of it */
	struct event *timer; /* the next attempt */
	unsigned wait_ms, tries;
	char *error; /* of the last attempt; NULL: none */
	int refused; /* and that it was that */
	int met;     /* and that the other end was reached */
	int known;   /* it has said who it is */
	uint8_t id[NODE_ID_LEN];
	int kept;
};

const char *
target_key(const struct target *t)
{
	return (t->d.key);
}

const struct linkspec_dial *
target_spec(const struct target *t)
{
	return (&t->d);
}

void
target_known(struct target *t, const uint8_t id[NODE_ID_LEN])
{
	t->known = 1;
	t->met = 0; /* what was wrong before it came so far is over */
	memcpy(t->id, id, NODE_ID_LEN);
}

static int
is_linked(const struct target *t)
{
	return ((t->known && links_find(t->ls, t->id) != NULL) ||
	    links_has_hostname(t->ls, t->d.name));
}

/* The next attempt comes after between half and one and a half of what is waited for. */
static void
wait_more(struct target *t)
{
	uint32_t chance;
	unsigned ms;
	struct timeval wait;

	crypto_random(&chance, sizeof(chance));
	ms = t->wait_ms / 2 + chance % (t->wait_ms + 1);
	wait = (struct timeval){ ms / 1000, (ms % 1000) * 1000 };
	evtimer_add(t->timer, &wait);
	t->wait_ms = t->wait_ms * 2 < WAIT_MAX_MS ? t->wait_ms * 2 : WAIT_MAX_MS;
}

/* Who has refused this node a few times is silent about it for a while. */
static int
is_silence(const struct target *t, int met, enum target_end how, const char *why)
{
	return (met && t->met && how == TARGET_FAILED && t->error != NULL &&
	    strcmp(why, TLSLINK_CLOSED) == 0);
}

static void
note_end(struct target *t, int met, enum target_end how, const char *why)
{
	static struct log_brake brake = { .most = 20 };
	int linked = is_linked(t);

	t->met = met && how != TARGET_STOOD;
	t->refused = how == TARGET_REFUSED;
	if (how == TARGET_STOOD) {
		t->wait_ms = WAIT_MIN_MS;
		t->tries = 0;
	} else if (!linked && (t->error == NULL || strcmp(t->error, why) != 0))
		log_braked(&brake, LOG_WARN, "link: no link to %s: %s", t->d.key, why);
	free(t->error);
	t->error = linked ? NULL : xstrdup(why);
}

void
target_ended(struct target *t, enum target_end how, const char *why)
{
	int met = t->busy;

	t->busy = 0;
	if (!is_silence(t, met, how, why))
		note_end(t, met, how, why);
	wait_more(t);
	links_changed(t->ls);
}

static void
target_dial_cb(int fd, const char *address, const char *why, void *arg)
{
	struct target *t = arg;

	t->dial = NULL;
	if (fd == -1)
		target_ended(t, TARGET_FAILED, why);
	else if (t->d.secure && t->ls->tls == NULL) {
		close(fd);
		target_ended(t, TARGET_FAILED, "this node has no certificate any more");
	} else {
		t->busy = 1;
		link_new(t->ls, fd, address, t->d.secure, t);
	}
}

static void
dial_target(struct target *t)
{
	const struct linkspec *s = t->ls->spec;
	const struct dial_opts o = {
		.host = t->d.host,
		.port = t->d.port,
		.proxy_host = s->proxy_host,
		.proxy_port = s->proxy_port,
		.timeout_ms = LINK_HELLO_MS,
	};

	t->tries++;
	t->dial = dial_new(t->ls->base, &o, target_dial_cb, t);
}

static void
look_at_target(struct target *t)
{
	const struct links *ls = t->ls;

	if (!links_up(ls) || t->dial != NULL || t->busy || evtimer_pending(t->timer, NULL) ||
	    is_linked(t))
		return;
	if (t->d.secure && ls->tls == NULL)
		target_ended(t, TARGET_FAILED,
		    ls->tls_fault != NULL ? ls->tls_fault : "this node has no certificate");
	else
		dial_target(t);
}

void
target_look(struct links *ls)
{
	struct target *t;

	DL_FOREACH(ls->targets, t)
		look_at_target(t);
}

static void
target_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	look_at_target(arg);
}

/* What is to be */

static int
same_dial(const struct linkspec_dial *a, const struct linkspec_dial *b)
{
	return (strcmp(a->key, b->key) == 0 && strcmp(a->host, b->host) == 0 &&
	    strcmp(a->name, b->name) == 0 && strcmp(a->path, b->path) == 0 && a->port == b->port &&
	    a->secure == b->secure);
}

static struct target *
target_new(struct links *ls, const struct linkspec_dial *d)
{
	struct target *t = xcalloc(1, sizeof(*t));

	t->ls = ls;
	t->d = *d;
	t->d.key = xstrdup(d->key);
	t->d.host = xstrdup(d->host);
	t->d.name = xstrdup(d->name);
	t->d.path = xstrdup(d->path);
	t->wait_ms = WAIT_MIN_MS;
	if ((t->timer = evtimer_new(ls->base, target_timer_cb, t)) == NULL)
		fatalx("link: no timer");
	DL_APPEND(ls->targets, t);
	return (t);
}

/* A link that it dialled stays: whether it may is opsd's to say. */
static void
target_free(struct target *t)
{
	struct peerlink *k;

	DL_FOREACH(t->ls->all, k)
		if (k->target == t)
			k->target = NULL;
	DL_DELETE(t->ls->targets, t);
	dial_free(t->dial);
	event_free(t->timer);
	linkspec_dial_clear(&t->d);
	free(t->error);
	free(t);
}

static struct target *
find_target(const struct links *ls, const struct linkspec_dial *d)
{
	struct target *t;

	DL_FOREACH(ls->targets, t)
		if (!t->kept && same_dial(&t->d, d))
			return (t);
	return (NULL);
}

/* What was waited for may have changed: all is tried at once. */
void
target_set(struct links *ls)
{
	struct target *t, *tmp;
	size_t i;

	DL_FOREACH(ls->targets, t)
		t->kept = 0;
	for (i = 0; i < ls->spec->ndial; i++) {
		if ((t = find_target(ls, &ls->spec->dial[i])) == NULL)
			t = target_new(ls, &ls->spec->dial[i]);
		t->kept = 1;
		t->wait_ms = WAIT_MIN_MS;
		evtimer_del(t->timer);
	}
	DL_FOREACH_SAFE(ls->targets, t, tmp)
		if (!t->kept)
			target_free(t);
}

void
target_free_all(struct links *ls)
{
	while (ls->targets != NULL)
		target_free(ls->targets);
}

json_t *
target_json(const struct links *ls)
{
	json_t *list = json_array(), *o;
	struct target *t;

	DL_FOREACH(ls->targets, t) {
		if (is_linked(t))
			continue;
		o = json_pack("{s:s, s:i}", "key", t->d.key, "tries", (int)t->tries);
		if (t->error != NULL)
			json_object_set_new(o, "error", json_string(t->error));
		if (t->error != NULL && t->refused)
			json_object_set_new(o, "refused", json_true());
		json_array_append_new(list, o);
	}
	return (list);
}
