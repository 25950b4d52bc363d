#ifndef HL_HUB_PRIV_H
#define HL_HUB_PRIV_H

#include <event2/event.h>
#include <jansson.h>
#include <stdint.h>

#include "common/conf/settings.h"
#include "common/ipc/svc.h"
#include "common/nats/nats.h"
#include "common/nats/natsd.h"
#include "common/nats/supervisor.h"
#include "hubd/copies.h"
#include "hubd/dialers.h"
#include "hubd/hub.h"
#include "hubd/mesh.h"

/*
 * What hub.c (the server, settings, opsd), discovery.c (who is in the mesh) and links.c (by which routes)
 * share.
 */
/*
 * Links that servers made because they heard of each other outlive the routes by which they did.
 * A server that starts anew has no other links than those that somebody has a route for, if it was
 * away for longer than the second after which others try once more.
 */
#define FORGET_MS    3000
#define REACHABLE_US 3000000 /* since its last answer */

struct hub {
	struct svc *svc;
	struct supervisor *sup;
	const struct settings *set; /* NULL: not told yet */
	char *dir;                  /* the server's files */
	char *advertise;            /* its name out of the certificate, or NULL */
	int new_certs;              /* the server's routes get new certificates */
	struct nats *hub, *leaf; /* our connections to the two servers; external ones: leaf alone */
	unsigned hub_ups, leaf_ups; /* how often they came up */
	char *hub_inbox, *leaf_inbox;
	char *ping; /* the subject of pings */
	struct mesh *mesh;
	uint64_t round;  /* the last look around */
	uint64_t looked; /* when we looked last, mono_us */
	uint64_t eager;  /* look around more often until then */
	struct requests *requests;
	struct network_call *calls;
	struct event *tick;
	json_t *reachable; /* these four are told to opsd: names */
	json_t *doubled;   /* names */
	json_t *conflicts; /* as in copies.h */
	json_t *unrouted;  /* names: linked, and no route leads here */
	struct copies *copies;
	struct dialers *dialers;
	json_t *dials;                    /* names that our routes lead to; NULL: not known */
	uint64_t dials_asked;             /* when the server was asked for them, mono_us */
	uint64_t none_since, ended_since; /* as dialers_look says; 0: not so */
	struct kick *kick;                /* removed nodes that have links (kick.h) */
};

/* links.c */
/* a route that was there is not */
int links_lost(const struct settings *was, const struct settings *now);
void links_changed(struct hub *h);       /* our routes did, or the way to our server was lost */
void links_look(struct hub *h);          /* called once in each look around */
void links_farewell(struct hub *h);      /* say that our last route is deleted, while we can */
int links_unrouted(const struct hub *h); /* as it is reported */
/* when nobody tries to reach the server, which was stopped */
void links_restart_later(struct hub *h);
void links_word_cb(const struct nats_msg *m, void *arg); /* MESH_ROUTES_WORD */

/* discovery.c */
/* what opsd is told of the mesh; also logged, when it changed */
void discovery_state(json_t *state, void *arg);
void discovery_eagerly(struct hub *h); /* whom we look for may be there in a moment */
void discovery_tick_cb(evutil_socket_t fd, short what, void *arg);
void discovery_ping_cb(const struct nats_msg *m, void *arg); /* MESH_PING_WORD */
/* answers to pings, by round */
void discovery_pong_cb(const struct nats_msg *m, void *arg);
void discovery_statsz_cb(const struct nats_msg *m, void *arg); /* MESH_STATSZ_SUBJECT's answers */
json_t *discovery_self(const struct hub *h); /* as we answer a ping; new reference */

#endif
