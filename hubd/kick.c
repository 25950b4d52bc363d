#include "config.h"

#include "hubd/kick.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/address.h"
#include "common/base/clock.h"
#include "common/base/jsonlist.h"
#include "common/base/log.h"
#include "common/base/mem.h"

/*
 * The reload takes a moment, and who is kicked before it comes back at once.  Who comes back later
 * has shown another certificate, which is another node's.
 */
#define KICK_US 10000000
#define ASK_MS  2000

void
kick_changed(struct hub *h)
{
	h->kick_until = json_array_size(h->set->removed) > 0 ? mono_us() + KICK_US : 0;
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

/* The server takes no such message that asks for no answer; what counts is whether the link is
 * still there at the next look. */
static void
kick_done_cb(const struct nats_msg *m, void *arg)
{
}

static void
kick_link(struct hub *h, const char *server, const json_t *link)
{
	const char *name = json_string_value(json_object_get(link, "name"));
	char *address = address_join(json_string_value(json_object_get(link, "ip")),
	    (unsigned)json_integer_value(json_object_get(link, "port")));
	uint64_t number = natsd_leaf_number(supervisor_natsd(h->sup), address);
	char *subject = xasprintf("$SYS.REQ.SERVER.%s.KICK", server);
	char *which = xasprintf("{\"cid\":%" PRIu64 "}", number);

	if (number != 0) {
		nats_request(h->hub, subject, which, strlen(which), ASK_MS, kick_done_cb, NULL);
		log_info("hub: the leaf link of node %s, which was removed, from %s is ended", name,
		    address);
	}
	free(which);
	free(subject);
	free(address);
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
			kick_link(h, server, link);
	json_decref(links);
	free(server);
}

void
kick_look(struct hub *h)
{
	char *question;

	if (mono_us() >= h->kick_until || !nats_is_up(h->hub))
		return;
	question = xasprintf("{\"server_name\":\"%s-hub.%s\"}", h->set->node,
	    supervisor_instance(h->sup));
	nats_request(h->hub, MESH_LEAFZ_SUBJECT, question, strlen(question), ASK_MS, kick_leafz_cb,
	    h);
	free(question);
}
