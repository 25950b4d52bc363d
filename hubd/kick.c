#include "config.h"

#include "hubd/kick.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "common/base/address.h"
#include "common/base/clock.h"
#include "common/base/jsonlist.h"
#include "common/base/log.h"
#include "common/base/mem.h"

/*
 * The reload takes a moment, and who is kicked before it comes back at once: until nothing more is seen
 * of it, and sometimes even after that, as with some certificates nobody is refused.
 */
#define EAGER_US UINT64_C(10000000) /* since others were removed: in each look around, */
#define LATER_US UINT64_C(10000000) /* then so often */
#define GONE_US  UINT64_C(3000000)  /* whoever comes back does so within a second or so */
#define ASK_MS   2000

/* A removed node that has a leaf link, or had one a moment ago. */
struct kicked {
	char *name, *address;
	uint64_t seen_us;
	int kicked, said;
	UT_hash_handle hh;
};

struct kick {
	struct kicked *links;
	uint64_t changed_us, asked_us; /* others were removed; 0: nobody is, and never */
};

struct kick *
kick_new(void)
{
	return (xcalloc(1, sizeof(struct kick)));
}

static void
drop_kicked(struct kick *k, struct kicked *one)
{
	HASH_DEL(k->links, one);
	free(one->name);
	free(one->address);
	free(one);
}

void
kick_clear(struct kick *k)
{
	struct kicked *one, *tmp;

	HASH_ITER(hh, k->links, one, tmp)
		drop_kicked(k, one);
}

void
kick_free(struct kick *k)
{
	kick_clear(k);
	free(k);
}

/* Whether who is called so has the id of a removed node. */
static int
is_removed(const struct hub *h, const char *name)
{
	json_t *id = mesh_id(h->mesh, name);
	int is = *json_string_value(id) != '\0' && jsonlist_has(h->set->removed, id);

	json_decref(id);
	return (is);
}

void
kick_changed(struct hub *h)
{
	struct kick *k = h->kick;
	struct kicked *one, *tmp;

	k->changed_us = json_array_size(h->set->removed) > 0 ? mono_us() : 0;
	k->asked_us = 0;
	HASH_ITER(hh, k->links, one, tmp)
		if (h->mesh == NULL || !is_removed(h, one->name))
			drop_kicked(k, one);
}

static int
is_late(const struct kick *k)
{
	return (mono_us() - k->changed_us >= EAGER_US);
}

/* The server takes no such message that asks for no answer; what counts is whether the link is
 * still there at the next look. */
static void
kick_done_cb(const struct nats_msg *m, void *arg)
{
}

static void
kick_link(struct hub *h, const char *server, struct kicked *one)
{
	uint64_t number = natsd_leaf_number(supervisor_natsd(h->sup), one->address);
	char *subject, *which;

	if (number == 0)
		return;
	subject = xasprintf("$SYS.REQ.SERVER.%s.KICK", server);
	which = xasprintf("{\"cid\":%" PRIu64 "}", number);
	nats_request(h->hub, subject, which, strlen(which), ASK_MS, kick_done_cb, NULL);
	one->kicked = 1;
	free(which);
	free(subject);
}

static void
say_late(struct hub *h, struct kicked *one)
{
	if (one->said || !is_late(h->kick))
		return;
	one->said = 1;
	log_warnx("hub: node %s was removed, but there is still a leaf link of it, from %s: it is "
		  "ended again and again",
	    one->name, one->address);
	supervisor_changed(h->sup);
}

static void
see_link(struct hub *h, const char *server, const json_t *link)
{
	const char *name = json_string_value(json_object_get(link, "name"));
	struct kicked *one;

	HASH_FIND_STR(h->kick->links, name, one);
	if (one == NULL) {
		one = xcalloc(1, sizeof(*one));
		one->name = xstrdup(name);
		HASH_ADD_KEYPTR(hh, h->kick->links, one->name, strlen(one->name), one);
	}
	free(one->address);
	one->address = address_join(json_string_value(json_object_get(link, "ip")),
	    (unsigned)json_integer_value(json_object_get(link, "port")));
	one->seen_us = mono_us();
	kick_link(h, server, one);
	say_late(h, one);
}

/* Whom nothing was seen of for so long has no link any more. */
static void
forget_gone(struct hub *h)
{
	struct kicked *one, *tmp;

	HASH_ITER(hh, h->kick->links, one, tmp) {
		if (mono_us() - one->seen_us < GONE_US)
			continue;
		if (one->kicked)
			log_info(
			    "hub: the leaf link of node %s, which was removed, from %s is ended",
			    one->name, one->address);
		drop_kicked(h->kick, one);
		supervisor_changed(h->sup);
	}
}

static void
kick_leafz_cb(const struct nats_msg *m, void *arg)
{
	struct hub *h = arg;
	char *server = NULL;
	json_t *links = m != NULL ? mesh_read_leafz(m->data, m->len, &server) : NULL, *link;
	size_t i;

	json_array_foreach(links, i, link)
		if (is_removed(h, json_string_value(json_object_get(link, "name"))))
			see_link(h, server, link);
	if (links != NULL)
		forget_gone(h);
	json_decref(links);
	free(server);
}

void
kick_look(struct hub *h)
{
	struct kick *k = h->kick;
	char *question;

	if (k->changed_us == 0 || !nats_is_up(h->hub) ||
	    (is_late(k) && mono_us() - k->asked_us < LATER_US))
		return;
	k->asked_us = mono_us();
	question = xasprintf("{\"server_name\":\"%s-hub.%s\"}", h->set->node,
	    supervisor_instance(h->sup));
	nats_request(h->hub, MESH_LEAFZ_SUBJECT, question, strlen(question), ASK_MS, kick_leafz_cb,
	    h);
	free(question);
}

json_t *
kick_lasting(const struct hub *h)
{
	json_t *list = json_array();

	for (const struct kicked *one = h->kick->links; one != NULL; one = one->hh.next)
		if (one->said)
			json_array_append_new(list,
			    json_pack("{s:s, s:s}", "node_name", one->name, "address",
				one->address));
	return (list);
}
