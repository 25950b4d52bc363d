#ifndef HL_HUB_H
#define HL_HUB_H

/*
 * hubd: the hub nats-server, its routes, who is reachable, and the questions
 * between nodes.  It dials opsd and does what its SETTINGS say; opsd may come
 * and go while the hub runs on.
 */
struct hub;
struct svc;

struct hub *hub_start(struct svc *svc);
void hub_stop(struct hub *h); /* and the server with it */

#endif
