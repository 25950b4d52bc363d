#ifndef HL_SUPERVISOR_H
#define HL_SUPERVISOR_H

#include <jansson.h>

#include "common/conf/settings.h"
#include "common/ipc/chan.h"
#include "common/ipc/svc.h"

/*
 * What hubd and leafd are alike in: opsd tells them how their node is to be, each has a nats-server
 * (natsd.h) that runs while clustering is enabled, or a connection to external ones (nats.urls), and
 * opsd is told how that goes.  Settings that are of no use change nothing but what is told.  Other
 * ones for what is external begin the daemon anew.  Without opsd all goes on as it was told last.  On
 * the loop's thread.
 */
struct supervisor;
struct nats;
struct natsd;

struct supervisor_ops {
	const char *name;   /* "hub", "leaf": the server's, as in natsd_opts */
	const char *folder; /* its files, in the node's: "clustering/hub" */
	enum role role;
	uint16_t state_type; /* the message with the state: MSG_MESH, MSG_LEAF_STATE */
	const struct chan_handler *handlers; /* beside SETTINGS and RESTART; called with our arg */
	void (*up)(struct chan *opsd, void *arg); /* these two may be NULL */
	void (*down)(struct chan *opsd, void *arg);
	/*
	 * New settings, valid until the next; `was` until this returns, NULL: none.  Either they are
	 * enabled, and supervisor_configure is called; or whatever uses the server lets go of it, and it is
	 * stopped next.
	 */
	void (*apply)(const struct settings *was, const struct settings *now, void *arg);
	/* With external servers: the connection, and what else keeps the daemon from its work, or NULL. */
	struct nats *(*connection)(void *arg);
	const char *(*fault)(void *arg);       /* NULL: nothing ever does */
	int (*prepare)(void *arg, char **err); /* as in natsd_opts */
	void (*ended)(void *arg);              /* the same; NULL: nothing to do */
	/*
	 * Add what is the daemon's own to {"server","counts":{"ended","renewed"},"handshakes"}.  Runs
	 * soon after supervisor_changed, and each second, whether opsd is there or not.
	 */
	void (*state)(json_t *state, void *arg);
	int (*restart)(void *arg); /* NULL, or 1: not at once, svc_restart is called later */
};

struct supervisor *supervisor_new(struct svc *svc, const struct supervisor_ops *ops, void *arg);
void supervisor_free(struct supervisor *s); /* the server is stopped, the channel freed */

struct chan *supervisor_opsd(const struct supervisor *s);
struct natsd *supervisor_natsd(const struct supervisor *s); /* NULL: not enabled */
/* New with each start of the process: what makes its server's name one of its own. */
const char *supervisor_instance(const struct supervisor *s);
/* of the server's system account, also new */
const char *supervisor_secret(const struct supervisor *s);

/* The server's configuration, as in natsd_configure; the first call starts it. */
void supervisor_configure(struct supervisor *s, const char *text, int restart);
/* As if there had been no settings: until the next. */
void supervisor_stop(struct supervisor *s);
/* What opsd is told may be something else: it is told soon, if so. */
void supervisor_changed(struct supervisor *s);

#endif
